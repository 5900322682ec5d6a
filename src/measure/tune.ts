// What the gaps between heartbeats say about a dead time. Pure.
//
// Two answers that must not be mixed up:
//   supported  the sample itself bears it. A time that was exceeded k times in T is exceeded, with 95 % confidence, at
//              most at the rate that makes so few a 1-in-20 chance (Poisson; for k = 0 that is 3/T). No model.
//   estimate   a tail fitted to the largest gaps (Hill's estimator of a power law, its index at the lower end of its 95 %
//              interval, so a tail heavier than the likeliest one). It assumes that what was not seen is like what was.
// A risk below 3/T is never called supported: to support one event a year takes three years without a longer gap.

export const confidence = 0.95
/** At least as many gaps as this must be in the tail for a fit, and no more than that. */
const tailLeast = 20
const tailMost = 200
/** One-sided 95 % of the normal distribution: the error of Hill's index is index/sqrt(k). */
const sigmas = 1.645
/** A tail that thin is what the classes of the histogram make of it, not what was measured. */
const indexMost = 8

export interface GapCounts {
  readonly maxUs: number
  readonly classes: readonly (readonly [fromUs: number, count: number])[]
}

export interface Exposure {
  readonly seconds: number
  /** Taken off every gap: what is left is lateness and loss. */
  readonly intervalUs: number
}

export interface TailReport {
  readonly gaps: number
  readonly maxUs: number
  /** A gap this long or longer was not seen more often than the risk allows, with 95 % confidence. Null: too short a sample. */
  readonly supportedUs: number | null
  /** By the fitted tail, never below the longest that was seen. Null: too few gaps for a fit. */
  readonly estimateUs: number | null
}

/** What was counted after `before` was read. Null: the counting began anew between the two. */
export function countedSince(before: GapCounts, after: GapCounts): GapCounts | null {
  const earlier = new Map(before.classes)
  const classes = after.classes.map(([fromUs, count]) => [fromUs, count - (earlier.get(fromUs) ?? 0)] as const)
  const known = new Set(after.classes.map(([fromUs]) => fromUs))
  if (classes.some(([, count]) => count < 0) || before.classes.some(([fromUs]) => !known.has(fromUs))) return null
  const left = classes.filter(([, count]) => count > 0)
  const top = left.at(-1)
  if (top === undefined) return { maxUs: 0, classes: [] }
  const maxUs = after.maxUs > before.maxUs ? after.maxUs : Math.min(after.maxUs, endOf(top[0]))
  return { maxUs, classes: left }
}

/** End of the class that begins there: the engine has four to each doubling, the first from 0 to 160 us. */
export function endOf(fromUs: number): number {
  if (fromUs < 128) return 160
  const octave = 2 ** Math.floor(Math.log2(fromUs))
  return fromUs + octave / 4
}

export function judgeTail(counts: GapCounts, exposure: Exposure, riskPerSecond: number): TailReport {
  return {
    gaps: counts.classes.reduce((sum, [, count]) => sum + count, 0),
    maxUs: counts.maxUs,
    supportedUs: supported(counts, exposure.seconds, riskPerSecond),
    estimateUs: estimate(counts, exposure, riskPerSecond),
  }
}

function supported(counts: GapCounts, seconds: number, riskPerSecond: number): number | null {
  if (ratePerSecond(0, seconds) > riskPerSecond) return null
  let beyond = 0
  let best = counts.maxUs
  for (const [fromUs, count] of counts.classes.toReversed()) {
    beyond += count
    // Everything in the class may be as long as its end, so only its begin is surely exceeded by all of them.
    if (ratePerSecond(beyond, seconds) > riskPerSecond) break
    best = fromUs
  }
  return Math.max(best, 0)
}

/** The rate at or below which the true one is with 95 % confidence when so many were seen in that time. */
export function ratePerSecond(seen: number, seconds: number): number {
  if (seconds <= 0) return Infinity
  return poissonBound(seen) / seconds
}

