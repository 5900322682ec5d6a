// Authority as the engine is told of it: what each group could ever add, its armed plan, its holding, its ownership.
// Answers are final when a call returns; what the engine does later comes back as records.
import type { HoldingEffect, OwnershipEffect, PlanArmEffect, PlanDisarmEffect, PlanFireEffect } from '../../core/effects.js'
import { groupId, nodeId } from '../../core/base/ids.js'
import type { Authority } from '../../core/types.js'
import { groupsMax, type EngineGroup, type PlanAuthority } from '../../engine/authority.js'
import type { AddressStep, Engine, EngineAddress, EngineRecord } from '../../engine/engine.js'
import { whyNotChanged } from '../link-words.js'
import type { Occurrence } from '../shell.js'

export type PlanEffect = PlanArmEffect | PlanDisarmEffect | PlanFireEffect | HoldingEffect | OwnershipEffect

/** One address member of a group, as it would be added now. */
export interface PlacedMember {
  readonly member: string
  readonly address: EngineAddress
}

/** A group as it is configured, or was and is not stopped yet, on this machine now. */
export interface GroupPicture {
  readonly name: string
  readonly digest: string
  /** Nothing but addresses that the engine adds. */
  readonly addressOnly: boolean
  /** Before the first member that is no address. */
  readonly leading: readonly PlacedMember[]
  readonly addresses: readonly EngineAddress[]
}

export interface PlanDependencies {
  readonly engine: Engine
  /** The other normal node; null: there is none. */
  readonly peer: () => string | null
  readonly pictures: () => readonly GroupPicture[]
  /** Groups with services that the guardian ends, and whether each of those runs where it can be ended. */
  readonly kills: { has(group: string): boolean; confined(group: string): boolean }
  /** These members are up or not, by the engine and not by an order of ours. */
  readonly onTaken: (group: string, digest: string, member: string, address: EngineAddress, taken: boolean) => void
  readonly onWarning: (event: { readonly event: string }, text: string) => void
}

/** An addition waits so long for the guardian to acknowledge a place that it did not know. */
const acknowledgeMaxMs = 2_000

interface Armed {
  readonly epoch: number
  readonly digest: string
  readonly members: readonly PlacedMember[]
  /** Its addresses are watched because it was told to fire. */
  watched: boolean
}

export class Plans {
  readonly #parts: PlanDependencies
  readonly #slots = new Map<string, number>()
  readonly #armed = new Map<number, Armed>()
  readonly #held = new Set<string>()
  /** Of each slot, the last plan that was told to fire. */
  readonly #ordered = new Map<number, number>()
  #revision = 0
  #written = ''
  /** Revision that the guardian holds; null: nothing was attached, and nothing waits for it. */
  #acknowledged: number | null = null
  readonly #waiting = new Set<() => void>()

  constructor(parts: PlanDependencies) {
    this.#parts = parts
  }

  /** A guardian was attached to the engine: from now on additions wait for its word. */
  attachGuardian(guardian: { readonly pageFd: number; readonly socketFd: number }): void {
    this.#parts.engine.attachGuardian(guardian)
    this.#acknowledged = 0
  }

