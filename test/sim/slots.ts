// The engine's part in authority: armed plans and their guards, the gate of every address change, ownership
// that ends by itself, the controller lease. The same semantics as the native engine, and no decision in it.

import type { GroupHolding, Guard } from '../../src/engine/authority.js'
import type { Prng } from '../../src/core/base/prng.js'
import { groupId, micros, type NodeId } from '../../src/core/base/ids.js'
import type { Effect } from '../../src/core/effects.js'
import type { Authority } from '../../src/core/types.js'
import { petMarginUs } from '../../src/core/takeover/watchdog-word.js'
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
  byItself: boolean
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
  peer(): { readonly id: NodeId; readonly generation: number; readonly alive: boolean }
  /** How late the engine's last cycle was. */
  lateUs(): number
  /** Nothing of the engine runs. */
  frozen(): boolean
  guardianReady(): boolean
  record(event: SimEvent): void
  /** A plan passed its guards and is carried out; `byItself`: without an order. */
  claims(plan: Arm, authority: Authority, how: { readonly interfaceIncarnation: number; readonly byItself: boolean }): void
  /** The engine's own last words about a group that it released. */
  gasp(group: PageGroup): void
  /** No heartbeat from here on. */
  silence(): void
}

/** Own lateness above which nothing is taken on silence. */
export const stallLimitUs = 200_000
/** How often the engine looks at what may go off by itself, while somebody is dead. */
const cycleUs = 20_000
/** As long as JavaScript runs, it says within this time that it holds what the engine took. */
const claimWithinUs = 2_000_000
const refreshUs = 3_000_000
/** The kernel looks at lifetimes once a second, and what is asked in whole seconds is rounded down. */
const lifetimeMarginUs = 1_250_000

export class SimSlots {
  readonly #slots = new Map<string, Slot>()
  readonly #owned = new Map<string, Ownership>()
  /** A release of the group bumps it: what was queued before is void. */
  readonly #stamps = new Map<string, number>()
  /** Addresses that the engine has added and not removed. */
  readonly #added = new Map<string, Set<string>>()
  /** Taken by itself, and the core has not said that it holds it: since when it could have. */
  readonly #unclaimed = new Map<string, number>()
  #watching = false
  /** The controller lease has passed its release limit: nothing more is taken or said in this life. */
  terminal = false
  /** As it is, whatever a mutant makes of it. */
  lapsed = false
  /** Let go by the engine; the controller has not said anything about them since. */
  readonly #letGo = new Set<string>()
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
    const stamp = this.#stampOf(plan.group)
    this.#slots.set(plan.group, { plan, state: 'armed', mark: null, byItself: false, interfaceIncarnation, stamp })
    this.#watchSilence()
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

  fire({ group, epoch, authority }: Fire): 'marked' | 'fired' | 'unknown' {
    const slot = this.#slots.get(group)
    if (slot === undefined || slot.plan.epoch !== epoch) return 'unknown'
    const { condition, gaspEpoch } = slot.plan
    if (slot.state !== 'armed') return condition === 'peer-dead' || gaspEpoch > 0 ? 'fired' : 'unknown'
    if (slot.mark !== null) return 'unknown'
    slot.mark = authority
    this.#judgeLater(slot)
    return 'marked'
  }

  /** This plan went off without an order. */
  byItself(group: string, epoch: number): boolean {
    const slot = this.#slots.get(group)
    return slot?.plan.epoch === epoch && slot.byItself
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
    const guard = this.#guardOf(slot, authority, { silence: authority.kind === 'accept' })
    if (guard !== null) return this.#withhold(slot, guard)
    this.#claim(slot, authority, { byItself: false })
  }

