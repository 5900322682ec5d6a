// All machines of one node, built and wired in one place.

import { invariant } from './base/invariant.js'
import type { Prng } from './base/prng.js'
import { Arbitration } from './arbitration/arbitration.js'
import { Context } from './context.js'
import { Fencing } from './fencing/coordinator.js'
import { Join } from './membership/join.js'
import { Peer } from './membership/peers.js'
import { Orders, type OrderHost } from './operator/orders.js'
import { Track, type TrackHost } from './operator/track.js'
import {
  noLease, type AuthorityBooks, type FencingBook, type HoldBook, type LeaseBook,
} from './takeover/authority-book.js'
import { Door } from './takeover/authorise.js'
import { Claims } from './takeover/claims.js'
import { FenceMe } from './takeover/fence-me.js'
import { LastWords } from './takeover/gasp.js'
import { Group, type Outcome } from './takeover/group.js'
import { Handover } from './takeover/handover.js'
import { Guard } from './takeover/guard.js'
import { Heal } from './takeover/heal.js'
import { HoldingBook } from './takeover/holding-book.js'
import { LeaseTokens } from './takeover/lease-tokens.js'
import { Leftovers } from './takeover/leftovers.js'
import { Legacy } from './takeover/legacy.js'
import { Operator } from './takeover/operator.js'
import { Pause } from './takeover/pause.js'
import { noTrigger, PlanBook, type Trigger } from './takeover/plan-book.js'
import { Reload } from './takeover/reload.js'
import { ResourceProtocol } from './takeover/resource-protocol.js'
import { Standby } from './takeover/standby.js'
import { TakeoverSummary } from './takeover/summary.js'
import { WatchdogWord } from './takeover/watchdog-word.js'
import { World } from './takeover/world.js'
import type { CoreConfig, GroupConfig } from './types.js'

/** Words of the peer by which it holds nothing and relies on no promise. */
const freeWords: ReadonlySet<string> = new Set(['free', 'claim', 'waive', 'promised'])

export class Machines {
  readonly ctx: Context
  readonly world: World
  readonly join: Join
  readonly standby: Standby
  readonly protocol: ResourceProtocol
  readonly legacy: Legacy
  readonly heal: Heal
  readonly pause: Pause
  readonly handover: Handover
  readonly claims: Claims
  readonly reload: Reload
  readonly operator: Operator
  readonly summary: TakeoverSummary
  readonly fencing: FencingBook
  readonly lease: LeaseBook
  readonly holds: HoldBook
  readonly door: Door
  readonly plans: PlanBook
  readonly holdings: HoldingBook
  readonly lastWords: LastWords
  readonly guard: Guard
  readonly leftovers: Leftovers
  readonly fenceMe: FenceMe
  readonly orders: Orders
  readonly track: Track
  readonly watchdogs: WatchdogWord

