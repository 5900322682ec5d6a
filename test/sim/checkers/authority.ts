// Who may take, and what is said and done by those who let go without being asked. Judged by what is true in
// the world, not by what the nodes believe.

import type { Effect, FenceRunEffect, OwnershipEffect, PlanArmEffect } from '../../../src/core/effects.js'
import type { Authority, GroupConfig } from '../../../src/core/types.js'
import type { SimEvent } from '../events.js'
import type { ActReason } from '../guardian.js'
import type { PageGroup } from '../page.js'
import type { ClaimedHow, SimNode } from '../node.js'
import { stallLimitUs } from '../slots.js'
import { Violation, type CheckerName, type Scene } from './scene.js'

/** After a hidden pause the machine hears what happened meanwhile, and lets go. */
const hiddenOverlapUs = 1_500_000
const timersMax = 64
const storeMax = 64
const effectsMax = 200

/** Reasons of takes that were under way before somebody forbade them: the giver has let go, or the definition changed. */
const goesOn: ReadonlySet<string> = new Set(['redefined', 'handover', 'refused'])

const acts: ReadonlySet<Effect['type']> = new Set<Effect['type']>(['member.run', 'plan.arm', 'plan.fire', 'send'])

interface Plan { ends: number; firing: boolean }

export class AuthorityCheckers {
  readonly #overlapSince = new Map<string, number>()
  /** Per node: the machine went down after this generation and all before it. */
  readonly #goneUpTo: [number, number] = [0, 0]
  readonly #plans = new Map<string, Plan>()
  readonly #marked = new Set<string>()
  readonly #tokens = new Map<string, { readonly node: string; readonly token: number }>()
  readonly #gasped = new Set<string>()
  /** Groups that an operator has put on hold, and until when. */
  readonly #held: [Map<string, number>, Map<string, number>] = [new Map<string, number>(), new Map<string, number>()]
  releases = 0
  readonly #peerWasUp: [boolean, boolean] = [false, false]
  /** The boot in which the peer was last heard. */
  readonly #heardIn: [number, number] = [-1, -1]
  readonly #stoodSince: [number, number] = [0, 0]
  /** The end of the last standstill that was long enough to be called a stall. */
  readonly #stalledUntil: [number, number] = [0, 0]
  /** The life of the peer whose last words this node has heard. */
  readonly #toldOf: [number, number] = [0, 0]
  readonly #woke: [number, number] = [0, 0]

  constructor(private readonly scene: Scene) {}

  fail(checker: CheckerName, detail: string): never {
    throw new Violation(checker, this.scene.now(), detail)
  }

  // ------------------------------------------------------------------------------------------------- holders

  /** Called whenever the truth changed. */
  holders(): void {
    const { scene } = this
    if (scene.mode === 'accept' || scene.excused === 'lying-device') return
    for (const group of scene.groups) {
      if (!scene.nodes.every((node) => this.#runs(node, group))) {
        this.#overlapSince.delete(group.id)
        continue
      }
      if (scene.excused === 'no') this.fail('one-holder', `${group.id} runs on both machines`)
      const since = this.#overlapSince.get(group.id) ?? scene.now()
      this.#overlapSince.set(group.id, since)
      const from = Math.max(since, scene.mendedAt, ...this.#woke)
      // Whom neither its peer nor the arbiter reaches, or whose daemon is dead, has nothing to hear; only its own clock ends
      // what it believes.
      const hidden = scene.nodes.some((node) => node.clock.hidden || node.core === null)
      if (!hidden && !scene.cutOff() && scene.now() - from > hiddenOverlapUs && this.#addressOn(group)) {
        this.fail('one-holder', `${group.id} still runs on both machines after a hidden pause`)
      }
    }
  }

  #addressOn(group: GroupConfig): boolean {
    return this.scene.nodes.every((node) => group.members.some(({ id, kind }) => kind === 'address' && node.machine.running.has(id)))
  }

  woke(node: SimNode): void {
    this.#woke[node.index] = this.scene.now()
  }

  #runs(node: SimNode, group: GroupConfig): boolean {
    return group.members.some((member) => node.machine.running.has(member.id))
  }

  // -------------------------------------------------------------------------------------------------- takes