  /** Writes ahead what has changed; after every change of configuration and of places. */
  writeAhead(): void {
    const byName = new Map<string, EngineGroup>()
    for (const picture of this.#parts.pictures()) {
      const { name, digest } = picture
      const index = this.#slotFor(name)
      if (index === null) continue
      // During a reload two definitions of one group are known: the one in force comes last, both may have to go.
      const before = byName.get(name)
      const places = new Map([...(before?.addresses ?? []), ...picture.addresses].map((one) => [JSON.stringify(one), one]))
      const addressOnly = picture.addressOnly && (before === undefined || before.kind === 'address')
      const kind = addressOnly ? 'address' : this.#parts.kills.has(name) ? 'killed' : 'service'
      byName.set(name, { index, name, digest, kind, addresses: [...places.values()] })
    }
    const groups = [...byName.values()]
    const text = JSON.stringify(groups)
    if (text === this.#written) return
    this.#revision += 1
    this.#parts.engine.setGroups(this.#revision, groups)
    this.#written = text
  }

  slotOf(group: string): number | null {
    return this.#slots.get(group) ?? null
  }

  /** A slot stays with its group as long as the daemon lives, unless a new group needs one and this one is gone. */
  #slotFor(group: string): number | null {
    const known = this.#slots.get(group)
    if (known !== undefined) return known
    const taken = new Set(this.#slots.values())
    let index = 0
    while (taken.has(index)) index += 1
    if (index >= groupsMax) {
      const names = new Set(this.#parts.pictures().map((picture) => picture.name))
      const old = [...this.#slots].find(([name]) => !names.has(name) && !this.#held.has(name))
      if (old === undefined) {
        this.#parts.onWarning({ event: 'plan.no-slot' }, `${group}: more than ${String(groupsMax)} groups: nothing of it can be taken`)
        return null
      }
      this.#slots.delete(old[0])
      index = old[1]
    }
    this.#slots.set(group, index)
    return index
  }

  /** Resolves when the guardian could remove this address, or has been waited for long enough. */
  async prepare(address: EngineAddress): Promise<void> {
    this.writeAhead()
    await this.written(address.address)
  }

  /** True when the guardian holds everything that was written ahead so far; false when it was waited for long enough. */
  async written(what = 'what could be added here'): Promise<boolean> {
    const revision = this.#revision
    if (this.#acknowledged === null || this.#acknowledged >= revision) return true
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve()
      }
      // Refused by the engine's own gate then, with a reason for the operator.
      const timer = setTimeout(() => {
        this.#parts.onWarning({ event: 'guardian.silent' }, `the guardian does not acknowledge ${what}`)
        done()
      }, acknowledgeMaxMs)
      const look = (): void => {
        if ((this.#acknowledged ?? 0) >= revision) done()
      }
      this.#waiting.add(look)
    })
    return this.#acknowledged >= revision
  }

  /** What the core is to know at once, before anything else that waits. */
  apply(effect: PlanEffect): Occurrence | null {
    switch (effect.type) {
      case 'plan.arm':
        return { type: 'plan.armed', group: effect.group, epoch: effect.epoch, answer: this.#arm(effect) }
      case 'plan.disarm':
        return { type: 'plan.disarmed', group: effect.group, epoch: effect.epoch, answer: this.#disarm(effect) }
      case 'plan.fire':
        return this.#fire(effect)
      case 'holding':
        this.#holding(effect)
        return null
      case 'ownership':
        return this.#ownership(effect)
    }
  }

  #arm(effect: PlanArmEffect): 'armed' | 'busy' | 'invalid' | 'unguarded' {
    this.writeAhead()
    const slot = this.slotOf(effect.group)
    const picture = this.#parts.pictures().find((one) => one.name === effect.group && one.digest === effect.digest)
    if (slot === null || picture === undefined || picture.leading.length === 0) return 'invalid'
    const peer = this.#parts.peer()
    const steps = picture.leading.map(({ address }): AddressStep => ({ type: 'add', address, checkDuplicate: false }))
    const answer = this.#parts.engine.armPlan({
      slot, epoch: effect.epoch, condition: effect.condition, gaspEpoch: effect.gaspEpoch,
      needsOwnership: effect.needsOwnership, steps,
      peer: peer === null ? null : { node: peer, generation: effect.peerGeneration },
    })
    if (answer === 'armed') {
      this.#armed.set(slot, { epoch: effect.epoch, digest: effect.digest, members: picture.leading, watched: false })
    }
    return answer
  }

  #disarm(effect: PlanDisarmEffect): 'disarmed' | 'fired' | 'firing' | 'unknown' {
    const slot = this.slotOf(effect.group)
    if (slot === null) return 'unknown'
    const answer = this.#parts.engine.disarmPlan(slot, effect.epoch)
    if (answer === 'disarmed') this.#unwatch(effect.group, slot)
    return answer
  }

  #fire(effect: PlanFireEffect): Occurrence | null {
    const slot = this.slotOf(effect.group)
    const plan = slot === null ? undefined : this.#armed.get(slot)
    if (slot !== null && plan?.epoch === effect.epoch) {
      // Watched from before the addition: a rival that answers in between must not be missed.
      this.#tell(effect.group, plan, () => true)
      plan.watched = true
      this.#ordered.set(slot, plan.epoch)
      // Gone off by itself: what became of it is among the records that follow.
      if (this.#parts.engine.firePlan(slot, effect.epoch, authorityOf(effect.authority)) !== 'unknown') return null
      this.#unwatch(effect.group, slot)
    }
    return { type: 'plan.withheld', group: effect.group, epoch: effect.epoch, guard: 'voided' }
  }

  #tell(group: string, plan: Armed, taken: (index: number) => boolean): void {
    for (const [index, { member, address }] of plan.members.entries()) {
      this.#parts.onTaken(group, plan.digest, member, address, taken(index))
    }
  }

