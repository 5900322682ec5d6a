// Lease protection: which node may hold which group, as an arbiter says, and what both do when it is silent.
// One machine for each group (group-lease.ts), promises between the nodes (promises.ts), and this file between
// them and the rest of the core. It decides nothing about groups: others ask it at every act.

import { micros, type GroupId, type Micros } from '../base/ids.js'
import type { Context } from '../context.js'
import type { ArbiterResultEvent } from '../events.js'
import { invariant } from '../base/invariant.js'
import type { Field, LeaseConfig, LeaseSnapshot } from '../types.js'
import type { LeaseBook } from '../takeover/authority-book.js'
import { GroupLease, type GroupFacts, type LeaseIo, type Ownership } from './group-lease.js'
import {
  GivenPromises, parsePromise, promiseKey, promiseMessage, promiseUntil, promiseWords, type PromiseMessage, type Token,
} from './promises.js'

/** What has to be known of the rest of the node. */
export interface LeaseScene {
  /** The other node of the pair; `twinbeat`: it understands promises. `alive`: heard, and not judged dead. */
  peer(): { readonly id: string; readonly generation: number; readonly alive: boolean; readonly twinbeat: boolean } | null
  /** Everything but a verified stop counts as held; a group that there is not is stopped. */
  held(group: GroupId): boolean
  /** The peer states, in knowledge of this incarnation, that it neither holds the group nor relies on any promise about it. */
  peerFree(group: GroupId): boolean
}

const leasePrefix = 'lease:'
const arbiterTimer = 'arbiter'
const promiseTimer = `${arbiterTimer}:`

export class Arbitration implements LeaseBook {
  readonly #leases = new Map<GroupId, GroupLease>()
  readonly #wanted = new Set<GroupId>()
  readonly #given = new GivenPromises()
  readonly #timers = new Map<GroupId, Micros>()
  /** Groups about which promises were asked for under the present ownership. */
  readonly #asked = new Set<GroupId>()
  #askAt: Micros = micros(0)
  #stamp = 0
  #writingSpan: number | null = null
  /** Answered when its span is on disk. */
  #unanswered: PromiseMessage | null = null
  #silent = false

  #config: LeaseConfig

  constructor(private readonly ctx: Context, private readonly scene: LeaseScene) {
    const { lease } = ctx.config
    invariant(lease !== null, 'lease protection has its times')
    this.#config = lease
  }

  // ---------------------------------------------------------------------------------- asked by the others

  ownership(group: GroupId): Ownership | null {
    return this.#leases.get(group)?.ownership ?? null
  }

  confirming(group: GroupId): boolean {
    return this.#leases.get(group)?.confirming === true
  }

  gone(group: GroupId): boolean {
    return this.#leases.get(group)?.clear !== false
  }

