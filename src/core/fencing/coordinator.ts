// Switches the other node off for sure before anything of it is taken. Only a device's own word that it is
// done counts, or an operator's; silence, time and hope never do.
//
//   idle --wanted--> delaying --due--> ordering --last decisive order confirmed--> idle (confirmed)
//   delaying --not wanted any more--> idle
//   ordering --device asks for a person--> waiting --confirm-fenced--> idle (confirmed)
//   ordering --level failed--> ordering (next level) | resting --due--> ordering (next round)
//   resting --rounds used up--> exhausted --a device works again, an operator, a new incarnation--> ordering | idle

import { micros, type GroupId, type NodeId } from '../base/ids.js'
import { assertNever } from '../base/invariant.js'
import type { Prng } from '../base/prng.js'
import type { Context } from '../context.js'
import type { FenceOrderEvent, FenceResultEvent } from '../events.js'
import type { Peer, PeerChange } from '../membership/peers.js'
import type { FencingBook } from '../takeover/authority-book.js'
import type { Group } from '../takeover/group.js'
import { decodeKeep, keepKey } from '../takeover/keep.js'
import type { World } from '../takeover/world.js'
import { confirmationKey, Confirmations } from './confirmation.js'
import { fencingDelayUs } from './delay.js'
import { DeviceTests } from './device-tests.js'
import type { FencingConfig, FencingSnapshot } from './model.js'
import { FenceRequests } from './requests.js'
import { isDecisive, levelsOf, ordersOf, type FenceOrder, type Level } from './topology.js'

const fenceTimer = 'fencing'

/** As the coordinator of Pacemaker: what failed ten times needs a person or a change, not an eleventh time. */
const roundsMax = 10
/** Between two rounds: a switch that is rebooting itself is back after some of them. */
const restUs = 10_000_000
/** Added to the device's own limit, which the shell keeps: an order without any answer must not be the end. */
const guardUs = 30_000_000

interface Job {
  readonly target: NodeId
  readonly action: 'off' | 'reboot'
  /** Of the target when the order left that may be confirmed. */
  generation: number
  readonly startedAt: number
  readonly levels: readonly Level[]
  round: number
  level: number
  phase: Phase
}

interface Ordering {
  readonly name: 'ordering'
  readonly orders: readonly FenceOrder[]
  readonly index: number
  readonly tried: number
  readonly call: number
}

type Phase =
  | { readonly name: 'delaying' }
  | Ordering
  | { readonly name: 'waiting'; readonly device: string }
  | { readonly name: 'resting' }
  | { readonly name: 'exhausted' }

