// The only loop of the daemon: what happened goes to the core as events, what the core decided is applied
// in order. Nothing here decides.
import type { Core } from '../core/core.js'
import {
  isUrgent, type Effect, type FenceRecordEffect, type FenceRunEffect, type HaltEffect, type NoteEffect, type PersistEffect,
  type ReplyEffect, type StatusEffect,
} from '../core/effects.js'
import type { CoreEvent } from '../core/events.js'
import type { Engine, EngineRecord } from '../engine/engine.js'
import { TwinbeatError, messageOf } from '../errors.js'
import type { StateStore } from '../store/state-store.js'
import type { AddressRunner } from './effects/addresses.js'
import type { ArbiterRunner } from './effects/arbiter.js'
import type { FenceRunner } from './effects/fencing.js'
import type { Members } from './effects/members.js'
import type { PlanEffect, Plans } from './effects/plans.js'
import { Outbox } from './outbox.js'
import { recordsOf, translateRecord } from './records.js'

/** An event without its time: the shell stamps it. */
export type Untimed<T> = T extends unknown ? Omit<T, 'at'> : never
export type Occurrence = Untimed<CoreEvent>

export interface ShellDependencies {
  readonly engine: Engine
  readonly core: Core
  readonly members: Pick<Members, 'run' | 'abort' | 'ownerOf'>
  readonly addresses: Pick<AddressRunner, 'onRecord'>
  readonly arbiter: Pick<ArbiterRunner, 'run'>
  readonly fence: Pick<FenceRunner, 'run' | 'record'>
  readonly plans: Plans
  readonly store: Pick<StateStore, 'store'>
  /** Reserves and stores a higher generation. */
  readonly raiseGeneration: () => number
  readonly onNote: (note: NoteEffect) => void
  readonly onReply: (reply: ReplyEffect) => void
  readonly onHalt: (halt: HaltEffect) => void
  readonly onStatus: (status: 'init' | 'up' | 'active') => void
  /** Records that the core does not need: link states, refused packets. */
  readonly onRecord: (record: EngineRecord) => void
  /** The core broke an invariant: release everything, then end. */
  readonly onBroken: (error: unknown) => void
  /** This process stood still beyond its lease: the engine has let go and is silent, nothing is left to do but to end. */
  readonly onLapsed: (error: TwinbeatError) => void
}

/** setTimeout is cut at 2^31 ms; no deadline of the core is that far away, but a wrong one must not fire at once. */
const timerMaxMs = 2_000_000_000
/** Steps before the loop looks at the sockets again, so that a flood cannot starve the control socket. */
const stepsPerTurn = 256
/** More than this is left in the engine, whose ring then holds back the senders. */
const queueMax = 4096
const snapshotAgainMs = 100

/**
 * Of a step that orders a fencing: a device that answers at once is heard before the peer and people are told. What the
 * engine goes by is never left for later.
 */
const canWait = (effect: Effect): boolean => patient.has(effect.type)
const patient: ReadonlySet<Effect['type']> = new Set(['note', 'send', 'timer.set', 'timer.cancel'])

/** Decides nothing, and comes in one breath with the death that does: the last link of a peer is down at that moment. */
const isOnlyTold = (record: EngineRecord): boolean => record.type === 'link.up' || record.type === 'link.down'

/** `timer`: counts only while it is still set for the same moment when its turn comes. */
interface Waiting {
  readonly event: CoreEvent
  readonly timer: NodeJS.Timeout | null
}

export class Shell {
  readonly #parts: ShellDependencies
  readonly #queue: Waiting[] = []
  /** Has its turn when nothing else is left to do. */
  readonly #told: Waiting[] = []
  #left: readonly Effect[] = []
  readonly #outbox: Outbox
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #answers: CoreEvent[] = []
  #lease: NodeJS.Timeout | null = null
  #running = false
  #stopped = false
  #lapsed = false

