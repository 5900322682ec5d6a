// One node: a machine, and the lives of its daemon. Carries out the effects of the core and tells every
// checker what happens. The daemon may crash with or without its machine, freeze, stop and start again.

import { micros, nodeId, type NodeId } from '../../src/core/base/ids.js'
import { createPrng, type Prng } from '../../src/core/base/prng.js'
import type { Core } from '../../src/core/core.js'
import type { Effect } from '../../src/core/effects.js'
import type { CoreEvent } from '../../src/core/events.js'
import type { CoreConfig, Field } from '../../src/core/types.js'
import type { Clock } from './clock.js'
import { SimEngine, type Status } from './engine.js'
import { Machine } from './machine.js'

type WithoutAt<T> = T extends unknown ? Omit<T, 'at'> : never
export type SimEvent = WithoutAt<CoreEvent>
export type MakeCore = (config: CoreConfig, prng: Prng) => Core
type RunEffect = Extract<Effect, { type: 'member.run' }>

export interface NodeObserver {
  event(node: SimNode, event: SimEvent): void
  effect(node: SimNode, effect: Effect): void
  /** What runs on a machine changed. */
  truth(): void
}

export interface NodeWires {
  heartbeat(from: SimNode, status: Status): void
  message(from: SimNode, fields: readonly Field[], generation: number): void
}


export class SimNode {
  readonly id: NodeId
  readonly machine: Machine
  core: Core | null = null
  engine: SimEngine | null = null
  /** Counts lives, so that what belongs to an earlier one is dropped. */
  life = 0
  generation: number
  frozen = false
  /** The last daemon died and left what ran. */
  leftovers = false
  diskFails = false
  /** Writes land, but so late that the shell has given them up. */
  diskHangs = false
  /** The JavaScript of the daemon does not run; its engine does. */
  blocked = false
  /** Results are told again, late. */
  echoes = false
  readonly store = new Map<string, string>()
  #timers = new Map<string, () => void>()
  #late: (() => void)[] = []
  readonly #aborts = new Map<number, () => void>()
  /** Records of the engine that wait for a blocked daemon. */
  #records: { readonly at: number; readonly event: SimEvent }[] = []
  #frozenAt = 0

  constructor(
    readonly index: 0 | 1,
    public config: CoreConfig,
    private readonly clock: Clock,
    private readonly prng: Prng,
    private readonly wires: NodeWires,
    private readonly observer: NodeObserver,
    private readonly makeCore: MakeCore,
    /** What its heartbeats say of it; null: a real heartbeat. */
    readonly twinbeat: string | null,
  ) {
    this.id = config.self
    this.machine = new Machine(prng)
    this.generation = 1000 * (index + 1)
  }

  get up(): boolean {
    return this.core !== null
  }