/** The mean for which `seen` or fewer have a chance of 5 %. */
export function poissonBound(seen: number): number {
  let low = 0
  let high = seen + 10 + 6 * Math.sqrt(seen + 1)
  for (let round = 0; round < 60; round++) {
    const mean = (low + high) / 2
    if (chanceOfAtMost(seen, mean) > 1 - confidence) low = mean
    else high = mean
  }
  return high
}

function chanceOfAtMost(seen: number, mean: number): number {
  let term = -mean
  let sum = Math.exp(term)
  for (let count = 1; count <= seen; count++) {
    term += Math.log(mean / count)
    sum += Math.exp(term)
  }
  return sum
}

function estimate(counts: GapCounts, { seconds, intervalUs }: Exposure, riskPerSecond: number): number | null {
  const excess = counts.classes
    .map(([fromUs, count]) => ({ us: Math.min(endOf(fromUs), counts.maxUs) - intervalUs, count }))
    .filter(({ us }) => us > 0)
  const tail = largest(excess)
  const begin = tail?.[0]
  if (tail === null || begin === undefined) return null
  const total = tail.reduce((sum, { count }) => sum + count, 0)
  const logs = tail.reduce((sum, { us, count }) => sum + count * Math.log(us / begin.us), 0)
  if (logs === 0) return null
  const index = Math.min(indexMost, (total / logs) * (1 - sigmas / Math.sqrt(total)))
  const excessUs = begin.us * Math.max(1, total / (seconds * riskPerSecond)) ** (1 / index)
  return Math.max(counts.maxUs, intervalUs + excessUs)
}

/** The classes of the largest, whole classes only; null when there are too few, or all in one class. */
function largest(excess: readonly { us: number; count: number }[]): { us: number; count: number }[] | null {
  let total = 0
  const tail: { us: number; count: number }[] = []
  for (const entry of excess.toReversed()) {
    if (total >= tailLeast && (total + entry.count > tailMost || tail.length > 1)) break
    total += entry.count
    tail.unshift(entry)
  }
  return total >= tailLeast && tail.length > 1 ? tail : null
}

// ------------------------------------------------------------------------------------------------- advice

export interface Advice {
  readonly keepaliveMs: number
  readonly deadtimeMs: number
  /** `sample`: the sample supports it at the stated risk; `estimate`: only the fitted tail does. */
  readonly by: 'sample' | 'estimate'
}

/** Beats faster than a tenth of what lateness costs buy nothing but work. */
const beatShare = 10
/** Two heartbeats in a row may be lost beside all lateness. */
const beatsSpared = 3
/** An estimate must not come near what has already been seen. */
const seenFactor = 2
const beatsMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]

/** Null: there is neither enough for a claim nor for an estimate. */
export function advise(tail: TailReport, intervalUs: number): Advice | null {
  const by = tail.supportedUs === null ? 'estimate' : 'sample'
  const gapUs = tail.supportedUs ?? (tail.estimateUs === null ? null : Math.max(tail.estimateUs, seenFactor * tail.maxUs))
  if (gapUs === null || tail.gaps === 0) return null
  const excessMs = Math.max(0, gapUs - intervalUs) / 1000
  const keepaliveMs = beatsMs.find((ms) => ms >= excessMs / beatShare) ?? beatsMs.at(-1) ?? 1
  return { keepaliveMs, deadtimeMs: Math.ceil(excessMs + beatsSpared * keepaliveMs), by }
}

const secondsOf: Readonly<Record<string, number>> = {
  hour: 3600, day: 86_400, week: 604_800, month: 2_629_800, year: 31_557_600,
}

/** `1/year`, `0.1/week`, `1e-9` (a year) -> a second; null when it is neither. */
export function parseRisk(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?(?:e-?\d+)?)(?:\/(hour|day|week|month|year))?$/i.exec(text)
  const value = Number(match?.[1])
  if (match === null || !(value > 0)) return null
  return value / (secondsOf[(match[2] ?? 'year').toLowerCase()] ?? NaN)
}

/** How long nothing longer may be seen for the risk to be supported. */
export const neededSeconds = (riskPerSecond: number): number => poissonBound(0) / riskPerSecond
