// The results as a table on a terminal.
import { faultTexts, type Fault, type GroupKind, type Sample } from './samples.js'
import type { Results } from './results-file.js'
import { summarise, type Summary } from './statistics.js'
import { systems } from './systems/table.js'

/** All tries of one system, fault and kind of group that count. */
export interface Cell {
  readonly system: string
  readonly title: string
  readonly fault: Fault
  readonly group: GroupKind
  readonly samples: readonly Sample[]
  readonly voided: number
  /** Tries in which nobody took over within the limit. */
  readonly missed: number
}

export const values = (cell: Cell, field: 'takeoverMs' | 'outageMs' | 'addedMs' | 'arpMs'): number[] =>
  cell.samples.map((sample) => sample[field]).filter((value): value is number => value !== null)

export function cellsOf(results: Results): Cell[] {
  const order = systems.map((one) => one.key)
  const found = new Map<string, Sample[]>()
  for (const sample of results.samples) {
    const name = `${sample.fault} ${sample.group} ${sample.system}`
    found.set(name, [...(found.get(name) ?? []), sample])
  }
  const cells = [...found.values()].flatMap((some) => {
    const [first] = some
    if (first === undefined) return []
    const samples = some.filter((sample) => sample.voided === null)
    return [{
      system: first.system, title: systems.find((one) => one.key === first.system)?.title ?? first.system,
      fault: first.fault, group: first.group, samples, voided: some.length - samples.length,
      missed: samples.filter((sample) => sample.takeoverMs === null).length,
    }]
  })
  const faultOrder = Object.keys(faultTexts)
  return cells.sort((a, b) => faultOrder.indexOf(a.fault) - faultOrder.indexOf(b.fault)
    || a.group.localeCompare(b.group) || order.indexOf(a.system) - order.indexOf(b.system))
}

export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '-'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const spread = (summary: Summary): string => `${short(summary.min)} / ${short(summary.median)} / ${short(summary.max)}`

export const columns = [
  'tries', 'takeover min / median / max', 'outage median / max', 'address', 'ARP', 'two owners', 'after heal',
] as const

/** First and last of many. */
function lastOf(cell: Cell): string | null {
  const last = cell.samples.map((one) => one.lastAddedMs).filter((value): value is number => value !== undefined && value !== null)
  return last.length === 0 ? null : `${short(summarise(values(cell, 'addedMs')).median)} to ${short(summarise(last).median)}`
}

export function rowOf(cell: Cell): string[] {
  const takeover = summarise(values(cell, 'takeoverMs'))
  const outage = summarise(values(cell, 'outageMs'))
  const two = cell.samples.map((sample) => sample.twoOwnersMs)
  const untilHeal = cell.samples.filter((sample) => sample.twoUntilHeal).length
  const twice = summarise(cell.samples.map((sample) => sample.reachableTwiceMs))
  const withTwo = two.filter((ms) => ms > 0).length
  const owners = withTwo === 0 ? '0' : untilHeal > 0 ? `until the restart in ${untilHeal}` : `${short(Math.max(...two))} in ${withTwo}`
  const notes = [cell.voided > 0 ? `${cell.voided} void` : '', cell.missed > 0 ? `${cell.missed} none` : ''].filter((one) => one !== '')
  return [
    `${cell.samples.length}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`,
    takeover.count === 0 ? '-' : spread(takeover),
    outage.count === 0 ? '-' : `${short(outage.median)} / ${short(outage.max)}`,
    lastOf(cell) ?? short(summarise(values(cell, 'addedMs')).median), short(summarise(values(cell, 'arpMs')).median),
    owners, `${short(twice.median)} / ${short(twice.max)}`,
  ]
}

export function terminalReport(results: Results): string {
  const lines: string[] = []
  let heading = ''
  const head = results.heads.at(-1)
  if (head !== undefined) lines.push(`${head.machine}, ${head.kernel}, Node ${head.node}`)
  lines.push('milliseconds from the fault')
  for (const cell of cellsOf(results)) {
    const wanted = `${cell.fault}: ${faultTexts[cell.fault]}${cell.group === 'service' ? '; address and service' : ''}`
    const widths = [16, 30, 23, 15, 9, 26, 16]
    const line = (first: string, cells: readonly string[]): string =>
      `  ${first.padEnd(32)}${cells.map((one, at) => one.padStart(widths[at] ?? 10)).join('')}`
    if (wanted !== heading) {
      heading = wanted
      lines.push('', wanted, line('', columns))
    }
    lines.push(line(cell.title, rowOf(cell)))
  }
  for (const cost of results.costs) {
    const sum = cost.processes.reduce((total, one) => total + one.cpuPercent, 0)
    const rss = cost.processes.reduce((total, one) => total + one.rssKiB, 0) / 1024
    lines.push(`${cost.system} ${cost.role}: ${sum.toFixed(3)} % of a core, ${rss.toFixed(1)} MiB`)
  }
  for (const one of results.stresses) {
    lines.push(`${one.system} under load for ${one.seconds} s: ${one.moves} moves, ${one.movesInStalls} of them in ` +
      `${one.stalls} stalls of the machine (longest ${short(one.longestStallMs)} ms)` +
      (one.coreStalls === undefined ? '' : `, ${one.movesInCoreStalls ?? 0} in ${one.coreStalls} of one processor or more ` +
        `(longest ${short(one.longestCoreStallMs ?? null)} ms)`) +
      ((one.rescues ?? null) === null ? '' : `, engine moved ${one.rescues} times`) +
      ((one.stands ?? null) === null ? '' : `, other node asked to wait ${one.stands} times`) + `; longest gap between heartbeats ` +
      `${short(one.longestGapMs)} ms`)
  }
  return `${lines.join('\n')}\n`
}
