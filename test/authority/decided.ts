// Who let go of the address of the struck node, and what gave its peer the right to take it, as both nodes wrote down.
import type { Figures } from './judge.js'

export interface Decided {
  readonly letGo: string
  readonly taken: string
}

export interface Told {
  /** What each wrote since the fault. */
  readonly struck: string
  readonly peer: string
  readonly address: string
  readonly figures: Pick<Figures, 'goneMs' | 'curedMs'>
  /** Nothing on the struck node could act before the fault was over. */
  readonly stands: boolean
}

/** The first that matches: what ends a life stands before what follows from it. A guardian that found nothing did nothing. */
const LETTING_GO: readonly (readonly [RegExp, string])[] = [
  [/guardian\.acted: the daemon died.*?: [1-9]\d* addresses removed/, 'guardian: daemon died'],
  [/guardian\.acted: the daemon made no progress.*?: [1-9]\d* addresses removed/, 'guardian: no progress'],
  [/guardian\.acted: an ownership ended.*?: [1-9]\d* addresses removed/, 'guardian: ownership over'],
  [/guardian\.acted: .*?: [1-9]\d* addresses removed/, 'guardian'],
  [/daemon\.lapsed/, 'engine: main loop stood still'],
  [/ownership\.expired/, 'engine: ownership over'],
  [/node\.paused/, 'engine: after its own pause'],
  [/handover\.releasing/, 'hand-over'],
]

/** Nothing but its lifetime takes an address from a node that stands still as a whole. */
const KERNEL = 'kernel: lifetime over'
const OUTSIDE = 'from outside'
/** What comes from outside is there at once. */
const OUTSIDE_MS = 1_000

export function decide({ struck, peer, address, figures, stands }: Told): Decided {
  const place = address.replaceAll('.', '\\.')
  const by = new RegExp(`takeover\\.done: (?:\\S*:)?${place}(?!\\d)\\S* taken \\(([^)]*)\\) by authority (\\w+)`).exec(peer)
  const taken = by === null ? '-' : by[1] === by[2] ? (by[1] ?? '-') : `${by[1] ?? ''}, ${by[2] ?? ''}`
  return { letGo: lettingGo(struck, figures, stands), taken }
}

function lettingGo(log: string, { goneMs, curedMs }: Told['figures'], stands: boolean): string {
  if (goneMs === null) return '-'
  const found = LETTING_GO.find(([pattern]) => pattern.test(log))?.[1]
  // Whoever wakes up at the end of the fault has not done what happened before.
  if (stands && goneMs < curedMs) return KERNEL
  return found ?? (goneMs < OUTSIDE_MS ? OUTSIDE : KERNEL)
}
