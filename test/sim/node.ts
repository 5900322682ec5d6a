// One node: a machine, and the lives of its daemon with their guardians. Carries out the effects of the core
// as the shell does, and tells every checker what happens. The daemon may crash with or without its machine,
// freeze, stand still, stop and start again.

import { groupId, micros, nodeId, type NodeId } from '../../src/core/base/ids.js'
import { createPrng } from '../../src/core/base/prng.js'
import type { Core } from '../../src/core/core.js'
import { isUrgent, type ArbiterRunEffect, type Effect, type FenceRunEffect } from '../../src/core/effects.js'
import type { CoreConfig, GroupSnapshot } from '../../src/core/types.js'
import type { MachineClock } from './clock.js'
import { SimEngine, type MembershipEngine } from './engine.js'
import type { SimEvent } from './events.js'
import { SimGuardian } from './guardian.js'
import { Machine } from './machine.js'
import type { NodeBuild, NodeObserver, NodeWires } from './node-parts.js'
import { nothingHeld, type Page, type PageGroup } from './page.js'
import { SimSlots } from './slots.js'
import { watchOver } from './watchdog.js'

export type { ClaimedHow, MakeCore, NodeLimits, NodeObserver, NodeWires } from './node-parts.js'
type RunEffect = Extract<Effect, { type: 'member.run' }>

export class SimNode {
  readonly id: NodeId
  readonly index: 0 | 1
  readonly machine: Machine
  readonly twinbeat: string | null
  config: CoreConfig
  core: Core | null = null
  engine: MembershipEngine | null = null
  slots: SimSlots | null = null
  guardian: SimGuardian | null = null
  page: Page
  /** Counts lives, so that what belongs to an earlier one is dropped. */
  life = 0
  /** When the last life ended, in the time of the world. */
  endedAt = Number.NEGATIVE_INFINITY
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
  /** Carries a core from before authority travelled in messages: what it did not know is dropped. */
  older = false
  olderNext = false
  readonly store = new Map<string, string>()
  /** Of each fact, when the last write that was ordered in this life will be done. */
  readonly #storedAt = new Map<string, number>()
  #timers = new Map<string, () => void>()
  #late: (() => void)[] = []
  /** Records of the engine that wait for a blocked daemon. */
  #records: { readonly at: number; readonly event: SimEvent }[] = []
  #answers: SimEvent[] = []
  #frozenAt = 0
  /** As the core was told; 0: none. */
  #watchdogUs = 0
  #startWaits = false

  constructor(private readonly build: NodeBuild, private readonly wires: NodeWires, private readonly observer: NodeObserver) {
    this.index = build.index
    this.config = build.config
    this.id = build.config.self
    this.twinbeat = build.twinbeat
    this.machine = new Machine(build.world, build.prng, build.rate, () => { observer.truth() })
    this.generation = 1000 * (build.index + 1)
    this.page = this.#newPage()
  }

  get clock(): MachineClock {
    return this.machine.clock
  }

  get up(): boolean { return this.core !== null }

  get busy(): boolean {
    return this.frozen || this.blocked || this.clock.hidden
  }

  // --------------------------------------------------------------------------------------------------- lives

  start(): void {
    const { machine, build, guardian } = this
    if (this.core !== null || !machine.powered) return
    if (guardian !== null && guardian.alive && !guardian.keeps && !build.flaws.has('guardian-late')) {
      this.#startWaits = true
      return
    }
    const adopted = guardian?.adopt() ?? false
    if (!adopted && guardian?.alive === true && !build.flaws.has('guardian-late')) {
      this.#startWaits = true
      return
    }
    this.#startWaits = false
    this.older = this.olderNext
    this.life += 1
    this.generation += 1
    this.#storedAt.clear()
    machine.killAgents()
    this.core = build.makeCore(this.config, createPrng(build.prng.below(1 << 30)))
    this.page = adopted && this.page.groups.size > 0 ? { ...this.page, keepUntil: null, generation: this.generation } : this.#newPage()
    this.engine = this.#newEngine()
    if (this.twinbeat !== null) {
      this.slots = this.#newSlots()
      for (const { name, addresses } of adopted ? this.page.groups.values() : []) {
        this.slots.adopt(name, addresses.filter((address) => machine.running.has(address)))
      }
      this.#newGuardian()
    }
    this.feed({ type: 'boot', generation: this.generation, persisted: Object.fromEntries(this.store) })
  }