  start(): void {
    if (this.core !== null) return
    this.life += 1
    this.generation += 1
    const life = this.life
    this.core = this.makeCore(this.config, createPrng(this.prng.below(1 << 30)))
    this.engine = new SimEngine(
      this.clock, this.config.timing, this.twinbeat, this.config.nodes.find((node) => node.id !== this.id)?.id ?? nodeId('nobody'),
      this.generation,
      {
        heartbeat: (status) => { this.wires.heartbeat(this, status) },
        message: (fields, generation) => { this.wires.message(this, fields, generation) },
      },
      (event) => { if (this.life === life) this.#record(event) },
    )
    this.feed({ type: 'boot', generation: this.generation, persisted: Object.fromEntries(this.store) })
  }

  /** The daemon is gone at once; `machine`: everything that ran is gone too. */
  crash(what: 'daemon' | 'machine'): void {
    if (this.core === null && what === 'daemon') return
    this.engine?.stop()
    this.core = null
    this.engine = null
    this.life += 1
    this.frozen = false
    this.blocked = false
    this.#late = []
    this.#aborts.clear()
    this.#records = []
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.leftovers = this.machine.running.size > 0
    if (what === 'machine') {
      this.machine.running.clear()
      this.leftovers = false
      this.observer.truth()
    }
  }

  freeze(): void {
    if (this.core === null || this.frozen) return
    this.unblock(null)
    this.frozen = true
    this.#frozenAt = this.clock.now
    this.engine?.freeze()
  }

  thaw(): void {
    if (!this.frozen) return
    this.frozen = false
    this.engine?.thaw(this.clock.now - this.#frozenAt)
    for (const act of this.#late.splice(0)) act()
  }

  get busy(): boolean {
    return this.frozen || this.blocked
  }

  block(): void {
    if (this.core !== null && !this.frozen) this.blocked = true
  }

  /** As the shell does it: first what the engine saw meanwhile. `keep`: more state records than this are lost. */
  unblock(keep: number | null): void {
    if (!this.blocked) return
    this.blocked = false
    const { life } = this
    let left = keep ?? Number.POSITIVE_INFINITY
    let lost = 0
    for (const { at, event } of this.#records.splice(0)) {
      // Messages that find no room are not accepted, and come again.
      if (event.type !== 'message') left -= 1
      if (left < 0 && event.type !== 'message') lost += 1
      else if (this.life === life) this.feed(event, at)
    }
    const events: SimEvent[] = lost === 0 ? [] : [{ type: 'overflow', lost }, ...(this.engine?.snapshot() ?? [])]
    for (const event of events) if (this.life === life) this.feed(event)
    for (const act of this.#late.splice(0)) if (this.life === life) act()
  }

  reload(config: CoreConfig): void {
    this.config = config
    this.feed({ type: 'config.changed', config })
  }

  #record(event: SimEvent): void {
    if (this.blocked) this.#records.push({ at: this.clock.now, event })
    else this.feed(event)
  }

  feed(event: SimEvent, at = this.clock.now): void {
    if (this.core === null) return
    this.observer.event(this, event)
    const effects = this.core.step({ ...event, at: micros(at) })
    const life = this.life
    for (const effect of effects) {
      if (this.life !== life) return
      this.observer.effect(this, effect)
      this.#apply(effect)
    }
  }

  #apply(effect: Effect): void {
    switch (effect.type) {
      case 'send': this.engine?.send(effect.fields); return
      case 'status': this.engine?.setStatus(effect.st, effect.deadtimeExtraUs); return
      case 'member.run': return this.#run(effect)
      case 'member.abort': return this.#abort(effect.call)
      case 'timer.set': {
        this.#timers.get(effect.key)?.()
        const { key } = effect
        const cancel = this.#later(effect.at - this.clock.now, () => {
          // Taken back, or set anew, while it waited for its turn.
          if (this.#timers.get(key) !== cancel) return
          this.#timers.delete(key)
          this.feed({ type: 'timer', key })
        })
        this.#timers.set(key, cancel)
        return
      }
      case 'timer.cancel': this.#timers.get(effect.key)?.(); this.#timers.delete(effect.key); return
      case 'persist': return this.#persist(effect.key, effect.value)
      case 'generation.raise': {
        this.#later(100, () => {
          if (this.engine === null) return
          this.generation = this.engine.raise()
          this.feed({ type: 'generation.raised', generation: this.generation })
        })
        return
      }
      case 'halt': return this.#halt(effect.how)
      case 'note': case 'reply': return
    }
  }

  #persist(key: string, value: string | null): void {
    const hangs = this.diskHangs
    this.#later(hangs ? 5_000_000 : 100 + this.prng.below(5000), () => {
      const ok = !this.diskFails
      if (ok && value === null) this.store.delete(key)
      else if (ok && value !== null) this.store.set(key, value)
      this.feed({ type: 'persisted', key, ok: ok && !hangs })
    })
  }

  #run({ call, group, member, action }: RunEffect): void {
    const kind = this.config.groups.find((one) => one.id === group)?.members.find((one) => one.id === member)?.kind
    const plan = this.machine.plan(action, member, kind ?? 'agent')
    if (action === 'start') {
      this.machine.running.add(member)
      this.observer.truth()
    }
    // What is under way dies with the daemon; a start counts as running from its first moment.
    const { life } = this
    const end = (): void => {
      if (this.busy && this.life === life) {
        this.#late.push(end)
        return
      }
      if (this.life !== life) return
      this.#aborts.delete(call)
      if (plan.runsAfter) this.machine.running.add(member)
      else this.machine.running.delete(member)
      this.observer.truth()
      const { outcome } = plan
      const event: SimEvent = { type: 'member.result', call, group, member, action, outcome, text: outcome === 'failed' ? 'exit 1' : '' }
      this.feed(event)
      if (this.echoes && this.prng.below(4) === 0) this.#later(this.prng.below(2_000_000), () => { this.feed(event) })
    }
    if (action === 'probe' || action === 'monitor') this.#later(plan.delayUs, () => {
      const outcome = this.machine.running.has(member) ? 'running' : 'stopped'
      this.feed({ type: 'member.result', call, group, member, action, outcome, text: '' })
    })
    else {
      const cancel = this.clock.after(plan.delayUs, end)
      // What was begun goes on counting as running until a stop of it has worked.
      const failed: SimEvent = { type: 'member.result', call, group, member, action, outcome: 'failed', text: 'aborted' }
      this.#aborts.set(call, () => {
        cancel()
        this.#later(100 + this.prng.below(2000), () => { this.feed(failed) })
      })
    }
  }

  #abort(call: number): void {
    this.#aborts.get(call)?.()
    this.#aborts.delete(call)
  }

  #halt(how: 'stop' | 'reset' | 'restart'): void {
    this.crash(how === 'reset' ? 'machine' : 'daemon')
    const back = how === 'restart' ? 200_000 + this.prng.below(800_000) : 3_000_000 + this.prng.below(10_000_000)
    const { life } = this
    this.clock.after(back, () => { if (this.life === life) this.start() })
  }

  /** Runs unless this life has ended; while frozen it waits. */
  #later(us: number, act: () => void): () => void {
    const { life } = this
    const run = (): void => {
      if (this.life !== life) return
      if (this.busy) this.#late.push(run)
      else act()
    }
    return this.clock.after(Math.max(0, us), run)
  }
}

