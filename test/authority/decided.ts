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

const LAPSED = 'engine: main loop stood still'
const EXPIRED = 'engine: ownership over'

/** The first that matches: what ends a life stands before what follows from it. A guardian that found nothing did nothing. */
const LETTING_GO: readonly (readonly [RegExp, string])[] = [
  [/guardian\.acted: the daemon died.*?: [1-9]\d* addresses removed/, 'guardian: daemon died'],
  [/guardian\.acted: the daemon made no progress.*?: [1-9]\d* addresses removed/, 'guardian: no progress'],
  [/guardian\.acted: an ownership ended.*?: [1-9]\d* addresses removed/, 'guardian: ownership over'],
  [/guardian\.acted: .*?: [1-9]\d* addresses removed/, 'guardian'],
  [/daemon\.lapsed/, LAPSED],
  [/ownership\.expired/, EXPIRED],
  [/node\.paused/, 'engine: after its own pause'],
  [/handover\.releasing/, 'hand-over'],
]

/** How long the slowest change of an address took in the kernel, by the nodes' own words, in milliseconds. */
export function kernelTime(logs: readonly string[]): number {
  const words = /(?:addresses removed after|addresses added by the engine) (\d+) us/g
  return Math.max(0, ...logs.flatMap((log) => [...log.matchAll(words)].map((found) => Number(found[1]) / 1_000)))
}

/** Nothing but its lifetime takes an address from a node that stands still as a whole. */
const KERNEL = 'kernel: lifetime over'
const OUTSIDE = 'from outside'
/** What comes from outside is there at once. */
const OUTSIDE_MS = 1_000

export function decide({ struck, peer, address, figures, stands }: Told): Decided {
  const place = new RegExp(`(?:^|[ :])${address.replaceAll('.', '\\.')}(?!\\d)`)
  // One line may tell of several groups.
  const line = peer.split('\n').find((one) => one.includes('takeover.done:') && place.test(one)) ?? ''
  const by = / taken \(([^)]*)\) by authority (\w+)/.exec(line)
  const taken = by === null ? '-' : by[1] === by[2] ? (by[1] ?? '-') : `${by[1] ?? ''}, ${by[2] ?? ''}`
  return { letGo: lettingGo(struck, figures, { stands, taken }), taken }
}

function lettingGo(log: string, { goneMs, curedMs }: Told['figures'], seen: Pick<Told, 'stands'> & Pick<Decided, 'taken'>): string {
  if (goneMs === null) return '-'
  const found = LETTING_GO.find(([pattern]) => pattern.test(log))?.[1]
  // Whoever wakes up at the end of the fault has not done what happened before.
  if (seen.stands && goneMs < curedMs) return KERNEL
  if (found !== undefined) return found
  // Last words come from guardian or engine; a main loop that died before it could write said nothing.
  if (seen.taken === 'gasp') return LAPSED
  return goneMs < OUTSIDE_MS ? OUTSIDE : EXPIRED
}
