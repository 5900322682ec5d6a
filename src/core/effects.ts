// Everything the core can order. The shell applies the effects of one step in order.

import type { GroupId, Micros } from './base/ids.js'
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

export type Effect =
  | SendEffect | StatusEffect | MemberRunEffect | TimerSetEffect | TimerCancelEffect | PersistEffect
  | NoteEffect | ReplyEffect | GenerationRaiseEffect | HaltEffect