  /** The machine of this node went down, for whatever reason. */
  machineDown(node: SimNode, generation: number): void {
    this.#goneUpTo[node.index] = generation
    // Maintenance ends with the boot, a hold does not.
    for (const [group, until] of this.#held[node.index]) if (Number.isFinite(until)) this.#held[node.index].delete(group)
  }

  effect(node: SimNode, effect: Effect): void {
    if (node.slots?.lapsed === true && acts.has(effect.type)) this.fail('authority', `${node.id} goes on after its lapse: ${effect.type}`)
    switch (effect.type) {
      case 'member.run':
        if (effect.action !== 'start' || effect.authority === null) return
        return this.#take(node, effect.group, effect.authority, `start of ${effect.member}`)
      case 'plan.arm': return this.#armed(node, effect.group, effect.epoch)
      case 'plan.fire':
        this.#marked.add(this.#planKey(node, effect.group, effect.epoch))
        return
      case 'note': return this.#noted(node, effect)
      case 'ownership': return this.#owns(node, effect)
      case 'fence.run': return this.#fences(node, effect)
      default: return
    }
  }

  #noted(node: SimNode, { event, details }: Extract<Effect, { type: 'note' }>): void {
    const begins = event === 'group.taking' && details['from'] === 'stopped' && !goesOn.has(String(details['reason']))
    const group = String(details['group'])
    if (begins && this.#isHeldBack(node, group)) this.fail('held-back', `${node.id} takes ${group} while it is on hold`)
  }

  /** Whatever of the group has to stop has the stop budget after its deadline. */
  #owns(node: SimNode, { group, token, deadlineAt }: OwnershipEffect): void {
    if (deadlineAt === null || this.scene.excused !== 'no' || node.config.lease === null) return
    const until = this.scene.ownedUntil(group, node, token)
    const end = node.clock.worldAt(deadlineAt + node.config.lease.stopBudgetUs)
    if (end > until + 1000) this.fail('deadline', `${node.id} believes in ${group} for ${Math.round((end - until) / 1000)} ms too long`)
    const owner = this.scene.owner(group)
    if (owner?.node === node.id && owner.token === token) this.#notOwned(node, group, token)
  }

  /** Whoever knows nothing since its boot shoots nobody. */
  #fences(node: SimNode, { action, target }: FenceRunEffect): void {
    if (action === 'status' || action === 'on') return
    if (this.#heardIn[node.index] === node.clock.boot) return
    this.fail('boot', `${node.id} fences ${target}, which it has not heard since it booted`)
  }

  /** A heartbeat of the peer reached this machine. */
  heard(node: SimNode): void {
    this.#heardIn[node.index] = node.clock.boot
  }

  event(node: SimNode, event: SimEvent): void {
    if (event.type === 'gasp') this.#toldOf[node.index] = event.generation
    if (event.type === 'plan.fired') return this.#fired(node, event)
    if (event.type === 'plan.disarmed') return this.#disarmed(node, event)
    if (event.type === 'plan.withheld') {
      const plan = this.#plans.get(this.#planKey(node, event.group, event.epoch))
      if (plan !== undefined) plan.firing = false
    }
  }

  /** The engine found nothing against it. */
  claims(node: SimNode, plan: PlanArmEffect, authority: Authority, { interfaceIncarnation, byItself }: ClaimedHow): void {
    const key = this.#planKey(node, plan.group, plan.epoch)
    if (byItself) this.#goesOff(node, plan, key)
    if (!this.#marked.has(key)) this.fail('authority', `${key} was never fired`)
    if (interfaceIncarnation !== node.machine.interfaceIncarnation) this.fail('stale-plan', `${key} names an interface that is gone`)
    this.#take(node, plan.group, authority, 'plan')
  }

  /** Without an order, and perhaps before the core knows: as if it had been ordered at this moment. */
  #goesOff(node: SimNode, plan: PlanArmEffect, key: string): void {
    if (plan.peerGeneration !== node.engine?.peerGeneration) this.fail('authority', `${key} goes off for another life of the peer`)
    if (plan.condition !== 'peer-dead' && plan.gaspEpoch === 0) this.fail('authority', `${key} goes off, and was only staged`)
    if (this.#isHeldBack(node, plan.group)) this.fail('held-back', `${key} goes off while ${plan.group} is on hold`)
    this.#marked.add(key)
  }

  #take(node: SimNode, id: string, authority: Authority, how: string): void {
    if (node.twinbeat === null) return
    if (this.scene.excused !== 'no') return
    const group = this.scene.groups.find((one) => one.id === id)
    const why = group === undefined ? null : this.#invalid(node, group, authority)
    if (why !== null) this.fail('authority', `${node.id}: ${how} of ${id} under ${authority.kind}: ${why}`)
  }

