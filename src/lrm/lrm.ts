// The local resource manager: takes operations on resolved agents, runs them in order, answers
// each with exactly one result. It knows no groups, no authority and no retries; a caller that may
// not start something does not ask.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { deferred } from './deferred.js'
import { RecurringMonitor } from './monitor.js'
import { OperationQueue, type Lane } from './queue.js'
import { agentClass } from './registry.js'
import { failure, resultOf, type ResultFrame } from './result.js'
import { spawner, type Spawner } from '../system/spawner.js'
import { startRun, type Run, type RunOutcome, type RunnerOptions } from './runner.js'
import { maskParameters } from './secrets.js'
import type {
  AgentAction,
  AgentCommand,
  AgentResult,
  AgentStep,
  AgentTarget,
  LrmDescription,
  MonitorOperation,
  Operation,
  ResourceDescription,
} from './types.js'

export interface LrmOptions {
  readonly nodeName: string
  readonly haDir: string
  /** Default: the helper of this process. */
  readonly spawner?: Spawner
  /** Control group of an action of a resource, by its id; null: none. Default: none. */
  readonly cgroupOf?: (resourceId: string, action: AgentAction) => string | null
  /** Default /run/resource-agents, made if it is not there. */
  readonly rscTmpDir?: string
  /** Folder of the commands OCF agents expect of a cluster manager; goes first in their PATH. */
  readonly shimDir?: string | null
  /** Operations at once; default twice the processors. */
  readonly limit?: number
  readonly graceMs?: number
  readonly reapMs?: number
}

export interface MonitorHandle {
  /** No report follows; a run under way is waited for by the queue and its result dropped. */
  cancel(): void
}

const GRACE_MS = 5_000
const REAP_MS = 5_000
const RESULTS_KEPT = 8

interface ResourceState {
  target: AgentTarget
  current: { action: AgentAction; startedAt: number; run: Run } | null
  stuck: string | null
  monitor: RecurringMonitor | null
  readonly last: AgentResult[]
}

export class Lrm {
  readonly #options: LrmOptions
  readonly #rscTmpDir: string
  readonly #queue: OperationQueue
  readonly #runner: RunnerOptions
  readonly #resources = new Map<string, ResourceState>()
  #closed = false

  constructor(options: LrmOptions) {
    this.#options = options
    this.#rscTmpDir = options.rscTmpDir ?? '/run/resource-agents'
    mkdirSync(this.#rscTmpDir, { recursive: true, mode: 0o1755 })
    this.#queue = new OperationQueue(options.limit ?? 2 * availableParallelism())
    this.#runner = {
      spawner: options.spawner ?? spawner(),
      graceMs: options.graceMs ?? GRACE_MS,
      reapMs: options.reapMs ?? REAP_MS,
    }
  }

  /** Always resolves, with one result. Operations of one resource run in the order of the calls. */
  run(operation: Operation): Promise<AgentResult> {
    return this.#submit(operation, 'command', 0)
  }

  /** A second monitor of the same resource replaces the first. */
  monitor(operation: MonitorOperation): MonitorHandle {
    const state = this.#state(operation.resource)
    state.monitor?.cancel()
    const { id } = operation.resource
    const monitor = new RecurringMonitor(operation, {
      run: () => this.#submit({ ...operation, action: 'monitor' }, 'monitor', operation.intervalMs),
      unqueue: () => void this.#queue.remove((task) => task.key === id && task.lane === 'monitor'),
    })
    state.monitor = monitor
    monitor.start()
    return {
      cancel: () => {
        monitor.cancel()
        if (state.monitor === monitor) state.monitor = null
      },
    }
  }

  /** Answers `cancelled` to everything that waits for this resource; what runs goes on. */
  cancel(resourceId: string): number {
    return this.#queue.remove((task) => task.key === resourceId)
  }

  /** Ends the operation that runs; its result is `cancelled`. False if none runs. */
  abort(resourceId: string): boolean {
    const current = this.#resources.get(resourceId)?.current ?? null
    current?.run.abort()
    return current !== null
  }

  /** Forgets a resource that left the configuration. What runs goes on and is answered. */
  forget(resourceId: string): void {
    const state = this.#resources.get(resourceId)
    state?.monitor?.cancel()
    this.cancel(resourceId)
    if (state?.current === null) this.#resources.delete(resourceId)
  }