  /** The daemon is gone at once; `machine`: everything that ran is gone too. */
  crash(what: 'daemon' | 'machine', how = { power: true }): void {
    if (this.core === null && what === 'daemon') return
    const lived = this.core !== null
    this.#endLife()
    if (what === 'daemon') {
      this.leftovers = this.machine.running.size > 0
      if (lived) this.guardian?.daemonDied()
      return
    }
    this.observer.down(this)
    this.guardian = null
    this.#startWaits = false
    this.leftovers = false
    // What is true of one boot only is not kept over the next.
    for (const key of [...this.store.keys()]) if (key === 'keep' || key.startsWith('boot:')) this.store.delete(key)
    this.page.groups.clear()
    this.machine.down(how)
  }

  #endLife(): void {
    if (this.core !== null) this.endedAt = this.build.world.now
    this.engine?.stop()
    this.slots?.stop()
    this.core = null
    this.engine = null
    this.slots = null
    this.life += 1
    this.frozen = false
    this.blocked = false
    this.#late = []
    this.#records = []
    this.#answers = []
    this.#watchdogUs = 0
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  #halt(how: 'stop' | 'reset' | 'restart'): void {
    if (how === 'restart') this.page.keepUntil = this.#keepUntil()
    if (how === 'stop') {
      this.machine.closeWatchdog()
      this.guardian?.goodbye()
      this.guardian = null
    }
    this.crash(how === 'reset' ? 'machine' : 'daemon')
    const { prng } = this.build
    const back = how === 'restart' ? 200_000 + prng.below(800_000) : 3_000_000 + prng.below(10_000_000)
    const { life } = this
    this.build.world.after(back, () => { if (this.life === life) this.start() })
  }

  #keepUntil(): number | null {
    const text = this.store.get('keep')
    if (text === undefined) return null
    const { until } = JSON.parse(text) as { until?: unknown }
    return typeof until === 'number' ? until : null
  }

  // -------------------------------------------------------------------------------- engine, slots, guardian

  get #peerId(): NodeId {
    return this.config.nodes.find((node) => node.id !== this.id)?.id ?? nodeId('nobody')
  }

  #newEngine(): MembershipEngine {
    const { life } = this
    const peer = this.#peerId
    const record = (event: SimEvent): void => {
      if (this.life !== life) return
      // In the same cycle, before anybody else hears of it.
      if (event.type === 'peer.dead') this.slots?.silence()
      if (event.type === 'gasp') this.slots?.lastWords(event)
      this.#record(event)
    }
    if (this.build.nativeEngine !== null) {
      return this.build.nativeEngine({
        clock: this.clock, seed: this.build.prng.below(1 << 30), self: this.id, peer, generation: this.generation,
        timing: this.config.timing,
        packet: (bytes) => { this.wires.packet(this, bytes) }, record,
      })
    }
    return new SimEngine(
      this.clock, this.config.timing, this.twinbeat, peer, this.generation,
      {
        heartbeat: (status) => { this.wires.heartbeat(this, status) },
        message: (fields, generation) => { this.wires.message(this, fields, generation) },
      },
      record,
      this.build.flaws,
    )
  }

  #newPage(): Page {
    const groups = new Map<string, PageGroup>()
    for (const [slot, group] of this.build.config.groups.entries()) {
      const ids = (kind: 'address' | 'agent'): string[] => group.members.filter((member) => member.kind === kind).map(({ id }) => id)
      const services = ids('agent')
      groups.set(group.id, {
        slot, name: group.id, digest: this.#digestOf(group.id), kind: services.length === 0 ? 'address' : 'service',
        addresses: ids('address'), services, holding: nothingHeld, unclaimed: false, releaseBy: null, petUntil: null,
      })
    }
    return { groups, progressAt: 0, freezeUs: this.build.limits.freezeUs, keepUntil: null, generation: this.generation }
  }

  #digestOf(id: string): string {
    return this.config.groups.find((group) => group.id === id)?.digest ?? ''
  }

  #newSlots(): SimSlots {
    const { life } = this
    return new SimSlots({
      machine: this.machine, page: this.page, prng: this.build.prng, flaws: this.build.flaws, limits: this.build.limits,
      peer: () => ({ id: this.#peerId, generation: this.engine?.peerGeneration ?? 0, alive: this.engine?.peerDead === false }),
      lateUs: () => this.engine?.lateUs ?? 0,
      frozen: () => this.frozen,
      guardianReady: () => this.guardian?.ready === true && this.guardian.alive,
      record: (event) => { if (this.life === life) this.#record(event) },
      claims: (plan, authority, how) => { this.observer.claims(this, plan, authority, how) },
      gasp: (group) => { this.#gasp(group, 'engine', this.generation) },
      silence: () => { this.engine?.silence() },
    })
  }

  #newGuardian(): void {
    const { life, page, generation } = this
    const guardian: SimGuardian = new SimGuardian({
      machine: this.machine, page, prng: this.build.prng, flaws: this.build.flaws, killsServices: this.build.limits.killsServices,
      killDaemon: () => {
        if (this.life !== life || this.core === null) return
        this.crash('daemon')
        this.#startLater()
      },
      acts: (reason) => { this.observer.guardian(this, reason) },
      removes: (group) => { this.observer.removes(this, group, life) },
      gasp: (group) => { this.#gasp(group, 'guardian', generation) },
      finished: () => { this.#guardianFinished(guardian) },
    })
    this.guardian = guardian
    this.#later(500 + this.build.prng.below(8000), () => {
      if (!guardian.alive) return
      guardian.ready = true
      this.#record({ type: 'guardian.ready' })
    })
    this.#pet(guardian, life)
  }

  #guardianFinished(guardian: SimGuardian): void {
    if (this.guardian === guardian) this.guardian = null
    if (this.#startWaits) this.start()
  }

  /** Nobody else is up to start it again. */
  #startLater(): void {
    const { life } = this
    this.build.world.after(300_000 + this.build.prng.below(2_000_000), () => { if (this.life === life) this.start() })
  }

  killGuardian(): void {
    const { guardian, life } = this
    if (guardian === null || !guardian.alive) return
    guardian.kill()
    this.#tellWatchdog(0)
    if (this.core === null) return
    this.#later(1000 + this.build.prng.below(25_000), () => {
      this.#record({ type: 'guardian.lost' })
      this.#later(50_000 + this.build.prng.below(1_500_000), () => {
        if (this.life === life && this.guardian === null) this.#newGuardian()
      })
    })
  }

  #gasp(group: PageGroup, by: 'guardian' | 'engine', generation: number): void {
    this.observer.gasp(this, group, by, generation)
    this.wires.gasp(this, { group: groupId(group.name), generation, claimEpoch: group.holding.claimEpoch, digest: group.digest })
  }

  #pet(guardian: SimGuardian, life: number): void {
    const { machine, build: { flaws, limits } } = this
    watchOver({
      machine, guardian, flaws, limits,
      page: () => this.page, reset: () => { this.#reset() }, tell: (us) => { this.#tellWatchdog(us) },
      well: () => this.life === life && !this.frozen && this.slots?.terminal === false,
      groups: () => (this.life === life && !this.busy ? this.#known : null),
    })
  }

  /** Before its first event the core has no groups, and nobody has looked at any. */
  get #known(): readonly GroupSnapshot[] | null {
    const groups = this.core?.snapshot().groups ?? []
    return groups.length === 0 ? null : groups
  }

  /** The daemon looks once a second. */
  #tellWatchdog(us: number): void {
    if (this.#watchdogUs === us || this.core === null) return
    this.#watchdogUs = us
    this.#later(this.build.prng.below(1_000_000), () => {
      this.feed({ type: 'watchdog.changed', timeoutUs: this.#watchdogUs === 0 ? null : this.#watchdogUs })
    })
  }

  #reset(): void {
    this.observer.guardian(this, 'watchdog')
    this.crash('machine')
    this.#startLater()
  }

  // --------------------------------------------------------------------------------- pauses and standstills

  freeze(how = { guardian: false }): void {
    if (this.core === null || this.frozen) return
    this.unblock(null)
    if (this.core === null) return
    this.frozen = true
    this.#frozenAt = this.clock.now
    this.engine?.freeze()
    const { life } = this
    if (how.guardian) this.guardian?.freeze()
    else this.guardian?.watchProgress(() => this.life === life && this.frozen)
  }

  thaw(): void {
    this.guardian?.thaw()
    if (!this.frozen) return
    const { life } = this
    this.frozen = false
    this.engine?.thaw(this.clock.now - this.#frozenAt)
    for (const act of this.#late.splice(0)) if (this.life === life) act()
  }

  block(): void {
    if (this.core === null || this.frozen || this.blocked) return
    this.blocked = true
    this.slots?.standsStill()
  }

  /** As the shell does it: first what the engine saw meanwhile. `keep`: more state records than this are lost. */
  unblock(keep: number | null): void {
    if (!this.blocked) return
    this.blocked = false
    if (this.slots?.turn() === false) {
      // TB_LAPSED: everything that could be let go is gone, and this life ends.
      this.crash('daemon')
      return this.#startLater()
    }
    const { life } = this
    let left = keep ?? Number.POSITIVE_INFINITY
    let lost = 0
    const records = this.#records.splice(0)
    for (const { at, event } of records) {
      if (event.type === 'plan.fired' && this.slots?.byItself(event.group, event.epoch) === true) {
        this.feed({ type: 'plan.gone', group: event.group, epoch: event.epoch }, at)
      }
    }
    for (const { at, event } of records) {
      // Messages that find no room are not accepted, and come again; what answers an order is never lost.
      const droppable = !answersOrders.has(event.type)
      if (droppable) left -= 1
      if (left < 0 && droppable) lost += 1
      else if (this.life === life) this.feed(event, at)
    }
    const events: SimEvent[] = lost === 0 ? [] : [{ type: 'overflow', lost }, ...(this.engine?.snapshot() ?? [])]
    for (const event of events) if (this.life === life) this.feed(event)
    for (const act of this.#late.splice(0)) if (this.life === life) act()
  }

  reload(config: CoreConfig): void {
    this.config = config
    const guardian = this.guardian
    if (guardian !== null) {
      guardian.ready = false
      for (const group of this.page.groups.values()) group.digest = this.#digestOf(group.name)
      this.#later(500 + this.build.prng.below(3000), () => {
        guardian.ready = true
        this.#record({ type: 'guardian.ready' })
      })
    }
    this.feed({ type: 'config.changed', config })
  }

  /** The interface of the addresses is removed and made again. */
  loseInterface(): void {
    const all = this.config.groups.flatMap((group) =>
      group.members.filter(({ kind }) => kind === 'address').map(({ id }) => ({ group: group.id, id })))
    const lost = this.machine.loseInterface(all.map(({ id }) => id))
    for (const { group, id } of all) {
      if (!lost.includes(id)) continue
      this.slots?.lost(id)
      this.#record({ type: 'address.lost', group, member: id })
    }
  }

  carrier(on: boolean): void {
    if (this.machine.carrier === on) return
    this.machine.carrier = on
    this.#record({ type: 'interface', name: 'eth0', up: true, carrier: on })
  }

  #record(event: SimEvent): void {
    this.observer.record(this, event)
    if (this.blocked) this.#records.push({ at: this.clock.now, event })
    else if (this.frozen) this.#late.push(() => { this.feed(event) })
    else this.feed(event)
  }

  // -------------------------------------------------------------------------------------------------- effects

  feed(event: SimEvent, at = this.clock.now): void {
    if (this.core === null) return
    this.observer.event(this, event)
    const effects = this.core.step({ ...event, at: micros(at) })
    const life = this.life
    for (const effect of [...effects.filter(isUrgent), ...effects.filter((one) => !isUrgent(one))]) {
      if (this.life !== life) return
      this.observer.effect(this, effect)
      this.#apply(effect)
    }
    const answer = this.#answers.shift()
    if (answer !== undefined) this.feed(answer)
  }

  #apply(effect: Effect): void {
    switch (effect.type) {
      case 'send': this.engine?.send(effect.fields); return
      case 'status': this.engine?.setStatus(effect.st, effect.deadtimeExtraUs); return
      case 'member.run': return this.#run(effect)
      case 'timer.set': return this.#setTimer(effect.key, effect.at)
      case 'timer.cancel': this.#timers.get(effect.key)?.(); this.#timers.delete(effect.key); return
      case 'persist': return this.#persist(effect.key, effect.value)
      case 'generation.raise': return this.#raise()
      case 'halt': return this.#halt(effect.how)
      case 'plan.arm': {
        const answer = this.slots?.arm(effect) ?? 'invalid'
        return this.#answer({ type: 'plan.armed', group: effect.group, epoch: effect.epoch, answer })
      }
      case 'plan.disarm': {
        const answer = this.slots?.disarm(effect.group, effect.epoch) ?? 'unknown'
        return this.#answer({ type: 'plan.disarmed', group: effect.group, epoch: effect.epoch, answer })
      }
      case 'plan.fire':
        if ((this.slots?.fire(effect) ?? 'unknown') !== 'unknown') return
        return this.#answer({ type: 'plan.withheld', group: effect.group, epoch: effect.epoch, guard: 'unknown' })
      case 'holding': {
        const { held, claimEpoch, peerReady, agentBusy, leaving } = effect
        this.slots?.holding(effect.group, { held, claimEpoch, peerReady, agentBusy, leaving })
        return
      }
      case 'ownership': {
        const { type: _, deadlineAt, ...owned } = effect
        if (this.slots?.own(effect.group, effect.token, deadlineAt) === 'refused') this.#answer({ type: 'ownership.refused', ...owned })
        this.guardian?.watchRelease()
        return
      }
      case 'arbiter.run': return this.#ask(effect, (done) => { this.wires.arbiter(this, effect, done) })
      case 'fence.run': return this.#ask(effect, (done) => { this.wires.fence(this, effect, done) })
      case 'member.abort': this.machine.abort(`${this.life} ${effect.call}`); return
      case 'note': case 'reply': case 'fence.record': return
    }
  }

  /** Fed before anything else, but after the effects of this step. */
  #answer(event: SimEvent): void {
    this.#answers.push(event)
  }

  #ask(_order: ArbiterRunEffect | FenceRunEffect, run: (done: (answer: SimEvent) => void) => void): void {
    const { life } = this
    run((answer) => { if (this.life === life) this.#later(0, () => { this.feed(answer) }) })
  }

  #raise(): void {
    this.#later(100, () => {
      if (this.engine === null) return
      this.generation = this.engine.raise()
      this.page.generation = this.generation
      this.feed({ type: 'generation.raised', generation: this.generation })
    })
  }

  #setTimer(key: string, at: number): void {
    this.#timers.get(key)?.()
    const cancel = this.#later(at - this.clock.now, () => {
      // Taken back, or set anew, while it waited for its turn.
      if (this.#timers.get(key) !== cancel) return
      this.#timers.delete(key)
      this.feed({ type: 'timer', key })
    })
    this.#timers.set(key, cancel)
  }

  get timers(): number {
    return this.#timers.size
  }

  #persist(key: string, value: string | null): void {
    const hangs = this.diskHangs
    const delayUs = hangs ? 5_000_000 : 100 + this.build.prng.below(5000)
    // One write after the other: what was ordered last is what is there in the end.
    const at = Math.max(this.clock.now + delayUs, (this.#storedAt.get(key) ?? 0) + 1)
    this.#storedAt.set(key, at)
    this.#later(at - this.clock.now, () => {
      const ok = !this.diskFails
      if (ok && value === null) this.store.delete(key)
      else if (ok && value !== null) this.store.set(key, value)
      this.feed({ type: 'persisted', key, ok: ok && !hangs })
    })
  }

  #run(effect: RunEffect): void {
    const { group, member, action, authority } = effect
    const kind = this.config.groups.find((one) => one.id === group)?.members.find((one) => one.id === member)?.kind ?? 'agent'
    if (action === 'probe' || action === 'monitor') {
      const { delayUs } = this.machine.plan(action, member, kind)
      this.#later(delayUs, () => { this.#tell(effect, this.machine.running.has(member) ? 'running' : 'stopped') })
    } else if (kind === 'address' && this.slots !== null) {
      this.slots.change(group, member, action === 'start', authority, (running) => {
        this.#later(0, () => { this.#tell(effect, running === null ? 'failed' : running ? 'running' : 'stopped') })
      })
    } else this.#runAgent(effect, kind)
  }

  #runAgent(effect: RunEffect, kind: 'address' | 'agent'): void {
    const { group, member, action } = effect
    const plan = this.machine.plan(action, member, kind)
    if (action === 'start') this.machine.runs([member], true)
    const { life } = this
    this.machine.fly('agent', group, plan.delayUs, () => {
      this.machine.runs([member], plan.runsAfter)
      if (this.life === life) this.#later(0, () => { this.#tell(effect, plan.outcome) })
    }, { name: `${life} ${effect.call}`, aborted: () => {
      // What was begun goes on counting as running until a stop of it has worked.
      if (this.life === life) this.#later(100 + this.build.prng.below(2000), () => { this.#tell(effect, 'failed') })
    } })
  }

  #tell({ call, group, member, action }: RunEffect, outcome: 'running' | 'stopped' | 'failed'): void {
    const event: SimEvent = { type: 'member.result', call, group, member, action, outcome, text: outcome === 'failed' ? 'exit 1' : '' }
    this.feed(event)
    const { prng } = this.build
    if (this.echoes && action !== 'probe' && prng.below(4) === 0) this.#later(prng.below(2_000_000), () => { this.feed(event) })
  }

  /** Runs unless this life has ended; while frozen it waits. */
  #later(us: number, act: () => void): () => void {
    const { life } = this
    const run = (): void => {
      if (this.life !== life) return
      if (this.frozen || this.blocked) this.#late.push(run)
      else act()
    }
    return this.clock.after(Math.max(0, us), run)
  }
}

/** Records that are never dropped for want of room. */
const answersOrders: ReadonlySet<SimEvent['type']> = new Set<SimEvent['type']>([
  'message', 'plan.fired', 'plan.withheld', 'plan.armed', 'plan.disarmed', 'group.released', 'member.result',
])
