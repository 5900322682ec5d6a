// The native engine: gives the addon the shape of engine.ts. Everything that comes in is checked here, so
// that a wrong argument is a TwinbeatError with a sentence and never reaches native code.
import { randomInt } from 'node:crypto'
import { micros } from '../core/base/ids.js'
import { TwinbeatError } from '../errors.js'
import { loadAddon } from '../system/addon.js'
import type { Micros } from '../core/base/ids.js'
import {
  checkArray, checkInteger, checkInterface, checkText, encodeConfig, encodeFields, limits, refuse,
} from './config-codec.js'
import {
  armAnswers, checkEpoch, checkSlot, disarmAnswers, encodeAuthority, encodeGroups, encodeHolding, encodePlan,
  groupRefusals,
  fireAnswers,
} from './authority-codec.js'
import type { ControllerLimits, EngineGroup, GroupHolding, PlanAuthority, StepGate, TakePlan } from './authority.js'
import { encodeSteps, encodeWatch, interfacesOf } from './step-codec.js'
import { counterNames, RecordStream } from './records.js'
import type {
  AddressStep, Engine, EngineAddress, EngineConfig, EngineCounters, EngineRecord, EngineSnapshot, Field,
  RealtimeSnapshot,
} from './engine.js'

interface NativeHandle {
  configure(bytes: Uint8Array): boolean
  start(): number
  stop(farewell: boolean): boolean
  setStatus(text: string, extraUs: number): boolean
  setPhase(started: boolean): boolean
  setGeneration(generation: number): boolean
  send(fields: Uint8Array): boolean
  runSteps(token: number, steps: Uint8Array, slot: number, notAfterUs: number): number
  attachGuardian(pageFd: number, socketFd: number): number
  setLimits(withholdUs: number, releaseUs: number, resetUs: number, freezeUs: number, stopBudgetUs: number): boolean
  setGroups(bytes: Uint8Array): number
  setHolding(slot: number, held: number, peerReady: number, agentBusy: number, claimEpoch: number): boolean
  armPlan(bytes: Uint8Array): number
  disarmPlan(slot: number, epoch: number): number
  firePlan(slot: number, epoch: number, kind: number, peerGeneration: number, notAfterUs: number): number
  renewController(): boolean
  renewOwnership(slot: number, token: number, deadlineAtUs: number): boolean
  lapsed(): boolean
  watch(list: Uint8Array): number
  drain(into: Uint8Array): number
  snapshot(): string
  realtime(): [boolean, number, boolean, number]
  counters(): number[]
  now(): number
}

/** The same engine on a manual clock; see src/engine/manual.ts. */
export interface ManualHandle {
  configure(bytes: Uint8Array): boolean
  command(type: number, bytes: Uint8Array): boolean
  doWork(nowUs: number, wallUs: number): number | null
  inject(link: string, bytes: Uint8Array, atUs: number): boolean
  collect(): { link: string; bytes: Uint8Array }[]
  drain(): Uint8Array
  snapshot(): string
  guardian(what: 'come' | 'acknowledge' | 'go'): void
  setInterface(name: string, identity: number, up: boolean): void
  setLimits(withholdUs: number, releaseUs: number, resetUs: number, stopBudgetUs: number): void
  setGroups(bytes: Uint8Array): number
  setHolding(slot: number, held: number, peerReady: number, agentBusy: number, claimEpoch: number): boolean
  armPlan(bytes: Uint8Array): number
  disarmPlan(slot: number, epoch: number): number
  firePlan(slot: number, epoch: number, kind: number, peerGeneration: number, notAfterUs: number): number
  renewController(nowUs: number): boolean
  renewOwnership(slot: number, token: number, deadlineAtUs: number, nowUs: number): boolean
  batches(): ManualBatch[]
  finishBatch(errnos: number[], nowUs: number): void
  lastWords(slot: number): Uint8Array | null
}

/** What the netlink thread would have to do; a step is operation (1 add, 2 remove, 4 probe), address, lifetime. */
export interface ManualBatch {
  readonly slot: number
  readonly refresh: boolean
  readonly notAfterUs: number
  readonly steps: readonly (readonly [number, string, number])[]
}

