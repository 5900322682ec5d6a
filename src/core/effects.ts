// Everything the core can order, and in which order the effects of one step are applied.

import type { GroupId, Micros, NodeId } from './base/ids.js'
import type { Authority, Field } from './types.js'

/** Send to everybody (or to field `dest`). The engine adds src srcuuid seq hg ts ld ttl auth. */
export interface SendEffect { readonly type: 'send'; readonly fields: readonly Field[] }

/**
 * Announce this status from now on, and once at once. `deadtimeExtraUs` is added to the announced dt.
 * `active` also ends the start handshake: from then on each node's own dead time counts, not initdead.
 */
export interface StatusEffect {
  readonly type: 'status'
  readonly st: 'init' | 'up' | 'active'
  readonly deadtimeExtraUs: number
}

/**
 * Run one action; answered by exactly one `member.result` with the same call. Of one group at most one
 * is in flight. Every `start` carries its authority; the runner must refuse a start without one.
 */
export interface MemberRunEffect {
  readonly type: 'member.run'
  readonly call: number
  readonly group: GroupId
  /** Definition that the order is about; during a reload two of one group are known. */
  readonly digest: string
  readonly member: string
  readonly action: 'probe' | 'start' | 'stop' | 'monitor'
  readonly authority: Authority | null
}

/**
 * End the action of this call now: what it does must not delay the release of what the peer holds as well. Its
 * `member.result` comes as of any failed action; a call that has ended already is left alone.
 */
export interface MemberAbortEffect {
  readonly type: 'member.abort'
  readonly call: number
  readonly group: GroupId
  readonly member: string
}

/** One timer per key: setting it again moves it. `at` may lie in the past. */
export interface TimerSetEffect { readonly type: 'timer.set'; readonly key: string; readonly at: Micros }
export interface TimerCancelEffect { readonly type: 'timer.cancel'; readonly key: string }

/** Write durably (null: forget), then answer `persisted`. */
export interface PersistEffect { readonly type: 'persist'; readonly key: string; readonly value: string | null }

/** One log line. `event` is `noun.past`, `details` are the numbers behind the sentence. */
export interface NoteEffect {
  readonly type: 'note'
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly text: string
  readonly details: Readonly<Record<string, string | number | boolean | null>>
}

/** Progress (`done` false) or the end of an operator's request. `code` is `ok` or TB_AREA_PROBLEM. */
export interface ReplyEffect {
  readonly type: 'reply'
  readonly id: string
  readonly done: boolean
  readonly ok: boolean
  readonly code: string
  readonly text: string
}

/** Begin a new conversation: sequence from 1 with a higher generation; answered by `generation.raised`. */
export interface GenerationRaiseEffect { readonly type: 'generation.raise' }

/**
 * End of this life. `stop`: everything is released and said. `restart`: resources stay, a new daemon
 * adopts them. `reset`: a member did not stop; the machine must go down so that the peer may take over.
 */
export interface HaltEffect {
  readonly type: 'halt'
  readonly how: 'stop' | 'reset' | 'restart'
  readonly reason: string
}

/** Arm the group's plan in its slot (the shell knows the steps). Only `plan-book.ts` emits plan effects. */
export interface PlanArmEffect {
  readonly type: 'plan.arm'
  readonly group: GroupId
  readonly digest: string
  readonly epoch: number
  /** `peer-dead`: goes off by itself as soon as the engine holds this incarnation of the peer for dead. */
  readonly condition: 'staged' | 'peer-dead'
  readonly peerGeneration: number
  /** Goes off by itself on the peer's last words about the claim with this epoch; 0: it does not. */
  readonly gaspEpoch: number
  readonly needsOwnership: boolean
}
/** Answered by `plan.disarmed`, which is fed before anything else. */
export interface PlanDisarmEffect { readonly type: 'plan.disarm'; readonly group: GroupId; readonly epoch: number }
/** Answered by exactly one `plan.fired` or `plan.withheld`, also when it has gone off by itself already. */
export interface PlanFireEffect {
  readonly type: 'plan.fire'
  readonly group: GroupId
  readonly epoch: number
  readonly authority: Authority
}

/** What is true of a group now, for engine and guardian: they let go by it when this process cannot. */
export interface HoldingEffect {
  readonly type: 'holding'
  readonly group: GroupId
  readonly held: boolean
  readonly claimEpoch: number
  /** A live peer said that it could take this group. */
  readonly peerReady: boolean
  readonly agentBusy: boolean
  /** This node ends: the engine lets go by itself, and says so. */
  readonly leaving: boolean
}

/** The engine refuses every take of the group from `deadlineAt` on, and releases it; null: no ownership any more. */
export interface OwnershipEffect {
  readonly type: 'ownership'
  readonly group: GroupId
  readonly token: number
  readonly deadlineAt: Micros | null
}

/** Run one order of a fencing device; answered by exactly one `fence.result` with the same call. */
export interface FenceRunEffect {
  readonly type: 'fence.run'
  readonly call: number
  readonly device: string
  readonly action: 'off' | 'on' | 'reboot' | 'status'
  readonly target: NodeId
  readonly timeoutUs: number
}

/** One line of the history of fencing; the shell adds the time of day. */
export interface FenceRecordEffect {
  readonly type: 'fence.record'
  readonly target: NodeId
  readonly action: 'off' | 'reboot' | 'confirm'
  readonly outcome: 'confirmed' | 'failed' | 'withdrawn'
  readonly devices: string
  /** Who wanted it: `cluster`, or an operator. */
  readonly by: string
  readonly reason: string
  readonly text: string
  readonly tookUs: Micros
}

/** One request to the arbiter; answered by exactly one `arbiter.result` with the same call. */
export interface ArbiterRunEffect {
  readonly type: 'arbiter.run'
  readonly call: number
  readonly group: GroupId
  readonly action: 'acquire' | 'look' | 'renew' | 'release' | 'confirm'
  /** Of the ownership that is renewed, released or confirmed; null: none. */
  readonly token: number | null
}

export type Effect =
  | PlanArmEffect | PlanDisarmEffect | PlanFireEffect | HoldingEffect | OwnershipEffect | FenceRunEffect | FenceRecordEffect
  | ArbiterRunEffect
  | SendEffect | StatusEffect | MemberRunEffect | MemberAbortEffect | TimerSetEffect | TimerCancelEffect | PersistEffect
  | NoteEffect | ReplyEffect | GenerationRaiseEffect | HaltEffect

const urgent: ReadonlySet<Effect['type']> = new Set(['plan.disarm', 'plan.arm', 'plan.fire', 'ownership', 'fence.run'])

/**
 * Whoever carries out the effects of one step begins with these: what the engine acts upon, and what the next step hangs on,
 * goes before what the peer, the disk and people are told; in its own order. A plan is armed only for a group at whose
 * addresses nothing is done in the same step.
 */
export const isUrgent = (effect: Effect): boolean => urgent.has(effect.type) || (effect.type === 'holding' && effect.held)
