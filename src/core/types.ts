// What the decision core is configured with and what it shows of itself. Plain data, no behaviour.
// The core imports nothing outside src/core: everybody else may import these types.

import type { GroupId, Micros, NodeId } from './base/ids.js'
import type { FencingConfig, FencingSnapshot } from './fencing/model.js'

/** One field of a message. Type 0 is text, type 1 bytes; the core only ever sends type 0. */
export interface Field {
  readonly name: string
  readonly type: 0 | 1 | 2 | 3
  readonly value: string | Uint8Array
}

/** Ping nodes count for "heard from everybody" at start and for nothing else. */
export interface NodeConfig {
  readonly id: NodeId
  readonly kind: 'normal' | 'ping'
}

/** An address is added by the engine, an agent is run by the resource manager; decisions treat both alike. */
export interface MemberConfig {
  readonly id: string
  readonly kind: 'address' | 'agent'
}

/** One line of haresources. Members start left to right and stop right to left. */
export interface GroupConfig {
  readonly id: GroupId
  readonly home: NodeId
  readonly members: readonly MemberConfig[]
  /** Of everything that the definition says, arguments and parameters too: another digest is another group. */
  readonly digest: string
}

/** Check a held group every `everyUs`; restart it at most `failuresMax` times before handing it over. */
export interface MonitorConfig {
  readonly group: GroupId
  readonly everyUs: number
  readonly failuresMax: number
}

/** Interfaces that carry a group's addresses. `explicit`: an operator wrote it, so that it counts beside a real heartbeat. */
export interface TrackConfig {
  readonly group: GroupId
  readonly interfaces: readonly string[]
  readonly explicit: boolean
}

export interface TimingConfig {
  readonly keepaliveUs: number
  readonly deadtimeUs: number
  readonly initdeadUs: number
}

/**
 * `accept`: silence is enough, as in heartbeat without stonith. `fence`: a device confirmed that the peer is off.
 * `lease`: an arbiter granted the group to this node until a deadline.
 */
export type Protection = 'accept' | 'fence' | 'lease'

/** Times of lease protection; both nodes must have the same. */
export interface LeaseConfig {
  readonly ttlUs: number
  /** Bound of the difference in rate between any two clocks concerned, in millionths. */
  readonly driftPpm: number
  /** Within it everything of a group stops after its deadline. */
  readonly stopBudgetUs: number
  readonly renewUs: number
  /** The arbiter has answered by then, or has not. */
  readonly requestUs: number
}

export interface CoreConfig {
  readonly self: NodeId
  /** Every configured node, this one included. The core decides for at most two normal nodes. */
  readonly nodes: readonly NodeConfig[]
  readonly groups: readonly GroupConfig[]
  readonly monitors: readonly MonitorConfig[]
  readonly tracks: readonly TrackConfig[]
  readonly autoFailback: 'on' | 'off' | 'legacy'
  readonly timing: TimingConfig
  /**
   * What a stop that fails for good means: reset this machine, a named blocked state, or the peer fences this
   * machine (which resets itself if nobody does).
   */
  readonly stopFailure: 'reset' | 'block' | 'fence'
  /** Stops of one member, one second apart; 0 tries for ever. */
  readonly stopRetryMax: number
  /** What makes a take safe when nothing is heard from the peer. */
  readonly protection: Protection
  readonly fencing: FencingConfig
  /** Null: no arbiter is configured. */
  readonly lease: LeaseConfig | null
  /** How long a giver waits for `accept` before it revokes its offer. */
  readonly handoverWaitUs: number
  /** How long after its own `accept` a taker may begin the take. Must exceed the longest stop of a group. */
  readonly grantWaitUs: number
}

/** Why a take is allowed at the moment of acting. Every start carries one. */
export type Authority =
  /** The live peer stated: not held here, and I will not take it in this view. */
  | { readonly kind: 'agreed'; readonly peer: NodeId; readonly peerGeneration: number }
  /** We hold the group: repair and restart of members only. */
  | { readonly kind: 'held'; readonly epoch: number }
  /** The giver released the group to us under this exchange. */
  | { readonly kind: 'handover'; readonly exchange: string }
  /** split_brain accept: the engine judged the peer dead. `peer` null: there is no other node at all. */
  | { readonly kind: 'accept'; readonly peer: NodeId | null; readonly peerGeneration: number }
  /** A device confirmed that this incarnation of the peer is off; ends with a newer incarnation. */
  | { readonly kind: 'fence'; readonly peer: NodeId; readonly peerGeneration: number }
  /** The arbiter granted the group under this token; valid while now < deadlineAt. */
  | { readonly kind: 'lease'; readonly token: number; readonly deadlineAt: Micros }
  /** The peer's guardian removed its addresses, verified, and said so with its last words. Used once. */
  | { readonly kind: 'gasp'; readonly peer: NodeId; readonly peerGeneration: number; readonly claimEpoch: number }
  /** An operator ordered it on this node. */
  | { readonly kind: 'operator'; readonly request: string }

