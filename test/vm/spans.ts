// Who was seen to hold what, and when: sights of the same holder that follow each other closely are one span.
import { epochMs } from '../../lab/owners.js'

export interface Span {
  readonly what: string
  readonly by: string
  readonly fromMs: number
  readonly toMs: number
}

export interface Overlap {
  readonly what: string
  readonly by: readonly [string, string]
  readonly fromMs: number
  readonly ms: number
}

/** A machine that stood still for so long was not seen to hold anything meanwhile. */
const GAP_MS = 1_500

export class SpanBook {
  readonly #spans: { what: string; by: string; fromMs: number; toMs: number }[] = []
  readonly #open = new Map<string, { toMs: number }>()

  see(what: string, by: string, atMs: number): void {
    const key = `${what} ${by}`
    const span = this.#open.get(key)
    if (span !== undefined && atMs - span.toMs <= GAP_MS) {
      span.toMs = atMs
      return
    }
    const begun = { what, by, fromMs: atMs, toMs: atMs }
    this.#open.set(key, begun)
    this.#spans.push(begun)
  }

  spans(what: string, sinceMs = 0): Span[] {
    return this.#spans.filter((span) => span.what === what && span.toMs >= sinceMs)
  }

  /** Times in which two were seen to hold the same. */
  overlaps(sinceMs: number): Overlap[] {
    return this.#spans.flatMap((one, index) => this.#spans.slice(index + 1).flatMap((other) => {
      if (one.what !== other.what || one.by === other.by) return []
      const fromMs = Math.max(one.fromMs, other.fromMs, sinceMs)
      const ms = Math.min(one.toMs, other.toMs) - fromMs
      return ms > 0 ? [{ what: one.what, by: [one.by, other.by] as const, fromMs, ms }] : []
    }))
  }

  /** The longest time since then in which nobody was seen to hold it. */
  longestGapMs(what: string, sinceMs: number, untilMs = epochMs()): number {
    let coveredMs = sinceMs
    let longest = 0
    for (const { fromMs, toMs } of this.spans(what, sinceMs).sort((x, y) => x.fromMs - y.fromMs)) {
      longest = Math.max(longest, fromMs - coveredMs)
      coveredMs = Math.max(coveredMs, toMs)
    }
    return Math.max(longest, untilMs - coveredMs)
  }
}
