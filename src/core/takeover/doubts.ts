// Doubts about ownership beside a real heartbeat node: both nodes say that they hold the same groups, or
// neither does. The real node only logs the first and does not notice the second, and a report may be old.
// So the peer is made to report again (it answers whoever becomes stable), and then the node that can act,
// which is this one, yields or takes.

import type { Context } from '../context.js'
import type { Standby } from './standby.js'
import { sides, type Bits, type Side, type World } from './world.js'

/** What the resource protocol shows to, and lets be done by, its doubts. */
export interface DoubtHost {
  readonly mine: Bits
  readonly other: Bits | null
  readonly stable: boolean
  readonly otherStable: boolean
  peerHolds(side: Side): boolean
  report(info?: string | null, stable?: boolean): void
  answerFor(side: Side, responsible: boolean): void
}

/** Longer than a real node that noticed a partition needs to announce its own shutdown. */
const disputeUs = 4_000_000
const provokeUs = 1_000_000
const ownerlessUs = 10_000_000

export const ownerlessTimer = 'resource.ownerless'
export const provokeTimer = 'resource.provoke'
export const disputeTimer = 'resource.dispute'

export class Doubts {
  #ownerlessSince: { asked: boolean; answered: boolean } | null = null
  #disputeAsked: { asked: boolean; answered: boolean } | null = null

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly standby: Standby,
    private readonly host: DoubtHost,
  ) {}

  /** The peer reported: whatever was asked is answered. */
  heard(): void {
    if (this.#ownerlessSince !== null) this.#ownerlessSince.answered = true
    if (this.#disputeAsked !== null) this.#disputeAsked.answered = true
  }

  /** Level, while the peer lives. */
  watch(): void {
    this.#watchOwnerless()
    this.#watchDispute()
  }

  /** Sides that both nodes say they hold. */
  disputed(): Side[] {
    if (this.host.other === null || this.standby.running || this.world.contested) return []
    return sides.filter((side) => this.host.peerHolds(side) && this.host.mine[side] &&
      this.world.groupsOf(side).some((group) => group.state === 'held' || group.state === 'taking'))
  }

  /**
   * A real node only logs that both hold the same groups. A report may be old, so the peer is made to say it
   * again (it answers whoever becomes stable); if it does, the node that can yield is this one.
   */
  #watchDispute(): void {
    if (this.disputed().length === 0) {
      if (this.#disputeAsked !== null) this.ctx.cancel(disputeTimer)
      this.#disputeAsked = null
    } else if (this.#disputeAsked === null) {
      // A real node that hears us again after a partition restarts itself within that time; asked meanwhile, it would
      // only log an error of its own.
      this.#disputeAsked = { asked: false, answered: false }
      this.ctx.note('error', 'owners.two', `both nodes say that they hold the ${this.disputed().join(' and ')} groups`, {})
      this.ctx.timer(disputeTimer, disputeUs)
    }
  }

  #ask(): void {
    this.#disputeAsked = { asked: true, answered: false }
    this.provoke()
    this.ctx.timer(disputeTimer, disputeUs)
  }

  disputeDue(): void {
    const sides = this.disputed()
    if (sides.length === 0 || this.world.alone || this.#disputeAsked === null) {
      this.#disputeAsked = null
      return
    }
    if (!this.#disputeAsked.asked || !this.#disputeAsked.answered) return this.#ask()
    this.#disputeAsked = null
    this.ctx.note('error', 'owners.yielded', `the peer insists: giving up the ${sides.join(' and ')} groups`, {})
    for (const side of sides) this.host.answerFor(side, false)
  }

  /** Neither node answers for this half, although both are stable. */
  #ownerless(): Side[] {
    const quiet = this.host.stable && this.host.otherStable && !this.standby.running && !this.world.contested
    if (!quiet || this.host.other === null || this.world.alone) return []
    return sides.filter((side) => !this.host.mine[side] && !this.host.peerHolds(side) && this.world.groupsOf(side).length > 0)
  }

  /** The peer takes part but has never said what it holds: its report was lost with an earlier life. */
  get #unheard(): boolean {
    return this.host.stable && this.host.other === null && this.world.peer?.active === true && !this.world.contested
  }

  /** An exchange broken off by a restart can leave groups without owner. Wait, make sure, then take them. */
  #watchOwnerless(): void {
    if (this.#ownerless().length === 0 && !this.#unheard) {
      if (this.#ownerlessSince !== null) this.ctx.cancel(ownerlessTimer)
      this.#ownerlessSince = null
    } else if (this.#ownerlessSince === null) {
      this.#ownerlessSince = { asked: false, answered: false }
      this.ctx.timer(ownerlessTimer, ownerlessUs)
    }
  }

  ownerlessDue(): void {
    const since = this.#ownerlessSince
    const ownerless = this.#ownerless()
    if (since === null || (ownerless.length === 0 && !this.#unheard)) return
    if (!since.asked || !since.answered || ownerless.length === 0) {
      this.#ownerlessSince = { asked: true, answered: false }
      this.provoke()
      return this.ctx.timer(ownerlessTimer, disputeUs)
    }
    this.#ownerlessSince = null
    this.ctx.note('warn', 'groups.orphaned', `neither node holds the ${ownerless.join(' and ')} groups: taking them`, {})
    for (const side of ownerless) this.host.answerFor(side, true)
  }

  /** A real node answers whoever becomes stable with a report of its own. */
  provoke(): void {
    this.host.report(null, false)
    // Apart, because the two could overtake each other and leave us unstable in its eyes.
    this.ctx.timer(provokeTimer, provokeUs)
  }

  provokeDue(): void {
    if (this.host.stable && !this.world.stopping) this.host.report()
  }
}
