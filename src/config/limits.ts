// How long JavaScript may stand still before the engine draws its conclusions; all of it follows from the dead times.
// `check` prints them, the daemon gives them to the engine.

export interface LimitFacts {
  /** The largest of all links: what the peer waits for. */
  readonly deadtimeUs: number
  /** The smallest of all links: how soon a frozen engine is noticed by the peer. */
  readonly leastDeadtimeUs: number
  readonly realtime: boolean
  /** 0: no watchdog. */
  readonly watchdogUs: number
}

export interface StandstillLimits {
  readonly withholdUs: number
  readonly releaseUs: number
  readonly resetUs: number
  readonly freezeUs: number
}

const second = 1_000_000

export function controllerLimits(facts: LimitFacts): StandstillLimits {
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
