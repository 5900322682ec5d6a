// The ownership of one group as an arbiter grants it: when it is asked for, kept, lost and given back.
//
//   idle --wanted, bound: look--> idle
//   idle --wanted--> asking --held--> owned --not held here any more--> clearing --released--> idle
//                    asking --unknown--> unsure --cleared--> idle
//   owned --deadline, or surely gone--> lapsed --verified stop--> clearing
//   clearing: first the disk forgets it, then the arbiter is told
//   boot: confirming --held--> owned, else idle
// Nothing is owned without a positive answer that this life received, and never past its deadline. What another
// node promised (promises.ts) can move the deadline of an ownership, and can never begin one.

import { micros, type GroupId, type Micros } from '../base/ids.js'
import type { ArbiterRunEffect, NoteEffect } from '../effects.js'
import type { ArbiterResultEvent } from '../events.js'
import type { LeaseConfig } from '../types.js'

export interface Ownership { readonly token: number; readonly deadlineAt: Micros }

/** What the machine may do; the same interface drives the whole core and the exhaustive exploration. */
export interface LeaseIo {
  readonly now: Micros
  readonly config: LeaseConfig
  order(group: GroupId, action: ArbiterRunEffect['action'], token: number | null): number
  /** Engine and guardian end it by themselves. */
  ownership(group: GroupId, token: number, deadlineAt: Micros | null): void
  /** For the next life of this daemon. */
  remember(group: GroupId, ownership: Ownership | null): void
  /** The group is stopped here and nothing is owned: promises of the other node are not relied on any more. */
  unbind(group: GroupId): void
  note(level: NoteEffect['level'], event: string, text: string, details: NoteEffect['details']): void
}

/** What is true of the group at this step. */
export interface GroupFacts {
  /** Everything but a verified stop. */
  readonly held: boolean
  readonly wanted: boolean
  /** This node promised not to acquire it, or may have in an earlier life. */
  readonly bound: boolean
}

/** `looking`: a look is under way; `looked`: nothing else was asked since. Neither can make a key. */
interface Idle { readonly name: 'idle'; readonly looking: number | null; readonly looked: boolean }

type State =
  | Idle
  | { readonly name: 'asking'; readonly call: number }
  | { readonly name: 'unsure'; readonly call: number | null }
  | { readonly name: 'confirming'; readonly call: number | null; readonly old: Ownership }
  | { readonly name: 'owned'; readonly token: number; readonly arbiterUntil: Micros; readonly call: number | null; readonly lost: boolean }
  | { readonly name: 'lapsed'; readonly token: number }
  | { readonly name: 'clearing'; readonly token: number; readonly call: number | null; readonly asked: boolean }

const idle: Idle = { name: 'idle', looking: null, looked: false }

/** A dead owner's key ends at a moment that nobody announces: this often it is looked for. */
const askAgainUs = 250_000
const tidyAgainUs = 1_000_000
/** A disk that takes longer has failed: whoever waits for the group waits no longer for it. A node that stops lingers for longer. */
const diskWaitUs = 500_000

export class GroupLease {
  #state: State = idle
  /** No order before this moment. */
  #notBefore: Micros = micros(0)
  #promise: { readonly token: number; readonly until: Micros } | null = null
  #said: Ownership | null = null
  #waitingFor: string | null = null
  /** Of what the next life would read, not answered by the disk yet. */
  #writes = 0
  /** Words of the last answer that was none. */
  problem: string | null = null

  constructor(private readonly io: LeaseIo, readonly id: GroupId) {}

  get name(): State['name'] {
    return this.#state.name
  }

  get ownership(): Ownership | null {
    const state = this.#state
    if (state.name !== 'owned') return null
    const deadlineAt = this.#deadline(state)
    return this.io.now < deadlineAt ? { token: state.token, deadlineAt } : null
  }