  constructor(parts: ShellDependencies) {
    this.#parts = parts
    this.#outbox = new Outbox((text) => {
      parts.onNote({ type: 'note', level: 'error', event: 'send.full', details: {}, text })
    })
  }

  /** The engine has something to say. */
  wake(): void {
    const alive = this.#renew()
    this.#finish()
    // Also after a lapse: what is being released then waits for its answers.
    this.#collect()
    if (alive) this.#pump()
  }

  /** From now on the engine counts on a sign of life, at least so often. */
  keepAlive(everyMs: number): void {
    if (this.#lease !== null) clearInterval(this.#lease)
    if (this.#stopped || !this.#renew()) return
    this.#lease = setInterval(() => { this.#renew() }, everyMs)
  }

  /** False: too late. The first who learns of it ends this life. */
  #renew(): boolean {
    if (this.#lapsed) return false
    return this.#whileAlive(() => { this.#parts.engine.renewController() })
  }

  #whileAlive(call: () => void): boolean {
    try {
      call()
      return true
    } catch (error) {
      if (!(error instanceof TwinbeatError) || error.code !== 'TB_LAPSED') throw error
      if (this.#lapsed) return false
      this.#lapsed = true
      this.stop()
      this.#parts.onLapsed(error)
      return false
    }
  }

  /** Something else happened, now. What the engine saw before comes first: after a long turn that may be much. */
  feed(event: Occurrence, timer: NodeJS.Timeout | null = null): void {
    this.#finish()
    this.#hear(event, timer)
  }

  #hear(event: Occurrence, timer: NodeJS.Timeout | null): void {
    if (this.#stopped || !this.#renew()) return
    this.#collect()
    this.#queue.push({ event: { ...event, at: this.#parts.engine.now() }, timer })
    this.#pump()
  }

  #collect(): void {
    if (this.#queue.length + this.#told.length >= queueMax) return
    let lost = false
    for (const record of this.#parts.engine.drain()) {
      // Also after the end of the core: what is released then waits for its answers.
      if (this.#parts.addresses.onRecord(record) || this.#stopped) continue
      this.#parts.onRecord(record)
      const events = this.#parts.plans.translate(record) ??
        translateRecord(record, (address) => this.#parts.members.ownerOf(address))
      const queue = isOnlyTold(record) ? this.#told : this.#queue
      for (const event of events) queue.push({ event: { ...event, at: record.at }, timer: null })
      lost ||= record.type === 'overflow'
      const gone = record.type === 'plan.fired' ? this.#parts.plans.goneOff(record) : null
      if (gone !== null) this.#queue.unshift({ event: { ...gone, at: record.at }, timer: null })
    }
    if (lost) this.#lookAgain()
  }

  /** Records were lost: the engine's whole state takes their place. */
  #lookAgain(): void {
    if (this.#stopped) return
    try {
      const snapshot = this.#parts.engine.snapshot()
      for (const event of recordsOf(snapshot)) this.#queue.push({ event: { ...event, at: snapshot.at }, timer: null })
    } catch {
      // Held up at this moment, which is also why records were lost.
      setTimeout(() => {
        this.#lookAgain()
        this.#pump()
      }, snapshotAgainMs)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#queue.length = 0
    this.#told.length = 0
    this.#left = []
    this.#outbox.clear()
  }

  /** After stop(): what still has to be released needs the engine for as long as it takes, and it must not lapse. */
  end(): void {
    if (this.#lease !== null) clearInterval(this.#lease)
    this.#lease = null
  }

  #pump(): void {
    if (this.#running) return
    this.#running = true
    try {
      for (let count = 0; ; count += 1) {
        if (count === stepsPerTurn) {
          setImmediate(() => {
            this.#pump()
          })
          return
        }
        const next = this.#queue.shift() ?? (this.#left.length === 0 ? this.#told.shift() : undefined)
        if (next === undefined || this.#stopped) return
        if (this.#stillDue(next)) this.#step(next.event)
        if (this.#queue.length === 0) this.#collect()
      }
    } finally {
      this.#running = false
    }
  }

  /** An event before it in the queue may have taken the timer back, or set it anew. */
  #stillDue({ event, timer }: Waiting): boolean {
    if (timer === null || event.type !== 'timer') return true
    return this.#timers.get(event.key) === timer && this.#timers.delete(event.key)
  }

  #step(event: CoreEvent): void {
    let effects: readonly Effect[]
    try {
      effects = this.#parts.core.step(event)
    } catch (error) {
      this.stop()
      this.#parts.onBroken(error)
      return
    }
    this.#answers = []
    this.#whileAlive(() => {
      for (const effect of effects) if (isUrgent(effect)) this.#apply(effect)
      const rest = effects.filter((effect) => !isUrgent(effect))
      if (rest.length === 0) return
      this.#finish()
      if (rest.every(canWait) && effects.some((effect) => effect.type === 'fence.run')) this.#leave(rest)
      else for (const effect of rest) this.#apply(effect)
    })
    // What a plan answered comes before everything that waits already: that was seen without knowing it.
    this.#queue.unshift(...this.#answers.map((answer) => ({ event: answer, timer: null })))
  }

  /** Until the end of this turn of the loop, or until anything else than the answer of a device happens. */
  #leave(rest: readonly Effect[]): void {
    this.#left = rest
    setImmediate(() => {
      this.#finish()
      this.#pump()
    })
  }

  #finish(): void {
    const left = this.#left
    if (left.length === 0) return
    this.#left = []
    this.#whileAlive(() => { for (const effect of left) this.#apply(effect) })
  }

  #applyPlan(effect: PlanEffect): void {
    const { plans, engine } = this.#parts
    if (effect.type === 'holding') {
      this.#outbox.push(() => {
        plans.apply(effect)
        return true
      })
      return
    }
    // What was said before is not with the engine yet: it would judge without knowing it.
    const early = effect.type === 'plan.fire' && !this.#outbox.empty
    const answer = early
      ? { type: 'plan.withheld' as const, group: effect.group, epoch: effect.epoch, guard: 'late' }
      : plans.apply(effect)
    if (answer !== null) this.#answers.push({ ...answer, at: engine.now() })
  }

  #apply(effect: Effect): void {
    const { engine } = this.#parts
    switch (effect.type) {
      case 'send':
        this.#outbox.push(() => engine.send(effect.fields) === 'queued')
        return
      case 'status':
        this.#announce(effect)
        this.#parts.onStatus(effect.st)
        return
      case 'member.run':
        void this.#parts.members.run(effect).then((answer) => {
          this.feed({
            type: 'member.result',
            call: effect.call,
            group: effect.group,
            member: effect.member,
            action: effect.action,
            ...answer,
          })
        })
        return
      case 'arbiter.run': {
        const { call, group, action } = effect
        void this.#parts.arbiter.run(effect).then((answer) => { this.feed({ type: 'arbiter.result', call, group, action, ...answer }) })
        return
      }
      case 'fence.run': case 'fence.record':
        this.#fence(effect)
        return
      case 'member.abort':
        this.#parts.members.abort(effect.call)
        return
      case 'timer.set': this.#setTimer(effect.key, effect.at); return
      case 'timer.cancel': this.#cancelTimer(effect.key); return
      case 'plan.arm':
      case 'plan.disarm':
      case 'plan.fire':
      case 'holding':
      case 'ownership':
        this.#applyPlan(effect)
        return
      case 'persist':
        this.#persist(effect)
        return
      case 'generation.raise': {
        const generation = this.#parts.raiseGeneration()
        this.#outbox.push(() => {
          engine.setGeneration(generation)
          this.feed({ type: 'generation.raised', generation })
          return true
        })
        return
      }
      case 'note': this.#parts.onNote(effect); return
      case 'reply': this.#parts.onReply(effect); return
      case 'halt': this.#parts.onHalt(effect); return
    }
  }

  #fence(effect: FenceRunEffect | FenceRecordEffect): void {
    if (effect.type === 'fence.run') {
      void this.#parts.fence.run(effect).then(({ outcome, text }) => {
        const { call, device, target, action } = effect
        this.#hear({ type: 'fence.result', call, device, target, action, outcome, text }, null)
      })
      return
    }
    this.#parts.fence.record(effect).catch((error: unknown) => {
      this.#parts.onNote({ type: 'note', level: 'warn', event: 'state.unwritable', details: {},
        text: `the history of fencing could not be stored: ${messageOf(error)}` })
    })
  }

  #announce(effect: StatusEffect): void {
    const { engine } = this.#parts
    this.#outbox.push(() => {
      engine.setStatus(effect.st, { deadtimeExtraUs: effect.deadtimeExtraUs })
      return true
    })
    if (effect.st !== 'active') return
    this.#outbox.push(() => {
      engine.setPhase('started')
      return true
    })
  }

  #persist(effect: PersistEffect): void {
    void this.#parts.store.store(effect.key, effect.value).then(
      () => { this.feed({ type: 'persisted', key: effect.key, ok: true }) },
      (error: unknown) => {
        this.#parts.onNote({ type: 'note', level: 'error', event: 'state.unwritable', details: { key: effect.key },
          text: `cannot store '${effect.key}' in the state folder: ${messageOf(error)}; what needs it is not done` })
        this.feed({ type: 'persisted', key: effect.key, ok: false })
      },
    )
  }

  #setTimer(key: string, at: number): void {
    this.#cancelTimer(key)
    const delayMs = Math.min(Math.max(0, Math.ceil((at - this.#parts.engine.now()) / 1000)), timerMaxMs)
    const timer = setTimeout(() => {
      // Node's timers run on the monotonic clock, which stands still in suspend: not due yet means set again.
      if (this.#parts.engine.now() < at) this.#setTimer(key, at)
      else this.feed({ type: 'timer', key }, timer)
    }, delayMs)
    this.#timers.set(key, timer)
  }

  #cancelTimer(key: string): void {
    const timer = this.#timers.get(key)
    if (timer !== undefined) clearTimeout(timer)
    this.#timers.delete(key)
  }
}
