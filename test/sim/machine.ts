// One machine: what really runs on it, and agents that work, fail, hang or lie.

import type { Prng } from '../../src/core/base/prng.js'

export type Action = 'probe' | 'start' | 'stop' | 'monitor'
export type AgentOutcome = 'running' | 'stopped' | 'failed'

/** Chances in percent; all zero in the calm phase. Addresses never misbehave: the kernel adds or does not. */
export interface Misbehaviour {
  startFails: number
  /** Says failed, and runs. */
  startLies: number
  stopFails: number
  /** Says failed, and is stopped. */
  stopLies: number
  hangs: number
}

export const goodManners: Misbehaviour = { startFails: 0, startLies: 0, stopFails: 0, stopLies: 0, hangs: 0 }

export interface Plan {
  readonly delayUs: number
  /** Applied to the truth when the action ends. */
  readonly runsAfter: boolean
  readonly outcome: AgentOutcome
}

export class Machine {
  /** Members that run, or are being started right now. */
  readonly running = new Set<string>()
  misbehaviour: Misbehaviour = goodManners

  constructor(private readonly prng: Prng) {}

  /** What will come of this action. A start counts as running from its first moment. */
  plan(action: Action, member: string, kind: 'address' | 'agent'): Plan {
    const runs = this.running.has(member)
    const quick = kind === 'address'
    const delayUs = quick ? 200 + this.prng.below(2000) : 5000 + this.prng.below(200_000)
    const good = (runsAfter: boolean): Plan => ({ delayUs, runsAfter, outcome: runsAfter ? 'running' : 'stopped' })
    if (action === 'probe' || action === 'monitor') return good(runs)
    if (quick) return good(action === 'start')
    const { startFails, startLies, stopFails, stopLies, hangs } = this.misbehaviour
    const slow = this.#chance(hangs) ? 2_000_000 + this.prng.below(8_000_000) : delayUs
    const fails = (runsAfter: boolean): Plan => ({ delayUs: slow, runsAfter, outcome: 'failed' })
    if (action === 'start') {
      if (this.#chance(startFails)) return fails(false)
      if (this.#chance(startLies)) return fails(true)
      return { ...good(true), delayUs: slow }
    }
    if (this.#chance(stopFails)) return fails(runs)
    if (this.#chance(stopLies)) return fails(false)
    return { ...good(false), delayUs: slow }
  }

  #chance(percent: number): boolean {
    return percent > 0 && this.prng.below(100) < percent
  }
}
