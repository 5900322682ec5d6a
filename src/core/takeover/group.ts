// One group's executor. It knows how to take, to give, to look and to repair, one action at a time;
// whether it may take is asked of `authorise` immediately before every start.
//
//   unknown --probe--> stopped | found | held(kept)      found: left behind by an earlier life
//   stopped, found --take--> taking --> held             probe, start what does not run, left to right; with an armed
//                                                        plan the engine adds the leading addresses at once
//   any of taking, held, found --give--> giving --> stopped | blocked     right to left, with retries
// A give while taking waits for the running action, then goes back. Releasing needs no authority.

import type { GroupId, Micros } from '../base/ids.js'
import { invariant } from '../base/invariant.js'
import type { Context } from '../context.js'
import type { MemberResultEvent, PlanFiredEvent } from '../events.js'
import type { Authority, GroupConfig, GroupStateName, MemberSnapshot, MonitorConfig } from '../types.js'
import {
  disputedReasons, type GiveReason, type GroupState as State, type Member, type Outcome, type TakeReason, type Withheld,
} from './group-state.js'

export type { GiveReason, Outcome, TakeReason, Withheld } from './group-state.js'

export interface GroupHooks {
  authorise(group: Group): Authority | Withheld
  /** True: a plan is armed, and goes off; answered by `planFired` or `planWithheld`. */
  fire(group: Group, authority: Authority): boolean
  /** The plan that goes off is not wanted any more; answered in the same way. */
  unfire(group: Group): void
  /** For a new owner. */
  nextClaimEpoch(group: Group): number
  taking(group: Group, grant: Authority, reason: TakeReason): void
  settled(group: Group, outcome: Outcome): void
}

const stopRetryUs = 1_000_000

export class Group {
  readonly id: GroupId
  members: Member[]
  reason = 'boot'
  since: Micros
  /** Grows with every take. */
  epoch = 0
  /** Why the current or last take was allowed. */
  grant: Authority | null = null
  grantAt: Micros
  /** A start was run under `grant`: from here on the claim is public. */
  begun = false
  /** The last take failed here; no further take on our own until this is cleared. */
  failed = false
  /** Redefined or removed by a reload: never taken again under this definition. */
  retired = false
  restarts = 0
  /** What the last take rested on; repairs since then rest on the holding itself. */
  takenBy: Authority['kind'] | null = null
  /** Of the claim that is held, or was last. */
  claimEpoch = 0
  /** Addresses of the present take went up before its services were there. */
  #announcedFirst = false
  #mayFire = false
  /** A stop failed and the configuration answers that with a reset of this machine. */
  wantsReset = false
  /** It is to be answered with a fence by the peer. */
  wantsFence = false
  #state: State = { name: 'stopped' }
  #call: number | null = null
  #action: MemberSnapshot['action'] = null
  /** The last call that was ordered to end at once. */
  #aborted: number | null = null
  /** A give ordered while an action was in flight. */
  #pendingGive: { reason: GiveReason; outcome: Outcome } | null = null
  /** An address was taken away, or may have been, while something else was in flight. */
  #repairWanted = false
  #keep = false
  /** Left behind by an earlier life and not taken since. */
  leftBehind = false
  /** The engine has acted without an order, and what it did is still to be told. */
  takenByEngine = false
  /** Why the take stands still, between two of its members. */
  #waitsFor: string | null = null

  constructor(
    readonly ctx: Context,
    public config: GroupConfig,
    private readonly hooks: GroupHooks,
  ) {
    this.id = config.id
    this.since = ctx.now
    this.grantAt = ctx.now
    this.members = config.members.map((member) => ({ ...member, state: 'unknown', text: '' }))
  }

  get state(): GroupStateName {
    return this.#state.name
  }

  /** Everything but a verified stop counts as held. */
  get mayHold(): boolean {
    return this.#state.name !== 'stopped'
  }

