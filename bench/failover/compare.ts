// Two runs side by side: is the second faster, and could chance alone have made the difference?
import { cellsOf, short, values } from './report.js'
import type { Results } from './results-file.js'
import { medianInterval, ratioOfMedians, summarise } from './statistics.js'

export interface Comparison {
  readonly system: string
  readonly title: string
  readonly fault: string
  readonly group: string
  readonly before: { readonly median: number, readonly low: number, readonly high: number, readonly count: number }
  readonly after: { readonly median: number, readonly low: number, readonly high: number, readonly count: number }
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly verdict: 'faster' | 'slower' | 'no difference shown'
}

export function compare(before: Results, after: Results): Comparison[] {
  const others = cellsOf(after)
  return cellsOf(before).flatMap((cell) => {
    const other = others.find((one) => one.system === cell.system && one.fault === cell.fault && one.group === cell.group)
    const [a, b] = [values(cell, 'takeoverMs'), other === undefined ? [] : values(other, 'takeoverMs')]
    if (a.length === 0 || b.length === 0) return []
    const { ratio, low, high } = ratioOfMedians(b, a)
    const side = (samples: readonly number[]) => ({
      median: summarise(samples).median, ...medianInterval(samples), count: samples.length,
    })
    const verdict = high < 1 ? 'faster' as const : low > 1 ? 'slower' as const : 'no difference shown' as const
    return [{
      system: cell.system, title: cell.title, fault: cell.fault, group: cell.group, before: side(a), after: side(b),
      ratio, low, high, verdict,
    }]
  })
}

export function compareText(rows: readonly Comparison[]): string {
  const side = (one: Comparison['before']): string => `${short(one.median)} (${short(one.low)} to ${short(one.high)}) n=${one.count}`
  const line = (cells: readonly string[]): string =>
    cells.map((cell, at) => (at < 2 ? cell.padEnd([32, 10][at] ?? 0) : cell.padStart([32, 32, 28][at - 2] ?? 22))).join('')
  return `${[
    'takeover, median and where it lies in 95 of 100 cases, milliseconds',
    line(['', '', 'before', 'after', 'after / before', '']),
    ...rows.map((row) => line([row.title, `${row.fault}${row.group === 'service' ? '+' : ''}`, side(row.before), side(row.after),
      `${row.ratio.toFixed(2)} (${row.low.toFixed(2)} to ${row.high.toFixed(2)})`, row.verdict])),
  ].join('\n')}\n`
}