  constructor(config: CoreConfig, prng: Prng, books: Partial<AuthorityBooks> = {}) {
    const ctx = this.ctx = new Context(config)
    const world = this.world = new World(ctx)
    this.fencing = books.fencing ?? new Fencing(ctx, world, prng, (group) => this.door.forbidden(group) !== null)
    this.orders = new Orders(ctx, world)
    this.holds = books.holds ?? this.orders
    this.join = new Join(ctx, world)
    this.standby = new Standby(ctx, world)
    this.protocol = new ResourceProtocol(ctx, world, this.standby)
    this.standby.host = this.protocol
    this.legacy = new Legacy(ctx, world)
    this.heal = new Heal(ctx, world)
    this.pause = new Pause(ctx, world)
    this.handover = new Handover(ctx, world, this)
    this.claims = new Claims(ctx, world, this.handover)
    this.handover.claims = this.claims
    this.lease = books.lease ?? (config.lease === null ? noLease : new Arbitration(ctx, {
      peer: () => world.peer === null ? null : {
        id: world.peer.id, generation: world.peer.generation, alive: world.peer.alive, twinbeat: world.peerIsTwinbeat,
      },
      held: (id) => world.groups.get(id)?.mayHold === true,
      peerFree: (id) => this.claims.settled && freeWords.has(this.claims.theirWord(id) ?? ''),
    }))
    this.watchdogs = new WatchdogWord(ctx, world, this.claims)
    this.door = new Door(world, this, {
      permits: (exchange) => this.standby.permits(exchange) || this.handover.permits(exchange),
      heldByPeer: (one) => this.#heldByPeer(one),
      ceded: (one) => this.#ceded(one),
      endedAtPeer: (one) => this.lastWords.endedAtPeer(one),
    }, this.watchdogs)
    for (const machine of [this.protocol, this.legacy, this.handover, this.claims]) machine.door = this.door
    this.claims.ready = (group) => this.#couldTake(group)
    this.plans = new PlanBook(ctx, world, (group) => this.#mayBeArmed(group), (group) => this.#triggerOf(group))
    this.holdings = new HoldingBook(ctx, world, (group) => this.#peerReady(group))
    this.lastWords = new LastWords(ctx, world, {
      claims: this.claims, handover: this.handover, door: this.door, tookForeign: () => { this.protocol.inheritFailback() },
    })
    this.guard = new Guard(ctx, world, {
      plans: this.plans, handover: this.handover, standby: this.standby, peerReady: (group) => this.#peerReady(group),
    })
    this.leftovers = new Leftovers(world, this)
    this.fenceMe = new FenceMe(ctx, world, this)
    this.reload = new Reload(ctx, world, {
      add: (group) => { this.addGroup(group).boot(false) },
      mayBeElsewhere: (group) => this.#mayBeElsewhere(group),
      comesFromPeer: (group) => this.handover.comes(group.id),
      retake: (group) => {
        const taken = this.door.take(group, { authority: { kind: 'held', epoch: group.epoch }, reason: 'redefined' })
        return taken || this.ctx.config.protection !== 'lease'
      },
      removed: (id) => { this.handover.removed(id) },
    })
    this.summary = new TakeoverSummary(ctx)
    this.orders.host = this.#orderHost()
    world.ordered = (id) => this.orders.ordered(id)
    this.track = new Track(ctx, world)
    this.track.host = this.#trackHost()
    this.claims.notes = [this.orders, this.track, this.watchdogs, new LeaseTokens(ctx, world, this.lease)]
    this.operator = new Operator(ctx, world, this.protocol, this.standby, this.handover)
    this.protocol.vetoes = (group) => this.claims.vetoes(group.id)
    this.protocol.onTakenAlone = ({ id }) => { this.claims.takenAlone(id); this.handover.returnsHome(id) }
    const others = config.nodes.filter((node) => node.id !== config.self)
    const normal = others.filter((node) => node.kind === 'normal')
    invariant(normal.length <= 1, 'a pair has at most two normal nodes')
    world.peer = normal[0] === undefined ? null : new Peer(normal[0].id, 'normal')
    world.pings = others.filter((node) => node.kind === 'ping').map((node) => new Peer(node.id, 'ping'))
  }

  addGroup(config: GroupConfig): Group {
    const group = new Group(this.ctx, config, {
      authorise: (asking) => this.door.authorise(asking),
      fire: (taken, authority) => this.plans.fire(taken, authority),
      unfire: (taken) => { this.plans.unfire(taken) },
      nextClaimEpoch: (taken) => this.world.epochs.next(taken.id),
      taking: (taken, grant, reason) => { this.summary.taking(taken, grant, reason) },
      settled: (settled, outcome) => { this.#settled(settled, outcome) },
    })
    this.world.groups.set(config.id, group)
    return group
  }

  #orderHost(): OrderHost {
    return {
      statementNumber: () => this.claims.number,
      withdraw: (group) => { this.handover.withdraw(group.id) },
      moving: (group) => this.handover.moving(group.id) || this.standby.moving(group),
    }
  }

  #trackHost(): TrackHost {
    const { claims, handover, standby, world } = this
    return {
      offer: (group) => handover.offer(group, 'interface'),
      prepare: (group) => { handover.prepare(group) },
      unprepare: (group) => { handover.unprepare(group.id) },
      standby: ([first]) => (first === undefined ? 'nothing is held' : standby.request(world.side(first), null)),
      get settled() { return claims.settled },
    }
  }

  /** The machines that supply authority, in the order in which they are told. */
  get books(): readonly [HoldBook, FencingBook, LeaseBook] {
    return [this.holds, this.fencing, this.lease]
  }

  /** One round of the level-triggered machines. */
  settle(): void {
    const { world } = this
    if (world.halted) return
    world.wanted.clear()
    this.leftovers.advance()
    if (this.join.advance()) this.protocol.joined()
    this.reload.advance()
    this.standby.advance()
    if (world.alone) this.protocol.reconcile()
    else if (world.peerIsTwinbeat || this.legacy.rules) this.protocol.publish()
    else this.protocol.reconcile()
    if (this.legacy.rules && !world.alone) this.legacy.reconcile()
    this.claims.advance()
    for (const group of world.groups.values()) group.goOn()
    this.lastWords.advance()
    this.fenceMe.advance()
    this.handover.advance()
    this.pause.advance()
    this.track.advance()
    this.operator.advance()
    this.#wantOwnerships()
    for (const book of this.books) book.advance()
  }

  /** Once at the end of a step, when nothing more changes in it. */
  commit(): void {
    this.plans.commit()
    this.holdings.commit()
  }

  /** What is held is wanted as long as it is not being let go. */
  #wantOwnerships(): void {
    if (this.ctx.config.protection !== 'lease') return
    for (const group of this.world.groups.values()) {
      const kept = group.state === 'held' || group.state === 'taking'
      this.lease.want(group.id, (kept && !group.lettingGo) || this.world.wanted.has(group.id))
    }
  }

