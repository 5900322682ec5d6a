// Runs one program as an agent is to be run: own process group, empty stdin, working folder /,
// umask 022, bounded output, and a deadline. The end of a run is the exit of the direct child,
// not the end of its output: a daemon it started may keep the pipes for ever.
//
//   running --exit--> finished
//   running --deadline or abort--> ending (TERM to the group, grace, KILL) --> finished
//                                  ending --still there long after KILL--> stuck (--> finished)

import { spawn, type ChildProcess } from 'node:child_process'
import { statSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { Capture } from './capture.js'
import { deferred } from './deferred.js'
import type { PipePool } from './pipes.js'
import { missingInterpreter } from './places.js'
import { groupExists, groupMembers, signalGroup } from './process-group.js'
import type { AgentStep, RawOutcome } from './types.js'

export interface RunnerOptions {
  readonly pipes: PipePool | null
  /** Further entries of the `stdio` array, from `coverDescriptors`. */
  readonly cover: readonly ('ignore' | number)[]
  /** Between SIGTERM and SIGKILL, outside the timeout. */
  readonly graceMs: number
  /** How long after SIGKILL a process may remain before it counts as stuck. */
  readonly reapMs: number
}

export type RunOutcome =
  | { readonly kind: 'exited'; readonly raw: RawOutcome }
  | { readonly kind: 'timeout' | 'aborted'; readonly raw: RawOutcome }
  | { readonly kind: 'unstartable'; readonly missing: boolean; readonly reason: string }

export interface Run {
  readonly pid: number | null
  /** At the exit, or at the first moment of a timeout or abort. Never rejects. */
  readonly outcome: Promise<RunOutcome>
  /** When the group is gone, or is found stuck; then with the sentence that names who stays. */
  readonly settled: Promise<string | null>
  /** When the group is gone. Never, if it is stuck for ever. */
  readonly gone: Promise<void>
  abort(): void
}

const POLL_MS = 50
const STUCK_POLL_MS = 1000

export function startRun(step: AgentStep, timeoutMs: number, options: RunnerOptions): Run {
  const stdout = new Capture(options.pipes?.take() ?? null)
  const stderr = new Capture(options.pipes?.take() ?? null)
  let child: ChildProcess
  try {
    child = spawnAgent(step, stdout, stderr, options.cover)
  } catch (error) {
    closeBoth(stdout, stderr, null)
    return unstartable(step, error)
  }
  closeBoth(stdout, stderr, child)
  if (child.pid === undefined) return unstartableLater(step, child, [stdout, stderr])
  restorePriority(child.pid)
  return follow(child, child.pid, timeoutMs, options, [stdout, stderr])
}

function spawnAgent(
  step: AgentStep,
  stdout: Capture,
  stderr: Capture,
  cover: readonly ('ignore' | number)[],
): ChildProcess {
  // The umask belongs to the process and is inherited; worker threads may only read it, and
  // there the daemon's own applies.
  const before = isMainThread ? process.umask(0o022) : null
  try {
    return spawn(step.program, [...step.args], {
      cwd: '/',
      env: { ...step.env },
      detached: true,
      stdio: ['ignore', stdout.stdio, stderr.stdio, ...cover],
    })
  } finally {
    if (before !== null) process.umask(before)
  }
}

function closeBoth(stdout: Capture, stderr: Capture, child: ChildProcess | null): void {
  stdout.started(child?.stdout ?? null)
  stderr.started(child?.stderr ?? null)
}

function restorePriority(pid: number): void {
  try {
    if (getPriority() !== 0) setPriority(pid, 0)
  } catch {
    // Gone already, or not permitted: it keeps the daemon's priority.
  }
}

function unstartable(step: AgentStep, error: unknown): Run {
  const outcome = Promise.resolve(explainSpawnError(step, error))
  const settled = Promise.resolve(null)
  return { pid: null, outcome, settled, gone: Promise.resolve(), abort: () => undefined }
}

function unstartableLater(step: AgentStep, child: ChildProcess, captures: readonly Capture[]): Run {
  const outcome = new Promise<RunOutcome>((resolve) => {
    child.once('error', (error) => {
      for (const capture of captures) capture.finish()
      resolve(explainSpawnError(step, error))
    })
  })
  const gone = outcome.then(() => undefined)
  return { pid: null, outcome, settled: gone.then(() => null), gone, abort: () => undefined }
}

function explainSpawnError(step: AgentStep, error: unknown): RunOutcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  const path = step.program
  let reason = `'${path}' cannot be started: ${code}`
  let missing = false
  if (code === 'ENOENT') {
    const exists = statSync(path, { throwIfNoEntry: false }) !== undefined
    const interpreter = exists ? missingInterpreter(path) : null
    missing = !exists
    if (missing) reason = `'${path}' does not exist`
    if (interpreter !== null) reason = `the interpreter '${interpreter}' of '${path}' is missing`
  } else if (code === 'EACCES') {
    const interpreter = missingInterpreter(path)
    reason =
      interpreter === null
        ? `'${path}' is not executable`
        : `the interpreter '${interpreter}' of '${path}' is not executable`
  } else if (code === 'EAGAIN' || code === 'ENOMEM') {
    reason = `'${path}' cannot be started: no more processes or memory (${code})`
  }
  return { kind: 'unstartable', missing, reason }
}

