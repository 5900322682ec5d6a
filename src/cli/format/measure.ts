// A measurement for a terminal: the line that changes while it goes on, and the page at its end.
import type { HistogramClass } from '../../measure/histogram.js'
import type { MeasureReport, OutageReport, Tally } from '../../measure/report.js'

const outagesShown = 20
const changesShown = 20
const barColumns = 40

export function formatMs(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`
}

export function formatProgress(tally: Tally, elapsedMs: number, runningMs: number | null): string {
  const outages = tally.outageCount === 0 ? 'no outage' : `${tally.outageCount} outages, longest ${formatMs(tally.longestMs)}`
  const trip = tally.medianTripMs === null ? 'no answer yet' : `round trip ${formatMs(tally.medianTripMs)}`
  const now = runningMs === null ? '' : `  SILENT for ${formatMs(runningMs)}`
  const owner = tally.owner === null ? '' : `  owner ${tally.owner}`
  return `${(elapsedMs / 1000).toFixed(1)} s  ${tally.answered} of ${tally.sent} answered  ${outages}  ${trip}${owner}${now}`
}

export function formatMeasurement(report: MeasureReport): string {
  return [
    headline(report), verdictLine(report), '', ...probeLines(report), ...outageLines(report), ...ownerLines(report),
    ...tripLines(report), ...report.warnings.map((warning) => `! ${warning}`),
  ].join('\n')
}

function headline(report: MeasureReport): string {
  const by = report.port === null ? report.probe : `${report.probe} port ${report.port}`
  return `${report.address} by ${by}, every ${formatMs(report.everyMs)} for ${formatMs(report.measuredMs)}, from ${report.startedAt}`
}

function verdictLine(report: MeasureReport): string {
  const { longestMs, count } = report.outages
  if (report.verdict === 'silent') return 'never an answer'
  const longest = count === 0 ? `no wait of more than ${formatMs(report.outageFromMs)}` : `longest outage ${formatMs(longestMs)}`
  if (report.outageMaxMs === null) return longest
  return `${longest}: ${report.verdict === 'fine' ? 'within' : 'MORE THAN'} the allowed ${formatMs(report.outageMaxMs)}`
}

function probeLines(report: MeasureReport): string[] {
  const { sent, answered, lost, strayLost, refused, unsent, unsentReason } = report.probes
  const share = sent === 0 ? 0 : (100 * lost) / sent
  const own = report.own
  return [
    `probes      ${sent} sent, ${answered} answered, ${lost} lost (${share.toFixed(2)} %), ${strayLost} of them outside of outages`,
    ...(refused > 0 ? [`            ${refused} refused: somebody has the address, nobody serves the port`] : []),
    ...(unsent > 0 ? [`            ${unsent} could not be sent by this machine (${unsentReason ?? ''}): not counted`] : []),
    `measurer    late ${own.lateCount} times, ${formatMs(own.lateTotalMs)} in all, at most ${formatMs(own.lateMaxMs)}`,
  ]
}

function outageLines(report: MeasureReport): string[] {
  const { count, totalMs, list } = report.outages
  if (count === 0) return ['outages     none']
  const shown = list.slice(0, outagesShown)
  const rest = count - shown.length
  return [
    `outages     ${count}, ${formatMs(totalMs)} in all; each is exact to ${formatMs(report.everyMs)}`,
    ...shown.map((outage) => `  at ${seconds(outage.fromMs)}  ${describeOutage(outage)}`),
    ...(rest > 0 ? [`  and ${rest} more: --json has them`] : []),
  ]
}

export function describeOutage(outage: OutageReport): string {
  const late = outage.lateMs > 0 ? `, ${formatMs(outage.lateMs)} of the measurer's own taken off` : ''
  return `${formatMs(outage.lengthMs)}, ${outage.unanswered} probes without answer${late}${outage.over ? '' : ', not over'}`
}

function ownerLines(report: MeasureReport): string[] {
  const { first, changeCount, changes, answeredBy } = report.owner
  const names = Object.entries(answeredBy).map(([name, count]) => `${name} ${count}`)
  return [
    `owner       ${first === null ? 'no hardware address seen: behind a router, or on this machine' : `${first}, ${changeCount} changes`}`,
    ...changes.slice(0, changesShown).map((change) => `  at ${seconds(change.atMs)}  ${change.from ?? 'nobody'} -> ${change.to}`),
    ...(changeCount > changesShown ? [`  and ${changeCount - changesShown} more: --json has them`] : []),
    ...(names.length > 0 ? [`answered by ${names.join(', ')}`] : []),
  ]
}

function tripLines(report: MeasureReport): string[] {
  const trip = report.roundTrip
  if (trip === null) return []
  const words = [
    `least ${formatMs(trip.minMs)}`, `median ${formatMs(trip.medianMs)}`, `99 % ${formatMs(trip.p99Ms)}`, `most ${formatMs(trip.maxMs)}`,
  ]
  return [`round trip  ${words.join(', ')}`, ...bars(report.roundTripClasses)]
}

/** One line for each doubling: finer classes are in `--json`. */
function bars(classes: readonly HistogramClass[]): string[] {
  const octaves = new Map<number, number>()
  for (const { fromUs, count } of classes) {
    const octave = fromUs < 1 ? 0 : Math.floor(Math.log2(fromUs))
    octaves.set(octave, (octaves.get(octave) ?? 0) + count)
  }
  const most = Math.max(...octaves.values())
  return [...octaves.entries()].sort(([a], [b]) => a - b).map(([octave, count]) => {
    const bar = '#'.repeat(Math.max(1, Math.round((barColumns * count) / most)))
    return `  < ${formatMs(2 ** (octave + 1) / 1000).padStart(9)}  ${String(count).padStart(8)}  ${bar}`
  })
}

const seconds = (value: number): string => `${(value / 1000).toFixed(3)} s`