  #unwatch(group: string, slot: number): void {
    const plan = this.#armed.get(slot)
    if (plan?.watched !== true) return
    plan.watched = false
    this.#tell(group, plan, () => false)
  }

  #holding(effect: HoldingEffect): void {
    if (effect.held) this.#held.add(effect.group)
    else this.#held.delete(effect.group)
    const slot = this.slotOf(effect.group)
    if (slot === null) return
    const { held, claimEpoch, peerReady, leaving } = effect
    // What runs out of the guardian's reach has no last words either.
    const { kills } = this.#parts
    const agentBusy = effect.agentBusy || (held && kills.has(effect.group) && !kills.confined(effect.group))
    this.#parts.engine.setHolding(slot, { held, claimEpoch, peerReady, agentBusy, leaving })
  }

  /** A group without a slot has nothing that the engine could end. */
  #ownership({ group, token, deadlineAt }: OwnershipEffect): Occurrence | null {
    const slot = this.slotOf(group)
    if (slot === null || this.#parts.engine.renewOwnership(slot, token, deadlineAt) === 'renewed') return null
    this.#parts.onWarning({ event: 'ownership.refused' }, `${group}: the engine refuses this ownership: past, or with an old token`)
    return { type: 'ownership.refused', group, token }
  }

  /** A plan that nobody told to fire has fired: the core is told before it hears why. */
  goneOff(record: Extract<EngineRecord, { type: 'plan.fired' }>): Occurrence | null {
    if (this.#ordered.get(record.slot) === record.epoch) return null
    const group = [...this.#slots].find(([, slot]) => slot === record.slot)?.[0]
    return group === undefined ? null : { type: 'plan.gone', group: groupId(group), epoch: record.epoch }
  }

  /** Records about authority in the words of the core; null: the record is about something else. */
  translate(record: EngineRecord): readonly Occurrence[] | null {
    switch (record.type) {
      case 'plan.fired':
      case 'plan.withheld':
      case 'group.released':
      case 'ownership.expired':
        return this.#translateSlot(record)
      case 'controller.lapsed':
        return [{ type: 'controller.lapsed', stage: record.stage, lateUs: record.lateUs }]
      case 'gasp':
        return [{
          type: 'gasp', node: nodeId(record.node), generation: record.generation, group: groupId(record.group),
          claimEpoch: record.claimEpoch, digest: record.digest,
        }]
      case 'guardian.ready':
        this.#acknowledged = record.revision
        for (const look of [...this.#waiting]) look()
        return [{ type: 'guardian.ready' }]
      case 'guardian.lost':
        this.#acknowledged = 0
        return [{ type: 'guardian.lost' }]
      default:
        return null
    }
  }

  #translateSlot(
    record: Extract<EngineRecord, { type: 'plan.fired' | 'plan.withheld' | 'group.released' | 'ownership.expired' }>,
  ): readonly Occurrence[] {
    const name = [...this.#slots].find(([, slot]) => slot === record.slot)?.[0]
    if (name === undefined) return []
    const group = groupId(name)
    if (record.type === 'group.released') {
      return [{ type: 'group.released', group, claimEpoch: record.claimEpoch, ok: record.ok }]
    }
    if (record.type === 'ownership.expired') {
      this.#parts.onWarning({ event: 'ownership.expired' }, `${name}: its ownership has ended; the engine removes its addresses`)
      return []
    }
    const { epoch } = record
    const plan = this.#armed.get(record.slot)
    if (record.type === 'plan.withheld') {
      if (plan?.epoch === epoch) this.#unwatch(name, record.slot)
      return [{ type: 'plan.withheld', group, epoch, guard: record.guard }]
    }
    const errnos = new Map(record.results.map((result) => [result.index, result.errno]))
    const members = plan?.epoch === epoch ? plan.members : []
    if (plan?.epoch === epoch) {
      plan.watched = false
      this.#tell(name, plan, (index) => errnos.get(index) === 0)
    }
    const { detectedAt, firstAddressAt, firstAnnounceAt } = record
    return [{
      type: 'plan.fired', group, epoch, detectedAt, firstAddressAt, firstAnnounceAt,
      members: members.map(({ member }, index) => {
        const errno = errnos.get(index)
        const text = errno === undefined ? 'no answer from the kernel' : errno === 0 ? '' : whyNotChanged(errno)
        return { member, ok: errno === 0, text }
      }),
    }]
  }
}

function authorityOf(authority: Authority): PlanAuthority {
  const peerGeneration = 'peerGeneration' in authority ? authority.peerGeneration : 0
  const notAfterUs = authority.kind === 'lease' ? authority.deadlineAt : null
  return { kind: authority.kind, peerGeneration, notAfterUs }
}

/** When an ordinary addition under this authority must not happen any more. */
export const notAfterOf = (authority: Authority | null): PlanAuthority['notAfterUs'] =>
  authority?.kind === 'lease' ? authority.deadlineAt : null
