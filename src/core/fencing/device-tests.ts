// Every device is asked all the time whether it can reach its target: one that cannot alarms before it is needed.

import { micros, type Micros, type NodeId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { FenceResultEvent } from '../events.js'
import type { FenceDeviceConfig, FenceDeviceSnapshot } from './model.js'
import { covers } from './topology.js'

/** The first test soon after the start, one device after the other. */
const firstUs = 1_000_000
/** A controller that is busy once is no alarm; twice in a row it is. */
const againUs = 10_000_000
const failuresMax = 2

interface Tested {
  lastTestAt: Micros | null
  lastGoodAt: Micros | null
  problem: string | null
  failures: number
  call: number | null
}

export class DeviceTests {
  #target: NodeId | null = null
  readonly #devices = new Map<string, Tested>()

  constructor(
    private readonly ctx: Context,
    private readonly run: (device: string, target: NodeId) => number,
    private readonly works: () => void,
  ) {}

  /** At boot and after a reload: devices that stay keep what is known of them. */
  start(target: NodeId | null): void {
    this.#target = target
    const configured = this.#configured()
    for (const name of this.#devices.keys()) {
      if (configured.some((device) => device.name === name)) continue
      this.#devices.delete(name)
      this.ctx.cancel(timerOf(name))
    }
    configured.forEach((device, index) => {
      if (!this.#devices.has(device.name)) {
        this.#devices.set(device.name, { lastTestAt: null, lastGoodAt: null, problem: null, failures: 0, call: null })
      }
      if (device.testEveryUs > 0) this.ctx.timer(timerOf(device.name), firstUs * (index + 1))
    })
  }

  due(name: string, { busy }: { readonly busy: boolean }): void {
    const device = this.#configured().find((one) => one.name === name)
    const known = this.#devices.get(name)
    if (device === undefined || known === undefined || this.#target === null) return
    this.ctx.timer(timerOf(name), device.testEveryUs)
    // A test would stand in the way of an order, and an unanswered one does not get a second.
    if (!busy) known.call = this.run(name, this.#target)
  }

  /** True when the result was that of a test. */
  result(event: FenceResultEvent): boolean {
    if (event.action !== 'status') return false
    const known = this.#devices.get(event.device)
    if (known === undefined || known.call !== event.call) return true
    known.call = null
    known.lastTestAt = this.ctx.now
    if (event.outcome === 'confirmed') this.#good(event.device, known)
    else this.#bad(event, known)
    return true
  }

  get snapshot(): readonly FenceDeviceSnapshot[] {
    return [...this.#devices].map(([name, { lastTestAt, lastGoodAt, problem }]) => ({ name, lastTestAt, lastGoodAt, problem }))
  }

  #configured(): readonly FenceDeviceConfig[] {
    const target = this.#target
    return target === null ? [] : this.ctx.config.fencing.devices.filter((device) => covers(device, target))
  }

  #good(name: string, known: Tested): void {
    const failed = known.failures >= failuresMax
    const first = known.lastGoodAt === null
    known.failures = 0
    known.problem = null
    known.lastGoodAt = micros(this.ctx.now)
    if (!failed && !first) return
    this.ctx.note('info', 'fence.device-ready', `fence device ${name} can reach ${this.#target ?? 'its target'}`, { device: name })
    if (failed) this.works()
  }

  #bad(event: FenceResultEvent, known: Tested): void {
    known.failures += 1
    known.problem = event.text
    if (known.failures < failuresMax) {
      this.ctx.timer(timerOf(event.device), againUs)
    } else if (known.failures === failuresMax) {
      this.ctx.note('error', 'fence.device-failed', `fence device ${event.device} cannot reach ${event.target}: ${event.text}; `
        + 'without it no takeover is possible when it is needed', { device: event.device, peer: event.target, outcome: event.outcome })
    }
  }
}

const timerOf = (name: string): string => `fencing:test:${name}`
