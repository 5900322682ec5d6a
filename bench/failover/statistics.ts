// Median, percentiles and spread of a handful of samples, and how sure one can be of them.

export interface Summary {
  readonly count: number
  readonly min: number
  readonly median: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

export interface Interval {
  readonly low: number
  readonly high: number
}

export const ascending = (samples: readonly number[]): number[] => [...samples].sort((a, b) => a - b)

/** Nearest-rank percentile of sorted samples: always a value that was measured. */
export function rank(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}

export function summarise(samples: readonly number[]): Summary {
  const sorted = ascending(samples)
  return {
    count: sorted.length,
    min: sorted[0] ?? Number.NaN,
    median: rank(sorted, 0.5),
    p95: rank(sorted, 0.95),
    p99: rank(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** Small, seeded: an interval must be the same each time the same numbers are read. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000
  }
}

const resamplings = 2000
const confidence = 0.95

/** Where a statistic of that many samples lies in 95 of 100 cases, by resampling what was measured. */
export function bootstrap(
  groups: readonly (readonly number[])[],
  statistic: (groups: readonly (readonly number[])[]) => number,
  seed = 1,
): Interval {
  if (groups.some((group) => group.length === 0)) return { low: Number.NaN, high: Number.NaN }
  const random = randomOf(seed)
  const drawn: number[] = []
  for (let round = 0; round < resamplings; round += 1) {
    drawn.push(statistic(groups.map((group) => group.map(() => group[Math.floor(random() * group.length)] ?? 0))))
  }
  const sorted = ascending(drawn)
  return { low: rank(sorted, (1 - confidence) / 2), high: rank(sorted, (1 + confidence) / 2) }
}

const medianOf = (samples: readonly number[] | undefined): number => rank(ascending(samples ?? []), 0.5)

export const medianInterval = (samples: readonly number[]): Interval =>
  bootstrap([samples], ([only]) => medianOf(only))

/** Median of the first over the median of the second, and how sure that is. */
export function ratioOfMedians(
  over: readonly number[],
  under: readonly number[],
): { readonly ratio: number } & Interval {
  const ratio = medianOf(over) / medianOf(under)
  return { ratio, ...bootstrap([over, under], ([a, b]) => medianOf(a) / medianOf(b)) }
}
