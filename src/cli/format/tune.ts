// The verdict of `tune` for a terminal: the advice first, what it rests on, what limits it.
import type { Advice, TailReport } from '../../measure/tune.js'
import { formatMs } from './measure.js'

export interface TuneSeries extends TailReport {
  readonly name: string
  /** Together from a node, on one link, or the lateness of the own thread. */
  readonly kind: 'peer' | 'link' | 'own'
  readonly intervalMs: number
}

export interface TuneReport {
  readonly node: string
  readonly measuredMs: number
  readonly riskPerSecond: number
  /** The smallest risk that a sample of this length can support. */
  readonly supportedPerSecond: number
  /** How long to measure for the stated one. */
  readonly neededMs: number
  readonly running: { readonly keepaliveMs: number; readonly deadtimeMs: number }
  readonly series: readonly TuneSeries[]
  /** The series that the advice rests on: the worst single link. */
  readonly decides: string | null
  readonly advice: Advice | null
  readonly limits: readonly string[]
}

export function formatTune(report: TuneReport): string {
  const { running } = report
  const times = `keepalive ${formatMs(running.keepaliveMs)}, deadtime ${formatMs(running.deadtimeMs)}`
  return [
    `${report.node}: ${span(report.measuredMs)} of heartbeats, running with ${times}`,
    ...adviceLines(report),
    '',
    `${'gaps'.padEnd(20)} ${'counted'.padStart(9)} ${'longest'.padStart(10)} ${'supported'.padStart(10)} ${'estimate'.padStart(10)}`,
    ...report.series.map(seriesLine),
    '',
    ...report.limits.map((limit) => `- ${limit}`),
  ].join('\n')
}

function adviceLines(report: TuneReport): string[] {
  const { advice, riskPerSecond, supportedPerSecond, neededMs, decides } = report
  const risk = `one false death in ${span(1000 / riskPerSecond)}`
  const words = advice === null ? null : `keepalive ${advice.keepaliveMs}ms, deadtime ${advice.deadtimeMs}ms`
  if (words !== null && advice?.by === 'sample') {
    return [`${words}: supported at ${risk}, 95 % confidence, with '${decides ?? ''}' as the only link`]
  }
  return [
    `${risk} is NOT supported by this sample: it supports one in ${span(1000 / supportedPerSecond)}`,
    `to support it, measure for ${span(neededMs)} without a longer gap (--for, or --all after that time)`,
    words === null ? 'too few gaps beyond the interval for an estimate either: measure longer'
      : `${words}: an ESTIMATE by the fitted tail of '${decides ?? ''}', at least twice the longest gap seen; no promise`,
  ]
}

function seriesLine(series: TuneSeries): string {
  const cell = (us: number | null): string => (us === null ? '-' : formatMs(us / 1000)).padStart(10)
  const name = `${{ peer: 'from', link: 'on', own: 'lateness of' }[series.kind]} ${series.name}`
  const cells = [series.maxUs, series.supportedUs, series.estimateUs].map(cell).join(' ')
  return `${name.padEnd(20)} ${String(series.gaps).padStart(9)} ${cells}`
}

const units: readonly (readonly [ms: number, word: string])[] = [
  [31_557_600_000, 'years'], [86_400_000, 'days'], [3_600_000, 'hours'], [60_000, 'minutes'], [1000, 's'],
]

/** A span as people say it, three digits at most. */
export function span(ms: number): string {
  const [unitMs, word] = units.find(([least]) => ms >= 2 * least) ?? [1000, 's']
  const value = ms / unitMs
  return `${value >= 1e6 ? value.toExponential(0) : value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()} ${word}`
}
