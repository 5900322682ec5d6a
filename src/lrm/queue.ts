// Order of operations: one at a time per resource, in the order they came, a limited number of
// resources at once. Commands (start, stop, probe) overtake monitors that still wait.

import type { AgentAction } from './types.js'

export type Lane = 'command' | 'monitor'

export interface QueueTask {
  readonly key: string
  readonly lane: Lane
  readonly label: AgentAction
  /** Resolves when the next operation of this resource may run; must not reject. */
  start(): Promise<void>
  /** Taken out before it started. */
  drop(): void
}

/** A resource has at most a handful of operations planned; more is a runaway caller. */
export const WAITING_MAX = 1024

export class OperationQueue {
  readonly #limit: number
  readonly #waiting: Record<Lane, QueueTask[]> = { command: [], monitor: [] }
  readonly #busy = new Map<string, QueueTask>()

  constructor(limit: number) {
    this.#limit = Math.max(1, limit)
  }

  get limit(): number {
    return this.#limit
  }

  get running(): number {
    return this.#busy.size
  }

  /** False when the queue is full: the task was not taken. */
  add(task: QueueTask): boolean {
    const { command, monitor } = this.#waiting
    if (command.length + monitor.length >= WAITING_MAX) return false
    this.#waiting[task.lane].push(task)
    this.#pump()
    return true
  }

  /** Drops what waits and matches; what runs is left alone. Answers how many. */
  remove(matches: (task: QueueTask) => boolean): number {
    let removed = 0
    for (const lane of ['command', 'monitor'] as const) {
      const dropped = this.#waiting[lane].filter(matches)
      this.#waiting[lane] = this.#waiting[lane].filter((task) => !dropped.includes(task))
      for (const task of dropped) task.drop()
      removed += dropped.length
    }
    return removed
  }

  labelsWaiting(key: string): AgentAction[] {
    return [...this.#waiting.command, ...this.#waiting.monitor]
      .filter((task) => task.key === key)
      .map((task) => task.label)
  }

  #pump(): void {
    for (const lane of ['command', 'monitor'] as const) {
      let next = this.#takeRunnable(lane)
      while (next !== null) {
        this.#run(next)
        next = this.#takeRunnable(lane)
      }
    }
  }

  #takeRunnable(lane: Lane): QueueTask | null {
    if (this.#busy.size >= this.#limit) return null
    const waiting = this.#waiting[lane]
    const at = waiting.findIndex((task) => !this.#busy.has(task.key))
    return waiting.splice(at, at < 0 ? 0 : 1)[0] ?? null
  }

  #run(task: QueueTask): void {
    this.#busy.set(task.key, task)
    void task.start().then(() => {
      this.#busy.delete(task.key)
      this.#pump()
    })
  }
}
