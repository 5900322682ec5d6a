// The results as the text of bench/RESULTS.md.
import { goalsOf } from './goals.js'
import { cellsOf, columns, rowOf, short, type Cell } from './report.js'
import { setUpsOf, type Cost, type Results } from './results-file.js'
import { faultTexts } from './samples.js'
import { summarise } from './statistics.js'
import { systems } from './systems/table.js'

/** What the table stands between; the rest of the page is written by hand. */
export const markBegin = '<!-- begin: bench:failover -->'
export const markEnd = '<!-- end: bench:failover -->'

const titleOf = (key: string): string => systems.find((one) => one.key === key)?.title ?? key
const tableRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const tableOf = (heads: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [tableRow(heads), tableRow(heads.map(() => '---')), ...rows.map(tableRow)]

function faultTables(cells: readonly Cell[]): string[] {
  const names = [...new Set(cells.map((cell) => `${cell.fault} ${cell.group}`))]
  return names.flatMap((name) => {
    const some = cells.filter((cell) => `${cell.fault} ${cell.group}` === name)
    const [first] = some
    if (first === undefined) return []
    return [
      '', `### ${first.fault}${first.group === 'service' ? ', address and service' : ''}`, '', `${faultTexts[first.fault]}.`, '',
      ...tableOf(['ms from the fault', ...columns], some.map((cell) => [cell.title, ...rowOf(cell)])),
    ]
  })
}

type Processes = Cost['processes']

/** The peers as a whole; our own by process, with the threads that do something, the busiest first. */
function costLines(results: Results): string[] {
  if (results.costs.length === 0) return []
  const rowsOf = (cost: Cost): [string, Processes][] => {
    if (systems.find((one) => one.key === cost.system)?.family !== 'twinbeat') return [['all', cost.processes]]
    return [...new Set(cost.processes.map((one) => one.name))].map((name) => [name, cost.processes.filter((one) => one.name === name)])
  }
  const rows = results.costs.flatMap((cost) => rowsOf(cost).map(([name, some]) => {
    const threads = some.flatMap((one) => Object.entries(one.threads ?? {})).filter(([, percent]) => percent > 0.001)
    return [
      titleOf(cost.system), cost.role, name,
      some.reduce((sum, one) => sum + one.cpuPercent, 0).toFixed(3),
      (some.reduce((sum, one) => sum + one.rssKiB, 0) / 1024).toFixed(1), short(cost.load),
      name === 'all' ? '' : threads.sort((a, b) => b[1] - a[1]).map(([thread, percent]) => `${thread} ${percent.toFixed(3)}`).join(', '),
    ]
  }))
  return ['', '### Cost at rest', '', ...tableOf(['', 'node', 'process', '% of a core', 'MiB', 'load', 'threads'], rows)]
}

function stressLines(results: Results): string[] {
  if (results.stresses.length === 0) return []
  return ['', '### False takeovers under load', '', 'Two busy loops a core, and interfaces that come and go.', '',
    ...tableOf(['', 'minutes', 'moves', 'of them in stalls of the machine', 'of one processor or more', 'stalls (longest ms)',
      'one processor stood (longest ms)', 'engine moved', 'asked to wait', 'longest gap ms', 'judged ms'],
      results.stresses.map((one) => [
        titleOf(one.system), (one.seconds / 60).toFixed(1), String(one.moves), String(one.movesInStalls),
        one.movesInCoreStalls === undefined ? '' : String(one.movesInCoreStalls),
        `${one.stalls} (${short(one.longestStallMs)})`,
        one.coreStalls === undefined ? '' : `${one.coreStalls} (${short(one.longestCoreStallMs ?? null)})`,
        String(one.rescues ?? ''), String(one.stands ?? ''), short(one.longestGapMs), short(one.judgedMs),
      ]))]
}

export function markdownOf(results: Results): string {
  const head = results.heads.at(-1)
  const load = summarise(results.samples.map((one) => one.load).filter((one) => one > 0))
  const goals = goalsOf(results).map((one) => [one.text, one.goal, one.measured, one.verdict])
  return [
    markBegin, '',
    ...(head === undefined ? [] : [
      `${head.machine}; ${head.kernel}; Node ${head.node}; ${head.at.slice(0, 10)}; load average ${short(load.min)} to ${short(load.max)}.`,
    ]),
    '', '### What was aimed at', '', ...tableOf(['', 'goal', 'measured', ''], goals),
    ...faultTables(cellsOf(results)), ...stressLines(results), ...costLines(results),
    ...(head === undefined ? [] : ['', '### Settings', '', ...tableOf(['', 'version', 'settings'],
      setUpsOf(results).map((one) => [titleOf(one.key), one.version, one.settings]))]),
    '', markEnd, '',
  ].join('\n')
}

/** The page with the part between the marks made anew; appended where there are no marks. */
export function withResults(page: string, part: string): string {
  const begin = page.indexOf(markBegin)
  const end = page.indexOf(markEnd)
  if (begin < 0 || end < begin) return `${page.trimEnd()}\n\n## Failover: \`npm run bench:failover\`\n\n${part}`
  return `${page.slice(0, begin)}${part.trimEnd()}${page.slice(end + markEnd.length)}`
}
