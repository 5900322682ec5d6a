// The dead times as the engine applies them, and how often JavaScript shows that it lives.
import type { LimitFacts } from '../config/limits.js'
import type { EngineSnapshot } from '../engine/engine.js'

export function limitFactsOf({ deadtimeUs, links, realtime }: EngineSnapshot, watchdogUs: number): LimitFacts {
  const carrying = links.filter((link) => !link.type.startsWith('ping')).map((link) => link.deadtimeUs)
  return {
    deadtimeUs, leastDeadtimeUs: Math.min(deadtimeUs, ...carrying), realtime: realtime.scheduling === 'fifo', watchdogUs,
  }
}

/**
 * How often the shell shows that it lives, when nothing else makes it run. The first limit that it could miss is never
 * below two seconds, so that a short dead time is no reason to wake an idle daemon more often.
 */
export const renewEveryMs = 250