function follow(
  child: ChildProcess,
  pid: number,
  timeoutMs: number,
  options: RunnerOptions,
  captures: readonly [Capture, Capture],
): Run {
  const [stdout, stderr] = captures
  const outcome = deferred<RunOutcome>()
  const settled = deferred<string | null>()
  const gone = deferred<void>()
  let ending = false
  let exited = false
  const raw = (exitCode: number | null, signal: string | null): RawOutcome => ({
    exitCode,
    signal,
    stdout: stdout.tail.text(),
    stderr: stderr.tail.text(),
  })
  const finish = (): void => {
    settled.resolve(null)
    gone.resolve()
  }
  const end = (kind: 'timeout' | 'aborted'): void => {
    if (ending || exited) return
    ending = true
    clearTimeout(deadline)
    outcome.resolve({ kind, raw: raw(null, null) })
    endGroup(pid, () => exited, options, { finish, stuck: (who) => settled.resolve(who) })
  }
  const deadline = timeoutMs > 0 ? setTimeout(() => end('timeout'), timeoutMs) : undefined
  child.once('exit', (code, signal) => {
    exited = true
    clearTimeout(deadline)
    stdout.finish()
    stderr.finish()
    if (ending) return
    outcome.resolve({ kind: 'exited', raw: raw(code, signal) })
    finish()
  })
  return {
    pid,
    outcome: outcome.promise,
    settled: settled.promise,
    gone: gone.promise,
    abort: () => end('aborted'),
  }
}

interface EndListener {
  finish(): void
  stuck(who: string): void
}

/** TERM, then KILL after the grace, then watch until nothing but zombies is left of the group. */
function endGroup(
  pgid: number,
  exited: () => boolean,
  options: RunnerOptions,
  on: EndListener,
): void {
  const startedAt = performance.now()
  let killed = false
  let reported = false
  signalGroup(pgid, 'SIGTERM')
  // A stopped process takes no TERM before it is continued.
  signalGroup(pgid, 'SIGCONT')
  const look = (): void => {
    const elapsedMs = performance.now() - startedAt
    const left = groupExists(pgid) ? groupMembers(pgid) : []
    if (exited() && left.length === 0) {
      on.finish()
      return
    }
    if (!killed && elapsedMs >= options.graceMs) {
      killed = true
      signalGroup(pgid, 'SIGKILL')
    }
    if (!reported && elapsedMs >= options.graceMs + options.reapMs) {
      reported = true
      const who = left.map((member) => `${member.name} (pid ${member.pid}, state ${member.state})`)
      on.stuck(`cannot be killed: ${who.join(', ') || `pid ${pgid}`}`)
    }
    setTimeout(look, reported ? STUCK_POLL_MS : POLL_MS)
  }
  setTimeout(look, POLL_MS)
}
