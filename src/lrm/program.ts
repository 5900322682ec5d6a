// One program outside every queue: process group killed whole, bounded output, a deadline; and input, which is
// the only place for secrets. Devices that fence use it.

import type { Spawner } from '../system/spawner.js'
import { startRun, type RunOutcome } from './runner.js'

export interface ProgramCall {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly input: string
  readonly timeoutMs: number
}

export type ProgramOutcome =
  | {
      readonly kind: 'exited'
      readonly exitCode: number | null
      readonly signal: string | null
      readonly stdout: string
      readonly stderr: string
    }
  | { readonly kind: 'timeout' | 'aborted'; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'unstartable'; readonly reason: string }

export interface StartedProgram {
  readonly end: Promise<ProgramOutcome>
  readonly settled: Promise<string | null>
  abort(): void
}

/** What is asked to end ends within this time or is killed: who waits for a fencing waits for this. */
const GRACE_MS = 1_000
const REAP_MS = 5_000

export function programStarter(spawner: () => Spawner): (call: ProgramCall) => StartedProgram {
  return ({ program, args, env, input, timeoutMs }) => {
    const options = { spawner: spawner(), graceMs: GRACE_MS, reapMs: REAP_MS }
    // What a dead daemon ordered must not hit the node that took over from it.
    const run = startRun({ program, args, env }, { timeoutMs, dieWithDaemon: true, cgroup: null, input }, options)
    return { end: run.outcome.then(outcomeOf), settled: run.settled, abort: () => { run.abort() } }
  }
}

function outcomeOf(outcome: RunOutcome): ProgramOutcome {
  switch (outcome.kind) {
    case 'exited': return { kind: 'exited', ...outcome.raw }
    case 'timeout': case 'aborted': return { kind: outcome.kind, stdout: outcome.raw.stdout, stderr: outcome.raw.stderr }
    case 'unstartable': return { kind: 'unstartable', reason: outcome.reason }
  }
}