  get atRest(): boolean {
    return this.#call === null && this.#state.name !== 'taking' && this.#state.name !== 'giving' &&
      this.#state.name !== 'unknown'
  }

  /** A give is ordered, though an action may still have to end first. */
  get lettingGo(): boolean {
    return this.#pendingGive !== null || (this.#state.name === 'giving' && !this.#state.retake)
  }

  /** Its plan goes off, or is withheld by a guard that may clear. */
  get waitsForPlan(): boolean {
    return this.#state.name === 'taking' && this.#state.phase === 'plan'
  }

  /** Its take has begun, and the next member needs a word of the peer. */
  get waitsForWord(): boolean {
    return this.#waitsFor !== null
  }

  /** Nothing but addresses that the engine adds itself. */
  get addressOnly(): boolean {
    return this.members.every((member) => member.kind === 'address')
  }

  /** An action of an agent is in flight: nobody knows what of the group runs. */
  get agentBusy(): boolean {
    return this.#call !== null && this.members[this.#busyIndex()]?.kind === 'agent'
  }

  get home(): GroupConfig['home'] {
    return this.config.home
  }

  memberSnapshots(): MemberSnapshot[] {
    const busy = this.#call === null ? -1 : this.#busyIndex()
    return this.members.map(({ id, kind, state, text }, index) => ({
      id, kind, state, text, action: index === busy ? this.#action : null,
    }))
  }

  /** Look what an earlier life left behind. `keep`: adopt it as held without a start if all of it runs. */
  boot(keep: boolean): void {
    this.#keep = keep
    this.#state = { name: 'unknown', index: 0, doubt: false }
    this.#next()
  }

