// What a node that waits for a group knows of the key in its way, and what follows when that key is gone.
//
// An etcd whose leader stood still and goes on may revoke a lease that its successor renewed meanwhile. The owner
// learns of it at its next renewal and holds the group until then, or until its own deadline if it is cut off. So
// an absent key is free only if
// - its owner released it, which it says by a mark (etcd.ts looks for it), or
// - this node saw the key so late in the life of its lease that the owner can have renewed nothing since: its
//   deadline, which is `stopBudgetUs` before that end, was over. Then the end of the lease is the end of everything.
// Else the owner may have renewed until the moment at which the key went: a whole lease passes first, counted from
// when this node first saw the key absent, by a clock that may be as fast as the drift allows.
import type { Micros } from '../core/base/ids.js'
import type { LeaseTimes } from './arbiter.js'

export interface SeenKey { readonly token: number; readonly leaseId: string; readonly holder: string | null }

/** How long a lease had left, between the request for it and the answer; as a leader says that was surely one. */
export interface LifeLeft {
  readonly sentAt: Micros
  readonly answeredAt: Micros
  /** Whole seconds, rounded down. */
  readonly leftS: number
  readonly grantedS: number
}

interface Sight {
  readonly key: SeenKey
  readonly grantedUs: number
  /** The lease of the owner's last renewal before `toldAt` ends between `endsFrom` and `endsBy`; null: unknown. */
  readonly told: { readonly toldAt: Micros; readonly endsFrom: number; readonly endsBy: Micros } | null
  readonly gone: Gone | null
}

export interface Gone {
  readonly freeAt: Micros
  /** The lease cannot have ended by itself as far as this node knows. */
  readonly early: boolean
}

const secondUs = 1_000_000
/** The gateway is asked for the time that is left only when the end is this near, beyond the stop budget. */
const nearUs = 2_500_000
/** A request for it is put off by less than a waiting node pauses anyway, and not when the end may come meanwhile. */
const putOffMaxUs = 240_000
const putOffUntilUs = 1_200_000
/** Known well enough. */
const preciseUs = 30_000

export class Sights {
  readonly #sights = new Map<string, Sight>()
  readonly #lookedAt = new Map<string, Micros>()

  constructor(private readonly times: LeaseTimes) {}

  /** Before each look. What was seen before a pause of a whole lease says nothing about the key of now. */
  look(group: string, now: Micros): void {
    const before = this.#lookedAt.get(group)
    if (before !== undefined && now - before > this.#slow(this.#sights.get(group)?.grantedUs ?? 0)) this.forget(group)
    this.#lookedAt.set(group, now)
  }

  see(group: string, key: SeenKey): void {
    const known = this.#sights.get(group)
    if (known?.key.token === key.token) this.#sights.set(group, { ...known, gone: null })
    else this.#sights.set(group, { key, grantedUs: this.times.ttlUs, told: null, gone: null })
  }

  /** The time left is worth a request: it is unknown, or the end is near. */
  wantsLife(group: string, now: Micros): boolean {
    const told = this.#sights.get(group)?.told ?? null
    return told === null || now >= told.endsBy - this.times.stopBudgetUs - nearUs
  }

  /**
   * etcd tells whole seconds, and a taker has to wait for the latest end that they leave open. Asked at a moment at which
   * the middle of what is open is a whole number of seconds away, the answer halves it.
   */
  putOffUs(group: string, now: Micros): number {
    const told = this.#sights.get(group)?.told ?? null
    if (told === null || told.endsBy - told.endsFrom < preciseUs || told.endsBy - now < putOffUntilUs) return 0
    const untilUs = ((told.endsFrom + told.endsBy) / 2 - now) % secondUs
    return untilUs >= 0 && untilUs <= putOffMaxUs ? untilUs : 0
  }

  life(group: string, left: LifeLeft): void {
    const sight = this.#sights.get(group)
    if (sight === undefined || left.leftS < 0) return
    const grantedUs = left.grantedS * secondUs
    const endsBy = left.answeredAt + Math.ceil((left.leftS + 1) * secondUs * (1 + this.#drift))
    // Shorter than a lease that was renewed after the last word: then it was not, and that word holds as well.
    const before = sight.told
    const same = before !== null && endsBy < before.toldAt + Math.floor(grantedUs * (1 - this.#drift))
    const endsFrom = left.sentAt + Math.floor(left.leftS * secondUs * (1 - this.#drift))
    const told = {
      toldAt: left.sentAt,
      endsFrom: same ? Math.max(endsFrom, before.endsFrom) : endsFrom,
      endsBy: (same ? Math.min(endsBy, before.endsBy) : endsBy) as Micros,
    }
    this.#sights.set(group, { ...sight, grantedUs: Math.max(grantedUs, this.times.ttlUs), told })
  }

  /** A read that was answered at `readAt` found no key. Null: none was seen before it. */
  absent(group: string, readAt: Micros): { readonly key: SeenKey; readonly gone: Gone; readonly first: boolean } | null {
    const sight = this.#sights.get(group)
    if (sight === undefined) return null
    const first = sight.gone === null
    const gone = sight.gone ?? this.#gone(sight, readAt)
    if (first) this.#sights.set(group, { ...sight, gone })
    return { key: sight.key, gone, first }
  }

  forget(group: string): void {
    this.#sights.delete(group)
  }

  #gone({ told, grantedUs }: Sight, readAt: Micros): Gone {
    const afterLease = readAt + this.#slow(grantedUs) as Micros
    const budgetUs = Math.floor(this.times.stopBudgetUs * (1 - 2 * this.#drift))
    if (told === null || told.toldAt < told.endsBy - budgetUs) return { freeAt: afterLease, early: true }
    return { freeAt: Math.min(told.endsBy, afterLease) as Micros, early: false }
  }

  /** A whole lease on a clock of ours, however fast. */
  #slow(grantedUs: number): number {
    return Math.ceil(Math.max(grantedUs, this.times.ttlUs) * (1 + this.#drift))
  }

  get #drift(): number {
    return this.times.driftPpm / 1_000_000
  }
}
