// Two real lease machines, one group, an arbiter and a wire, all in steps that the explorer chooses. Clocks run as
// far apart as the configured drift allows. A node that owned the group is taken to use it until the very end of
// its stop budget; two such times must never overlap.
import { groupId, micros, nodeId, type Micros } from '../../src/core/base/ids.js'
import { Arbitration } from '../../src/core/arbitration/arbitration.js'
import { Context } from '../../src/core/context.js'
import type { ArbiterRunEffect } from '../../src/core/effects.js'
import type { Field, LeaseConfig } from '../../src/core/types.js'
import { pairConfig } from './stage.js'

const second = 1_000_000
export const tickUs = second / 2
export const group = groupId('web')
export const lease: LeaseConfig = {
  ttlUs: 3 * second, driftPpm: 100_000, stopBudgetUs: second / 2, renewUs: second, requestUs: second * 2 / 5,
}

type Name = 'a' | 'b'
const other = (name: Name): Name => (name === 'a' ? 'b' : 'a')

interface Message { readonly to: Name; readonly fields: readonly Field[]; readonly sentAt: number }
/** Carried out by the arbiter, or not yet; its answer goes to the life that asked. */
interface Order extends Pick<ArbiterRunEffect, 'call' | 'action' | 'token'> { readonly life: number; readonly sentAt: Micros }

/** Deliberate errors, to see that the check sees them. */
export type Mutant = 'promise-forgotten' | 'from-answer' | 'budget-ignored'

class ExploredNode {
  ctx: Context
  machine: Arbitration
  life = 1
  /** How this node sees the other one. */
  peerAlive = true
  peerLife = 1
  wants = false
  order: Order | null = null
  /** Real time until which it may still use the group; 0: surely not. */
  usesUntil = 0
  facts: Record<string, string> = {}
  readonly timers = new Map<string, number>()

  constructor(readonly world: PromiseWorld, readonly name: Name, readonly rate: number) {
    [this.ctx, this.machine] = this.#build()
  }

  get clock(): Micros {
    return micros(Math.round((this.world.time + 100 * second) * this.rate))
  }

  realOf(local: number): number {
    return local / this.rate - 100 * second
  }

  get uses(): boolean {
    return this.world.time < this.usesUntil
  }

  #build(): [Context, Arbitration] {
    const atBoot = this.world.mutant === 'promise-forgotten' ? { ...lease, ttlUs: 0 } : lease
    const ctx = new Context(pairConfig({ self: nodeId(this.name), protection: 'lease', lease: atBoot }))
    ctx.generation = this.life
    return [ctx, new Arbitration(ctx, {
      peer: () => ({ id: other(this.name), generation: this.peerLife, alive: this.peerAlive, twinbeat: true }),
      held: () => this.uses,
      peerFree: () => false,
    })]
  }

  start(): void {
    const forgets = this.world.mutant === 'promise-forgotten'
    this.step(() => {
      this.machine.boot(forgets ? {} : this.facts)
      this.ctx.config = { ...this.ctx.config, lease }
      this.machine.configChanged()
    })
  }

  restart(): void {
    this.life += 1
    this.order = null
    this.timers.clear();
    [this.ctx, this.machine] = this.#build()
    this.start()
  }

  step(body: () => void): void {
    this.ctx.begin(this.clock)
    body()
    for (let before = -1; before !== this.ctx.end().length;) {
      before = this.ctx.end().length
      this.machine.want(group, this.wants || this.uses)
      this.machine.advance()
    }
    const persisted: string[] = []
    for (const effect of this.ctx.end()) {
      if (effect.type === 'arbiter.run') this.order = { ...effect, life: this.life, sentAt: this.clock }
      else if (effect.type === 'timer.set') this.timers.set(effect.key, effect.at)
      else if (effect.type === 'send') this.world.wire.push({ to: other(this.name), fields: effect.fields, sentAt: this.world.time })
      else if (effect.type === 'persist') {
        if (effect.value === null) delete this.facts[effect.key]
        else this.facts[effect.key] = effect.value
        persisted.push(effect.key)
      }
    }
    const owned = this.machine.ownership(group)
    if (owned !== null) this.usesUntil = Math.max(this.usesUntil, this.realOf(owned.deadlineAt + this.world.budgetUs))
    for (const key of persisted) this.step(() => { this.machine.persisted(key, true) })
    // A look changes nothing, whenever and however it is answered: an order of its own would only thin out the others.
    if (this.order?.action === 'look') this.world.answer(this.name, true)
  }

  fireDue(): void {
    for (const [key, at] of [...this.timers]) {
      if (at > this.clock || !this.timers.delete(key)) continue
      this.step(() => { this.machine.timer(key.slice(key.indexOf(':') + 1)) })
    }
    this.step(() => undefined)
  }

  get words(): string {
    const timers = [...this.timers].sort()
    return JSON.stringify([
      this.machine.words, this.life, this.peerAlive, this.peerLife, this.wants, this.order, this.usesUntil, this.facts, timers,
    ])
  }
}

export type Choice = string

export class PromiseWorld {
  time = 0
  readonly wire: Message[] = []
  key: { owner: Name; token: number; expiresAt: number } | null = null
  revision = 0
  restarts = 0
  readonly nodes: Readonly<Record<Name, ExploredNode>>
  /** Orders of ended lives, or whose answer was given up, that may still be carried out. */
  late: { readonly owner: Name; readonly life: number }[] = []

  constructor(rates: readonly [number, number], readonly mutant: Mutant | null, readonly restartsMax: number) {
    this.nodes = { a: new ExploredNode(this, 'a', rates[0]), b: new ExploredNode(this, 'b', rates[1]) }
    for (const node of [this.nodes.a, this.nodes.b]) node.start()
    // Long after the start of both: nobody is bound any more, and a owns the group.
    this.time = 20 * second
    const { a } = this.nodes
    a.wants = true
    a.fireDue()
    this.apply('a:done')
    this.wire.length = 0
  }

