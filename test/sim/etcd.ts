// A model of etcd as a node sees it: keys that live as long as their lease, one writer per key, answers that
// are late or lost although the request was carried out, leaders that change, and no service at all.
// The adapter's part, which turns answers into deadlines of the asking machine, is here too.

import type { Prng } from '../../src/core/base/prng.js'
import { micros, type NodeId } from '../../src/core/base/ids.js'
import type { ArbiterRunEffect } from '../../src/core/effects.js'
import type { ArbiterResultEvent } from '../../src/core/events.js'
import type { LeaseConfig } from '../../src/core/types.js'
import { MachineClock, type Clock, type Timeline } from './clock.js'
import type { Flaw } from './page.js'

export type ArbiterAnswer = Omit<ArbiterResultEvent, 'at'>

/** The key exists as long as its lease, and is told from every other by the revision that made it. */
interface Key { readonly owner: NodeId; readonly token: number; readonly lease: number }

export interface Asker { readonly index: 0 | 1; readonly id: NodeId; readonly life: number }

interface Path { cut: boolean; slowUs: number; loseAnswersPercent: number }

export class Etcd {
  readonly #clock: MachineClock
  readonly #keys = new Map<string, Key>()
  /** Of each lease: when it ends. */
  readonly #leases = new Map<number, number>()
  /** Per life and group: the lease of a create whose fate is not known. */
  readonly #pending = new Map<string, number>()
  #revision = 100
  #down = false
  readonly paths: [Path, Path] = [
    { cut: false, slowUs: 2000, loseAnswersPercent: 0 }, { cut: false, slowUs: 2000, loseAnswersPercent: 0 },
  ]

  constructor(
    world: Clock,
    private readonly prng: Prng,
    rate: number,
    readonly timing: LeaseConfig,
    private readonly flaws: ReadonlySet<Flaw>,
  ) {
    this.#clock = new MachineClock(world, rate)
  }

  /** Who owns the group now, by the only truth there is. */
  owner(group: string): { readonly node: NodeId; readonly token: number } | null {
    const key = this.#keyOf(group)
    return key === null ? null : { node: key.owner, token: key.token }
  }

  /** When the key ends unless it is renewed, in the time of the world. */
  endOf(group: string): number {
    const key = this.#keyOf(group)
    return key === null ? 0 : this.#clock.worldAt(this.#leases.get(key.lease) ?? 0)
  }

