// Debian's resource agents and the wrappers of the heartbeat package, unmodified, through the
// local resource manager, in namespaces of their own. TWINBEAT_SLOW=1 adds those that need
// seconds for IPv6 duplicate address detection.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AGENT_ROWS, MOMENTS, SCRIPT_ROWS, type AgentRow } from './agent-table.js'
import type { RowReport } from './agents-inside.js'

const LIMIT_MS = 150_000

function runInside(): Map<string, RowReport> {
  const program = fileURLToPath(new URL('./agents-inside.js', import.meta.url))
  const env = {
    ...process.env,
    TWINBEAT_OUTER_net: readlinkSync('/proc/self/ns/net'),
    TWINBEAT_OUTER_mnt: readlinkSync('/proc/self/ns/mnt'),
    // Only this runner reports to the runner above; the program inside prints rows.
    NODE_TEST_CONTEXT: '',
  }
  const args = ['-n', '-m', process.execPath, program]
  const run = spawnSync('unshare', args, {
    env,
    encoding: 'utf8',
    timeout: LIMIT_MS,
    maxBuffer: 64e6,
  })
  assert.equal(run.status, 0, `the run inside failed: ${run.stderr}`)
  const reports = run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RowReport)
  return new Map(reports.map((report) => [report.row, report]))
}

const canUnshare = spawnSync('unshare', ['-n', '-m', 'true']).status === 0
const reports = canUnshare ? runInside() : new Map<string, RowReport>()

/** Null when the row was skipped, which is said aloud. */
function reportOf(row: string, skip: (reason: string) => void): RowReport | null {
  if (!canUnshare) {
    skip('cannot make namespaces here')
    return null
  }
  const report = reports.get(row)
  assert.ok(report !== undefined, `no report of ${row}`)
  if (report.skipped === null) return report
  skip(report.skipped)
  return null
}

function expectedCodes(row: AgentRow): string[] {
  if (row.moments !== undefined) return row.moments.map(([moment, , code]) => `${moment} ${code}`)
  return MOMENTS.map(([moment, , code]) => `${moment} ${row.bends?.[moment] ?? code}`)
}

/** For a failing row: what each step said. */
function story(report: RowReport): string {
  const line = ({ moment, result }: RowReport['steps'][number]): string => {
    const { execution, exitCode, signal, durationMs, reason, stderr } = result
    const end = `${execution} ${exitCode ?? signal} ${durationMs} ms`
    return `${moment}: ${end} ${reason ?? ''}\n${stderr.slice(-500)}`
  }
  return report.steps.map(line).join('\n')
}

/** After which steps the outside world must show the resource. */
const RUNNING_AFTER = new Set(['start', 'monitor', 'second start'])

for (const row of AGENT_ROWS) {
  test(`ocf ${row.name} obeys the order of an acceptance run`, (t) => {
    const report = reportOf(`ocf ${row.name}`, (reason) => t.skip(reason))
    if (report === null) return
    const codes = report.steps.map(({ moment, result }) => `${moment} ${result.exitCode}`)
    assert.deepEqual(codes, expectedCodes(row), story(report))
    const states = new Map(report.steps.map(({ moment, result }) => [moment, result.state]))
    const early = ['first probe', 'start', 'monitor'].map((moment) => states.get(moment))
    assert.deepEqual(early, ['stopped', 'running', 'running'])
    checkWitness(report)
  })
}

for (const row of SCRIPT_ROWS) {
  test(`script ${row.name} is judged by what it prints`, (t) => {
    const report = reportOf(`script ${row.name}`, (reason) => t.skip(reason))
    if (report === null) return
    const states = report.steps.map(({ result }) => `${result.state} ${result.ok}`)
    const expected = [
      'stopped true',
      'running true',
      'running true',
      'stopped true',
      'stopped true',
    ]
    assert.deepEqual(states, expected, story(report))
    checkWitness(report)
  })
}

function checkWitness(report: RowReport): void {
  for (const { moment, witness } of report.steps) {
    if (witness !== null)
      assert.equal(witness, RUNNING_AFTER.has(moment), `witness after ${moment}`)
  }
  assert.equal(report.afterFailed, false, 'what has to hold afterwards')
}
