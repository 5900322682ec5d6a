// Everything the core can be told. Each event carries `at`, the CLOCK_BOOTTIME of the step; the core
// has no other clock. Engine records keep the names they have in the engine.

import type { GroupId, Micros, NodeId } from './base/ids.js'
import type { CoreConfig, Field } from './types.js'

/** First event of a life. */
export interface BootEvent {
  readonly type: 'boot'
  /** Our own generation (`hg`), already reserved on disk. */
  readonly generation: number
  /** Every persisted key of the last life. The shell drops `keep` when the kernel's boot id changed. */
  readonly persisted: Readonly<Record<string, string>>
}

/** First status of a node, and every change of its `st`, its generation or its `twinbeat` field. */
export interface PeerStatusEvent {
  readonly type: 'peer.status'
  readonly node: NodeId
  readonly status: string
  readonly generation: number
  readonly deadtimeUs: number
  /** Value of the field that only twinbeat nodes send; null: a real heartbeat (or a ping node). */
  readonly twinbeat: string | null
}

/** A node is heard for the first time, or again. */
export interface PeerUpEvent { readonly type: 'peer.up'; readonly node: NodeId; readonly generation: number }
/** Silent for longer than the warn time. */
export interface PeerLateEvent { readonly type: 'peer.late'; readonly node: NodeId; readonly silentUs: number }

/** Judged dead by the engine under all its guards; for a node never heard, after initdead (generation 0). */
export interface PeerDeadEvent {
  readonly type: 'peer.dead'
  readonly node: NodeId
  readonly generation: number
  readonly silentUs: number
  readonly links: readonly { readonly name: string; readonly silentUs: number }[]
}

/** A node judged dead is heard again with the same generation: a partition healed, or it slept. */
export interface PeerReturnedEvent {
  readonly type: 'peer.returned'
  readonly node: NodeId
  readonly generation: number
}
/** A node speaks with a higher generation. */
export interface PeerRestartedEvent {
  readonly type: 'peer.restarted'
  readonly node: NodeId
  readonly generation: number
}

export interface LinkEvent {
  readonly type: 'link.up' | 'link.down'
  readonly node: NodeId
  readonly link: string
}

/** An accepted sequenced message of a peer (no status), for us or for all. Order is not guaranteed. */
export interface MessageEvent {
  readonly type: 'message'
  readonly from: NodeId
  readonly fields: readonly Field[]
  readonly link: string
}

/** The result of `member.run`. A result for an unknown `call` is ignored. */
export interface MemberResultEvent {
  readonly type: 'member.result'
  readonly call: number
  readonly group: GroupId
  readonly member: string
  readonly action: 'probe' | 'start' | 'stop' | 'monitor'
  /**
   * What is true now. `start` that worked: running; `stop` that worked: stopped; `failed`: the action
   * failed, timed out or told nothing. A probe of an agent that does not exist is `stopped`.
   */
  readonly outcome: 'running' | 'stopped' | 'failed'
  /** For people: why it failed. */
  readonly text: string
}

/** Somebody removed an address that we hold. */
export interface AddressLostEvent { readonly type: 'address.lost'; readonly group: GroupId; readonly member: string }
/** Somebody else answers for an address that we hold. */
export interface AddressConflictEvent {
  readonly type: 'address.conflict'
  readonly group: GroupId
  readonly member: string
  readonly mac: string
}

/**
 * The engine itself was not scheduled for this long. `muted`: longer than the dead time it announced, so
 * it says nothing until `generation.raise` is carried out.
 */
export interface StallEvent { readonly type: 'stall'; readonly us: number; readonly muted: boolean }
/** Records were lost between engine and shell. */
export interface OverflowEvent { readonly type: 'overflow'; readonly lost: number }
/** The peer does not acknowledge; the engine's history is full. */
export interface HistoryFullEvent { readonly type: 'send.history-full' }
export interface InterfaceEvent {
  readonly type: 'interface'
  readonly name: string
  readonly up: boolean
  readonly carrier: boolean
}

/** A timer set by `timer.set` is due. */
export interface TimerEvent { readonly type: 'timer'; readonly key: string }

/** What an operator asks for. */
export type OperatorVerb =
  | 'standby' | 'takeover' | 'stop' | 'restart-keep' | 'hold' | 'unhold' | 'maintenance' | 'start-alone' | 'unblock'
export interface OperatorEvent {
  readonly type: 'operator'
  /** Answered by `reply` effects with this id; the same id again is the same request. */
  readonly id: string
  readonly verb: OperatorVerb
  /** `all`, `local`, `foreign` or a group id; `on SECONDS` or `off` of maintenance; empty where the verb takes none. */
  readonly what: string
}

/** `persist` reached the disk, or did not. */
export interface PersistedEvent { readonly type: 'persisted'; readonly key: string; readonly ok: boolean }
/** `generation.raise` is done: the engine speaks with this generation from now on. */
export interface GenerationRaisedEvent { readonly type: 'generation.raised'; readonly generation: number }
/** A reload was validated. Nodes, self and timing of a running core do not change. */
export interface ConfigChangedEvent { readonly type: 'config.changed'; readonly config: CoreConfig }

