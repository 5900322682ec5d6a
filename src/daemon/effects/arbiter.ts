// Carries out the core's orders to the arbiter: one answer for each order, never a rejection, nothing decided.
import type { Logger } from 'pino'
import type { Arbiter, ArbiterHealth } from '../../arbiter/arbiter.js'
import { arbiterOf, type ArbiterScene } from '../../arbiter/registry.js'
import type { ClusterConfig } from '../../config/model.js'
import type { ArbiterRunEffect } from '../../core/effects.js'
import type { ArbiterResultEvent } from '../../core/events.js'
import { nodeId } from '../../core/base/ids.js'

export type ArbiterAnswerWords = Pick<ArbiterResultEvent, 'outcome' | 'token' | 'deadlineAt' | 'holder' | 'text'>

/** A version that nobody tells is not asked for at every order. */
const noticesMax = 5

/** What is odd about the arbiter goes to the log, once: it changes nothing of what is ordered. */
export function arbiterRunnerOf(config: ClusterConfig, scene: Omit<ArbiterScene, 'warn'>, log: Pick<Logger, 'warn'>): ArbiterRunner {
  const arbiter = arbiterOf(config, { ...scene, warn: (event, text) => { log.warn(event, text) } })
  const runner = new ArbiterRunner(arbiter, (text) => { log.warn({ event: 'arbiter.hasty' }, text) })
  void runner.notice()
  return runner
}

export class ArbiterRunner {
  readonly #arbiter: Arbiter | null
  readonly #running = new Set<Promise<unknown>>()
  readonly #onNotice: (text: string) => void
  #noticesLeft = noticesMax

  constructor(arbiter: Arbiter | null, onNotice: (text: string) => void = () => undefined) {
    this.#arbiter = arbiter
    this.#onNotice = onNotice
  }

  /** Until it was answered once: at a boot the network may come later. */
  async notice(): Promise<void> {
    if (this.#noticesLeft === 0 || this.#arbiter === null) return
    const left = this.#noticesLeft - 1
    this.#noticesLeft = 0
    const notices = await this.#arbiter.notices()
    if (notices === null) this.#noticesLeft = left
    for (const text of notices ?? []) this.#onNotice(text)
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
      if (outcome !== 'unknown') void this.notice()
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
