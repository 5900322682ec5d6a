// An arbiter in memory, for tests: the same promises as a real one, a clock that the test owns, and faults.
import {
  deadlineOf, unknownAnswer, type Arbiter, type ArbiterAnswer, type ArbiterHealth, type ArbiterOrder, type ArbiterParts, type ProbeLine,
} from '../../src/arbiter/arbiter.js'

interface Entry { readonly token: number; readonly holder: string; readonly owner: MemoryArbiter; expiresAt: number }

export type Fault = 'none' | 'silent' | 'answer-lost'

/** What stands in the third place; shared by the arbiters of all nodes. */
export class ArbiterStore {
  readonly keys = new Map<string, Entry>()
  #revision = 0
  fault: Fault = 'none'

  constructor(readonly now: () => number) {}

  get(group: string): Entry | null {
    const entry = this.keys.get(group)
    if (entry !== undefined && this.now() >= entry.expiresAt) this.keys.delete(group)
    return this.keys.get(group) ?? null
  }

  create(group: string, entry: Omit<Entry, 'token'>): Entry {
    this.#revision += 1
    const made = { ...entry, token: this.#revision }
    this.keys.set(group, made)
    return made
  }
}

export class MemoryArbiter implements Arbiter {
  readonly #open = new Map<string, number>()

  constructor(private readonly store: ArbiterStore, private readonly parts: ArbiterParts) {}

  async run(order: ArbiterOrder): Promise<ArbiterAnswer> {
    const { store } = this
    if (store.fault === 'silent') return unknownAnswer('the arbiter is silent')
    const answer = this.#answer(order)
    if (store.fault !== 'answer-lost') return answer
    if (order.action === 'acquire' && answer.outcome === 'held') this.#open.set(order.group, answer.token ?? 0)
    return unknownAnswer('the answer was lost')
  }

  async probe(): Promise<readonly ProbeLine[]> {
    return [{ ok: this.store.fault === 'none', text: 'memory' }]
  }

  async notices(): Promise<readonly string[]> {
    return []
  }

  health(): ArbiterHealth {
    return { reachable: this.store.fault === 'none', endpoint: 'memory', lastAnswerAt: null, lastMs: null, problem: null }
  }

  close(): void {
    this.#open.clear()
  }

  #answer({ action, group, token }: ArbiterOrder): ArbiterAnswer {
    this.#forgetOpen(group)
    const entry = this.store.get(group)
    if (action === 'release') {
      if (entry !== null && entry.token === token) this.store.keys.delete(group)
      return { outcome: 'released', token: null, deadlineAt: null, holder: null, text: 'released' }
    }
    const { ttlUs } = this.parts.times
    if (action === 'acquire' && entry === null) {
      return this.#held(this.store.create(group, { holder: this.parts.node, owner: this, expiresAt: this.store.now() + ttlUs }))
    }
    if (entry === null) return { outcome: 'released', token: null, deadlineAt: null, holder: null, text: 'the key is gone' }
    if (action === 'acquire' || action === 'look' || entry.token !== token) {
      return { outcome: 'other', token: entry.token, deadlineAt: null, holder: entry.holder, text: `held by ${entry.holder}` }
    }
    entry.expiresAt = this.store.now() + ttlUs
    return this.#held(entry)
  }

  #held(entry: Entry): ArbiterAnswer {
    const deadlineAt = deadlineOf(this.parts.now(), this.parts.times.ttlUs, this.parts.times)
    return { outcome: 'held', token: entry.token, deadlineAt, holder: this.parts.node, text: 'held' }
  }

  #forgetOpen(group: string): void {
    const token = this.#open.get(group)
    if (token === undefined) return
    this.#open.delete(group)
    if (this.store.get(group)?.token === token) this.store.keys.delete(group)
  }
}
