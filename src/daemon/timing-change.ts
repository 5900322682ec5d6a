// A reload that changes keepalive or deadtime, in an order in which no peer can take us for dead: the peer
// judges us by the dead time that our last heartbeat named. So the faster pace comes first and the longer
// dead time comes first; the slower pace and the shorter dead time follow when the peer has heard of them.
import type { EngineTiming } from '../engine/engine.js'

/** Heartbeats that may be lost before the peer must have heard of the change. */
const heartbeatsToBeHeard = 3

/** Null: the change can be made at once. */
export function bridgeTiming(before: EngineTiming, after: EngineTiming): EngineTiming | null {
  const { keepaliveUs, deadtimeUs } = before
  if (keepaliveUs === after.keepaliveUs && deadtimeUs === after.deadtimeUs) return null
  return {
    ...after,
    keepaliveUs: Math.min(keepaliveUs, after.keepaliveUs),
    deadtimeUs: Math.max(deadtimeUs, after.deadtimeUs),
  }
}

/** How long the bridge stands: the slowest link must have carried it. */
export function bridgeUs(before: EngineTiming, linkIntervalsUs: readonly number[]): number {
  return heartbeatsToBeHeard * Math.max(before.keepaliveUs, ...linkIntervalsUs)
}