  #keyOf(group: string): Key | null {
    const key = this.#keys.get(group)
    return key !== undefined && this.#alive(key.lease) ? key : null
  }

  #alive(lease: number): boolean {
    return (this.#leases.get(lease) ?? 0) > this.#clock.now
  }

  get calm(): boolean {
    return !this.#down && this.paths.every((path) => !path.cut)
  }

  outage(down: boolean): void {
    this.#down = down
  }

  /** Every lease begins its whole time anew. */
  leaderChange(): void {
    for (const lease of this.#leases.keys()) if (this.#alive(lease)) this.#leases.set(lease, this.#clock.now + this.timing.ttlUs)
  }

  // ------------------------------------------------------------------------------------------- the adapter

  /** `done` is called exactly once, on the clock of the asking machine. */
  run(order: ArbiterRunEffect, who: Asker, clock: Timeline, done: (answer: ArbiterAnswer) => void): void {
    const path = this.paths[who.index]
    let open = true
    const answer = (part: Partial<ArbiterAnswer> & Pick<ArbiterAnswer, 'outcome'>): void => {
      if (!open) return
      open = false
      const { call, group, action } = order
      done({ type: 'arbiter.result', call, group, action, token: null, deadlineAt: null, holder: null, text: '', ...part })
    }
    clock.after(this.timing.requestUs, () => { answer({ outcome: 'unknown', text: 'no answer in time' }) })
    const held = (sentAt: number, token: number): void => {
      answer({ outcome: 'held', token, holder: who.id, deadlineAt: micros(this.#deadline(sentAt, clock.now)) })
    }
    if (order.action === 'acquire') return this.#acquire(order.group, who, path, clock, answer, held)
    const sentAt = clock.now
    const pending = `${who.id}#${who.life} ${order.group}`
    const unresolved = order.action === 'release' ? this.#pending.get(pending) : undefined
    this.#call(path, () => this.#carryOut(order, unresolved), (found) => {
      if (order.action === 'release') this.#resolved(pending, unresolved)
      if (found.outcome === 'held') held(sentAt, found.token ?? 0)
      else answer(found)
    })
  }

  /** Gives back what an earlier create may have left, asks for a lease, and creates the key under it. */
  #acquire(
    group: string, who: Asker, path: Path, clock: Timeline,
    answer: (part: Pick<ArbiterAnswer, 'outcome' | 'holder' | 'text'>) => void, held: (sentAt: number, token: number) => void,
  ): void {
    const sentAt = clock.now
    const pending = `${who.id}#${who.life} ${group}`
    const unresolved = this.#pending.get(pending)
    this.#call(path, () => {
      this.#revoke(unresolved)
      this.#revision += 1
      this.#leases.set(this.#revision, this.#clock.now + this.timing.ttlUs)
      return this.#revision
    }, (lease) => {
      this.#pending.set(pending, lease)
      this.#call(path, () => {
        const key = this.#keyOf(group)
        if (key !== null || !this.#alive(lease)) return key
        this.#revision += 1
        this.#keys.set(group, { owner: who.id, token: this.#revision, lease })
        return this.#keyOf(group)
      }, (key) => {
        this.#resolved(pending, lease)
        if (key?.lease === lease) held(sentAt, key.token)
        else answer({ outcome: key === null ? 'unknown' : 'other', holder: key?.owner ?? null, text: '' })
      })
    })
  }

  /** There and back; each way may be lost, and a request may come very late. */
  #call<T>(path: Path, serve: () => T, answered: (result: T) => void): void {
    const late = path.slowUs > 10_000 && this.prng.below(20) === 0 ? this.prng.below(6_000_000) : 0
    this.#clock.after(this.#delay(path) + late, () => {
      if (path.cut || this.#down) return
      const result = serve()
      if (this.prng.below(100) < path.loseAnswersPercent) return
      this.#clock.after(this.#delay(path), () => { if (!path.cut) answered(result) })
    })
  }

  #deadline(sentAt: number, answeredAt: number): number {
    const { ttlUs, driftPpm, stopBudgetUs } = this.timing
    const from = this.flaws.has('deadline-from-answer') ? answeredAt : sentAt
    const safe = this.flaws.has('drift-ignored') ? ttlUs : Math.floor(ttlUs * (1 - driftPpm / 1e6))
    return from + safe - (this.flaws.has('no-stop-budget') ? 0 : stopBudgetUs)
  }

  // -------------------------------------------------------------------------------------------- the server

  #carryOut(order: ArbiterRunEffect, unresolved: number | undefined): Pick<ArbiterAnswer, 'outcome' | 'token' | 'holder'> {
    const key = this.#keyOf(order.group)
    if (order.action === 'release') {
      this.#revoke(unresolved)
      if (key !== null && key.token === order.token) this.#keys.delete(order.group)
      return { outcome: 'released', token: null, holder: null }
    }
    if (order.action !== 'look' && key !== null && key.token === order.token) {
      this.#leases.set(key.lease, this.#clock.now + this.timing.ttlUs)
      return { outcome: 'held', token: key.token, holder: key.owner }
    }
    return { outcome: key === null ? 'released' : 'other', token: null, holder: key?.owner ?? null }
  }

  /** Also a create that has not yet arrived comes to nothing. */
  #revoke(lease: number | undefined): void {
    if (lease !== undefined) this.#leases.delete(lease)
  }

  #resolved(pending: string, lease: number | undefined): void {
    if (this.#pending.get(pending) === lease) this.#pending.delete(pending)
  }

  #delay(path: Path): number {
    return 300 + this.prng.below(path.slowUs)
  }
}
