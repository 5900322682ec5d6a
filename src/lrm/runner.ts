// Runs one program as an agent is to be run, by the helper of src/system/spawner.ts: own process group, empty
// stdin, working folder /, umask 022, bounded output. Adds the deadline. The end of a run is the exit of the
// direct child, not the end of its output: a daemon it started may keep the pipes for ever.
//
//   running --exit--> finished
//   running --deadline or abort--> ending (TERM to the group, grace, KILL) --> finished
//                                  ending --still there long after KILL--> stuck (--> finished)

import { statSync } from 'node:fs'
import type { SpawnEnd, SpawnOutput, SpawnStage, Spawned, Spawner } from '../system/spawner.js'
import { deferred } from './deferred.js'
import { missingInterpreter } from './places.js'
import { groupExists, groupMembers, signalGroup } from './process-group.js'
import type { AgentStep, RawOutcome } from './types.js'

export interface RunnerOptions {
  readonly spawner: Spawner
  /** Between SIGTERM and SIGKILL, outside the timeout. */
  readonly graceMs: number
  /** How long after SIGKILL a process may remain before it counts as stuck. */
  readonly reapMs: number
}

/** What differs from run to run. */
export interface RunPlace {
  readonly timeoutMs: number
  /** A start must not go on when the daemon that ordered it is dead; a stop must. */
  readonly dieWithDaemon: boolean
  /** Folder of the control group to run in; null: none. */
  readonly cgroup: string | null
  /** For its standard input; empty by default. */
  readonly input?: string
}

export type RunOutcome =
  | { readonly kind: 'exited'; readonly raw: RawOutcome }
  | { readonly kind: 'timeout' | 'aborted'; readonly raw: RawOutcome }
  | { readonly kind: 'unstartable'; readonly missing: boolean; readonly reason: string }

export interface Run {
  /** Null until it is started, and for ever if it cannot be. */
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

export function startRun(step: AgentStep, place: RunPlace, options: RunnerOptions): Run {
  const spawned = options.spawner.run({
    program: step.program, args: step.args, env: step.env, capture: true,
    dieWithDaemon: place.dieWithDaemon, cgroup: place.cgroup, input: place.input ?? '',
  })
  return new AgentRun(step, spawned, place.timeoutMs, options)
}

class AgentRun implements Run {
  pid: number | null = null
  readonly #outcome = deferred<RunOutcome>()
  readonly #settled = deferred<string | null>()
  readonly #gone = deferred<void>()
  readonly outcome = this.#outcome.promise
  readonly settled = this.#settled.promise
  readonly gone = this.#gone.promise
  #ending = false
  #exited = false
  #deadline: NodeJS.Timeout | undefined

  constructor(
    private readonly step: AgentStep,
    private readonly spawned: Spawned,
    timeoutMs: number,
    private readonly options: RunnerOptions,
  ) {
    void spawned.pid.then((pid) => {
      this.pid = pid
      if (pid !== null && timeoutMs > 0 && !this.#exited) {
        this.#deadline = setTimeout(() => { this.#end('timeout') }, timeoutMs)
      }
    })
    void spawned.end.then((end) => { this.#ended(end) })
  }

  abort(): void {
    // Ordered before the helper has answered: it is ended as soon as there is something to end.
    void this.spawned.pid.then(() => { this.#end('aborted') })
  }

  #ended(end: SpawnEnd): void {
    this.#exited = true
    clearTimeout(this.#deadline)
    if (this.#ending) return
    switch (end.kind) {
      case 'exited':
        this.#outcome.resolve({ kind: 'exited', raw: rawOf(end, end.exitCode, end.signal) })
        break
      case 'unstartable':
        this.#outcome.resolve(explainSpawnError(this.step, end.code, end.stage))
        break
      case 'lost': {
        const reason = 'the helper that runs agents died: what became of this one is not known'
        this.#outcome.resolve({ kind: 'unstartable', missing: false, reason })
      }
    }
    this.#settled.resolve(null)
    this.#gone.resolve()
  }

  #end(kind: 'timeout' | 'aborted'): void {
    const { pid } = this
    if (this.#ending || this.#exited || pid === null) return
    this.#ending = true
    clearTimeout(this.#deadline)
    void this.spawned.peek().then((output) => { this.#outcome.resolve({ kind, raw: rawOf(output, null, null) }) })
    endGroup(pid, () => this.#exited, this.options, {
      finish: () => {
        this.#settled.resolve(null)
        this.#gone.resolve()
      },
      stuck: (who) => { this.#settled.resolve(who) },
    })
  }
}

function rawOf({ stdout, stderr }: SpawnOutput, exitCode: number | null, signal: string | null): RawOutcome {
  return { exitCode, signal, stdout, stderr }
}

function explainSpawnError(step: AgentStep, code: string, stage: SpawnStage): RunOutcome {
  const path = step.program
  let reason = `'${path}' cannot be started: ${code}`
  let missing = false
  if (stage === 'cgroup') reason = `'${path}' cannot be started: its control group cannot be entered (${code})`
  else if (stage === 'request' && code === 'E2BIG') reason = `'${path}' cannot be started: arguments or environment too long`
  else if (code === 'ENOENT') {
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
