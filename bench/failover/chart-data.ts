import { ascending, rank } from './statistics.js'

export type { Family } from './systems/system.js'

export interface Quartiles {
  readonly low: number
  readonly median: number
  readonly high: number
  readonly max: number
}

/** Null of nothing. */
export function quartilesOf(values: readonly number[]): Quartiles | null {
  const sorted = ascending(values)
  if (sorted.length === 0) return null
  return { low: rank(sorted, 0.25), median: rank(sorted, 0.5), high: rank(sorted, 0.75), max: rank(sorted, 1) }
}