  describe(): LrmDescription {
    const resources = [...this.#resources.values()].map((state) => this.#describeOne(state))
    resources.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    return { limit: this.#queue.limit, running: this.#queue.running, resources }
  }

  /** No new operations; waiting ones are cancelled, running ones are waited for. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const state of this.#resources.values()) state.monitor?.cancel()
    this.#queue.remove(() => true)
    const runs = [...this.#resources.values()].flatMap((state) => state.current?.run ?? [])
    await Promise.all(runs.map((run) => run.settled))
  }

  #submit(operation: Operation, lane: Lane, intervalMs: number): Promise<AgentResult> {
    const { resource, action, timeoutMs } = operation
    const state = this.#state(resource)
    const submittedAt = performance.now()
    const answer = deferred<AgentResult>()
    const frame = (startedAt: number): ResultFrame => {
      const now = performance.now()
      const queuedMs = Math.round(startedAt - submittedAt)
      return { resource, action, timeoutMs, queuedMs, durationMs: Math.round(now - startedAt) }
    }
    const refuse = (execution: 'cancelled' | 'error', reason: string): void =>
      answer.resolve(failure(frame(performance.now()), execution, reason))
    if (this.#closed) {
      refuse('cancelled', 'the resource manager is closed')
      return answer.promise
    }
    const start = (): Promise<void> => {
      const startedAt = performance.now()
      return this.#execute(state, operation, intervalMs, (outcome) => {
        const result =
          typeof outcome === 'string'
            ? failure(frame(startedAt), 'error', outcome)
            : resultOf(frame(startedAt), outcome)
        remember(state, result)
        answer.resolve(result)
      })
    }
    const drop = (): void => refuse('cancelled', `${action} was cancelled before it ran`)
    const taken = this.#queue.add({ key: resource.id, lane, label: action, start, drop })
    if (!taken) refuse('error', 'too many operations wait')
    return answer.promise
  }

  /** Runs the steps; `answer` is called once, the promise is the moment the queue may go on. */
  async #execute(
    state: ResourceState,
    operation: Operation,
    intervalMs: number,
    answer: (outcome: RunOutcome | string) => void,
  ): Promise<void> {
    const { resource, action, timeoutMs } = operation
    if (state.stuck !== null) return answer(`an earlier operation ${state.stuck}`)
    const command = agentClass(resource.class).command(resource, action, {
      nodeName: this.#options.nodeName,
      haDir: this.#options.haDir,
      timeoutMs,
      intervalMs,
      extra: operation.env ?? {},
      rscTmpDir: this.#rscTmpDir,
      shimDir: this.#options.shimDir ?? null,
    })
    if (!command.supported) return answer(command.reason)
    const steps = prepareSteps(command)
    if (typeof steps === 'string') return answer(steps)
    const startedAt = performance.now()
    for (const [index, step] of steps.entries()) {
      const leftMs = timeoutMs === 0 ? 0 : Math.max(1, timeoutMs - (performance.now() - startedAt))
      const cgroup = this.#options.cgroupOf?.(resource.id, action) ?? null
      const place = { timeoutMs: leftMs, dieWithDaemon: action !== 'stop', cgroup }
      const run = startRun(step, place, this.#runner)
      state.current = { action, startedAt, run }
      const outcome = await run.outcome
      const proceed = outcome.kind === 'exited' && outcome.raw.exitCode === 0
      if (!proceed || index === steps.length - 1) answer(outcome)
      await this.#settle(state, run)
      if (!proceed) return
    }
  }

  async #settle(state: ResourceState, run: Run): Promise<void> {
    const stuck = await run.settled
    state.current = null
    if (stuck === null) return
    state.stuck = stuck
    void run.gone.then(() => {
      state.stuck = null
    })
  }

  #state(target: AgentTarget): ResourceState {
    const known = this.#resources.get(target.id)
    if (known !== undefined) {
      known.target = target
      return known
    }
    const state: ResourceState = { target, current: null, stuck: null, monitor: null, last: [] }
    this.#resources.set(target.id, state)
    return state
  }

  #describeOne(state: ResourceState): ResourceDescription {
    const { target, current } = state
    const running = current && {
      action: current.action,
      pid: current.run.pid,
      sinceMs: Math.round(performance.now() - current.startedAt),
    }
    return {
      id: target.id,
      agent: describeAgent(target),
      parameters: maskParameters(target.parameters),
      running,
      stuck: state.stuck,
      queued: this.#queue.labelsWaiting(target.id),
      monitorIntervalMs: state.monitor?.intervalMs ?? null,
      last: [...state.last],
    }
  }
}

/** 'ocf:heartbeat:IPaddr2', 'heartbeat:/etc/ha.d/resource.d/apache', 'systemd:nginx.service'. */
export function describeAgent(target: AgentTarget): string {
  switch (target.class) {
    case 'ocf':
      return `ocf:${target.provider ?? '?'}:${target.name}`
    case 'systemd':
      return `systemd:${target.name}`
    case 'heartbeat':
    case 'lsb':
      return `${target.class}:${target.path}`
  }
}

function remember(state: ResourceState, result: AgentResult): void {
  state.last.push(result)
  if (state.last.length > RESULTS_KEPT) state.last.shift()
}

type SupportedCommand = Extract<AgentCommand, { supported: true }>

/** Writes what the command needs; a sentence if it cannot. */
function prepareSteps(command: SupportedCommand): readonly AgentStep[] | string {
  let changed = false
  for (const { path, content } of command.files) {
    try {
      if (readOrNull(path) === content) continue
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content)
      changed = true
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      return `'${path}' cannot be written: ${cause}`
    }
  }
  return changed && command.reload !== null ? [command.reload, ...command.steps] : command.steps
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
