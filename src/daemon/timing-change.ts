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

/** What the engine is to do with a timing. */
export interface Paced {
  apply(timing: EngineTiming): void
  /** One heartbeat at once, so that the peer hears of it early. */
  announce(): void
  linkIntervalsUs(): readonly number[]
}

/** What the engine beats by: for a moment after a reload not yet the configured timing. */
export class PacedTiming {
  #bridge: NodeJS.Timeout | null = null

  constructor(public current: EngineTiming) {}

  /** Another pace or dead time goes over a bridge, so that no moment of it looks like death to the peer. */
  change(wanted: EngineTiming, engine: Paced): void {
    this.stop()
    const before = this.current
    const bridge = bridgeTiming(before, wanted)
    this.current = bridge ?? wanted
    engine.apply(this.current)
    if (bridge === null) return
    engine.announce()
    this.#bridge = setTimeout(() => {
      this.#bridge = null
      this.current = wanted
      engine.apply(wanted)
    }, bridgeUs(before, engine.linkIntervalsUs()) / 1000)
  }

  stop(): void {
    if (this.#bridge !== null) clearTimeout(this.#bridge)
    this.#bridge = null
  }
}
