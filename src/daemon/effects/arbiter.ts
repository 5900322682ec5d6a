// Carries out the core's orders to the arbiter: one answer for each order, never a rejection, nothing decided.
import type { Arbiter, ArbiterHealth } from '../../arbiter/arbiter.js'
import type { ArbiterRunEffect } from '../../core/effects.js'
import type { ArbiterResultEvent } from '../../core/events.js'
import { nodeId } from '../../core/base/ids.js'

export type ArbiterAnswerWords = Pick<ArbiterResultEvent, 'outcome' | 'token' | 'deadlineAt' | 'holder' | 'text'>

export class ArbiterRunner {
  readonly #arbiter: Arbiter | null
  readonly #running = new Set<Promise<unknown>>()

  constructor(arbiter: Arbiter | null) {
    this.#arbiter = arbiter
  }

  get health(): ArbiterHealth | null {
    return this.#arbiter?.health() ?? null
  }

  async run(order: ArbiterRunEffect): Promise<ArbiterAnswerWords> {
    const none: ArbiterAnswerWords = { outcome: 'unknown', token: null, deadlineAt: null, holder: null, text: 'no arbiter is configured' }
    if (this.#arbiter === null) return none
    const running = this.#arbiter.run({ action: order.action, group: order.group, token: order.token })
    this.#running.add(running)
    try {
      const { outcome, token, deadlineAt, holder, text } = await running
      return { outcome, token, deadlineAt, holder: holder === null ? null : nodeId(holder), text }
    } finally {
      this.#running.delete(running)
    }
  }

  /** A key that is given back while the daemon ends: its order is waited for, and ends within its own limit. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#running])
    this.#arbiter?.close()
  }
}