  take(grant: Authority, reason: TakeReason): void {
    invariant(this.#state.name === 'stopped' || this.#state.name === 'found', `take of ${this.id} in ${this.state}`)
    this.grant = grant
    this.grantAt = this.ctx.now
    this.begun = false
    this.takenBy = grant.kind
    this.epoch += 1
    this.claimEpoch = this.hooks.nextClaimEpoch(this)
    this.#mayFire = this.#state.name === 'stopped'
    this.#announcedFirst = false
    this.#repairWanted = false
    this.#pendingGive = null
    this.hooks.taking(this, grant, reason)
    this.#enter({ name: 'taking', index: 0, phase: 'probe' }, reason)
    this.#next()
  }

  /** Let go. Ordered during an action, it happens right after that action. */
  give(reason: GiveReason, outcome: Outcome = 'stopped'): void {
    const name = this.#state.name
    if (name === 'stopped') return
    if (name === 'giving') {
      if (this.#state.retake) this.#state = { ...this.#state, floor: 0, retake: false, outcome }
      if (disputedReasons.has(reason)) this.#hurry()
      return
    }
    const firing = this.waitsForPlan
    if (this.#call !== null || firing) {
      const disputed = disputedReasons.has(reason)
      if (this.#pendingGive === null || (disputed && !disputedReasons.has(this.#pendingGive.reason))) {
        this.#pendingGive = { reason, outcome }
      }
      if (firing) this.hooks.unfire(this)
      else if (disputed) this.#abort()
      return
    }
    this.#startGiving(reason, outcome)
  }

  /** What the engine did of the plan; the rest is done here. Null: it may have done anything. */
  planFired(done: PlanFiredEvent['members'] | null): void {
    if (this.#state.name !== 'taking' || this.#state.phase !== 'plan') return
    // What the engine could not add has not begun either, and is asked for anew.
    this.begun = done === null || done.some(({ ok }) => ok)
    this.#announcedFirst = true
    for (const { member: id, ok, text } of done ?? []) {
      const member = this.members.find((one) => one.id === id)
      if (member === undefined) continue
      member.state = ok ? 'running' : 'failed'
      member.text = ok ? '' : text
    }
    if (done === null) this.#doubtAddresses()
    const rest = this.members.findIndex((member) => member.state !== 'running')
    this.#afterPlan(rest < 0 ? this.members.length : rest)
  }

  /** The engine did nothing. `wait`: the guard may clear; otherwise the ordinary way, which passes the same guards. */
  planWithheld(how: 'ordinary' | 'again' | 'end'): void {
    if (this.#state.name !== 'taking' || this.#state.phase !== 'plan') return
    if (how === 'end') this.#pendingGive ??= { reason: 'withheld', outcome: 'withheld' }
    this.#mayFire = how === 'again'
    this.#afterPlan(0)
  }

  /** The engine acted, or removed, without being told by this machine: nothing is known of the addresses. */
  doubt(): void {
    if (this.#call !== null || this.#state.name === 'unknown') return
    this.#doubtAddresses()
    if (this.#state.name !== 'stopped') return
    this.leftBehind = true
    // What is told of it is no claim of before, which the other node may have followed with one of its own.
    this.claimEpoch = this.hooks.nextClaimEpoch(this)
    this.#enter({ name: 'found' }, 'left-behind')
  }

  #doubtAddresses(): void {
    for (const member of this.members) if (member.kind === 'address') member.state = 'unknown'
  }

  #afterPlan(index: number): void {
    this.#state = { name: 'taking', index, phase: 'probe' }
    const give = this.#pendingGive
    this.#pendingGive = null
    if (give === null) this.#next()
    else this.#startGiving(give.reason, give.outcome)
  }

  result(event: MemberResultEvent): void {
    if (event.call !== this.#call) return
    const index = this.#busyIndex()
    const member = this.members[index]
    invariant(member !== undefined && member.id === event.member, 'result names the member in flight')
    this.#call = null
    this.#action = null
    member.text = event.outcome === 'failed' ? event.text : ''
    member.state = event.outcome
    this.#afterResult(event, index)
    if (this.#pendingGive !== null && this.#call === null && this.state !== 'stopped') {
      const { reason, outcome } = this.#pendingGive
      this.#pendingGive = null
      // A restart in place that began meanwhile becomes a stop.
      if (this.state === 'giving') this.give(reason, outcome)
      else this.#startGiving(reason, outcome)
      this.#next()
    } else {
      this.#next()
    }
  }

  /** Level: the word that the take waited for may be here. */
  goOn(): void {
    if (this.#waitsFor !== null) this.#next()
  }

  stopRetryDue(): void {
    if (this.#state.name !== 'giving' || this.#state.phase !== 'wait') return
    this.#state = { ...this.#state, phase: 'stop' }
    this.#next()
  }

  /** The operator says that he has cleaned up: looked at, and free again if nothing of it runs. */
  unblock(): void {
    if (this.#state.name !== 'blocked' || this.#call !== null) return
    this.#state = { name: 'blocked', probe: 0 }
    this.#next()
  }

  /** Somebody removed an address we hold: put it back under the authority of holding. */
  addressLost(id: string): void {
    const member = this.members.find((candidate) => candidate.id === id)
    if (member === undefined) return
    const { name } = this.#state
    if (name === 'held') member.state = 'stopped'
    // What is left of an earlier life is not all of it any more, although a look under way may still say so.
    if (name === 'unknown' || name === 'found') member.state = 'unknown'
    if (name === 'unknown') this.#state = { ...this.#state, doubt: true }
    this.repair()
  }

  /** Look at every member and start again what does not run. */
  repair(): void {
    const { name } = this.#state
    // Not held yet, and perhaps looked at already: once more when it is.
    if (name === 'unknown' || name === 'found' || name === 'taking') this.#repairWanted = true
    if (name !== 'held') return
    if (this.#call !== null) this.#repairWanted = true
    else this.#repair()
  }

  lookAgain(): void {
    if (this.#repairWanted) this.repair()
  }

  monitorDue(): void {
    if (this.#state.name !== 'held' || this.#call !== null) return
    this.#runAt(0, 'monitor', null)
  }

  // -------------------------------------------------------------------------------------------- parts

  #busyIndex(): number {
    switch (this.#state.name) {
      case 'unknown': case 'taking': case 'giving': return this.#state.index
      case 'blocked': return this.#state.probe ?? 0
      default: return this.#monitorIndex
    }
  }

  #monitorIndex = 0

  #runAt(index: number, action: 'probe' | 'start' | 'stop' | 'monitor', authority: Authority | null): void {
    const member = this.members[index]
    invariant(member !== undefined && this.#call === null, 'one action of a group at a time')
    if (action === 'monitor') this.#monitorIndex = index
    this.#action = action
    this.#call = this.ctx.run({ group: this.id, digest: this.config.digest, member: member.id, action, authority })
  }

  #enter(state: State, reason: GiveReason | TakeReason | Outcome): void {
    const before = this.#state.name
    this.#state = state
    this.#waitsFor = null
    this.reason = reason
    this.since = this.ctx.now
    const level = state.name === 'blocked' ? 'error' : reason === 'start-failed' ? 'warn' : 'info'
    this.ctx.note(level, `group.${state.name}`, `${this.id}: ${before} -> ${state.name} (${reason})`, {
      group: this.id, from: before, to: state.name, reason,
      authority: state.name === 'taking' ? (this.grant?.kind ?? null) : null,
    })
  }

  /** Runs the next action of the current state, or comes to rest. */
  #next(): void {
    if (this.#call !== null) return
    const state = this.#state
    switch (state.name) {
      case 'unknown': return this.#nextProbe(state.index, state.doubt)
      case 'taking': return this.#nextTake(state.index, state.phase)
      case 'giving': return this.#nextGive(state)
      case 'held': if (this.#repairWanted) this.#repair(); return
      case 'blocked': if (state.probe !== null) this.#nextUnblock(state.probe); return
      case 'stopped': case 'found': return
    }
  }

  #nextProbe(index: number, doubt: boolean): void {
    if (index < this.members.length) return this.#runAt(index, 'probe', null)
    const running = this.members.filter((member) => member.state === 'running').length
    if (this.#keep && !doubt && running === this.members.length && running > 0) {
      this.adopt()
    } else if (running > 0 || doubt) {
      this.leftBehind = true
      this.#enter({ name: 'found' }, 'left-behind')
    } else {
      this.#enter({ name: 'stopped' }, 'probed')
    }
    this.hooks.settled(this, 'probed')
    this.lookAgain()
  }

  #nextUnblock(index: number): void {
    if (index < this.members.length) return this.#runAt(index, 'probe', null)
    const clean = this.members.every((member) => member.state === 'stopped')
    if (clean) {
      this.grant = null
      this.begun = false
      this.#enter({ name: 'stopped' }, 'unblocked')
    } else {
      this.#state = { name: 'blocked', probe: null }
    }
    this.hooks.settled(this, clean ? 'unblocked' : 'blocked')
  }

  /** All of it runs, and it is ours still: no start is needed. */
  adopt(): void {
    this.epoch += 1
    this.claimEpoch = this.hooks.nextClaimEpoch(this)
    this.grant = { kind: 'held', epoch: this.epoch }
    this.begun = true
    this.leftBehind = false
    this.#enter({ name: 'held' }, 'adopted')
  }

  get complete(): boolean {
    return this.members.length > 0 && this.members.every((member) => member.state === 'running')
  }

  #nextTake(index: number, phase: 'probe' | 'start' | 'plan'): void {
    if (phase === 'plan') return
    if (index >= this.members.length) return this.#taken()
    const authority = this.hooks.authorise(this)
    if ('withheld' in authority) {
      if (authority.waits === true) return this.#wait(authority.withheld)
      this.ctx.note('warn', 'take.withheld', `${this.id}: take withheld: ${authority.withheld}`, {
        group: this.id, reason: authority.withheld,
      })
      return this.#startGiving('withheld', 'withheld')
    }
    this.#waitsFor = null
    const first = index === 0 && phase === 'probe' && !this.begun && this.#mayFire
    if (first && this.members[0]?.kind === 'address' && this.hooks.fire(this, authority)) {
      this.#state = { name: 'taking', index: 0, phase: 'plan' }
      return
    }
    if (phase === 'probe') return this.#runAt(index, 'probe', null)
    this.begun = true
    this.#runAt(index, 'start', authority)
  }

  #wait(reason: string): void {
    if (this.#waitsFor === reason) return
    this.#waitsFor = reason
    this.ctx.note('warn', 'take.waiting', `${this.id} is only partly taken yet: ${reason}`, { group: this.id, reason })
  }

  #taken(): void {
    this.begun = true
    this.failed = false
    this.leftBehind = false
    this.#enter({ name: 'held' }, 'held')
    this.hooks.settled(this, 'held')
    this.lookAgain()
  }

  #nextGive(state: Extract<State, { name: 'giving' }>): void {
    if (state.phase === 'wait') return
    if (state.phase === 'check') return this.#runAt(state.index, 'probe', null)
    const index = this.#nextStop(state)
    if (index < state.floor) return this.#given(state)
    if (index !== state.index) this.#state = { ...state, index, tries: 0 }
    this.#runAt(index, 'stop', null)
  }

  /** Right to left; a peer that holds the group as well must not be disturbed until slow services have stopped. */
  #nextStop(state: Extract<State, { name: 'giving' }>): number {
    const runs = (index: number): boolean => this.members[index]?.state !== 'stopped'
    const last = this.members.length - 1
    for (let index = last; state.addressesFirst && index >= state.floor; index -= 1) {
      if (runs(index) && this.members[index]?.kind === 'address') return index
    }
    let index = state.addressesFirst ? last : state.index
    while (index >= state.floor && !runs(index)) index -= 1
    return index
  }

  #given(state: Extract<State, { name: 'giving' }>): void {
    if (state.retake) return this.#retake()
    this.grant = null
    this.begun = false
    this.#pendingGive = null
    this.#enter({ name: 'stopped' }, state.outcome)
    this.hooks.settled(this, state.outcome)
  }

  /** A service that hangs must not keep an address up that the peer holds as well. A stop is never cut short. */
  #abort(): void {
    const member = this.members[this.#busyIndex()]
    if (this.#call === null || this.#action === 'stop' || member?.kind !== 'agent' || this.#aborted === this.#call) return
    this.#aborted = this.#call
    this.ctx.abort({ call: this.#call, group: this.id, member: member.id })
  }

  /** A release under way has become urgent: what runs is waited for, then the addresses leave first. */
  #hurry(): void {
    if (this.#state.name !== 'giving' || this.#state.addressesFirst) return
    const waiting = this.#state.phase === 'wait'
    this.#state = { ...this.#state, addressesFirst: true, phase: waiting ? 'stop' : this.#state.phase }
    if (waiting) this.#next()
  }

  #startGiving(reason: GiveReason, outcome: Outcome): void {
    this.#repairWanted = false
    const index = this.members.length - 1
    // An address that answers without its service is an outage that looks healthy.
    const addressesFirst = disputedReasons.has(reason) || (reason === 'start-failed' && this.#announcedFirst)
    this.#enter({ name: 'giving', index, floor: 0, retake: false, addressesFirst, tries: 0, phase: 'stop', outcome }, reason)
    this.#next()
  }

  #repair(): void {
    this.#repairWanted = false
    this.#retake()
  }

  /** Take again what we hold: probe every member and start what does not run. */
  #retake(): void {
    this.grant = { kind: 'held', epoch: this.epoch }
    this.#enter({ name: 'taking', index: 0, phase: 'probe' }, 'repair')
    this.#next()
  }

  // ------------------------------------------------------------------------------------------ results

  #afterResult(event: MemberResultEvent, index: number): void {
    const state = this.#state
    switch (state.name) {
      case 'unknown':
        this.#state = { ...state, index: index + 1, doubt: state.doubt || event.outcome === 'failed' }
        return
      case 'taking': return this.#afterTakeResult(event, index, state.phase)
      case 'giving': return this.#afterGiveResult(event, index, state)
      case 'held': return this.#afterMonitor(event, index)
      case 'blocked': this.#state = { name: 'blocked', probe: index + 1 }; return
      case 'stopped': case 'found': return
    }
  }

  #afterTakeResult(event: MemberResultEvent, index: number, phase: 'probe' | 'start' | 'plan'): void {
    if (event.outcome === 'running') {
      this.#state = { name: 'taking', index: index + 1, phase: 'probe' }
    } else if (phase === 'probe') {
      this.#state = { name: 'taking', index, phase: 'start' }
    } else if (this.#pendingGive === null) {
      this.failed = true
      this.ctx.note('error', 'start.failed', `${this.id}: ${event.member} did not start: ${event.text}`, {
        group: this.id, member: event.member,
      })
      this.#startGiving('start-failed', 'start-failed')
    }
  }

  #afterGiveResult(event: MemberResultEvent, index: number, state: Extract<State, { name: 'giving' }>): void {
    if (event.outcome === 'stopped') {
      if (state.phase === 'check') {
        this.ctx.note('warn', 'stop.doubtful', `${this.id}: ${event.member}: stop failed, but it does not run`, {
          group: this.id, member: event.member,
        })
      }
      this.#state = { ...state, index: index - 1, tries: 0, phase: 'stop' }
    } else if (state.phase === 'check') {
      this.#block(event.member)
    } else {
      const { stopRetryMax } = this.ctx.config
      const tries = state.tries + 1
      const again = stopRetryMax === 0 || tries < stopRetryMax
      this.#state = { ...state, tries, phase: again ? 'wait' : 'check' }
      if (again) this.ctx.timer(`stop:${this.id}`, stopRetryUs)
      if (tries === 1) {
        this.ctx.note('warn', 'stop.failed', `${this.id}: ${event.member} did not stop: ${event.text}`, {
          group: this.id, member: event.member,
        })
      }
    }
  }

  #block(member: string): void {
    // At boot nothing is reset: a machine that cannot stop what it left behind would reset for ever.
    const { stopFailure } = this.ctx.config
    const reset = stopFailure === 'reset' && !this.leftBehind
    this.#pendingGive = null
    this.#enter({ name: 'blocked', probe: null }, 'blocked')
    this.ctx.note('error', 'stop.blocked', `${this.id}: ${member} cannot be stopped; it is never started elsewhere`, {
      group: this.id, member, reset,
    })
    this.wantsReset = reset
    this.wantsFence = stopFailure === 'fence' && !this.leftBehind
    if (reset) this.ctx.halt('reset', `${this.id}: ${member} cannot be stopped`)
    this.hooks.settled(this, 'blocked')
  }

  #afterMonitor(event: MemberResultEvent, index: number): void {
    if (event.outcome === 'running') {
      if (index + 1 < this.members.length && this.#pendingGive === null) this.#runAt(index + 1, 'monitor', null)
      return
    }
    if (this.#pendingGive !== null) return
    const monitor: MonitorConfig | undefined = this.ctx.config.monitors.find((one) => one.group === this.id)
    this.restarts += 1
    this.ctx.note('warn', 'monitor.failed', `${this.id}: ${event.member} is ${event.outcome}: ${event.text}`, {
      group: this.id, member: event.member, restarts: this.restarts,
    })
    if (this.restarts > (monitor?.failuresMax ?? 0)) {
      this.restarts = 0
      this.hooks.settled(this, 'monitor-failed')
    } else {
      this.#restartFrom(index)
    }
  }

  #restartFrom(index: number): void {
    this.#state = {
      name: 'giving', index: this.members.length - 1, floor: index, retake: true, addressesFirst: false, tries: 0,
      phase: 'stop', outcome: 'held',
    }
    this.reason = 'repair'
  }
}