export interface Addon {
  readonly ManualEngine: new (seed: number) => ManualHandle
  readonly NativeEngine: new (wake: () => void, seed: number, instance: number) => NativeHandle
}

const wrongState = (why: string): TwinbeatError => new TwinbeatError('TB_ENGINE_STATE', `engine: ${why}`)

const cannotStart = (why: string): TwinbeatError => new TwinbeatError('TB_ENGINE_START', `engine: ${why}`)

/** As kNoGroup in native/core/takeover/plan.h. */
const noGroup = 255
const ofNoGroup: StepGate = { slot: null, notAfterUs: null }
const drainBytes = 1 << 20
const generationMax = Number.MAX_SAFE_INTEGER
const dayUs = 86_400_000_000

export interface NativeEngineOptions {
  /** Called on the main loop when records are waiting; then call drain(). */
  readonly wake: () => void
}

class Holder {
  #running: NativeEngine | null = null
  readonly #engine: WeakRef<NativeEngine>
  static readonly #wakes = new WeakMap<NativeEngine, () => void>()

  constructor(engine: NativeEngine, wake: () => void) {
    this.#engine = new WeakRef(engine)
    Holder.#wakes.set(engine, wake)
  }

  keep(): void { this.#running = this.#engine.deref() ?? null }
  drop(): void { this.#running = null }
  wake(): void {
    const engine = this.#running ?? this.#engine.deref()
    if (engine !== undefined) Holder.#wakes.get(engine)?.()
  }
}

export class NativeEngine implements Engine {
  readonly #holder: Holder
  readonly #native: NativeHandle
  readonly #buffer = new Uint8Array(drainBytes)
  readonly #stream = new RecordStream()
  #configured = false
  #revision = 0
  #generation = 0
  #running = false
  #interfaces: readonly string[] = []

  constructor(options: NativeEngineOptions) {
    if (typeof options?.wake !== 'function') refuse('options.wake', 'must be a function')
    const addon = loadAddon<Addon>()
    // The native side holds this function for as long as it lives, and the caller's usually holds the engine: without
    // the detour over `holder` no engine would ever be collected. A running one keeps itself alive.
    const holder = this.#holder = new Holder(this, options.wake)
    this.#native = new addon.NativeEngine(() => holder.wake(), randomInt(2 ** 47), randomInt(65536))
  }

  configure(config: EngineConfig): void {
    const bytes = encodeConfig(config)
    if (config.revision <= this.#revision) refuse('config.revision', `must be above ${this.#revision}`)
    if (!this.#native.configure(bytes)) throw wrongState('too many commands are waiting')
    this.#revision = config.revision
    this.#interfaces = interfacesOf(config)
    this.#configured = true
  }

  start(): void {
    if (!this.#configured) throw wrongState('start before configure')
    if (this.#generation === 0) throw wrongState('start before setGeneration')
    if (this.#running) return
    const errno = this.#native.start()
    if (errno !== 0) throw cannotStart(`the thread could not be started (errno ${errno})`)
    this.#running = true
    this.#holder.keep()
  }

  stop(options: { readonly farewell: boolean }): void {
    if (typeof options?.farewell !== 'boolean') refuse('options.farewell', 'must be true or false')
    if (!this.#running) return
    if (!this.#native.stop(options.farewell)) throw wrongState('too many commands are waiting')
    this.#running = false
    this.#holder.drop()
  }

  setStatus(status: 'init' | 'up' | 'active', options: { readonly deadtimeExtraUs: number }): void {
    if (status !== 'init' && status !== 'up' && status !== 'active') refuse('status', 'must be init, up or active')
    const extra = checkInteger('deadtimeExtraUs', options?.deadtimeExtraUs, 0, dayUs)
    this.#command(this.#native.setStatus(status, extra))
  }

  setPhase(phase: 'starting' | 'started'): void {
    if (phase !== 'starting' && phase !== 'started') refuse('phase', 'must be starting or started')
    this.#command(this.#native.setPhase(phase === 'started'))
  }

  setGeneration(generation: number): void {
    checkInteger('generation', generation, this.#generation + 1, generationMax)
    this.#command(this.#native.setGeneration(generation))
    this.#generation = generation
  }

  send(fields: readonly Field[]): 'queued' | 'full' {
    const bytes = encodeFields(fields)
    checkMessage(fields)
    this.#alive()
    if (!this.#running) throw wrongState('send before start')
    return this.#native.send(bytes) ? 'queued' : 'full'
  }

  runSteps(token: number, steps: readonly AddressStep[], gate: StepGate = ofNoGroup): 'queued' | 'full' {
    checkInteger('token', token, 0, Number.MAX_SAFE_INTEGER)
    const bytes = encodeSteps(steps)
    if (steps.some((step) => step.type === 'add')) this.#alive()
    const slot = gate?.slot === null ? noGroup : checkSlot(gate?.slot)
    const notAfter = gate.notAfterUs === null ? 0 : checkInteger('gate.notAfterUs', gate.notAfterUs, 1, Number.MAX_SAFE_INTEGER)
    return this.#netAnswer(this.#native.runSteps(token, bytes, slot, notAfter))
  }

  attachGuardian(guardian: { readonly pageFd: number; readonly socketFd: number }): void {
    const page = checkInteger('guardian.pageFd', guardian?.pageFd, 0, 2 ** 31 - 1)
    const socket = checkInteger('guardian.socketFd', guardian?.socketFd, 0, 2 ** 31 - 1)
    const errno = this.#native.attachGuardian(page, socket)
    if (errno !== 0) throw cannotStart(`the page of the guardian cannot be used (errno ${errno})`)
  }

  setLimits(limits: ControllerLimits): void {
    const { withholdUs, releaseUs, resetUs, freezeUs, stopBudgetUs } = limits ?? {}
    this.#command(this.#native.setLimits(
      checkInteger('limits.withholdUs', withholdUs, 0, dayUs), checkInteger('limits.releaseUs', releaseUs, 0, dayUs),
      checkInteger('limits.resetUs', resetUs, 0, dayUs), checkInteger('limits.freezeUs', freezeUs, 0, dayUs),
      checkInteger('limits.stopBudgetUs', stopBudgetUs, 0, dayUs),
    ))
  }

  setGroups(revision: number, groups: readonly EngineGroup[]): void {
    const bytes = encodeGroups(revision, groups)
    this.#alive()
    const refusal = groupRefusals[this.#native.setGroups(bytes) - 1]
    if (refusal !== undefined) refuse('groups', refusal)
  }

  setHolding(slot: number, holding: GroupHolding): void {
    const encoded = encodeHolding(slot, holding)
    this.#alive()
    this.#command(this.#native.setHolding(...encoded))
  }

  armPlan(plan: TakePlan): 'armed' | 'busy' | 'invalid' | 'unguarded' {
    const bytes = encodePlan(plan)
    this.#alive()
    return armAnswers[this.#native.armPlan(bytes)] ?? 'invalid'
  }

  disarmPlan(slot: number, epoch: number): 'disarmed' | 'fired' | 'firing' | 'unknown' {
    return disarmAnswers[this.#native.disarmPlan(checkSlot(slot), checkEpoch(epoch))] ?? 'unknown'
  }

  firePlan(slot: number, epoch: number, authority: PlanAuthority): 'marked' | 'fired' | 'unknown' {
    const encoded = encodeAuthority(authority)
    this.#alive()
    return fireAnswers[this.#native.firePlan(checkSlot(slot), checkEpoch(epoch), ...encoded)] ?? 'unknown'
  }

  renewController(): void {
    if (!this.#native.renewController()) this.#alive()
  }

  renewOwnership(slot: number, token: number, deadlineAtUs: Micros | null): 'renewed' | 'refused' {
    checkSlot(slot)
    checkInteger('token', token, 0, Number.MAX_SAFE_INTEGER)
    const deadline = deadlineAtUs === null ? 0 : checkInteger('deadlineAtUs', deadlineAtUs, 1, Number.MAX_SAFE_INTEGER)
    if (deadline !== 0) this.#alive()
    return this.#native.renewOwnership(slot, token, deadline) ? 'renewed' : 'refused'
  }

  watchAddresses(addresses: readonly EngineAddress[], interfaces: readonly string[] = []): void {
    for (const [at, name] of checkArray('interfaces', interfaces, 64).entries()) checkInterface(`interfaces[${at}]`, name)
    this.#netAnswer(this.#native.watch(encodeWatch(addresses, [...this.#interfaces, ...interfaces])))
  }

  drain(): EngineRecord[] {
    const records: EngineRecord[] = []
    for (;;) {
      const count = this.#native.drain(this.#buffer)
      if (count <= 0) return records
      records.push(...this.#stream.decode(this.#buffer.subarray(0, count)))
    }
  }

  snapshot(): EngineSnapshot {
    const text = this.#native.snapshot()
    if (text === '') throw wrongState('the engine thread did not answer')
    return { ...(JSON.parse(text) as Omit<EngineSnapshot, 'realtime'>), realtime: this.#realtime() }
  }

  counters(): EngineCounters {
    const values = this.#native.counters()
    return Object.fromEntries(counterNames.map((name, at) => [name, values[at] ?? 0])) as unknown as EngineCounters
  }

  now(): Micros {
    return micros(this.#native.now())
  }

  #realtime(): RealtimeSnapshot {
    const [fifo, schedulingErrno, memoryLocked, memoryErrno] = this.#native.realtime()
    return { scheduling: fifo ? 'fifo' : 'normal', schedulingErrno, memoryLocked, memoryErrno }
  }

  #netAnswer(answer: number): 'queued' | 'full' {
    const kind = answer % 4
    if (kind === 0) return 'queued'
    if (kind === 1) return 'full'
    if (kind === 2) refuse('steps', 'cannot be encoded')
    throw cannotStart(`no netlink socket (errno ${Math.floor(answer / 4)})`)
  }

  #alive(): void {
    if (this.#native.lapsed()) throw new TwinbeatError('TB_LAPSED', 'engine: JavaScript stood still for too long')
  }

  #command(pushed: boolean): void {
    if (!pushed) throw wrongState('too many commands are waiting')
  }
}

/** Set by the engine itself; a message that brings them would lie about its sender or its place. */
const reserved = new Set(['src', 'srcuuid', 'seq', 'hg', 'ts', 'ld', 'ttl', 'auth'])
/** Last words, and what a node says of itself when it stands. */
const engineTypes: ReadonlySet<string> = new Set(['NS_tbgasp', 'NS_tbstand', 'NS_tbwait'])
const fieldNamePattern = /^[!-')-<>-~][!-<>-~]*$/

export function checkMessage(fields: readonly Field[]): void {
  const type = fields.find((field) => field.name === 't')
  if (type === undefined || typeof type.value !== 'string' || type.value === '') {
    refuse('fields', 'need a text field "t" with the type of the message')
  }
  if (engineTypes.has(type.value)) refuse('fields', `of type ${type.value} are what only the engine says`)
  if (fields.length > 50) refuse('fields', 'must be at most 50')
  for (const field of fields) {
    if (reserved.has(field.name)) refuse(`field "${field.name}"`, 'is set by the engine')
    if (field.name.length > 64 || !fieldNamePattern.test(field.name)) {
      refuse(`field name "${field.name}"`, 'cannot travel')
    }
    if (typeof field.value === 'string') {
      checkText(`field "${field.name}"`, field.value, limits.fieldsBytes)
      // NUL ends a text for the original, and 0x13 stands for a line feed on serial lines.
      if (field.value.includes('\0') || field.value.includes('\u0013')) {
        refuse(`field "${field.name}"`, 'holds a character that cannot travel')
      }
    }
  }
}

/** A native engine; throws TB_ADDON_MISSING with every attempt and the remedy when it cannot be loaded. */
export function createEngine(options: NativeEngineOptions): NativeEngine {
  return new NativeEngine(options)
}