  /** The arbiter did not answer, or said that the key is gone: promises of the other node are needed. */
  get doubtful(): boolean {
    return this.#state.name === 'owned' && this.problem !== null
  }

  /** The present deadline is longer than the arbiter's own. */
  get promised(): boolean {
    const state = this.#state
    return state.name === 'owned' && this.#deadline(state) > state.arbiterUntil
  }

  get confirming(): boolean {
    return this.#state.name === 'confirming'
  }

  /** Everything that decides what comes next: two machines with equal words behave alike. */
  get words(): string {
    return JSON.stringify([this.#state, this.#notBefore, this.#promise, this.problem !== null, this.#writes])
  }

  /** No key of ours, and no request that could make one. */
  get clear(): boolean {
    return this.#state.name === 'idle'
  }

  /** No ownership can come out of what is under way. */
  get mayPromise(): boolean {
    return this.#state.name === 'idle' || this.#state.name === 'clearing'
  }

  /** What an earlier life owned: still ours if the arbiter says so before that deadline. Its key is tidied up in any case. */
  confirm(old: Ownership): void {
    this.#state = old.deadlineAt > this.io.now ? { name: 'confirming', call: null, old } : { name: 'lapsed', token: old.token }
  }

  /**
   * The disk answered. A key is given back only when no next life believes in it any more: the request may be carried out
   * after such a life has asked whether it still owns the group.
   */
  remembered(): void {
    this.#writes = Math.max(0, this.#writes - 1)
    const state = this.#state
    if (this.#writes === 0 && state.name === 'clearing' && state.call === null && !state.asked) this.#notBefore = this.io.now
  }

  /** What an earlier life left there means nothing. */
  forget(): void {
    this.#remember(null)
  }

  /** The other node neither acquires nor takes before `until`. */
  promise(token: number, until: Micros): void {
    const state = this.#state
    if (state.name !== 'owned' || state.token !== token) return
    if (this.#promise?.token === token && this.#promise.until >= until) return
    this.#promise = { token, until }
    this.#say(state)
  }

  /** Whoever ends it natively does not know of it: it counts as not renewed, and as over. */
  refused(token: number, why: string): void {
    if (this.#state.name !== 'owned' || this.#state.token !== token) return
    this.#later(askAgainUs)
    this.#lapse(token, why)
  }

  /** When something is due without an event; null: nothing. */
  nextAt(facts: GroupFacts): Micros | null {
    const state = this.#state
    switch (state.name) {
      case 'idle': return facts.wanted && !facts.held && state.looking === null ? this.#notBefore : null
      case 'unsure': case 'clearing': return state.call === null ? this.#notBefore : null
      case 'confirming': return state.call === null ? earlier(this.#notBefore, state.old.deadlineAt) : state.old.deadlineAt
      case 'owned': return state.call === null ? earlier(this.#notBefore, this.#deadline(state)) : this.#deadline(state)
      case 'asking': case 'lapsed': return null
    }
  }

  /** Level: called in every step. */
  advance(facts: GroupFacts): void {
    const { io } = this
    const state = this.#state
    switch (state.name) {
      case 'idle':
        if (!facts.wanted || facts.held) { this.#waitingFor = null; return }
        return this.#advanceIdle(state, facts)
      case 'unsure':
        if (state.call === null && this.#due()) this.#state = { ...state, call: io.order(this.id, 'release', null) }
        return
      case 'confirming': return this.#advanceConfirming(state)
      case 'owned': return this.#advanceOwned(state, facts)
      case 'lapsed':
        if (!facts.held) this.#clear(state.token, 'stopped')
        return
      case 'clearing':
        if (state.call !== null || !this.#due()) return
        this.#state = { ...state, call: io.order(this.id, 'release', state.token), asked: true }
        return
      case 'asking': return
    }
  }

  result(event: ArbiterResultEvent): void {
    const state = this.#state
    if (state.name === 'lapsed' || (state.name === 'idle' ? state.looking : state.call) !== event.call) return
    this.problem = event.outcome === 'held' || (event.outcome !== 'unknown' && state.name !== 'owned') ? null : event.text
    switch (state.name) {
      case 'idle':
        this.#later(askAgainUs)
        return this.#enter({ ...idle, looked: true })
      case 'asking': return this.#answeredAsking(event)
      case 'unsure': case 'clearing':
        if (event.outcome === 'released') return this.#enter(idle)
        this.#later(tidyAgainUs)
        return this.#enter({ ...state, call: null })
      case 'confirming': return this.#answeredConfirming(state, event)
      case 'owned': return this.#answeredOwned(state, event)
    }
  }

  // ----------------------------------------------------------------------------------------------- parts

  /**
   * A node that is bound does not ask for the group, and looks all the same: what it sees of the end of the owner's lease is
   * what lets it take at once when its promise is over.
   */
  #advanceIdle(state: Idle, facts: GroupFacts): void {
    if (facts.bound) this.#wait('bound', 'this node promised not to take it, or may have before it was restarted')
    if (state.looking !== null) return
    if (facts.bound && this.#due()) this.#state = { ...state, looking: this.io.order(this.id, 'look', null) }
    // A pause after a look is none of an answer that was a refusal.
    else if (!facts.bound && (state.looked || this.#due())) this.#state = { name: 'asking', call: this.io.order(this.id, 'acquire', null) }
  }

  #advanceConfirming(state: Extract<State, { name: 'confirming' }>): void {
    if (this.io.now >= state.old.deadlineAt) {
      this.#note('warn', 'lease.unconfirmed', 'the arbiter did not confirm in time that this node still owns it', {
        token: state.old.token,
      })
      return this.#enter({ name: 'lapsed', token: state.old.token })
    }
    if (state.call !== null || !this.#due()) return
    this.#state = { ...state, call: this.io.order(this.id, 'confirm', state.old.token) }
  }

  #advanceOwned(state: Extract<State, { name: 'owned' }>, facts: GroupFacts): void {
    const { io } = this
    if (!facts.held && !facts.wanted) return this.#clear(state.token, 'not-needed')
    if (io.now >= this.#deadline(state)) return this.#lapse(state.token, 'its deadline passed without a renewal')
    if (state.call !== null || !this.#due()) return
    const action = state.lost ? 'acquire' : 'renew'
    this.#state = { ...state, call: io.order(this.id, action, state.lost ? null : state.token) }
  }

  #answeredAsking(event: ArbiterResultEvent): void {
    if (event.outcome === 'held') return this.#own(event)
    if (event.outcome === 'unknown') {
      this.#later(askAgainUs)
      return this.#enter({ name: 'unsure', call: null })
    }
    this.#wait('other', event.holder === null ? 'nobody gives it' : `${event.holder} owns it`)
    this.#later(askAgainUs)
    this.#enter(idle)
  }

  #answeredConfirming(state: Extract<State, { name: 'confirming' }>, event: ArbiterResultEvent): void {
    if (event.outcome === 'held') return this.#own(event)
    if (event.outcome === 'unknown') {
      this.#later(askAgainUs)
      return this.#enter({ ...state, call: null })
    }
    this.#note('warn', 'lease.lost', `not ours any more: ${event.text}`, { token: state.old.token })
    this.#remember(null)
    this.#enter(idle)
  }

  #answeredOwned(state: Extract<State, { name: 'owned' }>, event: ArbiterResultEvent): void {
    if (event.outcome === 'held') return this.#own(event)
    const sure = event.outcome !== 'unknown'
    const next = { ...state, call: null, lost: state.lost || sure }
    // Before its deadline a key only goes when somebody deletes it: what the arbiter granted counts no more.
    const counts = sure ? { ...next, arbiterUntil: micros(Math.min(next.arbiterUntil, this.io.now)) } : next
    this.#state = counts
    if (this.io.now >= this.#deadline(counts)) return this.#lapse(state.token, `the arbiter says: ${event.text}`)
    if (sure && !state.lost) {
      this.#note('warn', 'lease.key-lost', `the arbiter lost the key (${event.text}); the other node's promise holds it`, {
        token: state.token,
      })
    }
    this.#later(Math.min(askAgainUs * 2, this.io.config.renewUs))
    this.#say(counts)
  }

  #own(event: ArbiterResultEvent): void {
    const { io } = this
    const { token, deadlineAt } = event
    if (token === null || deadlineAt === null) return this.#enter({ name: 'unsure', call: null })
    const before = this.#state
    const fresh = before.name !== 'owned' || before.token !== token
    if (deadlineAt <= io.now && fresh) return this.#ownTooLate(before, token)
    const state = { name: 'owned' as const, token, arbiterUntil: deadlineAt, call: null, lost: false }
    this.#later(io.config.renewUs)
    if (fresh) {
      const seconds = ((deadlineAt - io.now) / 1_000_000).toFixed(1)
      this.#note('info', 'lease.owned', `owned for ${seconds} s (token ${token})`, { token, action: event.action })
    }
    this.#waitingFor = null
    this.#state = state
    this.#say(state)
  }

  /** The answer took longer than what it grants. */
  #ownTooLate(before: State, token: number): void {
    this.#later(askAgainUs)
    // A key goes only when nothing runs: while the other node's promise lasts, it is asked for again.
    if (before.name === 'owned') this.#state = { ...before, call: null, lost: true }
    else if (before.name === 'confirming') this.#lapse(token, 'the arbiter confirmed it too late')
    else this.#clear(token, 'too-late')
  }

  #lapse(token: number, why: string): void {
    this.#note('error', 'lease.expired', `not owned any more: ${why}`, { token })
    this.#state = { name: 'lapsed', token }
    this.#promise = null
  }

  #clear(token: number, reason: 'stopped' | 'not-needed' | 'too-late'): void {
    const { io } = this
    this.#promise = null
    this.#said = null
    io.ownership(this.id, token, null)
    this.#remember(null)
    io.unbind(this.id)
    this.#note('info', 'lease.released', `given back (${reason})`, { token, reason })
    this.#later(diskWaitUs)
    this.#state = { name: 'clearing', token, call: null, asked: false }
  }

  #remember(ownership: Ownership | null): void {
    this.#writes += 1
    this.io.remember(this.id, ownership)
  }

  /** Engine, guardian and the next life hear of every deadline. */
  #say(state: Extract<State, { name: 'owned' }>): void {
    const { io } = this
    const deadlineAt = this.#deadline(state)
    if (this.#said?.token === state.token && this.#said.deadlineAt === deadlineAt) return
    if (deadlineAt <= io.now) return
    this.#said = { token: state.token, deadlineAt }
    io.ownership(this.id, state.token, deadlineAt)
    this.#remember(this.#said)
  }

  #deadline(state: Extract<State, { name: 'owned' }>): Micros {
    const promise = this.#promise
    return promise === null || promise.token !== state.token ? state.arbiterUntil : micros(Math.max(state.arbiterUntil, promise.until))
  }

  #due(): boolean {
    return this.io.now >= this.#notBefore
  }

  #later(us: number): void {
    this.#notBefore = micros(this.io.now + us)
  }

  #enter(state: State): void {
    this.#state = state
  }

  /** Said once for each reason. */
  #wait(code: string, text: string): void {
    if (this.#waitingFor === code) return
    this.#waitingFor = code
    this.#note('info', 'lease.waiting', `not owned yet: ${text}`, { reason: code })
  }

  #note(level: NoteEffect['level'], event: string, text: string, details: Readonly<Record<string, string | number>>): void {
    this.io.note(level, event, `${this.id}: ${text}`, { group: this.id, ...details })
  }
}

const earlier = (a: Micros, b: Micros): Micros => (a < b ? a : b)
