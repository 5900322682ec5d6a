// The C++ engine on a manual clock: no thread, no socket, no time of its own. For the simulator and for tests that
// must be reproducible; links collect what is sent and are fed what is heard.
import { micros } from '../core/base/ids.js'
import type { Micros } from '../core/base/ids.js'
import { ByteSink, encodeConfig, encodeFields } from './config-codec.js'
import type { EngineConfig, EngineRecord, EngineSnapshot, Field } from './engine.js'
import { loadAddon } from '../system/addon.js'
import { checkMessage } from './native.js'
import type { Addon, ManualBatch, ManualHandle } from './native.js'
import {
  armAnswers, disarmAnswers, encodeAuthority, encodeGroups, encodeHolding, encodePlan, groupRefusals,
  fireAnswers,
} from './authority-codec.js'
import type { ControllerLimits, EngineGroup, GroupHolding, PlanAuthority, TakePlan } from './authority.js'
import { refuse } from './config-codec.js'
import { TwinbeatError } from '../errors.js'
import { RecordStream } from './records.js'

/** As `enum class CommandType` in native/core/engine/port.h. */
const commands = { start: 1, stop: 2, status: 3, phase: 4, generation: 5, send: 6 } as const

export interface ManualPacket {
  readonly link: string
  readonly bytes: Uint8Array
}

export class ManualEngine {
  readonly #native: ManualHandle
  readonly #wallOffsetUs: number
  readonly #stream = new RecordStream()
  #now: Micros

  constructor(options: { readonly seed: number; readonly now: Micros; readonly wallUs: number }) {
    this.#native = new (loadAddon<Addon>().ManualEngine)(options.seed)
    this.#now = options.now
    this.#wallOffsetUs = options.wallUs - options.now
  }

  configure(config: EngineConfig): void { this.#native.configure(encodeConfig(config)) }
  start(): void { this.#native.command(commands.start, new Uint8Array(0)) }
  stop(options: { readonly farewell: boolean }): void {
    this.#native.command(commands.stop, Uint8Array.of(options.farewell ? 1 : 0))
  }
  setStatus(status: 'init' | 'up' | 'active', options: { readonly deadtimeExtraUs: number }): void {
    const sink = new ByteSink().u64(options.deadtimeExtraUs).raw(Buffer.from(status))
    this.#native.command(commands.status, sink.take())
  }
  setPhase(phase: 'starting' | 'started'): void {
    this.#native.command(commands.phase, Uint8Array.of(phase === 'started' ? 1 : 0))
  }
  setGeneration(generation: number): void {
    this.#native.command(commands.generation, new ByteSink().u64(generation).take())
  }
  send(fields: readonly Field[]): 'queued' | 'full' {
    const encoded = encodeFields(fields)
    checkMessage(fields)
    return this.#native.command(commands.send, encoded) ? 'queued' : 'full'
  }

  /** One duty cycle at that moment; the answer is when the next is due if nothing arrives, null for never. */
  advanceTo(now: Micros): Micros | null {
    this.#now = now
    const next = this.#native.doWork(now, now + this.#wallOffsetUs)
    return next === null ? null : micros(next)
  }
  /** Heard with the next cycle. False when the link is not open. */
  inject(link: string, bytes: Uint8Array): boolean { return this.#native.inject(link, bytes, this.#now) }
  /** What was sent since the last call, as it would go on the wire. */
  collect(): readonly ManualPacket[] { return this.#native.collect() }
  drain(): EngineRecord[] { return this.#stream.decode(this.#native.drain()) }
  snapshot(): Omit<EngineSnapshot, 'realtime'> {
    return JSON.parse(this.#native.snapshot()) as Omit<EngineSnapshot, 'realtime'>
  }
  now(): Micros { return this.#now }

  /** A guardian that only does what it is told here. Before `start`. */
  guardian(what: 'come' | 'acknowledge' | 'go'): void { this.#native.guardian(what) }
  /** As the netlink thread would see it; another identity is another interface, 0 none. */
  setInterface(name: string, identity: number, up: boolean): void { this.#native.setInterface(name, identity, up) }
  setLimits(limits: Omit<ControllerLimits, 'freezeUs'>): void {
    this.#native.setLimits(limits.withholdUs, limits.releaseUs, limits.resetUs, limits.stopBudgetUs)
  }
  setGroups(revision: number, groups: readonly EngineGroup[]): void {
    const refusal = groupRefusals[this.#native.setGroups(encodeGroups(revision, groups)) - 1]
    if (refusal !== undefined) refuse('groups', refusal)
  }
  setHolding(slot: number, holding: GroupHolding): void { this.#native.setHolding(...encodeHolding(slot, holding)) }
  armPlan(plan: TakePlan): 'armed' | 'busy' | 'invalid' | 'unguarded' {
    return armAnswers[this.#native.armPlan(encodePlan(plan))] ?? 'invalid'
  }
  disarmPlan(slot: number, epoch: number): 'disarmed' | 'fired' | 'firing' | 'unknown' {
    return disarmAnswers[this.#native.disarmPlan(slot, epoch)] ?? 'unknown'
  }
  firePlan(slot: number, epoch: number, authority: PlanAuthority): 'marked' | 'fired' | 'unknown' {
    return fireAnswers[this.#native.firePlan(slot, epoch, ...encodeAuthority(authority))] ?? 'unknown'
  }
  renewController(now: Micros = this.#now): void {
    if (!this.#native.renewController(now)) throw new TwinbeatError('TB_LAPSED', 'engine: not renewed for too long')
  }
  renewOwnership(slot: number, token: number, deadlineAtUs: Micros | null): 'renewed' | 'refused' {
    return this.#native.renewOwnership(slot, token, deadlineAtUs ?? 0, this.#now) ? 'renewed' : 'refused'
  }
  /** Orders of the engine to the netlink thread, oldest first; each is answered by `finishBatch`. */
  batches(): readonly ManualBatch[] { return this.#native.batches() }
  finishBatch(errnos: readonly number[]): void { this.#native.finishBatch([...errnos], this.#now) }
  /** What the guardian would send for this group now. */
  lastWords(slot: number): Uint8Array | null { return this.#native.lastWords(slot) }
}
