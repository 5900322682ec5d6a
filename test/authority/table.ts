// docs/authority.md from the results: one line for each row and protection.
import type { Row } from './rows.js'
import { MODES, type Mode } from './scene.js'
import type { TryResult } from './try.js'

const EXPLANATION = `Two nodes in network namespaces, each with an address of its own; the first is struck. One process looks at the
addresses of both, and asks the address of the struck node as a client does, every 0.5 ms; nothing is assumed. Its own
lateness is taken off. Keepalive 200 ms, dead time 2 s; lease from a real etcd, 6 s; the fence device is \`null\`, which
says yes and does nothing, so that what is seen is what the nodes do by themselves. In every fourth try both nodes are
reading new files at that moment.

* **two**: the longest time in which both nodes had an address. Where the whole node stands still, nothing on it can let
  go: under \`accept\` and behind a device that lies both have it until the node goes on (*inherent*), and then for no
  longer than **after**, of which 1 s is allowed. Under \`lease\` the kernel itself drops the address in time.
* **nobody**: time in which no node had the address, while the fault lasted; median and longest.
* **client**: the longest time without an answer; median and longest.
* **let go**, **taken by**: who removed the address of the struck node, and by what right its peer took it.

Allowed: after a SIGKILL two owners for 5 ms, under \`lease\` never; nobody for no longer than the dead time (and the
fence's answer, or the end of the lease); when the fault is gone, one owner again.
`

export function formatTable(rows: readonly Row[], results: readonly TryResult[], skipped: ReadonlyMap<string, string>): string {
  const failed = results.filter(({ problems }) => problems.length > 0)
  const lines = rows.flatMap((row) => {
    const reason = skipped.get(row.name)
    if (reason !== undefined) return [`| ${row.name} | - | - | | | | | | | skipped: ${reason} |`]
    return MODES.flatMap((mode) => lineOf(row, mode, results.filter((result) => result.row === row.name && result.mode === mode)))
  })
  return [
    '# Never two owners, never none', '', EXPLANATION,
    `Written by \`npm run test:authority\`: ${String(results.length)} tries, ${String(failed.length)} failed; ${again(results)}.`, '',
    '| fault | protection | tries | two, ms | after, ms | nobody, ms | client, ms | let go | taken by | verdict |',
    '|---|---|---|---|---|---|---|---|---|---|', ...lines, '',
    ...(failed.length === 0 ? [] : ['Failed:', '', ...failed.map(failureLine), '']),
  ].join('\n')
}

/** What was not counted is counted. */
function again(results: readonly TryResult[]): string {
  const count = results.reduce((sum, result) => sum + result.again, 0)
  if (count === 0) return 'none was played twice'
  const why = "the whole machine, or its kernel's lock for address changes, which both nodes share here, had stood still meanwhile"
  return `${String(count)} more were not counted, because ${why}`
}

const failureLine = ({ row, mode, number, problems }: TryResult): string =>
  `* ${row} / ${mode}, try ${String(number)}: ${problems.join('; ')}`

function lineOf(row: Row, mode: Mode, results: readonly TryResult[]): string[] {
  if (results.length === 0) return []
  const figures = results.map((result) => result.figures)
  const rules = row.rules(mode)
  const two = longest(figures.map(({ twoMs }) => twoMs))
  const after = longest(figures.map(({ twoAfterCureMs }) => twoAfterCureMs))
  const failed = results.filter(({ problems }) => problems.length > 0).length
  return [`| ${[
    row.name, mode, String(results.length), rules.twoMaxMs === null ? `${figure(two)} inherent` : figure(two), figure(after),
    middleAndMost(figures.map(({ noneMs }) => noneMs)), middleAndMost(figures.map(({ unansweredMs }) => unansweredMs)),
    counted(results.map(({ decided }) => decided.letGo)), counted(results.map(({ decided }) => decided.taken)),
    failed === 0 ? 'as it has to be' : `**${String(failed)} failed**`,
  ].join(' | ')} |`]
}

const longest = (values: readonly number[]): number => Math.max(0, ...values)

function middleAndMost(values: readonly number[]): string {
  const sorted = [...values].sort((one, other) => one - other)
  return `${figure(sorted[sorted.length >> 1] ?? 0)} / ${figure(sorted.at(-1) ?? 0)}`
}

/** No more digits than the sampling is worth. */
const figure = (ms: number): string => (ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : String(Math.round(ms * 10) / 10))

function counted(words: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  const sorted = [...counts].sort(([, one], [, other]) => other - one)
  return sorted.map(([word, count]) => (sorted.length === 1 ? word : `${word} ${String(count)}`)).join(', ')
}