  /** Null: it stands. Once the first member runs the claim is public, and its take goes on. */
  #invalid(node: SimNode, group: GroupConfig, authority: Authority): string | null {
    const { scene } = this
    const other = this.#other(node)
    const begun = this.#runs(node, group)
    switch (authority.kind) {
      case 'accept':
        if (authority.peer === null) return null
        if (scene.mode !== 'accept') return `not in mode ${scene.mode}`
        return begun || node.engine?.peerDead === true ? null : 'the peer is not dead'
      case 'fence':
        return authority.peerGeneration <= this.#goneUpTo[other.index] ? null
          : `${other.id} #${authority.peerGeneration} was never off`
      case 'lease': {
        if (node.clock.now >= authority.deadlineAt) return 'its deadline has passed'
        return this.#notOwned(node, group.id, authority.token)
      }
      case 'gasp': {
        const words = `${other.id} ${authority.peerGeneration} ${group.id} ${authority.claimEpoch}`
        if (!this.#gasped.has(words)) return 'nobody said these last words'
        if (begun) return null
        return scene.mode === 'lease' ? 'not in mode lease' : null
      }
      // Under accept the giver takes it back when it judges us dead, and its release may still be on its way to us.
      case 'handover': {
        if (scene.mode === 'accept' && other.engine?.peerDead === true) return null
        return !begun && this.#runs(other, group) ? `it runs on ${other.id}` : null
      }
      case 'agreed': case 'held': case 'operator': return null
    }
  }

