// Armed plans: the leading addresses of each group that this node may take, finished and waiting in the engine. The
// only place that emits plan effects. Level: after every step each group's plan is compared with what it rests on; a
// plan that rests on something else is disarmed before any other effect of the step, a new one armed after all.
//
//   none --arm--> asked --armed--> armed --fire--> firing --fired | withheld--> none, or armed again
// The engine may never answer: what is only `asked` is never relied on, and the take goes the ordinary way.
//
// A plan may also go off by itself, on the silence or the last words of the peer that holds the group (its trigger).
// Then the death, or the words, come as a record before `plan.fired`, and the group's take finds its plan under way. If
// the core does not take the group at that, what the engine did is left behind, and dealt with like any other leftover.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { PlanArmedEvent, PlanDisarmedEvent, PlanFiredEvent, PlanGoneEvent, PlanWithheldEvent } from '../events.js'
import type { Authority } from '../types.js'
import type { Group } from './group.js'
import type { World } from './world.js'

type State =
  | { readonly name: 'asked' }
  | { readonly name: 'armed' }
  /** The engine will not have it: not before the inputs change, or, if `again`, not at once. */
  | { readonly name: 'refused'; readonly again: boolean }
  | { readonly name: 'firing'; readonly unwanted: boolean }

/** What sets a plan off without an order of this core. */
export interface Trigger {
  readonly peerDead: boolean
  /** Claim epoch of the last words; 0: none do. */
  readonly gaspEpoch: number
}
export const noTrigger: Trigger = { peerDead: false, gaspEpoch: 0 }

interface Plan {
  readonly epoch: number
  /** Everything that the plan rests on, besides its trigger. */
  readonly stamp: string
  readonly trigger: Trigger
  state: State
}

/** Guards that clear by themselves, and those that another attempt on the ordinary way tells more about. */
const passing: ReadonlySet<string> = new Set(['late', 'controller', 'peer-alive', 'guardian'])
const ordinary: ReadonlySet<string> = new Set(['interface'])
const againUs = 100_000
/** An engine that was told to fire answers within one cycle; this only finds lost answers. */
const answerUs = 2_000_000
const rearmUs = 1_000_000
export const planTimer = 'plan'
const rearmSubject = ''

