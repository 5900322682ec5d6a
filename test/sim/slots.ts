// The engine's part in authority: armed plans and their guards, the gate of every address change, ownership
// that ends by itself, the controller lease. The same semantics as the native engine, and no decision in it.

import type { GroupHolding, Guard } from '../../src/engine/authority.js'
import type { Prng } from '../../src/core/base/prng.js'
import { groupId, micros } from '../../src/core/base/ids.js'
import type { Effect } from '../../src/core/effects.js'
import type { Authority } from '../../src/core/types.js'
import type { SimEvent } from './events.js'
import type { Machine } from './machine.js'
import { type Flaw, type Page, type PageGroup } from './page.js'

type Arm = Extract<Effect, { type: 'plan.arm' }>
type Fire = Extract<Effect, { type: 'plan.fire' }>
type ArmAnswer = Extract<SimEvent, { type: 'plan.armed' }>['answer']
type DisarmAnswer = Extract<SimEvent, { type: 'plan.disarmed' }>['answer']

interface Slot {
  readonly plan: Arm
  state: 'armed' | 'firing' | 'fired'
  mark: Authority | null
  readonly interfaceIncarnation: number
  /** A release since then voids it. */
  readonly stamp: number
}

interface Ownership { readonly token: number; readonly deadlineAt: number }

export interface SlotsHost {
  readonly machine: Machine
  readonly page: Page
  readonly prng: Prng
  readonly flaws: ReadonlySet<Flaw>
  readonly limits: { readonly withholdUs: number; readonly releaseUs: number; readonly stopBudgetUs: number; readonly watchdogUs: number }
  peer(): { readonly generation: number; readonly alive: boolean }
  /** How late the engine's last cycle was. */
  lateUs(): number
  /** Nothing of the engine runs. */
  frozen(): boolean
  guardianReady(): boolean
  record(event: SimEvent): void
  /** A plan passed its guards and is carried out. */
  claims(plan: Arm, authority: Authority, interfaceIncarnation: number): void
  /** The engine's own last words about a group that it released. */
  gasp(group: PageGroup): void
  /** No heartbeat from here on. */
  silence(): void
}

/** Own lateness above which nothing is taken on silence. */
const stallLimitUs = 200_000
const refreshUs = 3_000_000
/** The kernel looks at lifetimes once a second, and what is asked in whole seconds is rounded down. */
const lifetimeMarginUs = 1_250_000
const watchdogMarginUs = 300_000

export class SimSlots {
  readonly #slots = new Map<string, Slot>()
  readonly #owned = new Map<string, Ownership>()
  /** A release of the group bumps it: what was queued before is void. */
  readonly #stamps = new Map<string, number>()
  /** Addresses that the engine has added and not removed. */
  readonly #added = new Map<string, Set<string>>()
  /** The controller lease has passed its release limit: nothing more is taken or said in this life. */
  terminal = false
  /** As it is, whatever a mutant makes of it. */
  lapsed = false
  #stopped = false
  #standsSince: number | null = null
  #withheld = false

  constructor(private readonly host: SlotsHost) {
    this.#refreshLater()
  }