  /**
   * An ownership begins at the arbiter. While that is lost, the other node's promise may hold it, also beside a new key of
   * the same node that was created late and of which it has not heard.
   */
  #notOwned(node: SimNode, id: string, token: number): string | null {
    const owner = this.scene.owner(id)
    const last = this.#tokens.get(id)
    const ours = owner !== null && owner.node === node.id && owner.token === token
    const held = (owner === null || owner.node === node.id) && last?.node === node.id && last.token === token
    if (!ours && !held) return `token ${token}, but the arbiter knows ${owner === null ? 'nobody' : `${owner.node} with ${owner.token}`}`
    if (last !== undefined && last.node !== node.id && token <= last.token) this.fail('tokens', `${id}: token ${token} after ${last.token}`)
    this.#tokens.set(id, { node: node.id, token })
    return null
  }

  // -------------------------------------------------------------------------------------------------- plans

  #planKey(node: SimNode, group: string, epoch: number): string {
    return `${node.id}#${node.life} ${group} ${epoch}`
  }

  #armed(node: SimNode, group: string, epoch: number): void {
    const key = this.#planKey(node, group, epoch)
    if (this.#plans.has(key)) this.fail('plan-ends-once', `${key} is armed a second time`)
    // A hand-over that was under way goes on.
    const moving = node.core?.snapshot().groups.some((one) => one.id === group && one.exchange !== null) === true
    if (!moving && this.#isHeldBack(node, group)) this.fail('held-back', `${key} is armed while ${group} is on hold`)
    this.#plans.set(key, { ends: 0, firing: false })
  }

  #fired(node: SimNode, event: Extract<SimEvent, { type: 'plan.fired' }>): void {
    const key = this.#planKey(node, event.group, event.epoch)
    const plan = this.#plans.get(key)
    if (plan === undefined) this.fail('plan-ends-once', `${key} fired and was never armed`)
    plan.ends += 1
    plan.firing = false
    if (plan.ends > 1) this.fail('plan-ends-once', `${key} ended ${plan.ends} times`)
    if (!this.#marked.has(key)) this.fail('authority', `${key} fired without authority`)
  }

  #disarmed(node: SimNode, event: Extract<SimEvent, { type: 'plan.disarmed' }>): void {
    const plan = this.#plans.get(this.#planKey(node, event.group, event.epoch))
    if (plan === undefined || event.answer === 'unknown' || event.answer === 'fired') return
    if (event.answer === 'firing') {
      plan.firing = true
      return
    }
    plan.ends += 1
    if (plan.ends > 1) this.fail('plan-ends-once', `${node.id}: plan ${event.epoch} of ${event.group} fired and taken back`)
  }

  // --------------------------------------------------------------------------------------------- letting go

  gasp(node: SimNode, group: PageGroup, by: 'guardian' | 'engine', generation: number): void {
    const what = `${node.id}'s ${by} says that ${group.name} is gone`
    if (group.addresses.some((id) => node.machine.running.has(id))) this.fail('last-words', `${what}, and it is there`)
    if (node.machine.flying('net', group.name)) this.fail('last-words', `${what}, and a change is under way`)
    if (group.kind !== 'address') this.fail('last-words', `${what}, which has services`)
    if (group.holding.agentBusy) this.fail('last-words', `${what} while a script runs`)
    if (!group.holding.held) this.fail('last-words', `${what}, which it did not hold`)
    this.#gasped.add(`${node.id} ${generation} ${group.name} ${group.holding.claimEpoch}`)
  }

  /** The guardian of an earlier life removes what the present daemon has. */
  removes(node: SimNode, group: PageGroup, life: number): void {
    if (node.core === null || node.life === life || node.page.groups.get(group.name) === group) return
    const theirs = group.addresses.filter((id) => node.machine.running.has(id))
    if (theirs.length > 0) this.fail('guardian', `an earlier guardian of ${node.id} removes ${theirs.join(' ')}`)
  }

  /** The node is about to stand still. */
  standsStill(node: SimNode): void {
    this.#stoodSince[node.index] = this.scene.now()
    this.#peerWasUp[node.index] = this.#mayBelieveInPeer(node)
  }

  /** It lives, or its silence is shorter than the dead time that is waited for, and nobody said that it has ended. */
  #mayBelieveInPeer(node: SimNode): boolean {
    const other = this.#other(node)
    const { engine } = node
    if (engine === null || engine.peerDead || this.#toldOf[node.index] === engine.peerGeneration) return false
    // Its clock stands still with it: what it believed before the pause it believes still.
    if (node.clock.hidden) return true
    const silentUs = this.scene.now() - Math.max(other.endedAt, this.#stalledUntil[node.index])
    return other.up || silentUs < engine.limitUs + node.config.timing.keepaliveUs
  }

  /** What it did not hear meanwhile proves nothing: it listens for a whole dead time again. */
  thaws(node: SimNode): void {
    const now = this.scene.now()
    if (now - this.#stoodSince[node.index] > stallLimitUs) this.#stalledUntil[node.index] = now
  }

  acts(node: SimNode, reason: ActReason | 'watchdog'): void {
    if (reason !== 'progress' || this.scene.mode === 'lease') return
    if (!this.#peerWasUp[node.index]) this.fail('dropped-for-nobody', `${node.id} is frozen and lets go, and nobody is there to take`)
  }

  // ------------------------------------------------------------------------------------- operators, the end

  /** The operator was told that it is so. `group` null: all of them. */
  forbidden(node: SimNode, order: { readonly group: string | null; readonly until: number | null }): void {
    const { group } = order
    const until = order.until ?? Number.POSITIVE_INFINITY
    const held = this.#held[node.index]
    for (const { id } of this.scene.groups) {
      if (group === null || group === id) held.set(id, Math.max(until, held.get(id) ?? 0))
    }
  }

  /** Asked for on either node, whatever comes of it. */
  released(group: string | null): void {
    this.releases += 1
    for (const held of this.#held) {
      if (group === null) held.clear()
      else held.delete(group)
    }
  }

  /** Holds stand, whatever becomes of the maintenance. */
  maintained(): void {
    this.releases += 1
    for (const held of this.#held) for (const [group, until] of held) if (Number.isFinite(until)) held.delete(group)
  }

  #isHeldBack(node: SimNode, group: string): boolean {
    return (this.#held[node.index].get(group) ?? 0) > this.scene.now()
  }

  bounded(node: SimNode, effects: number): void {
    if (node.timers > timersMax) this.fail('bounded', `${node.id} has ${node.timers} timers`)
    if (node.store.size > storeMax) this.fail('bounded', `${node.id} keeps ${node.store.size} values on disk`)
    if (effects > effectsMax) this.fail('bounded', `${node.id}: ${effects} effects in one step`)
  }

  end(): void {
    for (const [key, plan] of this.#plans) {
      const living = this.scene.nodes.some((node) => key.startsWith(`${node.id}#${node.life} `))
      if (living && plan.firing) this.fail('plan-ends-once', `${key} was firing and never ended`)
    }
  }

  #other(node: SimNode): SimNode {
    const other = this.scene.nodes.find((one) => one !== node)
    if (other === undefined) throw new Error('a pair')
    return other
  }
}
