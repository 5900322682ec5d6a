// Carries out orders of the core on configured devices. One order at a time for each device: controllers take one
// connection. A test gives way to an order. Answers each order with exactly one answer, whatever happens.

import type { FenceDeviceConfig } from '../config/model.js'
import { messageOf } from '../errors.js'
import { failed } from './answers.js'
import { redactor } from './redact.js'
import { kindOf } from './registry.js'
import type { Attempt, FenceAction, FenceAnswer, FenceDevice, FencePlaces, ProgramEnd, ProgramRun, RunProgram } from './types.js'

export interface FenceOrder {
  readonly device: string
  readonly action: FenceAction
  readonly target: string
  readonly timeoutMs: number
}

interface Open {
  readonly config: FenceDeviceConfig
  readonly device: FenceDevice | null
  readonly redact: (text: string) => string
  /** The end of everything before it, killed processes included. */
  free: Promise<void>
  current: RunningAttempt | null
}

/** What is left of a run after its timeout is killed within this time, or stays for ever. */
const settleMs = 15_000

export class Fencer {
  readonly #run: RunProgram
  readonly #places: FencePlaces
  #devices = new Map<string, Open>()

  constructor(run: RunProgram, places: FencePlaces) {
    this.#run = run
    this.#places = places
  }

  /** What runs on a device that is gone or changed runs to its end. */
  configure(devices: readonly FenceDeviceConfig[]): void {
    const before = this.#devices
    this.#devices = new Map(devices.map((config) => {
      const old = before.get(config.name)
      if (old !== undefined && JSON.stringify(old.config) === JSON.stringify(config)) return [config.name, old]
      const device = kindOf(config.type)?.open(config, this.#places) ?? null
      return [config.name, { config, device, redact: redactor(config.secrets), free: old?.free ?? Promise.resolve(), current: null }]
    }))
  }

  async order(order: FenceOrder): Promise<FenceAnswer> {
    const open = this.#devices.get(order.device)
    if (open === undefined) return failed('this device is not configured any more')
    const { config, device } = open
    if (device === null) return failed(`there is no kind of device '${config.type}'`)
    const target = config.targets === null ? { node: order.target, as: null } : config.targets.find((one) => one.node === order.target)
    if (target === undefined) return failed(`'${order.target}' is none of its targets`)
    const attempt = new RunningAttempt(this.#run, order)
    if (open.current?.order.action === 'status' && order.action !== 'status') open.current.abort()
    const before = open.free
    let release = (): void => undefined
    open.free = new Promise<void>((resolve) => { release = resolve })
    try {
      if (!(await isBefore(before, order.timeoutMs))) return { outcome: 'timeout', text: 'the order before it has not ended' }
      open.current = attempt
      attempt.begin()
      const answer = await device.order(order.action, target, attempt)
      return { outcome: answer.outcome, text: open.redact(answer.text) }
    } catch (error) {
      return failed(open.redact(messageOf(error)))
    } finally {
      if (open.current === attempt) open.current = null
      void before.then(async () => await isBefore(attempt.settled(), settleMs)).then(release)
    }
  }
}

class RunningAttempt implements Attempt {
  #endsAt = 0
  #aborted = false
  #runs: ProgramRun[] = []

  constructor(private readonly start: RunProgram, readonly order: FenceOrder) {}

  begin(): void {
    this.#endsAt = performance.now() + this.order.timeoutMs
  }

  get overdue(): boolean {
    return this.#aborted || performance.now() >= this.#endsAt
  }

  async run(request: Parameters<Attempt['run']>[0]): Promise<ProgramEnd> {
    if (this.#aborted) return { kind: 'aborted', stdout: '', stderr: '' }
    const leftMs = this.#endsAt - performance.now()
    if (leftMs <= 0) return { kind: 'timeout', stdout: '', stderr: '' }
    const run = this.start({ ...request, timeoutMs: Math.ceil(leftMs) })
    this.#runs.push(run)
    return await run.end
  }

  async pause(ms: number): Promise<void> {
    const leftMs = Math.min(ms, Math.max(0, this.#endsAt - performance.now()))
    await new Promise((resolve) => { setTimeout(resolve, leftMs) })
  }

  abort(): void {
    this.#aborted = true
    for (const run of this.#runs) run.abort()
  }

  async settled(): Promise<void> {
    await Promise.all(this.#runs.map(async (run) => await run.settled))
  }
}

/** True when the promise settled in time. */
async function isBefore(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(() => { resolve(false) }, ms) })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
