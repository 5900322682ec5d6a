// Is an init script fit for a cluster? The six questions of the LSB contract. Only the status
// question is asked by default: the others start and stop the service.

import type { AgentAction, AgentResult, AgentTarget } from './types.js'

export interface AcceptanceTest {
  readonly test:
    | 'status answers'
    | 'start of a stopped service'
    | 'status while running'
    | 'start of a running service'
    | 'stop of a running service'
    | 'status while stopped'
    | 'stop of a stopped service'
  readonly ok: boolean
  readonly detail: string
}

export interface SixTestsOptions {
  readonly timeoutMs: number
  /** Starts and stops the service; refused by itself when the service runs already. */
  readonly destructive: boolean
}

type RunOperation = (operation: {
  resource: AgentTarget
  action: AgentAction
  timeoutMs: number
}) => Promise<AgentResult>

/** `run` is that of an `Lrm`, so that the questions queue with everything else. */
export async function sixTests(
  target: AgentTarget,
  run: RunOperation,
  options: SixTestsOptions,
): Promise<AcceptanceTest[]> {
  const { timeoutMs } = options
  const call = (action: AgentAction): Promise<AgentResult> =>
    run({ resource: target, action, timeoutMs })
  const first = await call('probe')
  const rows: AcceptanceTest[] = [row('status answers', first, first.ok)]
  if (!options.destructive || !first.ok || first.state !== 'stopped') return rows
  const sequence = [
    ['start of a stopped service', 'start', null],
    ['status while running', 'probe', 'running'],
    ['start of a running service', 'start', null],
    ['stop of a running service', 'stop', null],
    // Asked at once: a stop that returns before the end shows here.
    ['status while stopped', 'probe', 'stopped'],
    ['stop of a stopped service', 'stop', null],
  ] as const
  for (const [test, action, state] of sequence) {
    const result = await call(action)
    rows.push(row(test, result, result.ok && (state === null || result.state === state)))
  }
  return rows
}

function row(test: AcceptanceTest['test'], result: AgentResult, ok: boolean): AcceptanceTest {
  const code = result.exitCode === null ? result.execution : `exit code ${result.exitCode}`
  const reason = result.reason === null ? '' : `, ${result.reason}`
  return { test, ok, detail: `${code}, ${result.state}${reason}` }
}
