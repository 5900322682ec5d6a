// One page that needs nothing but itself: what a client sees of each fault, for every system, as a picture and as numbers.
import { stripChart, type Row } from './chart.js'
import { goalsOf } from './goals.js'
import { cellsOf, columns, rowOf, short, values, type Cell } from './report.js'
import { setUpsOf, type Results } from './results-file.js'
import { expectsTakeover, faultTexts, type Fault } from './samples.js'
import { summarise } from './statistics.js'
import { systems } from './systems/table.js'

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

const titleOf = (key: string): string => systems.find((one) => one.key === key)?.title ?? key

type Palette = Readonly<Record<string, string>>
const light: Palette = {
  page: '#fff', ink: '#15181d', soft: '#5b6370', line: '#e4e7ec', lane: '#eef0f3', ours: '#1f6feb', peer: '#d9730d', other: '#7b8494',
  good: '#1a7f37', bad: '#c93c37',
}
const dark: Palette = {
  page: '#0f1216', ink: '#eceff3', soft: '#98a2b0', line: '#2a303a', lane: '#1b2027', ours: '#58a6ff', peer: '#f0a04b', other: '#9aa4b2',
  good: '#56d364', bad: '#ff7b72',
}
const variables = (palette: Palette): string => Object.entries(palette).map(([name, colour]) => `--${name}:${colour}`).join(';')

const font = 'system-ui,-apple-system,"Segoe UI",Roboto,sans-serif'
const chartStyle = `
svg{font:13px ${font}}
.grid{stroke:var(--line)}.lane{stroke:var(--lane)}.tick,.remark{fill:var(--soft);font-size:12px}
.label{fill:var(--ink)}.label.twinbeat{font-weight:600}
.number{fill:var(--ink);font-variant-numeric:tabular-nums}.worst{fill:var(--soft)}
.row circle{fill-opacity:.55}.row .box{fill-opacity:.16}.row .median{stroke-width:3;stroke-linecap:round}
.row.twinbeat circle,.row.twinbeat .box{fill:var(--ours)}.row.twinbeat .median{stroke:var(--ours)}
.row.keepalived circle,.row.keepalived .box{fill:var(--peer)}.row.keepalived .median{stroke:var(--peer)}
.row.other circle,.row.other .box{fill:var(--other)}.row.other .median{stroke:var(--other)}
`
const style = `
:root{color-scheme:light dark;${variables(light)}}
@media (prefers-color-scheme:dark){:root{${variables(dark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 ${font}}
main{max-width:1040px;margin:0 auto;padding:48px 24px 72px}
h1{font-size:34px;line-height:1.15;margin:0 0 8px;letter-spacing:-.02em}
h2{font-size:21px;margin:52px 0 2px;letter-spacing:-.01em}
p{margin:4px 0 14px;max-width:72ch}.soft{color:var(--soft)}
.legend{display:flex;gap:22px;margin:18px 0 0;color:var(--soft);font-size:14px}
.legend i{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:7px}
svg{display:block;width:100%;height:auto;margin:10px 0 4px}${chartStyle}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.text{text-align:left}td.text{white-space:normal}th{color:var(--soft);font-weight:500}
details{margin:4px 0 0}summary{cursor:pointer;color:var(--soft);font-size:14px}
.met{color:var(--good)}.missed{color:var(--bad)}
`

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string): string => row.map((one) => `<${tag}>${one}</${tag}>`).join('')
  return `<div class="wide"><table><thead><tr>${cells(heads, 'th')}</tr></thead><tbody>` +
    `${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')}</tbody></table></div>`
}

function chartRow(cell: Cell): Row {
  return {
    title: cell.title, family: systems.find((one) => one.key === cell.system)?.family ?? 'other',
    values: values(cell, 'takeoverMs'), remark: 'nobody took over',
  }
}

const headings: Readonly<Record<Fault, string>> = {
  cut: 'The network of the active node is cut', freeze: 'The active node freezes', kill: 'The daemons are killed',
  killall: 'The daemons and the guardian are killed', graceful: 'The active node is stopped', nic: 'The client-side port fails',
  link: 'One of two heartbeat links is lost', serial: 'Only a serial line is left, then the node freezes',
}
const order: readonly Fault[] = ['cut', 'freeze', 'kill', 'graceful', 'nic', 'killall', 'serial', 'link']

const isAside = (cell: Cell): boolean => systems.find((one) => one.key === cell.system)?.aside === true

/** The same system in trouble, beside itself without. */
const besideItself = (cell: Cell): boolean => isAside(cell) || cell.system === 'twinbeat-fast'

function sections(fault: Fault, cells: readonly Cell[], group: string): string {
  const some = cells.filter((cell) => cell.fault === fault && cell.group === group)
  const asides = some.some(isAside) ? some.filter(besideItself) : []
  return section(fault, some.filter((cell) => !isAside(cell)), group === 'service' ? ', with a service' : '') +
    section(fault, asides, ', under special conditions')
}

