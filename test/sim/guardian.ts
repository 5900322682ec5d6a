// The guardian beside the daemon: it notices that the daemon is dead, frozen, or past a deadline, removes what
// the page names, looks that it is gone, and says the last words. It decides nothing else.

import type { Prng } from '../../src/core/base/prng.js'
import type { Machine } from './machine.js'
import type { Flaw, Page, PageGroup } from './page.js'

export type ActReason = 'lock' | 'progress' | 'release-by' | 'keep-until'

export interface GuardianHost {
  readonly machine: Machine
  readonly page: Page
  readonly prng: Prng
  readonly flaws: ReadonlySet<Flaw>
  /** The services of the group are in a group of processes of their own and are killed with the daemon. */
  readonly killsServices: boolean
  killDaemon(): void
  acts(reason: ActReason): void
  removes(group: PageGroup): void
  gasp(group: PageGroup): void
  /** The lock of the run folder is free. */
  finished(): void
}

const removeAgainUs = 50_000
/** Own wake-ups on time before anybody else counts as frozen. */
const punctualUs = 50_000

export class SimGuardian {
  alive = true
  acting = false
  /** Knows the removal of everything that could be added. */
  ready = false
  #frozen = false
  #keeps = false

  constructor(private readonly host: GuardianHost) {}

  /** The page names a deadline, or the engine does not run any more: look when that can matter. */
  watchRelease(): void {
    for (const group of this.host.page.groups.values()) {
      const at = group.releaseBy
      if (at !== null) this.#at(at, () => { if (group.releaseBy === at) this.#act('release-by') })
    }
  }

  watchProgress(stalled: () => boolean): void {
    const { page, machine, flaws } = this.host
    this.#at(machine.clock.now + page.freezeUs + punctualUs, () => {
      if (!stalled()) return
      const ready = [...page.groups.values()].some(({ holding, releaseBy }) =>
        holding.held && (holding.peerReady || releaseBy !== null))
      if (ready || flaws.has('progress-without-peer')) this.#act('progress')
      else this.watchProgress(stalled)
    })
  }

  daemonDied(): void {
    const { page, machine } = this.host
    const { keepUntil } = page
    if (keepUntil === null || keepUntil <= machine.clock.now) return this.#act('lock')
    this.#keeps = true
    this.#at(keepUntil, () => { if (this.#keeps) this.#act('keep-until') })
    for (const group of page.groups.values()) {
      const at = group.releaseBy
      if (at !== null) this.#at(at, () => { if (this.#keeps && group.releaseBy === at) this.#act('release-by') })
    }
  }

  /** A new daemon took page and lock over. False: too late. */
  adopt(): boolean {
    if (!this.#keeps || this.acting || !this.alive || this.#frozen) return false
    this.#keeps = false
    this.alive = false
    return true
  }

  get keeps(): boolean {
    return this.#keeps
  }

  goodbye(): void {
    this.alive = false
    this.host.finished()
  }

  kill(): void {
    this.alive = false
    this.host.finished()
  }

  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
  }

  // ------------------------------------------------------------------------------------------------- acting

  #act(reason: ActReason): void {
    if (this.acting) return
    this.acting = true
    this.#keeps = false
    const { host } = this
    const { prng, flaws } = host
    host.acts(reason)
    // Scripts that were under way when the daemon died: what they do is not known.
    const busy = new Set([...host.page.groups.keys()].filter((group) => host.machine.flying('agent', group)))
    this.#at(host.machine.clock.now + 100 + prng.below(100), () => {
      host.killDaemon()
      this.#remove()
      if (flaws.has('gasp-unverified')) this.#sayAll(busy)
      this.#later(200 + prng.below(1500), () => { this.#settle(busy) })
    })
  }

  /** Until the last thread of the daemon is dead, and whatever it had begun has ended. */
  #settle(busy: ReadonlySet<string>): void {
    const { machine } = this.host
    machine.killAgents()
    this.#remove()
    const early = this.host.flaws.has('gasp-in-flight')
    if (!early && machine.flying('net', null)) return this.#later(removeAgainUs, () => { this.#settle(busy) })
    if (!this.host.flaws.has('gasp-unverified')) this.#sayAll(busy)
    for (const group of this.host.page.groups.values()) group.releaseBy = null
    this.alive = false
    this.host.finished()
  }

  #remove(): void {
    const { page, machine, killsServices } = this.host
    for (const group of page.groups.values()) {
      this.host.removes(group)
      machine.runs(group.addresses, false)
      if (killsServices) machine.runs(group.services, false)
    }
  }

  #sayAll(busy: ReadonlySet<string>): void {
    const { flaws, page } = this.host
    for (const group of page.groups.values()) {
      const quiet = (!group.holding.agentBusy && !busy.has(group.name)) || flaws.has('gasp-while-busy')
      const held = group.holding.held || flaws.has('gasp-not-held')
      const plain = group.kind === 'address' || flaws.has('gasp-while-busy')
      if (plain && held && quiet && !group.unclaimed) this.host.gasp(group)
    }
  }

  #later(us: number, act: () => void): void {
    this.#at(this.host.machine.clock.now + us, act)
  }

  /** Nothing happens while it is frozen or after its end. */
  #at(at: number, act: () => void): void {
    const run = (): void => {
      if (!this.alive) return
      if (this.#frozen) this.#later(10_000, run)
      else act()
    }
    this.host.machine.clock.at(at, run)
  }
}