export type HoldWord = 'none' | 'local' | 'foreign' | 'all'
/** `heartbeat`: a real Linux-HA node. `twinbeat`: its heartbeats carry our field. */
export type PeerKind = 'heartbeat' | 'twinbeat'

export type GroupStateName =
  | 'unknown' // not probed yet
  | 'stopped'
  | 'found' // left behind by an earlier life; kept or stopped once the peer has spoken
  | 'taking'
  | 'held'
  | 'giving'
  | 'blocked' // a member did not stop; never started elsewhere by us

export interface MemberSnapshot {
  readonly id: string
  readonly kind: 'address' | 'agent'
  readonly state: 'unknown' | 'running' | 'stopped' | 'failed'
  /** The action in flight, if any. */
  readonly action: 'probe' | 'start' | 'stop' | 'monitor' | null
  /** Last words of the last failed action, else empty. */
  readonly text: string
}

/** What the arbiter says about a group, as this node knows it. */
export interface LeaseSnapshot {
  readonly state: 'idle' | 'asking' | 'unsure' | 'confirming' | 'owned' | 'lapsed' | 'clearing'
  readonly token: number | null
  readonly deadlineAt: Micros | null
  /** The arbiter is silent and the other node's promise holds it. */
  readonly byPromise: boolean
  /** This node promised not to take the group before then. */
  readonly boundUntil: Micros | null
  /** Last words of the arbiter when it did not confirm. */
  readonly problem: string | null
}

export interface GroupSnapshot {
  readonly id: GroupId
  readonly home: NodeId
  /** Of the definition in force here: after a reload the old one until it is stopped. */
  readonly digest: string
  readonly state: GroupStateName
  /** Who holds the group as far as we know; null: nobody, or unknown. */
  readonly holder: NodeId | null
  readonly members: readonly MemberSnapshot[]
  /** Reason code of the last change of state. */
  readonly reason: string
  readonly since: Micros
  readonly epoch: number
  /** Grows with every change of owner over both nodes: of our claim while we may hold it, else the greatest known. */
  readonly claimEpoch: number
  /** A finished plan waits in the engine: a take adds the addresses without JavaScript. */
  readonly armed: boolean
  readonly authority: Authority | null
  readonly lease: LeaseSnapshot | null
  /** What a take would be answered right now: an authority, or why it is withheld. */
  readonly takeNow: Authority | { readonly withheld: string }
  /** Codes of everything that keeps the group from where it belongs; empty when nothing does. */
  readonly obstacles: readonly string[]
  /** The hand-over under way, if any. */
  readonly exchange: { readonly id: string; readonly role: 'giver' | 'taker'; readonly state: string } | null
}

export interface PeerSnapshot {
  readonly id: NodeId
  readonly kind: PeerKind | 'ping'
  /** As it says itself, or `dead` as the engine judged; `init` before its first message. */
  readonly status: string
  readonly generation: number
  /** What it says it holds; null: it has not said since it (re)started. */
  readonly holds: HoldWord | null
  readonly stable: boolean
}

export interface CoreSnapshot {
  readonly self: NodeId
  readonly generation: number
  /** Our own announced status. */
  readonly status: 'init' | 'up' | 'active'
  /** As `cl_status rscstatus` prints it. */
  readonly resources: HoldWord | 'transition'
  readonly standby: { readonly state: 'not' | 'me' | 'other' | 'done'; readonly what: string | null }
  readonly peers: readonly PeerSnapshot[]
  readonly groups: readonly GroupSnapshot[]
  readonly fencing: FencingSnapshot
  /** What is left of a maintenance of the pair; null: there is none. */
  readonly maintenanceLeftUs: number | null
  /** An operator permitted a start without having seen the peer. */
  readonly startAlone: boolean
  /** Requests of operators still under way. */
  readonly requests: readonly { readonly id: string; readonly verb: string; readonly what: string }[]
}
