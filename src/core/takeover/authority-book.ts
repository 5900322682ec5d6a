// What makes a take safe besides the peer's own word: a confirmed fence, an ownership granted by an arbiter, and
// what operators forbid. Each of the three is a machine of its own; the others ask it only through these
// interfaces. The neutral ones stand for what is not configured: nothing confirmed, nothing owned, nothing forbidden.

import type { GroupId, Micros, NodeId } from '../base/ids.js'
import type { ArbiterResultEvent, FenceOrderEvent, FenceResultEvent, OperatorEvent } from '../events.js'
import { fencingAtRest, type FencingSnapshot } from '../fencing/model.js'
import type { Field, LeaseSnapshot } from '../types.js'
import type { PeerChange } from '../membership/peers.js'
import type { Group, Outcome } from './group.js'

/** What every one of them is told. Timers are routed by name: `NAME:subject`. */
export interface AuthorityMachine {
  /** Every persisted key of the last life; before the groups are probed. */
  boot(persisted: Readonly<Record<string, string>>): void
  /** Level: at the end of every step, again until no machine emits anything more. */
  advance(): void
  timer(subject: string): void
  persisted(key: string, ok: boolean): void
  /** `world.peer` is up to date already. `left`: it said farewell. */
  peerChanged(change: PeerChange | 'left'): void
  /** A group came to rest; `stopped` is verified. */
  groupSettled(group: Group, outcome: Outcome): void
  /** `ctx.config` is the new one already. */
  configChanged(): void
}

/** Timer name `fencing`. */
export interface FencingBook extends AuthorityMachine {
  /** A device (or an operator) confirmed that this incarnation is off, and no newer one was heard since. */
  confirmed(peer: NodeId, generation: number): boolean
  /** This group waits for it: start one unless one is under way. Called again in every step while it is needed. */
  request(peer: NodeId, generation: number, group: GroupId): void
  result(event: FenceResultEvent): void
  /** An operator orders a fencing, or confirms one. */
  order(event: FenceOrderEvent): void
  readonly snapshot: FencingSnapshot
}

export interface Ownership { readonly token: number; readonly deadlineAt: Micros }

/** Timer name `arbiter`. */
export interface LeaseBook extends AuthorityMachine {
  /** Ours, and valid at the time of this step. */
  ownership(group: GroupId): Ownership | null
  /** After a restart: the arbiter was asked whether the old ownership is still ours, before its deadline. */
  confirming(group: GroupId): boolean
  /** May this node take the group as far as everything else is concerned? Called again in every step. */
  want(group: GroupId, wanted: boolean): void
  /** No key of ours stands in the arbiter any more: the release may be told to the peer. */
  gone(group: GroupId): boolean
  /** The arbiter answers: what is given away now can be taken by the other node. */
  readonly healthy: boolean
  message(fields: readonly Field[]): void
  snapshot(group: GroupId): LeaseSnapshot | null
  result(event: ArbiterResultEvent): void
  /** Nobody may act by this ownership: the engine does not, or (`why`) it is known to be over. */
  refused(group: GroupId, token: number, why?: string): void
}

/** Timer name `holds`. */
export interface HoldBook extends AuthorityMachine {
  /** Why nothing may be armed or taken for this group now (on hold, maintenance, ...); null: it may. */
  withheld(group: GroupId): string | null
  /** An operator said that this node may start although it has not seen the peer since the machine booted. */
  readonly startAlone: boolean
  /** True: the request was about holds and is answered. */
  request(event: OperatorEvent): boolean
}

const nothing = (): undefined => undefined
const neutral: AuthorityMachine = {
  boot: nothing, advance: nothing, timer: nothing, persisted: nothing, peerChanged: nothing, groupSettled: nothing,
  configChanged: nothing,
}

export const noFencing: FencingBook = {
  ...neutral, confirmed: () => false, request: nothing, result: nothing, order: nothing,
  snapshot: fencingAtRest,
}
export const noLease: LeaseBook = {
  ...neutral, ownership: () => null, confirming: () => false, want: nothing, gone: () => true, healthy: true, message: nothing,
  snapshot: () => null, result: nothing, refused: nothing,
}
export const noHolds: HoldBook = { ...neutral, withheld: () => null, startAlone: false, request: () => false }

/** The three together, as the door and the plans ask them. */
export interface AuthorityBooks {
  readonly fencing: FencingBook
  readonly lease: LeaseBook
  readonly holds: HoldBook
}