function section(fault: Fault, some: readonly Cell[], condition: string): string {
  if (some.length === 0) return ''
  const heading = `<h2>${headings[fault]}${condition}</h2><p class="soft">${faultTexts[fault]}; ` +
    `from the fault to the first answer from the new owner</p>`
  const chart = expectsTakeover(fault) ? stripChart(some.map(chartRow), headings[fault]) : ''
  const numbers = table(['', ...columns], some.map((cell) => [escaped(cell.title), ...rowOf(cell).map(escaped)]))
  const shown = chart === '' ? numbers : `<details><summary>numbers</summary>${numbers}</details>`
  return `<section>${heading}${chart}${shown}</section>`
}

/** The one sentence that the picture proves. */
function claim(cells: readonly Cell[]): string {
  const medianOf = (system: string): number | null => {
    const cell = cells.find((one) => one.system === system && one.fault === 'cut' && one.group === 'address')
    return cell === undefined ? null : summarise(values(cell, 'takeoverMs')).median
  }
  const [ours, peer] = [medianOf('twinbeat-fast'), medianOf('k3')]
  if (ours === null || peer === null) return ''
  return `<p>A node is cut off: twinbeat <i>fast</i> answers from the other one after <b>${short(ours)} ms</b>, keepalived at its ` +
    `fastest lawful setting after <b>${short(peer)} ms</b> (medians).</p>`
}

function costTable(results: Results): string {
  if (results.costs.length === 0) return ''
  const rows = results.costs.map((cost) => [
    escaped(titleOf(cost.system)), cost.role,
    cost.processes.reduce((sum, one) => sum + one.cpuPercent, 0).toFixed(3),
    (cost.processes.reduce((sum, one) => sum + one.rssKiB, 0) / 1024).toFixed(1),
    escaped(cost.processes.map((one) => `${one.name} ${one.cpuPercent.toFixed(2)} %`).join(', ').slice(0, 90)),
  ])
  return `<h2>What it costs at rest</h2>${table(['', 'node', '% of a core', 'MiB', 'processes'], rows)}`
}

function stressTable(results: Results): string {
  if (results.stresses.length === 0) return ''
  const rows = results.stresses.map((one) => [
    escaped(titleOf(one.system)), (one.seconds / 60).toFixed(1), String(one.moves),
    String(one.movesInStalls), String(one.movesInCoreStalls ?? ''), `${one.stalls} (${short(one.longestStallMs)} ms)`,
    one.coreStalls === undefined ? '' : `${one.coreStalls} (${short(one.longestCoreStallMs ?? null)} ms)`, String(one.rescues ?? ''),
    String(one.stands ?? ''), short(one.longestGapMs), short(one.judgedMs),
  ])
  return `<h2>False takeovers under load</h2><p class="soft">two busy loops a core and interfaces that come and go</p>` +
    table(['', 'minutes', 'moves', 'of them in stalls of the machine', 'of one processor or more', 'stalls (longest)',
      'one processor stood (longest)', 'engine moved', 'asked to wait', 'longest gap ms', 'judged ms'], rows)
}

export function htmlPage(results: Results): string {
  const cells = cellsOf(results)
  const head = results.heads.at(-1)
  const loads = results.samples.map((one) => one.load).filter((load) => load > 0)
  const load = summarise(loads)
  const where = head === undefined ? '' : `${head.machine}, ${head.kernel}, Node ${head.node}; load average ${short(load.min)} to ` +
    `${short(load.max)}; ${head.at.slice(0, 10)}`
  const settings = setUpsOf(results).map((one) => [escaped(titleOf(one.key)), escaped(one.version), escaped(one.settings)])
  const goals = goalsOf(results).map((one) =>
    [escaped(one.text), escaped(one.goal), escaped(one.measured), `<span class="${one.verdict}">${one.verdict}</span>`])
  const groups = [...new Set(cells.map((cell) => cell.group))]
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Failover, measured</title><style>${style}</style></head><body><main>
<h1>How long is the client alone?</h1>${claim(cells)}
<p class="soft">Every dot is one try; the bar is the median, the box holds half of the tries; the axis is logarithmic. ${escaped(where)}</p>
<div class="legend"><span><i style="background:var(--ours)"></i>twinbeat</span><span><i style="background:var(--peer)"></i>keepalived</span>
<span><i style="background:var(--other)"></i>others</span></div>
${groups.flatMap((group) => order.map((fault) => sections(fault, cells, group))).join('\n')}
${stressTable(results)}${costTable(results)}
<h2>What was aimed at</h2>${table(['', 'goal', 'measured', ''], goals)}
<h2>How each was set up</h2>${table(['', 'version', 'settings'], settings)}
</main></body></html>
`
}

/** The cut alone, as a file that an <img> can show: with the colours in it as they are, and a ground to stand on. */
export function pictureOf(results: Results): string {
  const cells = cellsOf(results).filter((cell) => cell.fault === 'cut' && cell.group === 'address' && !isAside(cell))
  const chart = stripChart(cells.map(chartRow), `${headings.cut}: time to the first answer from the other one`)
  const rules = `${chartStyle}.ground{fill:var(--page)}`
  const coloured = (palette: Palette): string => rules.replace(/var\(--(\w+)\)/g, (_, name: string) => palette[name] ?? 'none')
  return chart.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ').replace('>',
    `><style>${coloured(light)}@media (prefers-color-scheme:dark){${coloured(dark)}}</style>` +
    '<rect class="ground" width="100%" height="100%"/>') + '\n'
}
