// The words of one group's executor: why it takes and lets go, what becomes of it, and the states it can be in.

import type { MemberConfig, MemberSnapshot } from '../types.js'

/** `waits`: what has begun stands still and is asked for again, instead of being let go. */
export interface Withheld { readonly withheld: string; readonly waits?: true }

export type GiveReason =
  | 'standby' | 'handover' | 'stop' | 'paused' | 'heal-lost' | 'heal-yield' | 'start-failed' | 'withheld'
  | 'left-behind' | 'claimed-by-peer' | 'monitor-failed' | 'ip-request' | 'removed' | 'not-responsible'
  | 'lease-lost' | 'released-by-engine' | 'guardian-lost'
export type TakeReason =
  | 'own-group' | 'peer-dead' | 'peer-left' | 'standby' | 'handover' | 'agreed' | 'ip-request' | 'refused'
  | 'adopted' | 'repair' | 'redefined' | 'operator' | 'orphan' | 'responsible' | 'gasp'

/** What became of the last order; told once, when the group comes to rest. */
export type Outcome =
  | 'probed' | 'held' | 'stopped' | 'start-failed' | 'withheld' | 'blocked' | 'monitor-failed' | 'unblocked'

export type GroupState =
  | { readonly name: 'unknown'; readonly index: number; readonly doubt: boolean }
  | { readonly name: 'stopped' }
  | { readonly name: 'found' }
  | { readonly name: 'taking'; readonly index: number; readonly phase: 'probe' | 'start' | 'plan' }
  | { readonly name: 'held' }
  | {
      readonly name: 'giving'
      readonly index: number
      /** Leftmost member to stop; above 0 only for a restart in place. */
      readonly floor: number
      /** A restart in place: take again afterwards instead of resting. */
      readonly retake: boolean
      /** The peer has the group, or is about to: the addresses leave at once. */
      readonly addressesFirst: boolean
      readonly tries: number
      readonly phase: 'stop' | 'check' | 'wait'
      readonly outcome: Outcome
    }
  /** `probe`: the member being looked at, because the operator says that the group is clean. */
  | { readonly name: 'blocked'; readonly probe: number | null }

export interface Member extends MemberConfig {
  state: MemberSnapshot['state']
  text: string
}

/** The peer holds the group as well, or the right to hold it has ended: addresses leave before anything slow. */
export const disputedReasons: ReadonlySet<GiveReason> = new Set([
  'heal-lost', 'heal-yield', 'paused', 'claimed-by-peer', 'lease-lost', 'released-by-engine',
])
