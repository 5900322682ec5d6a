// docs/interop.md from the results: one row per scenario, one column per medium and pair.

import type { CellResult } from './lane.js'

const EXPLANATION = `Each cell is one scenario played by two nodes in network namespaces. A cell passes
if every step ends as expected, no node is called dead that is not, nobody asks for lost packets without
end, no address is on two nodes except where the scenario itself makes that unavoidable, and the real
node logs no warning that two real nodes do not log in the same cell and role (its remarks on how late its
own process was scheduled are the machine's, and left out). The first node of a pair is a, the second b.
The words in the table are the signatures that passed.
`

export function formatTable(results: readonly CellResult[]): string {
  const pairs = [...new Set(results.map((r) => r.pair))].sort()
  const passed = results.filter((r) => r.passed).length
  const sections = pairs.map((pair) => section(pair, results.filter((r) => r.pair === pair)))
  return [
    '# Beside a real Heartbeat 3.0.6', '', EXPLANATION,
    `Written by \`npm run test:interop\`: ${passed} of ${results.length} cells passed.`, '', ...sections, '',
  ].join('\n')
}

function section(pair: string, results: readonly CellResult[]): string {
  const media = [...new Set(results.map((r) => r.medium))].sort()
  const scenarios = [...new Set(results.map((r) => r.scenario))].sort()
  const field = (scenario: string, medium: string): string => {
    const cells = results.filter((r) => r.scenario === scenario && r.medium === medium)
    if (cells.length === 0) return '-'
    return cells.sort((x, y) => (x.auth < y.auth ? -1 : 1))
      .map((c) => (c.passed ? c.auth : `**${c.auth} failed**`)).join(' ')
  }
  const rows = scenarios.map((scenario) => `| ${scenario} | ${media.map((m) => field(scenario, m)).join(' | ')} |`)
  const failures = results.filter((r) => !r.passed).map((r) => `* ${r.cell}: ${r.problems.join('; ')}`)
  return [
    `## ${pair}`, '', `| scenario | ${media.join(' | ')} |`, `|---|${media.map(() => '---').join('|')}|`, ...rows, '',
    ...(failures.length === 0 ? [] : ['Failed:', '', ...failures, '']),
  ].join('\n')
}
