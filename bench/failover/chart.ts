// A strip of dots for each system on one logarithmic axis, as SVG text.
import { quartilesOf, type Family } from './chart-data.js'
import { short } from './report.js'

export interface Row {
  readonly title: string
  readonly family: Family
  readonly values: readonly number[]
  /** Said in place of dots when there are none. */
  readonly remark: string
}

const width = 960
const labelWidth = 250
const numbersWidth = 170
const rowHeight = 30
const top = 34
const bottom = 12
const plotLeft = labelWidth
const plotRight = width - numbersWidth
const dotsHalf = 9

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')

const tickText = (ms: number): string => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`)

/** Whole decades around everything, never fewer than two. */
export function decadesOf(rows: readonly Row[]): { readonly low: number, readonly high: number } {
  const all = rows.flatMap((row) => row.values).filter((value) => value > 0)
  if (all.length === 0) return { low: -1, high: 1 }
  const low = Math.floor(Math.log10(Math.min(...all)))
  const high = Math.ceil(Math.log10(Math.max(...all)))
  return { low, high: Math.max(high, low + 2) }
}

/** Spread over the height of the row by their place in the sample, always the same way: no two pages differ by chance. */
function offsetOf(at: number): number {
  const golden = 0.618033988749895
  return ((at * golden) % 1) * 2 * dotsHalf - dotsHalf
}

function rowSvg(row: Row, at: number, xOf: (ms: number) => number): string {
  const y = top + at * rowHeight + rowHeight / 2
  const label = `<text class="label ${row.family}" x="${labelWidth - 14}" y="${y + 4}" text-anchor="end">${escaped(row.title)}</text>`
  const line = `<line class="lane" x1="${plotLeft}" x2="${plotRight}" y1="${y}" y2="${y}"/>`
  const quartiles = quartilesOf(row.values)
  if (quartiles === null) return `<g>${label}${line}<text class="remark" x="${plotLeft + 8}" y="${y + 4}">${escaped(row.remark)}</text></g>`
  const dots = row.values.map((value, index) =>
    `<circle cx="${xOf(value).toFixed(1)}" cy="${(y + offsetOf(index)).toFixed(1)}" r="2.6"/>`).join('')
  const { low, median, high, max } = quartiles
  const box = `<rect class="box" x="${xOf(low).toFixed(1)}" y="${y - 11}" width="${Math.max(1, xOf(high) - xOf(low)).toFixed(1)}" ` +
    `height="22" rx="4"/>`
  const bar = `<line class="median" x1="${xOf(median).toFixed(1)}" x2="${xOf(median).toFixed(1)}" y1="${y - 13}" y2="${y + 13}"/>`
  const numbers = `<text class="number" x="${plotRight + 96}" y="${y + 4}" text-anchor="end">${short(median)}</text>` +
    `<text class="number worst" x="${width - 6}" y="${y + 4}" text-anchor="end">${short(max)}</text>`
  const told = `${row.title}: median ${short(median)} ms, half between ${short(low)} and ${short(high)}, worst ${short(max)}, ` +
    `${row.values.length} tries`
  return `<g class="row ${row.family}"><title>${escaped(told)}</title>${label}${line}${box}${dots}${bar}${numbers}</g>`
}

export function stripChart(rows: readonly Row[], description: string): string {
  const { low, high } = decadesOf(rows)
  const height = top + rows.length * rowHeight + bottom
  const xOf = (ms: number): number => {
    const share = (Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low)
    return plotLeft + share * (plotRight - plotLeft)
  }
  const decades = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at))
  const grid = decades.map((ms) => {
    const x = xOf(ms).toFixed(1)
    const text = tickText(Number(ms.toPrecision(1)))
    return `<line class="grid" x1="${x}" x2="${x}" y1="${top - 6}" y2="${height - bottom}"/>` +
      `<text class="tick" x="${x}" y="${top - 14}" text-anchor="middle">${text}</text>`
  }).join('')
  const heads = `<text class="tick" x="${plotRight + 96}" y="${top - 14}" text-anchor="end">median ms</text>` +
    `<text class="tick" x="${width - 6}" y="${top - 14}" text-anchor="end">worst</text>`
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(description)}">${grid}${heads}` +
    `${rows.map((row, at) => rowSvg(row, at, xOf)).join('')}</svg>`
}