  want(group: GroupId, wanted: boolean): void {
    if (this.#wanted.has(group) === wanted) return
    if (wanted) this.#wanted.add(group)
    else this.#wanted.delete(group)
    this.#advance(this.#lease(group))
  }

  /** The arbiter answers: a group that is given away now can be taken by the other node. */
  get healthy(): boolean {
    return !this.#silent
  }

  /** Everything that decides what comes next. */
  get words(): string {
    const leases = [...this.#leases].map(([id, lease]) => [id, lease.words])
    return JSON.stringify([
      leases, [...this.#wanted], this.#given.words, [...this.#asked], this.#askAt, this.#writingSpan, this.#unanswered,
    ])
  }

  snapshot(group: GroupId): LeaseSnapshot | null {
    const lease = this.#leases.get(group)
    const boundUntil = this.#given.boundUntil(group)
    const bound = boundUntil > this.ctx.now
    // Never wanted here, and yet promised to the other node.
    if (lease === undefined && !bound) return null
    const ownership = lease?.ownership ?? null
    return {
      state: lease?.name ?? 'idle',
      token: ownership?.token ?? null,
      deadlineAt: ownership?.deadlineAt ?? null,
      byPromise: lease?.promised ?? false,
      boundUntil: bound ? boundUntil : null,
      problem: lease?.problem ?? null,
    }
  }

  // ---------------------------------------------------------------------------------------- life and events

  boot(persisted: Readonly<Record<string, string>>): void {
    const longest = Number(persisted[promiseKey] ?? 0)
    this.#given.boot(this.ctx.now, Number.isSafeInteger(longest) && longest > 0 ? longest : 0, this.#config)
    for (const [key, text] of Object.entries(persisted)) {
      if (!key.startsWith(leasePrefix)) continue
      const old = parseOwnership(text)
      const id = key.slice(leasePrefix.length) as GroupId
      if (old === null) this.#lease(id).forget()
      else this.#lease(id).confirm(old)
    }
  }

  result(event: ArbiterResultEvent): void {
    const silent = event.outcome === 'unknown'
    // That nothing has to be cleared is known without asking anybody.
    const proof = silent || this.#leases.get(event.group)?.name !== 'unsure'
    if (proof && silent !== this.#silent) {
      this.#silent = silent
      if (silent) this.ctx.note('warn', 'arbiter.silent', `the arbiter does not answer: ${event.text}`, { text: event.text })
      else this.ctx.note('info', 'arbiter.answered', 'the arbiter answers again', {})
    }
    this.#leases.get(event.group)?.result(event)
  }

  refused(group: GroupId, token: number, why = 'the engine refuses it'): void {
    this.#leases.get(group)?.refused(token, why)
  }

  timer(subject: string): void {
    this.#timers.delete(subject as GroupId)
  }

  persisted(key: string, ok: boolean): void {
    if (key.startsWith(leasePrefix)) return this.#leases.get(key.slice(leasePrefix.length) as GroupId)?.remembered()
    if (key !== promiseKey || this.#writingSpan === null) return
    if (ok) this.#given.spanWritten(this.#writingSpan)
    this.#writingSpan = null
    const ask = this.#unanswered
    this.#unanswered = null
    const peer = this.scene.peer()
    if (ok && ask !== null && peer?.generation === ask.generation) this.#answer(peer.id, ask)
  }

  /** Level. */
  advance(): void {
    for (const lease of this.#leases.values()) this.#advance(lease)
    this.#askForPromises()
  }

  peerChanged(): void {
    // What was promised binds whatever becomes of the other node.
  }

  groupSettled(): void {
    // Seen by the level.
  }

  configChanged(): void {
    this.#config = this.ctx.config.lease ?? this.#config
  }

  // --------------------------------------------------------------------------------------------- messages

  message(fields: readonly Field[]): void {
    const message = parsePromise(fields)
    const peer = this.scene.peer()
    if (message === null || peer === null) return
    if (message.generation !== peer.generation || message.peerGeneration !== this.ctx.generation) return
    switch (message.op) {
      case 'ask': return this.#answer(peer.id, message)
      case 'void': for (const { group } of message.list) this.#given.void(group, message); return
      case 'grant': {
        const until = promiseUntil(message, this.ctx.now, this.#config)
        if (until === null) return
        for (const { group, token } of message.list) this.#leases.get(group)?.promise(token, until)
      }
    }
  }

  /** The other node owns these groups and cannot reach the arbiter. */
  #answer(to: string, ask: PromiseMessage): void {
    if (ask.spanUs > this.#given.spanUs) {
      this.#unanswered = ask
      return this.#writeSpan(ask.spanUs)
    }
    const list = ask.list.filter(({ group }) => this.#mayPromise(group) && this.#given.give(group, ask, this.ctx.now))
    if (list.length === 0) return
    this.ctx.send(promiseMessage, promiseWords(to, {
      ...ask, op: 'grant', generation: this.ctx.generation, peerGeneration: ask.generation, list,
    }))
  }

  /** A new life has said nothing before it has looked: a group that is not known to be stopped is held. */
  #mayPromise(group: GroupId): boolean {
    return !this.scene.held(group) && this.#leases.get(group)?.mayPromise !== false
  }

  #writeSpan(spanUs: number): void {
    if (this.#writingSpan !== null) return
    this.#writingSpan = spanUs
    this.ctx.persist(promiseKey, `${spanUs}`)
  }

  #askForPromises(): void {
    const peer = this.scene.peer()
    const doubtful = [...this.#leases.values()].filter((lease) => lease.doubtful)
    if (peer === null || !peer.alive || !peer.twinbeat || doubtful.length === 0) return
    if (this.ctx.now < this.#askAt) return
    const list: Token[] = doubtful.flatMap((lease) => {
      const { ownership } = lease
      if (ownership === null) return []
      this.#asked.add(lease.id)
      return [{ group: lease.id, token: ownership.token }]
    })
    if (list.length === 0) return
    const againUs = Math.floor(this.#config.renewUs / 2)
    this.#askAt = micros(this.ctx.now + againUs)
    this.ctx.timer(promiseTimer, againUs)
    this.#say(peer, 'ask', list)
  }

  #unbind(group: GroupId): void {
    const peer = this.scene.peer()
    const lease = this.#leases.get(group)
    if (!this.#asked.delete(group) || peer === null || lease === undefined || !peer.twinbeat) return
    this.#say(peer, 'void', [{ group, token: 0 }])
  }

  #say(peer: { readonly id: string; readonly generation: number }, op: 'ask' | 'void', list: readonly Token[]): void {
    // Two words of one step must be told apart by their stamps.
    this.#stamp = Math.max(this.ctx.now, this.#stamp + 1)
    const { generation } = this.ctx
    this.ctx.send(promiseMessage, promiseWords(peer.id, {
      op, generation, peerGeneration: peer.generation, stamp: this.#stamp, spanUs: this.#config.ttlUs, list,
    }))
  }

  // ------------------------------------------------------------------------------------------------ parts

  #lease(group: GroupId): GroupLease {
    const known = this.#leases.get(group)
    if (known !== undefined) return known
    const lease = new GroupLease(this.#io(), group)
    this.#leases.set(group, lease)
    return lease
  }

  #advance(lease: GroupLease): void {
    const { id } = lease
    const peer = this.scene.peer()
    if (peer === null || (peer.alive && this.scene.peerFree(id))) this.#given.free(id, peer?.generation ?? 0)
    const boundUntil = this.#given.boundUntil(id)
    const facts: GroupFacts = {
      held: this.scene.held(id), wanted: this.#wanted.has(id), bound: this.ctx.now < boundUntil,
    }
    lease.advance(facts)
    const nextAt = lease.nextAt({ ...facts, held: this.scene.held(id) })
    const waits = facts.wanted && facts.bound && lease.name === 'idle'
    this.#setTimer(id, waits && (nextAt === null || boundUntil < nextAt) ? boundUntil : nextAt)
  }

  #setTimer(id: GroupId, at: Micros | null): void {
    if (at === null || this.#timers.get(id) === at) return
    this.#timers.set(id, at)
    this.ctx.timer(`${arbiterTimer}:${id}`, Math.max(0, at - this.ctx.now))
  }

  #io(): LeaseIo {
    const { ctx } = this
    const config = (): LeaseConfig => this.#config
    return {
      get now() { return ctx.now },
      get config() { return config() },
      order: (group, action, token) => ctx.arbiter({ group, action, token }),
      ownership: (group, token, deadlineAt) => { ctx.ownership({ group, token, deadlineAt }) },
      remember: (group, ownership) => {
        ctx.persist(`${leasePrefix}${group}`, ownership === null ? null : JSON.stringify(ownership))
      },
      unbind: (group) => { this.#unbind(group) },
      note: (level, event, text, details) => { ctx.note(level, event, text, details) },
    }
  }
}

function parseOwnership(text: string): Ownership | null {
  try {
    const value = JSON.parse(text) as { token?: unknown; deadlineAt?: unknown }
    const { token, deadlineAt } = value
    if (!Number.isSafeInteger(token) || !Number.isSafeInteger(deadlineAt)) return null
    return { token: token as number, deadlineAt: micros(deadlineAt as number) }
  } catch {
    return null
  }
}