  /** Nothing here and nothing that an operator said forbids a take; whether it is ours to take is another matter. */
  #couldTake(group: Group): boolean {
    const { world } = this
    if (!world.joined || world.stopping || world.paused || world.halted || world.contested) return false
    return group.state === 'stopped' && !group.failed && !group.retired && this.door.forbidden(group) === null
  }

  #mayBeArmed(group: Group): boolean {
    return this.world.peer?.heard === true && this.#couldTake(group)
  }

  /**
   * A stopped group goes to this node without a word of this core only while the live peer says that it holds it, nothing
   * is being moved between the two, and silence, or last words, would be authority enough for the take.
   */
  #triggerOf(group: Group): Trigger {
    const { ctx, world, standby } = this
    const { peer } = world
    const { protection } = ctx.config
    if (peer === null || !peer.active || !world.probed || !this.#couldTake(group) || !this.#heldByPeer(group)) return noTrigger
    if (this.handover.busy(group.id) || standby.running) return noTrigger
    if (peer.kind !== 'twinbeat') return { peerDead: protection === 'accept' && this.protocol.quiet, gaspEpoch: 0 }
    if (!this.claims.settled) return noTrigger
    return {
      peerDead: protection === 'accept',
      // Last words say that addresses are gone; an arbiter has to be asked all the same.
      gaspEpoch: group.addressOnly && protection !== 'lease' ? this.claims.heldEpoch(group.id, peer.generation) : 0,
    }
  }

  /** A real heartbeat takes everything when it hears us no more. */
  #peerReady(group: Group): boolean {
    const { peer } = this.world
    if (peer === null || !peer.active || this.world.contested) return false
    return peer.kind === 'twinbeat' ? this.claims.peerReady(group.id) : this.protocol.otherStable
  }

  #heldByPeer(group: Group): boolean {
    if (this.world.peerIsTwinbeat) return this.claims.theirWord(group.id) === 'held'
    return !this.legacy.rules && this.protocol.other !== null && this.protocol.peerHolds(this.world.side(group))
  }

  #ceded(group: Group): boolean {
    return this.claims.knowsWeHold(group.id) && freeWords.has(this.claims.theirWord(group.id) ?? '')
  }

  #mayBeElsewhere(group: Group): boolean {
    if (this.handover.busy(group.id)) return true
    return !this.world.alone && (this.#heldByPeer(group) || this.claims.foundByPeer(group.id))
  }

  #settled(group: Group, outcome: Outcome): void {
    this.summary.settled(group, outcome)
    if (outcome === 'blocked' && group.wantsReset) {
      this.world.halted = true
      return
    }
    if (outcome === 'blocked' && group.wantsFence) this.fenceMe.ask(group)
    if (outcome === 'monitor-failed') return this.#monitorFailed(group)
    if (outcome === 'probed') this.leftovers.found(group)
    if (outcome === 'probed' && group.state === 'held') this.protocol.adoptFromGroups()
    this.protocol.groupSettled(group, outcome)
    this.handover.groupSettled(group, outcome)
    for (const book of this.books) book.groupSettled(group, outcome)
  }

  /** Restarted often enough: to the peer if it is fit, else say so and start it here once more. */
  #monitorFailed(group: Group): void {
    const refusal = this.world.peerIsTwinbeat
      ? this.handover.offer(group, 'monitor-failed') : this.standby.request(this.world.side(group), null)
    if (refusal === null) return
    this.ctx.note('error', 'monitor.stuck', `${group.id} fails again and again and no peer can take it: ${refusal}`, {
      group: group.id,
    })
    group.repair()
  }
}