  #claim(slot: Slot, authority: Authority, { byItself }: { readonly byItself: boolean }): void {
    const { interfaceIncarnation } = slot
    this.host.claims(slot.plan, authority, { interfaceIncarnation, byItself })
    slot.state = 'firing'
    slot.byItself = byItself
    const detectedAt = this.#now
    const page = this.host.page.groups.get(slot.plan.group)
    if (byItself && page !== undefined) {
      this.#unclaimed.set(slot.plan.group, Number.POSITIVE_INFINITY)
      page.holding = { held: true, claimEpoch: 0, peerReady: false, agentBusy: false, leaving: false }
      page.unclaimed = true
    }
    this.#later(this.#ringUs(), () => { this.#act(slot, authority, slot.stamp, detectedAt) })
  }

  // -------------------------------------------------------------------------------------- without an order

  /** In the cycle in which the peer is found dead, and in every one after it while it is. */
  silence(): void {
    if (this.host.frozen() || this.terminal) return
    for (const slot of this.#slots.values()) {
      const { plan } = slot
      if (plan.condition !== 'peer-dead' || slot.state !== 'armed') continue
      const authority = this.#authorityOf(plan)
      if (authority === null || this.#guardOf(slot, authority, { silence: true }) !== null) continue
      if (this.host.peer().generation !== plan.peerGeneration) continue
      this.#claim(slot, authority, { byItself: true })
    }
    this.#watchSilence()
  }

  #authorityOf({ group, peerGeneration, needsOwnership }: Arm): Authority | null {
    if (!needsOwnership) return { kind: 'accept', peer: this.host.peer().id, peerGeneration }
    const owned = this.#owned.get(group)
    return owned === undefined ? null : { kind: 'lease', ...owned, deadlineAt: micros(owned.deadlineAt) }
  }

  #watchSilence(): void {
    const waits = [...this.#slots.values()].some(({ plan, state }) => plan.condition === 'peer-dead' && state === 'armed')
    if (this.#watching || !waits || this.host.peer().alive || this.host.peer().generation === 0) return
    this.#watching = true
    this.#later(cycleUs, () => {
      this.#watching = false
      this.silence()
    })
  }

  /** Last words that reached the engine, already known to be of exactly the life that it tracks. */
  lastWords(said: { readonly group: string; readonly generation: number; readonly claimEpoch: number; readonly digest: string }): void {
    const slot = this.#slots.get(said.group)
    const page = this.host.page.groups.get(said.group)
    if (slot === undefined || page?.kind !== 'address' || page.digest !== said.digest || slot.state !== 'armed') return
    const { gaspEpoch, peerGeneration, needsOwnership } = slot.plan
    if (gaspEpoch === 0 || gaspEpoch !== said.claimEpoch || peerGeneration !== said.generation || needsOwnership) return
    const { claimEpoch } = said
    const authority: Authority = { kind: 'gasp', peer: this.host.peer().id, peerGeneration, claimEpoch }
    if (this.host.frozen() || this.terminal || this.#guardOf(slot, authority, { silence: false }) !== null) return
    this.#claim(slot, authority, { byItself: true })
  }

  /** Nobody takes over what was taken: it must not stay. */
  #watchUnclaimed(group: string): void {
    const since = this.#unclaimed.get(group)
    if (since === undefined) return
    const stands = this.#standsSince !== null || this.host.frozen()
    if (!stands && this.#now - since >= claimWithinUs) return this.#release(group)
    if (stands) this.#unclaimed.set(group, this.#now)
    this.#later(claimWithinUs / 4, () => { this.#watchUnclaimed(group) })
  }

  #claimed(group: string): void {
    this.#unclaimed.delete(group)
    const page = this.host.page.groups.get(group)
    if (page !== undefined) page.unclaimed = false
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
      if (this.#unclaimed.has(group)) {
        this.#unclaimed.set(group, this.#now)
        this.#watchUnclaimed(group)
      }
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
    const page = this.host.page.groups.get(slot.plan.group)
    if (this.#unclaimed.has(slot.plan.group) && page !== undefined) {
      page.holding = { ...page.holding, held: false }
      this.#claimed(slot.plan.group)
    }
    this.#watchSilence()
    this.#record({ type: 'plan.withheld', group: slot.plan.group, epoch: slot.plan.epoch, guard })
  }

  #guardOf(slot: Slot, authority: Authority, { silence }: { readonly silence: boolean }): Guard | null {
    const { host } = this
    if (!host.flaws.has('stale-interface')) {
      if (slot.interfaceIncarnation !== host.machine.interfaceIncarnation || !host.machine.carrier) return 'interface'
    }
    const peer = host.peer()
    const about = 'peerGeneration' in authority ? authority.peerGeneration : 0
    if (about !== 0 && peer.generation !== 0 && peer.generation !== about) return 'peer-incarnation'
    if (silence) {
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
    const { stopBudgetUs, watchdogUs } = this.host.limits
    const biteUs = this.host.flaws.has('pets-until-the-end') ? 0 : watchdogUs + petMarginUs
    page.petUntil = deadlineAt + stopBudgetUs - biteUs
    this.#setLifetime(group)
    this.host.machine.clock.at(deadlineAt, () => { this.#ownershipDue(group, owned) })
    this.#watchSilence()
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
      const wasHeld = page.holding.held
      if (this.#unclaimed.has(group)) page.holding = { ...page.holding, held: false }
      this.#claimed(group)
      if (!this.host.flaws.has('release-unverified')) told()
      if (wasHeld) this.#letGo.add(group)
      page.holding = { ...page.holding, held: false }
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
    this.#letGo.delete(group)
    const page = this.host.page.groups.get(group)
    if (page === undefined) return
    // Said before the core knew that the engine took the group.
    if (this.#unclaimed.has(group) && !holding.held) return
    this.#claimed(group)
    const leaves = holding.held && holding.leaving && !page.holding.leaving
    page.holding = holding
    if (leaves && page.kind === 'address' && !holding.agentBusy) this.#release(group, () => { this.#lastWord(page) })
    if (holding.held) return
    page.releaseBy = null
    page.petUntil = null
  }

  /** The core lets go of the group as well: said when nothing of that is under way, unless it has said so itself by then. */
  #lastWord(group: PageGroup): void {
    if (!group.holding.held || !group.holding.leaving) return
    if (this.host.machine.flying('net', group.name)) this.#later(100, () => { this.#lastWord(group) })
    else this.host.gasp(group)
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
    // Its ownership ended while the controller stood still, which cannot say so.
    if (this.#letGo.size > 0) return true
    for (const { name, holding } of this.host.page.groups.values()) {
      if (holding.held && (holding.peerReady || this.#owned.has(name))) return true
    }
    return false
  }

  #lapse(lateUs: number): void {
    this.lapsed = true
    if (!this.host.flaws.has('no-terminal')) this.terminal = true
    this.#record({ type: 'controller.lapsed', stage: 'release', lateUs })
    const groups = [...this.host.page.groups.values()]
      .filter((group) => group.kind === 'address' && group.holding.held && !group.unclaimed)
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