  get budgetUs(): number {
    return this.mutant === 'budget-ignored' ? 2 * lease.stopBudgetUs : lease.stopBudgetUs
  }

  get words(): string {
    return JSON.stringify([this.time, this.wire, this.key, this.restarts, this.late, this.nodes.a.words, this.nodes.b.words])
  }

  get twoOwners(): boolean {
    return this.nodes.a.uses && this.nodes.b.uses
  }

  /** Everything that may happen now, the passing of time among it. */
  choices(): Choice[] {
    const list: Choice[] = ['tick']
    for (const name of ['a', 'b'] as const) {
      const { order } = this.nodes[name]
      if (order !== null) list.push(`${name}:done`, `${name}:lost`, `${name}:undone`)
    }
    // What is not delivered in time is lost. The newest may overtake all: that is every order of two.
    if (this.wire.length > 0) list.push('deliver:0')
    if (this.wire.length > 1) list.push(`deliver:${this.wire.length - 1}`)
    if (this.late.length > 0) list.push('late')
    list.push(this.nodes.b.wants ? 'b:hears' : 'b:deaf')
    if (this.restarts < this.restartsMax) list.push('b:restart')
    return list
  }

  apply(choice: Choice): void {
    const [subject, verb] = choice.split(':')
    if (choice === 'tick') return this.#tick()
    if (choice === 'late') return this.#carryOutLate()
    if (subject === 'deliver') {
      const [message] = this.wire.splice(Number(verb), 1)
      if (message !== undefined) this.#deliver(message)
      return
    }
    const name = subject as Name
    const node = this.nodes[name]
    switch (verb) {
      case 'done': return this.answer(name, true)
      case 'undone': return this.answer(name, false)
      case 'lost': return this.#lose(name)
      case 'deaf': case 'hears':
        node.wants = verb === 'deaf'
        node.peerAlive = verb === 'hears'
        return node.step(() => undefined)
      case 'restart':
        this.restarts += 1
        if (node.order?.action === 'acquire') this.late.push({ owner: name, life: node.life })
        node.restart()
        this.nodes[other(name)].peerLife = node.life
        return
      default: throw new Error(`no such choice: ${choice}`)
    }
  }

  #tick(): void {
    this.time += tickUs
    if (this.key !== null && this.time >= this.key.expiresAt) this.key = null
    // Older than this the engine gives up, or sees that it was sent in another life.
    for (let i = this.wire.length - 1; i >= 0; i -= 1) if (this.time - (this.wire[i]?.sentAt ?? 0) > second) this.wire.splice(i, 1)
    for (const name of ['a', 'b'] as const) {
      const node = this.nodes[name]
      // Every order ends within its limit.
      if (node.order !== null && node.clock - node.order.sentAt > lease.requestUs) this.answer(name, false)
      node.fireDue()
    }
  }

  #deliver(message: Message): void {
    const node = this.nodes[message.to]
    let { fields } = message
    if (this.mutant === 'from-answer') {
      fields = fields.map((field) => (field.name === 'tb_stamp' && message.to === 'a' ? { ...field, value: String(node.clock) } : field))
    }
    node.step(() => { node.machine.message(fields) })
  }

  #carryOutLate(): void {
    const [late] = this.late.splice(0, 1)
    if (late !== undefined && this.key === null) this.#create(late.owner)
  }

  #create(owner: Name): void {
    this.revision += 1
    this.key = { owner, token: this.revision, expiresAt: this.time + lease.ttlUs }
  }

  /** Carried out, but nobody hears of it. */
  #lose(name: Name): void {
    const { order } = this.nodes[name]
    if (order?.action === 'acquire' && this.key === null) this.#create(name)
    else if (order?.action === 'renew' && this.key?.token === order.token && this.key !== null) this.key.expiresAt = this.time + lease.ttlUs
    this.answer(name, false, true)
  }

  answer(name: Name, reachable: boolean, lost = false): void {
    const node = this.nodes[name]
    const { order } = node
    if (order === null) return
    node.order = null
    if (!reachable && order.action === 'acquire' && !lost) this.late.push({ owner: name, life: order.life })
    const result = reachable ? this.#carryOut(name, order) : null
    node.step(() => {
      node.machine.result({
        type: 'arbiter.result', call: order.call, group, action: order.action, holder: null, text: 'explored',
        ...(result ?? { outcome: 'unknown', token: null, deadlineAt: null }),
      })
    })
  }

  #carryOut(name: Name, order: Order): { outcome: 'held' | 'other' | 'released'; token: number | null; deadlineAt: Micros | null } {
    if (order.action === 'acquire' && this.key === null) this.#create(name)
    else if (order.action === 'release') {
      if (this.key?.owner === name && (order.token === null || order.token === this.key.token)) this.key = null
      // Its lease is revoked: what this life asked for cannot be carried out any more.
      this.late = this.late.filter((late) => late.owner !== name || late.life !== order.life)
      return { outcome: 'released', token: null, deadlineAt: null }
    } else if (this.key === null) return { outcome: 'released', token: null, deadlineAt: null }
    else if (order.action === 'acquire' || order.action === 'look' || this.key.token !== order.token) {
      return { outcome: 'other', token: this.key.token, deadlineAt: null }
    } else this.key.expiresAt = this.time + lease.ttlUs
    const deadlineAt = micros(order.sentAt + Math.floor(lease.ttlUs * (1 - lease.driftPpm / 1e6)) - lease.stopBudgetUs)
    return { outcome: 'held', token: this.key?.token ?? 0, deadlineAt }
  }
}