export class Fencing implements FencingBook {
  #job: Job | null = null
  /** Why the cluster itself wants the peer fenced; null: it does not. */
  #reason: string | null = null
  #calls = 0
  #impossible = false
  /** Last words of a device, for status. */
  #lastText = ''
  readonly #confirmations: Confirmations
  readonly #requests: FenceRequests
  readonly #tests: DeviceTests

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly prng: Prng,
    /** Takes of this group are forbidden: then nobody is shot for it either. */
    private readonly forbidden: (group: Group) => boolean,
  ) {
    this.#confirmations = new Confirmations(ctx)
    this.#requests = new FenceRequests(ctx)
    this.#tests = new DeviceTests(ctx, (device, target) => this.#run({ device, action: 'status' }, target), () => {
      this.#deviceWorks()
    })
  }

  // ------------------------------------------------------------------------------- what others ask

  boot(persisted: Readonly<Record<string, string>>): void {
    const kept = decodeKeep(persisted[keepKey], this.ctx.now).until > 0
    this.#confirmations.boot(persisted[confirmationKey], { kept })
    this.#tests.start(this.world.peer?.id ?? null)
  }

  /** A group waits for it; said again at every step, begun once. */
  request(peer: NodeId, generation: number, group: GroupId): void {
    if (this.#reason !== null || this.confirmed(peer, generation)) return
    this.#reason = `${group} waits for it`
    this.advance()
  }

  /** What is heard of the peer ends what was confirmed of it, and the wish to fence it. */
  peerChanged(change: PeerChange | 'left'): void {
    const { peer } = this.world
    if (peer === null || change === 'none') return
    if (change === 'left') return this.#unwant(`${peer.id} released everything`)
    if (change === 'dead') return this.#confirmations.died(peer.id, this.ctx.now - peer.silentUs)
    this.#heard(peer.id, peer.generation)
    this.#unwant(`${peer.id} is heard`)
  }

  persisted(): void {
    // Lost with the disk, a confirmation only means another fencing after a restart of this daemon.
  }

  groupSettled(): void {
    // Whether a group still waits is said by `request`.
  }

  /** Nothing is begun any more. An order under way is waited for: the device may be doing it. */
  #unwant(reason: string): void {
    if (this.#reason === null) return
    this.#reason = null
    this.#impossible = false
    const phase = this.#job?.phase.name
    if (this.#requests.any || phase === undefined || phase === 'ordering') return
    this.#end('withdrawn', `${this.#job?.target ?? 'the peer'} needs no fencing any more: ${reason}`)
  }

  confirmed(peer: NodeId, generation: number): boolean {
    return this.#confirmations.covers(peer, generation)
  }

  /** An authenticated message of the peer. */
  #heard(peer: NodeId, generation: number): void {
    const known = this.#confirmations.current
    if (known === null || known.target !== peer || generation < known.generation) return
    this.#confirmations.forget()
    this.#impossible = false
    if (generation > known.generation) {
      return this.ctx.note('info', 'fence.expired', `${peer} is back with a new life: that it was fenced counts no more`, {
        peer, generation,
      })
    }
    this.ctx.note('error', 'fence.lied', `${peer} is heard although ${known.by} confirmed that it is off: nothing is taken on that`, {
      peer, generation, by: known.by,
    })
  }

  /** What an operator orders or confirms. */
  order(event: FenceOrderEvent): void {
    const { peer } = this.world
    if (peer === null || event.target !== peer.id) {
      const text = event.target === this.ctx.config.self ? 'a node does not fence itself' : `no other node is called '${event.target}'`
      return this.#requests.refuse(event, 'TB_FENCE_TARGET', text)
    }
    if (event.action === 'confirm') return this.#confirmedByOperator(event)
    if (levelsOf(this.#config, peer.id).length === 0) {
      return this.#requests.refuse(event, 'TB_FENCE_NO_DEVICE', `no fence device can reach ${peer.id}`)
    }
    if (!this.#requests.add(event)) return
    // An operator does not wait for the delays of a race, nor for the end of a rest.
    const phase = this.#job?.phase.name
    if (phase === 'delaying' || phase === 'resting' || phase === 'exhausted') this.#restart('operator')
  }

  result(event: FenceResultEvent): void {
    if (this.#tests.result(event)) return
    const job = this.#job
    if (job === null || job.phase.name !== 'ordering' || job.phase.call !== event.call) return
    this.ctx.cancel(`${fenceTimer}:guard`)
    this.#lastText = event.text
    const { orders, index, tried } = job.phase
    const order = orders[index]
    if (order === undefined) return
    if (event.outcome === 'manual') return this.#wait(job, event)
    if (event.outcome === 'confirmed') return this.#ordered(job, orders, index)
    this.#orderFailed(job, order, event)
    const tries = this.#config.devices.find((device) => device.name === order.device)?.tries ?? 1
    if (tried < tries) return this.#issue(job, orders, index, tried + 1)
    if (order.action === 'on') return this.#next(job, orders, index)
    this.#levelFailed(job)
  }

  timer(subject: string): void {
    const job = this.#job
    if (subject.startsWith('test:')) return this.#tests.due(subject.slice(5), { busy: job?.phase.name === 'ordering' })
    if (job === null) return
    switch (subject) {
      case 'delay': if (job.phase.name === 'delaying') this.#startLevel(job, 0); return
      case 'rest': if (job.phase.name === 'resting') this.#startLevel(job, 0); return
      case 'guard': return this.#unanswered(job)
      default: return
    }
  }

  /** The configuration changed: what is under way goes on with the devices that are left. */
  configChanged(): void {
    this.#impossible = false
    this.#tests.start(this.world.peer?.id ?? null)
    const phase = this.#job?.phase.name
    if (phase === 'exhausted' || phase === 'waiting' || phase === 'resting') this.#restart('reload')
  }

  /** Level, at the end of every step. */
  advance(): void {
    const { peer } = this.world
    if (this.#job !== null || peer === null || this.world.halted) return
    const action = this.#requests.wanted
    if (action !== null) return this.#begin(peer.id, action)
    if (this.#reason === null && this.#threatened(peer)) this.#reason = `it is silent, and may want what ${this.ctx.config.self} holds`
    if (this.#reason === null || this.#confirmations.covers(peer.id, peer.generation)) return
    this.#begin(peer.id, this.#config.action)
  }

  /**
   * The holder shoots too, or the other side of a partition always wins: it wants the groups, so it shoots, and no
   * delay could make the holder survive. Not before the peer was seen, not while an operator forbids every take.
   */
  #threatened(peer: Peer): boolean {
    const { world } = this
    if (this.ctx.config.protection !== 'fence' || !peer.dead || peer.left || !world.peerSeen || world.stopping) return false
    return [...world.groups.values()].some((group) => group.mayHold && !this.forbidden(group))
  }

  get snapshot(): FencingSnapshot {
    const job = this.#job
    return {
      target: job?.target ?? null,
      state: job?.phase.name ?? 'idle',
      text: this.#impossible ? `no fence device can reach ${this.world.peer?.id ?? 'the peer'}` : job === null ? '' : this.#words(job),
      confirmedGeneration: this.#confirmations.current?.generation ?? null,
      devices: this.#tests.snapshot,
    }
  }

  // ------------------------------------------------------------------------------------- one fencing

  get #config(): FencingConfig {
    return this.ctx.config.fencing
  }

  #begin(target: NodeId, action: 'off' | 'reboot'): void {
    const levels = levelsOf(this.#config, target)
    if (levels.length === 0) {
      if (!this.#impossible) {
        this.ctx.note('error', 'fence.impossible', `${target} should be fenced (${this.#reason ?? ''}) and no device can reach it: `
          + 'nothing of it is taken', { peer: target })
      }
      this.#impossible = true
      return
    }
    const { generation } = this.world.peer ?? { generation: 0 }
    const job: Job = {
      target, action, generation, startedAt: this.ctx.now, levels, round: 1, level: 0, phase: { name: 'delaying' },
    }
    this.#job = job
    const delayUs = this.#requests.any ? 0 : fencingDelayUs(this.#config, { target, ...this.#weights() }, this.prng)
    if (delayUs === 0) return this.#startLevel(job, 0)
    this.ctx.timer(`${fenceTimer}:delay`, delayUs)
    const text = `${target} is fenced in ${Math.round(delayUs / 1000)} ms unless it is heard: ${this.#reason ?? ''}`
    this.ctx.note('info', 'fence.delayed', text, { peer: target, delayUs })
  }

  #weights(): { ours: number; theirs: number } {
    let [ours, theirs] = [0, 0]
    for (const group of this.world.groups.values()) {
      const weight = this.#config.weights.find((one) => one.group === group.id)?.weight ?? 1
      if (group.mayHold) ours += weight
      else theirs += weight
    }
    return { ours, theirs }
  }

  #restart(reason: string): void {
    const job = this.#job
    if (job === null) return
    this.ctx.note('debug', 'fence.restarted', `fencing of ${job.target} begins anew (${reason})`, { peer: job.target })
    this.#leave()
    this.advance()
  }

  #startLevel(job: Job, level: number): void {
    const devices = job.levels[level]
    if (devices === undefined) return this.#roundFailed(job)
    job.level = level
    const orders = ordersOf(devices, job.action)
    this.ctx.note('warn', 'fence.started', `${job.action} ${job.target}: level ${level + 1} of ${job.levels.length}, `
      + `${devices.map((device) => device.name).join(' + ')}, round ${job.round}`, { peer: job.target, rank: level + 1, round: job.round })
    this.#requests.progress(`${job.action} ${job.target} by ${devices.map((device) => device.name).join(' + ')}`)
    this.#issue(job, orders, 0, 1)
  }

  #issue(job: Job, orders: readonly FenceOrder[], index: number, tried: number): void {
    const order = orders[index]
    if (order === undefined) return this.#leave()
    // The confirmation is about the incarnation that could still speak when the first supply went off.
    if (index === 0) job.generation = this.world.peer?.generation ?? job.generation
    const call = this.#run(order, job.target)
    job.phase = { name: 'ordering', orders, index, tried, call }
    const limit = this.#config.devices.find((device) => device.name === order.device)?.timeoutUs ?? 0
    this.ctx.timer(`${fenceTimer}:guard`, limit + guardUs)
  }

  #run(order: Pick<FenceOrder, 'device'> & { readonly action: FenceOrder['action'] | 'status' }, target: NodeId): number {
    this.#calls += 1
    const timeoutUs = this.#config.devices.find((device) => device.name === order.device)?.timeoutUs ?? 0
    this.ctx.fence({ call: this.#calls, device: order.device, action: order.action, target, timeoutUs })
    return this.#calls
  }

  #ordered(job: Job, orders: readonly FenceOrder[], index: number): void {
    if (isDecisive(orders, index)) this.#succeeded(job)
    this.#next(job, orders, index)
  }

  #next(job: Job, orders: readonly FenceOrder[], index: number): void {
    if (index + 1 < orders.length) return this.#issue(job, orders, index + 1, 1)
    this.#leave()
  }

  #succeeded(job: Job): void {
    const by = (job.levels[job.level] ?? []).map((device) => device.name).join('+')
    this.#confirm(job.target, job.generation, by)
    const text = `${job.target} is surely off: ${by} confirmed it after ${Math.round((this.ctx.now - job.startedAt) / 1000)} ms`
    this.ctx.note('warn', 'fence.confirmed', text, { peer: job.target, by, generation: job.generation })
    this.#record(job, 'confirmed', by, this.#lastText)
    this.#requests.satisfied(job.action, text)
  }

  /** A newer life of the target may be up already: then only the history is right. */
  #confirm(target: NodeId, generation: number, by: string): void {
    const now = this.world.peer?.generation ?? 0
    if (now > generation) return
    this.#confirmations.record({ target, generation, by })
  }

  #orderFailed(job: Job, order: FenceOrder, event: FenceResultEvent): void {
    const left = order.action === 'on' ? '; it stays off' : ''
    this.ctx.note('error', 'fence.failed', `${order.device} could not ${order.action} ${job.target}${left}: ${event.text}`, {
      peer: job.target, device: order.device, action: order.action, outcome: event.outcome,
    })
    this.#requests.progress(`${order.device}: ${event.text}`)
  }

  #levelFailed(job: Job): void {
    if (this.#reason === null && !this.#requests.any) return this.#end('withdrawn', `${job.target} is not fenced, and needs it no more`)
    this.#startLevel(job, job.level + 1)
  }

  #roundFailed(job: Job): void {
    this.#record(job, 'failed', job.levels.flat().map((device) => device.name).join(' '), this.#lastText)
    this.#requests.failed('TB_FENCE_FAILED', `${job.target} was not fenced: ${this.#lastText}`)
    if (this.#reason === null) return this.#leave()
    if (job.round >= roundsMax) {
      job.phase = { name: 'exhausted' }
      const text = `${job.target} could not be fenced in ${roundsMax} rounds: nothing of it is taken until a device works, `
        + 'or an operator switches it off and confirms'
      return this.ctx.note('error', 'fence.exhausted', text, { peer: job.target, rounds: roundsMax })
    }
    job.round += 1
    job.phase = { name: 'resting' }
    this.ctx.timer(`${fenceTimer}:rest`, restUs)
  }

  #unanswered(job: Job): void {
    if (job.phase.name !== 'ordering') return
    const { orders, index, call } = job.phase
    const order = orders[index]
    if (order === undefined) return
    this.result({
      type: 'fence.result', call, device: order.device, target: job.target, action: order.action, outcome: 'timeout',
      text: 'no answer at all',
    })
  }

  // ------------------------------------------------------------------------------------------- people

  #wait(job: Job, event: FenceResultEvent): void {
    job.phase = { name: 'waiting', device: event.device }
    const text = `${event.device} waits for a person: switch ${job.target} off by hand, look that it is off, then say `
      + `'twinbeat confirm-fenced ${job.target}'`
    this.ctx.note('error', 'fence.waiting', text, { peer: job.target, device: event.device })
    this.#requests.progress(`waiting for 'twinbeat confirm-fenced ${job.target}'`)
  }

  #confirmedByOperator(event: FenceOrderEvent): void {
    const { peer } = this.world
    if (peer === null) return
    if (peer.alive && !peer.left) {
      return this.#requests.refuse(event, 'TB_FENCE_ALIVE', `${peer.id} is heard right now: it is not off`)
    }
    this.#confirm(peer.id, peer.generation, event.by)
    const text = `${event.by} confirmed that ${peer.id} is off`
    this.ctx.note('warn', 'fence.confirmed', text, { peer: peer.id, by: event.by, generation: peer.generation })
    this.#recordOf(peer.id, 'confirm', 'confirmed', '', event.by, 'confirmed by hand', 0)
    this.#requests.satisfied('off', text)
    this.ctx.reply(event.id, true, true, 'ok', text)
    // What a device still does for an order under way is waited for by nobody.
    if (this.#job !== null) this.#leave()
  }

  /** A device that had failed its test passes it again: what was given up may work now. */
  #deviceWorks(): void {
    const phase = this.#job?.phase.name
    if (phase === 'exhausted' || phase === 'waiting') this.#restart('a device works again')
  }

  // ---------------------------------------------------------------------------------------- the end

  #end(outcome: 'withdrawn', text: string): void {
    const job = this.#job
    if (job === null) return
    this.ctx.note('info', 'fence.withdrawn', text, { peer: job.target })
    if (job.phase.name !== 'delaying') this.#record(job, outcome, '', text)
    this.#leave()
  }

  #leave(): void {
    for (const timer of ['delay', 'rest', 'guard']) this.ctx.cancel(`${fenceTimer}:${timer}`)
    this.#job = null
  }

  #record(job: Job, outcome: 'confirmed' | 'failed' | 'withdrawn', devices: string, text: string): void {
    this.#recordOf(job.target, job.action, outcome, devices, this.#requests.by ?? 'cluster', text, this.ctx.now - job.startedAt)
  }

  #recordOf(
    target: NodeId, action: 'off' | 'reboot' | 'confirm', outcome: 'confirmed' | 'failed' | 'withdrawn',
    devices: string, by: string, text: string, tookUs: number,
  ): void {
    this.ctx.fenceRecord({ target, action, outcome, devices, by, reason: this.#reason ?? '', text, tookUs: micros(tookUs) })
  }

  #words(job: Job): string {
    const { phase } = job
    switch (phase.name) {
      case 'delaying': return `${job.target}: waits out its delay`
      case 'ordering': {
        const order = phase.orders[phase.index]
        return `${job.target}: ${order?.device ?? '?'} ${order?.action ?? ''}, level ${job.level + 1}, round ${job.round}`
      }
      case 'waiting': return `${job.target}: waits for 'twinbeat confirm-fenced ${job.target}'`
      case 'resting': return `${job.target}: round ${job.round - 1} failed, the next one follows: ${this.#lastText}`
      case 'exhausted': return `${job.target}: given up after ${roundsMax} rounds: ${this.#lastText}`
      default: return assertNever(phase, 'phase')
    }
  }
}