/** What became of a `plan.disarm`; `firing` is followed by exactly one `plan.fired` or `plan.withheld`. */
export interface PlanDisarmedEvent {
  readonly type: 'plan.disarmed'
  readonly group: GroupId
  readonly epoch: number
  readonly answer: 'disarmed' | 'fired' | 'firing' | 'unknown'
}
/** What became of a `plan.arm`. */
export interface PlanArmedEvent {
  readonly type: 'plan.armed'
  readonly group: GroupId
  readonly epoch: number
  readonly answer: 'armed' | 'busy' | 'invalid' | 'unguarded'
}
/**
 * A plan went off without an order; its `plan.fired`, and the record of why, are still to come. Told before everything
 * that waits: whatever is said from here on must not deny that the group may be held.
 */
export interface PlanGoneEvent { readonly type: 'plan.gone'; readonly group: GroupId; readonly epoch: number }
/** The members named are up, by the engine; the rest of the group is to be started. */
export interface PlanFiredEvent {
  readonly type: 'plan.fired'
  readonly group: GroupId
  readonly epoch: number
  readonly members: readonly { readonly member: string; readonly ok: boolean; readonly text: string }[]
  readonly detectedAt: Micros
  readonly firstAddressAt: Micros | null
  readonly firstAnnounceAt: Micros | null
}
export interface PlanWithheldEvent {
  readonly type: 'plan.withheld'
  readonly group: GroupId
  readonly epoch: number
  readonly guard: string
}
/** The shell was not scheduled for longer than its lease. `release` and `reset` are the end of this life. */
export interface ControllerLapsedEvent {
  readonly type: 'controller.lapsed'
  readonly stage: 'withhold' | 'release' | 'reset'
  readonly lateUs: number
}
/** The engine removed the group's addresses by itself: its ownership ended, or the controller had lapsed. */
export interface GroupReleasedEvent {
  readonly type: 'group.released'
  readonly group: GroupId
  readonly claimEpoch: number
  readonly ok: boolean
}
/** The peer's last words about one group. Authority only for exactly that incarnation, epoch and definition. */
export interface GaspEvent {
  readonly type: 'gasp'
  readonly node: NodeId
  readonly generation: number
  readonly group: GroupId
  readonly claimEpoch: number
  readonly digest: string
}
/** Nothing is armed or taken until the guardian holds the removal of everything that could be added. */
export interface GuardianEvent { readonly type: 'guardian.ready' | 'guardian.lost' }

/** The engine does not take this ownership: its deadline is past by its clock, or a newer token was told before. */
export interface OwnershipRefusedEvent { readonly type: 'ownership.refused'; readonly group: GroupId; readonly token: number }
/** Our guardian pets a watchdog that resets this machine after this time, or pets none (any more): null. */
export interface WatchdogChangedEvent { readonly type: 'watchdog.changed'; readonly timeoutUs: number | null }

/**
 * The result of `fence.run`. Only `confirmed` is a success; a lie is one that the device tells. `manual`: it is a
 * person who does it, and says so by `fence.order` with action `confirm`.
 */
export interface FenceResultEvent {
  readonly type: 'fence.result'
  readonly call: number
  readonly device: string
  readonly target: NodeId
  readonly action: 'off' | 'on' | 'reboot' | 'status'
  readonly outcome: 'confirmed' | 'failed' | 'timeout' | 'manual'
  readonly text: string
}
/** An operator orders a fencing, or confirms that it was done by hand. Answered by `reply` effects with this id. */
export interface FenceOrderEvent {
  readonly type: 'fence.order'
  readonly id: string
  readonly target: NodeId
  readonly action: 'off' | 'reboot' | 'confirm'
  /** Who, as it stands in the history. */
  readonly by: string
}

/**
 * The result of `arbiter.run`. `held`: ours until `deadlineAt`, computed from before the request was sent.
 * `other`: somebody else's. `released`: surely not ours any more (of a `look`: nobody's). `unknown`: anything else, so not renewed.
 */
export interface ArbiterResultEvent {
  readonly type: 'arbiter.result'
  readonly call: number
  readonly group: GroupId
  readonly action: 'acquire' | 'look' | 'renew' | 'release' | 'confirm'
  readonly outcome: 'held' | 'other' | 'released' | 'unknown'
  readonly token: number | null
  readonly deadlineAt: Micros | null
  readonly holder: NodeId | null
  readonly text: string
}

export type EngineEvent =
  | PlanGoneEvent | PlanFiredEvent | PlanWithheldEvent | ControllerLapsedEvent | GroupReleasedEvent | GaspEvent | GuardianEvent
  | PeerStatusEvent | PeerUpEvent | PeerLateEvent | PeerDeadEvent | PeerReturnedEvent | PeerRestartedEvent
  | LinkEvent | MessageEvent | StallEvent | OverflowEvent | HistoryFullEvent | InterfaceEvent
  | AddressLostEvent | AddressConflictEvent

export type CoreEvent = { readonly at: Micros } & (
  | BootEvent | EngineEvent | MemberResultEvent | TimerEvent | OperatorEvent | PersistedEvent
  | GenerationRaisedEvent | ConfigChangedEvent | PlanDisarmedEvent | PlanArmedEvent | FenceResultEvent | FenceOrderEvent
  | ArbiterResultEvent | WatchdogChangedEvent | OwnershipRefusedEvent
)
