// How long JavaScript may stand still before the engine draws its conclusions; all of it follows from the dead times.
import type { ControllerLimits } from '../engine/authority.js'
import type { EngineSnapshot } from '../engine/engine.js'

export interface LimitFacts {
  /** The largest of all links: what the peer waits for. */
  readonly deadtimeUs: number
  /** The smallest of all links: how soon a frozen engine is noticed by the peer. */
  readonly leastDeadtimeUs: number
  readonly realtime: boolean
  /** 0: no watchdog. */
  readonly watchdogUs: number
}

export function limitFactsOf({ deadtimeUs, links, realtime }: EngineSnapshot, watchdogUs: number): LimitFacts {
  const carrying = links.filter((link) => !link.type.startsWith('ping')).map((link) => link.deadtimeUs)
  return {
    deadtimeUs, leastDeadtimeUs: Math.min(deadtimeUs, ...carrying), realtime: realtime.scheduling === 'fifo', watchdogUs,
  }
}

const second = 1_000_000
const renewMostMs = 250

export function controllerLimits(facts: LimitFacts): ControllerLimits {
  const { deadtimeUs, leastDeadtimeUs, realtime, watchdogUs } = facts
  const releaseUs = Math.max(10 * second, 2 * deadtimeUs)
  return {
    withholdUs: Math.max(2 * second, Math.round(deadtimeUs / 2)),
    releaseUs,
    resetUs: watchdogUs === 0 ? 0 : releaseUs + watchdogUs,
    // Without a real-time class a busy machine alone makes an engine late by more than that.
    freezeUs: realtime ? Math.max(second / 20, Math.round(0.8 * leastDeadtimeUs)) : Math.max(second, 2 * leastDeadtimeUs),
  }
}

/** How often the shell shows that it lives, when nothing else makes it run. */
export const renewEveryMs = (deadtimeUs: number): number => Math.max(1, Math.min(renewMostMs, Math.round(deadtimeUs / 4000)))