  get #now(): number {
    return this.host.machine.clock.now
  }

  stop(): void {
    this.#stopped = true
  }

  /** The last life's addresses are ours as they are. */
  adopt(group: string, addresses: readonly string[]): void {
    this.#added.set(group, new Set(addresses))
  }

  /** Removed by somebody else: nothing of it is refreshed before it is added again. */
  lost(address: string): void {
    for (const addresses of this.#added.values()) addresses.delete(address)
  }

  // ------------------------------------------------------------------------------------------------- plans

  arm(plan: Arm): ArmAnswer {
    const group = this.host.page.groups.get(plan.group)
    const slot = this.#slots.get(plan.group)
    if (group === undefined || group.digest !== plan.digest || this.terminal) return 'invalid'
    if (slot !== undefined && slot.state !== 'fired') return 'busy'
    if (!this.host.guardianReady()) return 'unguarded'
    const { interfaceIncarnation } = this.host.machine
    this.#slots.set(plan.group, { plan, state: 'armed', mark: null, interfaceIncarnation, stamp: this.#stampOf(plan.group) })
    return 'armed'
  }

  disarm(group: string, epoch: number): DisarmAnswer {
    const slot = this.#slots.get(group)
    if (slot === undefined || slot.plan.epoch !== epoch) return 'unknown'
    if (slot.state === 'armed') {
      this.#slots.delete(group)
      // A mark that was not yet judged is gone with its plan.
      return 'disarmed'
    }
    return slot.state
  }

  fire({ group, epoch, authority }: Fire): 'marked' | 'unknown' {
    const slot = this.#slots.get(group)
    if (slot === undefined || slot.plan.epoch !== epoch || slot.state !== 'armed' || slot.mark !== null) return 'unknown'
    slot.mark = authority
    this.#judgeLater(slot)
    return 'marked'
  }

  armedEpoch(group: string): number | null {
    return this.#slots.get(group)?.plan.epoch ?? null
  }

  #judgeLater(slot: Slot): void {
    this.#later(20 + this.host.prng.below(1000), () => { this.#judge(slot) })
  }

  #judge(slot: Slot): void {
    const { group } = slot.plan
    if (this.#slots.get(group) !== slot || slot.state !== 'armed' || slot.mark === null) return
    if (this.host.frozen()) return this.#judgeLater(slot)
    const authority = slot.mark
    const guard = this.#guardOf(slot, authority)
    const detectedAt = this.#now
    if (guard !== null) return this.#withhold(slot, guard)
    this.host.claims(slot.plan, authority, slot.interfaceIncarnation)
    slot.state = 'firing'
    this.#later(this.#ringUs(), () => { this.#act(slot, authority, slot.stamp, detectedAt) })
  }

  /** The netlink thread: asks again, adds, and looks at the clock once more. */
  #act(slot: Slot, authority: Authority, stamp: number, detectedAt: number): void {
    if (this.host.frozen()) return this.#later(1000, () => { this.#act(slot, authority, stamp, detectedAt) })
    const { group, epoch } = slot.plan
    const late = this.#gateOf(group, authority, stamp)
    if (late !== null) return this.#withhold(slot, late)
    this.host.machine.fly('net', group, this.#kernelUs(), () => {
      const addresses = this.#leading(group)
      this.#add(group, addresses)
      slot.state = 'fired'
      const members = addresses.map((member) => ({ member, ok: true, text: '' }))
      const at = micros(this.#now)
      this.#record({
        type: 'plan.fired', group: groupId(group), epoch, members, detectedAt: micros(detectedAt), firstAddressAt: at, firstAnnounceAt: at,
      })
      if (this.#gateOf(group, authority, stamp) === 'expired') this.#release(group)
    })
  }

  #withhold(slot: Slot, guard: Guard): void {
    slot.state = 'armed'
    slot.mark = null
    this.#record({ type: 'plan.withheld', group: slot.plan.group, epoch: slot.plan.epoch, guard })
  }

  #guardOf(slot: Slot, authority: Authority): Guard | null {
    const { host } = this
    if (!host.flaws.has('stale-interface')) {
      if (slot.interfaceIncarnation !== host.machine.interfaceIncarnation || !host.machine.carrier) return 'interface'
    }
    const peer = host.peer()
    const about = 'peerGeneration' in authority ? authority.peerGeneration : 0
    if (about !== 0 && peer.generation !== 0 && peer.generation !== about) return 'peer-incarnation'
    if (authority.kind === 'accept') {
      if (host.lateUs() > stallLimitUs) return 'late'
      if (peer.alive) return 'peer-alive'
    }
    const owned = slot.plan.needsOwnership || authority.kind === 'lease' || this.#owned.has(slot.plan.group)
    if (owned && !this.#ownsNow(slot.plan.group)) return 'ownership'
    return this.#gateOf(slot.plan.group, authority, slot.stamp)
  }

  /** What the netlink thread asks again before it acts. */
  #gateOf(group: string, authority: Authority | null, stamp: number): Guard | null {
    if (this.terminal || this.#withheld) return 'controller'
    if (!this.host.guardianReady()) return 'guardian'
    if (stamp !== this.#stampOf(group)) return 'voided'
    if (authority?.kind === 'lease' && this.#now >= authority.deadlineAt) return 'expired'
    return null
  }

  // --------------------------------------------------------------------------------------------- addresses

  /** One address of a group by an ordinary order. `done` is told what is true then, null: refused. */
  change(group: string, address: string, on: boolean, authority: Authority | null, done: (running: boolean | null) => void): void {
    if (!on) {
      this.#void(group)
      this.#added.get(group)?.delete(address)
    }
    const stamp = this.#stampOf(group)
    const begin = (): void => {
      if (this.host.frozen()) return this.#later(1000, begin)
      if (on && this.#gateOf(group, authority, stamp) !== null) return done(null)
      this.host.machine.fly('net', group, this.#kernelUs(), () => {
        if (on) this.#add(group, [address])
        else this.host.machine.runs([address], false)
        if (!this.#stopped) done(on)
      })
    }
    this.#later(this.#ringUs(), begin)
  }

  #ringUs(): number {
    return 20 + this.host.prng.below(100)
  }

  /** Another user of the kernel's lock may hold it. */
  #kernelUs(): number {
    const { prng } = this.host
    return prng.below(50) === 0 ? 5_000 + prng.below(60_000) : 30 + prng.below(1100)
  }

  #leading(group: string): readonly string[] {
    return this.host.page.groups.get(group)?.addresses ?? []
  }

  #add(group: string, addresses: readonly string[]): void {
    const set = this.#added.get(group) ?? new Set<string>()
    for (const address of addresses) set.add(address)
    this.#added.set(group, set)
    this.host.machine.runs(addresses, true)
    this.#setLifetime(group)
  }

  #void(group: string): void {
    this.#stamps.set(group, this.#stampOf(group) + 1)
  }

  #stampOf(group: string): number {
    return this.#stamps.get(group) ?? 0
  }

  /** Refreshing is taking: an address that was removed meanwhile would be made again. */
  #refreshLater(): void {
    this.#later(refreshUs, () => {
      for (const [group, addresses] of this.#added) if (addresses.size > 0 && !this.host.frozen()) this.#refresh(group, [...addresses])
      this.#refreshLater()
    })
  }

  #refresh(group: string, addresses: readonly string[]): void {
    const stamp = this.#stampOf(group)
    this.#later(100 + this.host.prng.below(5000), () => {
      const stays = addresses.filter((address) => this.#added.get(group)?.has(address) === true)
      const voided = this.#gateOf(group, null, stamp) !== null
      if (this.host.flaws.has('refresh-after-release')) this.host.machine.runs(addresses, true)
      else if (!voided && this.host.page.groups.get(group)?.holding.held === true) this.host.machine.runs(stays, true)
    })
  }

  // --------------------------------------------------------------------------------------------- ownership

  own(group: string, token: number, deadlineAt: number | null): 'renewed' | 'refused' {
    const page = this.host.page.groups.get(group)
    if (page === undefined) return 'refused'
    if (deadlineAt === null) {
      this.#owned.delete(group)
      page.releaseBy = null
      page.petUntil = null
      this.#setLifetime(group)
      return 'renewed'
    }
    const before = this.#owned.get(group)
    if (deadlineAt <= this.#now || (before !== undefined && token < before.token) || this.terminal) return 'refused'
    const owned = { token, deadlineAt }
    this.#owned.set(group, owned)
    page.releaseBy = deadlineAt + this.host.limits.stopBudgetUs / 2
    page.petUntil = deadlineAt + this.host.limits.stopBudgetUs - this.host.limits.watchdogUs - watchdogMarginUs
    this.#setLifetime(group)
    this.host.machine.clock.at(deadlineAt, () => { this.#ownershipDue(group, owned) })
    return 'renewed'
  }

  #ownsNow(group: string): boolean {
    const owned = this.#owned.get(group)
    return owned !== undefined && this.#now < owned.deadlineAt
  }

  #ownershipDue(group: string, owned: Ownership): void {
    if (this.#stopped || this.#owned.get(group) !== owned) return
    if (this.host.frozen()) return this.#later(1000, () => { this.#ownershipDue(group, owned) })
    this.#release(group)
  }

  /** By the engine itself: remove, look, say so. */
  #release(group: string, then: () => void = () => undefined): void {
    const page = this.host.page.groups.get(group)
    if (page === undefined) return then()
    this.#void(group)
    this.#added.get(group)?.clear()
    const { claimEpoch } = page.holding
    const told = (): void => {
      this.#record({ type: 'group.released', group: groupId(group), claimEpoch, ok: true })
      then()
    }
    if (this.host.flaws.has('release-unverified')) told()
    this.host.machine.fly('net', group, this.#kernelUs(), () => {
      this.host.machine.runs(page.addresses, false)
      page.releaseBy = null
      if (!this.host.flaws.has('release-unverified')) told()
    })
  }

  /** Kept by the kernel, whoever is dead or frozen. */
  #setLifetime(group: string): void {
    const owned = this.#owned.get(group)
    const until = owned === undefined ? null : owned.deadlineAt + this.host.limits.stopBudgetUs - lifetimeMarginUs
    for (const address of this.host.page.groups.get(group)?.addresses ?? []) this.host.machine.lifetime(address, until)
  }

  // -------------------------------------------------------------------------------------------- controller

  /** JavaScript runs again. False: too late, this life is over. */
  turn(): boolean {
    this.#standsSince = null
    this.#withheld = false
    return !this.terminal
  }

  /** JavaScript stands still from here on. */
  standsStill(): void {
    this.#standsSince = this.#now
    this.#later(this.host.limits.withholdUs, () => { this.#lateController() })
  }

  holding(group: string, holding: GroupHolding): void {
    const page = this.host.page.groups.get(group)
    if (page === undefined) return
    page.holding = holding
    if (holding.held) return
    page.releaseBy = null
    page.petUntil = null
  }

  #lateController(): void {
    if (this.#standsSince === null || this.terminal) return
    const { limits } = this.host
    const late = this.#now - this.#standsSince
    if (!this.host.frozen()) {
      if (!this.#withheld) this.#record({ type: 'controller.lapsed', stage: 'withhold', lateUs: late })
      this.#withheld = true
      if (late >= limits.releaseUs && this.#mayLetGo()) return this.#lapse(late)
    }
    this.#later(late < limits.releaseUs ? limits.releaseUs - late : 500_000, () => { this.#lateController() })
  }

  #mayLetGo(): boolean {
    for (const { name, holding } of this.host.page.groups.values()) {
      if (holding.held && (holding.peerReady || this.#owned.has(name))) return true
    }
    return false
  }

  #lapse(lateUs: number): void {
    this.lapsed = true
    if (!this.host.flaws.has('no-terminal')) this.terminal = true
    this.#record({ type: 'controller.lapsed', stage: 'release', lateUs })
    const groups = [...this.host.page.groups.values()].filter((group) => group.kind === 'address' && group.holding.held)
    let left = groups.length
    if (left === 0) this.host.silence()
    for (const group of groups) {
      this.#release(group.name, () => {
        this.host.gasp(group)
        left -= 1
        if (left === 0) this.host.silence()
      })
    }
  }

  // ------------------------------------------------------------------------------------------------- parts

  #record(event: SimEvent): void {
    if (!this.#stopped) this.host.record(event)
  }

  /** In the engine: ends with it. */
  #later(us: number, act: () => void): void {
    this.host.machine.clock.after(us, () => { if (!this.#stopped) act() })
  }
}

