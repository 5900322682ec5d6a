// Median, percentiles and spread of a handful of samples.

export interface Summary {
  readonly count: number
  readonly min: number
  readonly median: number
  readonly p95: number
  readonly max: number
}

/** Nearest-rank percentile of sorted samples. */
function rank(sorted: readonly number[], share: number): number {
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ??
    Number.NaN
  )
}

export function summarise(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b)
  return {
    count: sorted.length,
    min: sorted[0] ?? Number.NaN,
    median: rank(sorted, 0.5),
    p95: rank(sorted, 0.95),
    max: sorted.at(-1) ?? Number.NaN,
  }
}
