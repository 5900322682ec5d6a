// A recurring monitor: the period counts from the end of the previous run, so runs never overlap
// and a slow agent is asked less often. Only a change of the answer is reported, and the first.

import { sameAnswer } from './result.js'
import type { AgentResult, MonitorOperation, MonitorPrevious } from './types.js'

export interface MonitorHost {
  run(): Promise<AgentResult>
  /** Takes a waiting run out of the queue. */
  unqueue(): void
}

export class RecurringMonitor {
  readonly #operation: MonitorOperation
  readonly #host: MonitorHost
  #timer: NodeJS.Timeout | null = null
  #previous: MonitorPrevious | null = null
  #cancelled = false

  constructor(operation: MonitorOperation, host: MonitorHost) {
    this.#operation = operation
    this.#host = host
  }

  get intervalMs(): number {
    return this.#operation.intervalMs
  }

  start(): void {
    this.#schedule(this.#operation.startDelayMs ?? 0)
  }

  cancel(): void {
    if (this.#cancelled) return
    this.#cancelled = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#host.unqueue()
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#round(), delayMs)
  }

  async #round(): Promise<void> {
    const result = await this.#host.run()
    if (this.#cancelled) return
    const previous = this.#previous
    const same = previous !== null && sameAnswer(previous.result, result)
    this.#previous = { result, consecutive: same ? previous.consecutive + 1 : 1 }
    if (!same) this.#operation.report(result, previous)
    // The report may have cancelled it.
    if (!this.#isCancelled()) this.#schedule(this.#operation.intervalMs)
  }

  #isCancelled(): boolean {
    return this.#cancelled
  }
}
