// One machine: what really runs on it, agents that work, fail, hang or lie, the kernel's addresses, an
// interface that can be lost, a watchdog. Everything here outlives the daemon and ends with the machine.

import type { Prng } from '../../src/core/base/prng.js'
import { MachineClock, type Clock } from './clock.js'

export type Action = 'probe' | 'start' | 'stop' | 'monitor'
export type AgentOutcome = 'running' | 'stopped' | 'failed'

/** Chances in percent; all zero in the calm phase. Addresses never misbehave: the kernel adds or does not. */
export interface Misbehaviour {
  startFails: number
  /** Says failed, and runs. */
  startLies: number
  stopFails: number
  /** Says failed, and is stopped. */
  stopLies: number
  hangs: number
}

export const goodManners: Misbehaviour = { startFails: 0, startLies: 0, stopFails: 0, stopLies: 0, hangs: 0 }

export interface Plan {
  readonly delayUs: number
  /** Applied to the truth when the action ends. */
  readonly runsAfter: boolean
  readonly outcome: AgentOutcome
}

/** A process of an agent, or a change of addresses on its way through the kernel. */
export type FlightKind = 'agent' | 'net'
interface Flight {
  readonly kind: FlightKind
  readonly group: string
  readonly order: Order | null
  cancel: () => void
}

/** The order that a process carries out: it may be told to end. */
interface Order {
  readonly name: string
  aborted(): void
}

export class Machine {
  readonly clock: MachineClock
  /** Members that run, or are being started right now. */
  readonly running = new Set<string>()
  misbehaviour: Misbehaviour = goodManners
  /** False: no power. */
  powered = true
  carrier = true
  /** Grows when the interface is made anew: whatever named the old one is void. */
  interfaceIncarnation = 1
  readonly #flights = new Set<Flight>()
  readonly #expiries = new Map<string, () => void>()
  /** The device can be opened in this boot. */
  watchdogWorks = true
  /** From the next boot on it may be missing. */
  watchdogFails = false
  #petBy: (() => void) | null = null

  constructor(world: Clock, private readonly prng: Prng, rate: number, private readonly truth: () => void) {
    this.clock = new MachineClock(world, rate)
  }

  /** What will come of this action. A start counts as running from its first moment. */
  plan(action: Action, member: string, kind: 'address' | 'agent'): Plan {
    const runs = this.running.has(member)
    const quick = kind === 'address'
    const delayUs = quick ? 200 + this.prng.below(2000) : 5000 + this.prng.below(200_000)
    const good = (runsAfter: boolean): Plan => ({ delayUs, runsAfter, outcome: runsAfter ? 'running' : 'stopped' })
    if (action === 'probe' || action === 'monitor') return good(runs)
    if (quick) return good(action === 'start')
    const { startFails, startLies, stopFails, stopLies, hangs } = this.misbehaviour
    const slow = this.#chance(hangs) ? 2_000_000 + this.prng.below(8_000_000) : delayUs
    const fails = (runsAfter: boolean): Plan => ({ delayUs: slow, runsAfter, outcome: 'failed' })
    if (action === 'start') {
      if (this.#chance(startFails)) return fails(false)
      if (this.#chance(startLies)) return fails(true)
      return { ...good(true), delayUs: slow }
    }
    if (this.#chance(stopFails)) return fails(runs)
    if (this.#chance(stopLies)) return fails(false)
    return { ...good(false), delayUs: slow }
  }

  runs(members: readonly string[], on: boolean): void {
    for (const member of members) {
      if (on) this.running.add(member)
      else this.running.delete(member)
    }
    this.truth()
  }

  // -------------------------------------------------------------------------------------- what is under way

  /** Goes on when the daemon dies, until it has ended or is killed with the processes of the agents. */
  fly(kind: FlightKind, group: string, us: number, end: () => void, order: Order | null = null): void {
    const flight: Flight = { kind, group, order, cancel: () => undefined }
    this.#flights.add(flight)
    flight.cancel = this.clock.after(us, () => {
      if (this.#flights.delete(flight)) end()
    })
  }

  /** `group` null: of any group. */
  flying(kind: FlightKind, group: string | null): boolean {
    for (const flight of this.#flights) {
      if (flight.kind === kind && (group === null || flight.group === group)) return true
    }
    return false
  }

  abort(name: string): void {
    for (const flight of this.#flights) {
      if (flight.order?.name !== name) continue
      flight.cancel()
      this.#flights.delete(flight)
      return flight.order.aborted()
    }
  }

  /** A process can be killed; what the kernel has begun for a thread ends by itself. */
  killAgents(): void {
    for (const flight of [...this.#flights]) {
      if (flight.kind !== 'agent') continue
      flight.cancel()
      this.#flights.delete(flight)
    }
  }

  /** The kernel removes the address by itself then; null: never. */
  lifetime(address: string, until: number | null): void {
    this.#expiries.get(address)?.()
    this.#expiries.delete(address)
    if (until === null) return
    this.#expiries.set(address, this.clock.at(until, () => { this.runs([address], false) }))
  }

  // ------------------------------------------------------------------------------------------ power, network

  /** Everything is gone: the machine begins anew, or stays off. */
  down(how: { readonly power: boolean }): void {
    this.powered = how.power
    this.carrier = true
    this.#petBy?.()
    this.#petBy = null
    this.watchdogWorks = !this.watchdogFails || this.prng.below(2) === 0
    this.#flights.clear()
    this.clock.reboot()
    this.runs([...this.running], false)
  }

  /** The interface that carries the addresses is removed and made again: they are gone. */
  loseInterface(addresses: readonly string[]): readonly string[] {
    this.interfaceIncarnation += 1
    const lost = addresses.filter((address) => this.running.has(address))
    this.runs(lost, false)
    return lost
  }

  // ----------------------------------------------------------------------------------------------- watchdog

  /** The machine is reset when it is not petted again in time. */
  pet(us: number, reset: () => void): void {
    this.#petBy?.()
    this.#petBy = this.clock.after(us, reset)
  }

  /** Magic close: only after a clean stop. */
  closeWatchdog(): void {
    this.#petBy?.()
    this.#petBy = null
  }

  get watched(): boolean {
    return this.#petBy !== null
  }

  #chance(percent: number): boolean {
    return percent > 0 && this.prng.below(100) < percent
  }
}