export class PlanBook {
  readonly #plans = new Map<GroupId, Plan>()
  /** Grows with every plan and every change of an interface; never reused in this process. */
  #epoch = 0
  #interfaces = 0

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    /** This node may take the group as far as it is known now. */
    private readonly may: (group: Group) => boolean,
    /** What may set off the plan of a stopped group without an order. */
    private readonly triggerOf: (group: Group) => Trigger,
  ) {}

  gone(event: PlanGoneEvent): void {
    const plan = this.#plans.get(event.group)
    const group = this.world.groups.get(event.group)
    if (plan?.epoch === event.epoch && group?.state === 'stopped') group.takenByEngine = true
  }

  armed(id: GroupId): boolean {
    return this.#plans.get(id)?.state.name === 'armed'
  }

  // ------------------------------------------------------------------------------------ asked by the group

  fire(group: Group, authority: Authority): boolean {
    const plan = this.#plans.get(group.id)
    if (plan?.state.name !== 'armed' || plan.stamp !== this.#stampOf(group)) return false
    plan.state = { name: 'firing', unwanted: false }
    this.ctx.fire({ group: group.id, epoch: plan.epoch, authority })
    this.ctx.timer(`${planTimer}:${group.id}`, answerUs)
    return true
  }

  unfire(group: Group): void {
    const plan = this.#plans.get(group.id)
    if (plan?.state.name === 'firing') {
      plan.state = { name: 'firing', unwanted: true }
      return this.ctx.disarm({ group: group.id, epoch: plan.epoch })
    }
    // It was withheld and would have been fired again.
    if (plan !== undefined) this.#drop(group.id, plan)
    group.planWithheld('ordinary')
  }

  // ------------------------------------------------------------------------------------------- answers

  armAnswered(event: PlanArmedEvent): void {
    const plan = this.#plans.get(event.group)
    if (plan?.epoch !== event.epoch || plan.state.name !== 'asked') return
    if (event.answer === 'armed') {
      plan.state = { name: 'armed' }
      return
    }
    plan.state = { name: 'refused', again: event.answer !== 'invalid' }
    this.ctx.note('debug', 'plan.refused', `${event.group}: the engine does not arm its plan: ${event.answer}`, {
      group: event.group, answer: event.answer,
    })
    if (plan.state.again) this.ctx.timer(`${planTimer}:${rearmSubject}`, rearmUs)
  }

  disarmAnswered(event: PlanDisarmedEvent): void {
    const plan = this.#plans.get(event.group)
    const group = this.world.groups.get(event.group)
    if (plan?.epoch !== event.epoch || plan.state.name !== 'firing') {
      // It went off by itself at the very moment at which it was taken back: from here on the group may be held.
      if ((event.answer === 'fired' || event.answer === 'firing') && group?.state === 'stopped') group.doubt()
      return
    }
    if (event.answer === 'firing') return
    this.#ended(event.group)
    // Unless it was taken back before it went off, its record may still be on the way, or lost.
    if (event.answer === 'disarmed') group?.planWithheld('ordinary')
    else group?.planFired(null)
  }

  fired(event: PlanFiredEvent): void {
    const plan = this.#plans.get(event.group)
    const group = this.world.groups.get(event.group)
    if (group !== undefined) group.takenByEngine = false
    // By itself while the take waited for a guard to clear: that is the answer to the order as well.
    const awaited = plan?.epoch === event.epoch &&
      (plan.state.name === 'firing' || (plan.state.name === 'armed' && group?.waitsForPlan === true))
    if (plan?.epoch === event.epoch) this.#ended(event.group)
    if (!awaited) {
      // Not by our order, or told after we had ceased to wait. Letting go is always right.
      if (group?.state !== 'stopped') return
      this.ctx.note('warn', 'plan.unwanted', `${event.group}: the engine added its addresses, and they are not to be here`, {
        group: event.group,
      })
      group.doubt()
      return group.give('left-behind')
    }
    const us = event.firstAddressAt === null ? null : event.firstAddressAt - event.detectedAt
    const failed = event.members.filter((member) => !member.ok).length
    this.ctx.note(failed === 0 ? 'info' : 'warn', 'plan.fired',
      `${event.group}: ${event.members.length - failed} addresses added by the engine` +
      `${us === null ? '' : ` ${us} us after the decision`}${failed === 0 ? '' : `, ${failed} not`}`, {
        group: event.group, addressUs: us, failed,
        announceUs: event.firstAnnounceAt === null ? null : event.firstAnnounceAt - event.detectedAt,
      })
    group?.planFired(event.members)
  }

  withheld(event: PlanWithheldEvent): void {
    const plan = this.#plans.get(event.group)
    if (plan?.epoch !== event.epoch || plan.state.name !== 'firing') return
    const { unwanted } = plan.state
    this.ctx.note('warn', 'plan.withheld', `${event.group}: the engine does not add its addresses: ${event.guard}`, {
      group: event.group, guard: event.guard,
    })
    if (!unwanted && passing.has(event.guard)) {
      // It stays armed; judged again soon, as long as the authority stands.
      plan.state = { name: 'armed' }
      return this.ctx.timer(`${planTimer}:${event.group}`, againUs)
    }
    this.#drop(event.group, plan)
    this.world.groups.get(event.group)?.planWithheld(ordinary.has(event.guard) ? 'ordinary' : 'end')
  }

  timer(subject: string): void {
    if (subject === rearmSubject) return this.#rearm()
    const id = subject as GroupId
    const plan = this.#plans.get(id)
    if (plan === undefined) return
    const group = this.world.groups.get(id)
    if (plan.state.name === 'armed') return group?.planWithheld('again')
    if (plan.state.name !== 'firing') return
    // No answer: asked once more, and then what is up is found by looking.
    if (!plan.state.unwanted) {
      plan.state = { name: 'firing', unwanted: true }
      this.ctx.disarm({ group: id, epoch: plan.epoch })
      return this.ctx.timer(`${planTimer}:${id}`, answerUs)
    }
    this.#ended(id)
    group?.planFired(null)
  }

  /** There is a guardian again, or the time to ask once more has come. */
  #rearm(): void {
    for (const [id, plan] of this.#plans) if (plan.state.name === 'refused' && plan.state.again) this.#plans.delete(id)
  }

  guarded(): void {
    this.#rearm()
  }

  /** A named interface may have changed under every plan. */
  interfaceChanged(): void {
    this.#interfaces += 1
  }

  // -------------------------------------------------------------------------------------------- level

  /** Once at the end of a step, when nothing else is going to change. */
  commit(): void {
    for (const [id, plan] of this.#plans) {
      const group = this.world.groups.get(id)
      if (plan.state.name === 'firing') continue
      if (group !== undefined && this.#stands(plan, group)) continue
      this.#drop(id, plan)
      // It was withheld and would have been fired again: what it rested on is gone.
      if (group?.waitsForPlan === true) group.planWithheld('ordinary')
    }
    for (const group of this.world.groups.values()) {
      if (this.#plans.has(group.id) || !this.#wanted(group) || group.state !== 'stopped') continue
      this.#epoch += 1
      const trigger = this.triggerOf(group)
      this.#plans.set(group.id, { epoch: this.#epoch, stamp: this.#stampOf(group), trigger, state: { name: 'asked' } })
      this.ctx.arm({
        group: group.id, digest: group.config.digest, epoch: this.#epoch, condition: trigger.peerDead ? 'peer-dead' : 'staged',
        peerGeneration: this.world.peer?.generation ?? 0, gaspEpoch: trigger.gaspEpoch, needsOwnership: this.#owned,
      })
    }
  }

  /** A take that waits for its plan is under way, whatever may set off the next one. */
  #stands(plan: Plan, group: Group): boolean {
    if (!this.#wanted(group) || plan.stamp !== this.#stampOf(group)) return false
    if (group.waitsForPlan) return true
    const { peerDead, gaspEpoch } = this.triggerOf(group)
    return plan.trigger.peerDead === peerDead && plan.trigger.gaspEpoch === gaspEpoch
  }

  /** Also while the take waits for a guard to clear. */
  #wanted(group: Group): boolean {
    if (group.members[0]?.kind !== 'address' || this.world.halted) return false
    return group.waitsForPlan || (group.state === 'stopped' && this.may(group))
  }

  get #owned(): boolean {
    return this.ctx.config.protection === 'lease'
  }

  #stampOf(group: Group): string {
    return `${group.config.digest} ${this.world.peer?.generation ?? 0} ${this.#owned} ${this.#interfaces}`
  }

  #drop(id: GroupId, plan: Plan): void {
    if (plan.state.name !== 'refused') this.ctx.disarm({ group: id, epoch: plan.epoch })
    this.#ended(id)
  }

  #ended(id: GroupId): void {
    this.ctx.cancel(`${planTimer}:${id}`)
    this.#plans.delete(id)
  }
}
