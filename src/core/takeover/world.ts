// The facts that several machines decide on: who we are, who the peer is, which groups there are, and the
// flags that forbid every take. No machine keeps its own copy of these.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { Peer } from '../membership/peers.js'
import type { HoldWord } from '../types.js'
import { ClaimEpochs } from './claim-epochs.js'
import type { Group } from './group.js'

/** The two halves of haresources, always seen from here. */
export type Side = 'local' | 'foreign'
export interface Bits { readonly local: boolean; readonly foreign: boolean }
export type What = 'all' | 'local' | 'foreign'

export const noBits: Bits = { local: false, foreign: false }
export const allBits: Bits = { local: true, foreign: true }

export function bitsOf(word: string | null): Bits | null {
  switch (word) {
    case 'none': return noBits
    case 'local': return { local: true, foreign: false }
    case 'foreign': return { local: false, foreign: true }
    case 'all': return allBits
    default: return null
  }
}

export function wordOf(bits: Bits): HoldWord {
  if (bits.local) return bits.foreign ? 'all' : 'local'
  return bits.foreign ? 'foreign' : 'none'
}

export function whatOf(word: string | null): What | null {
  return word === 'all' || word === 'local' || word === 'foreign' ? word : null
}

/** The same groups as the other node names them. */
export function mirrored(what: What): What {
  return what === 'all' ? 'all' : what === 'local' ? 'foreign' : 'local'
}

export const covers = (what: What, side: Side): boolean => what === 'all' || what === side
export const sides: readonly Side[] = ['local', 'foreign']

/** What operators can order about a group. */
export type Order = 'on-hold' | 'maintenance'

export class World {
  readonly groups = new Map<GroupId, Group>()
  /** The other normal node; null when there is none at all. */
  peer: Peer | null = null
  pings: Peer[] = []
  /** Announced `active`: takes part. */
  joined = false
  /** An operator's stop runs, or the daemon is about to be replaced. */
  stopping = false
  /** We slept longer than the others waited: everything is released, then a new conversation begins. */
  paused = false
  /** Terminal: nothing more is decided in this life. */
  halted = false
  /** The peer came back from the dead with its old generation and the outcome is open. */
  contested = false
  /** The guardian is gone: nothing is armed or taken until there is a new one. */
  unguarded = false
  /** The peer was heard since this machine booted, by this life of the daemon or an earlier one. */
  peerSeen = false
  /** What an earlier life left running is dealt with as far as it must be before this node says a word. */
  leftoversDecided = true
  /** Groups that could be taken here if only they were owned; filled anew in every round. */
  readonly wanted = new Set<GroupId>()
  readonly epochs = new ClaimEpochs()

  /** What an operator ordered about this group (on hold, maintenance): it is not moved and not looked after. */
  ordered: (id: GroupId) => Order | null = () => null

  /** By the peer's own word its interface for this group is down, or has only just come back. */
  peerUnfit: (id: GroupId) => boolean = () => false
  /** The interface of this group is down here, and not at the peer, by its own word. */
  betterThere: (id: GroupId) => boolean = () => false

  constructor(readonly ctx: Context) {}

  side(group: Group): Side {
    return group.home === this.ctx.config.self ? 'local' : 'foreign'
  }

  /** Of our claim, or the greatest that is known of others'. */
  claimEpoch(group: Group): number {
    return group.mayHold && group.claimEpoch > 0 ? group.claimEpoch : this.epochs.known(group.id)
  }

  groupsOf(what: What): Group[] {
    return [...this.groups.values()].filter((group) => covers(what, this.side(group)))
  }

  /** As operators name them: all, local, foreign or a group's key; null: there is no such group. */
  named(what: string): readonly Group[] | null {
    const set = whatOf(what)
    if (set !== null) return this.groupsOf(set)
    const group = [...this.groups.values()].find((candidate) => candidate.id === what)
    return group === undefined ? null : [group]
  }

  get probed(): boolean {
    return [...this.groups.values()].every((group) => group.state !== 'unknown')
  }

  /** No action under way in these groups. */
  quiet(what: What): boolean {
    return this.groupsOf(what).every((group) => group.atRest)
  }

  /** Nobody else can hold or take: judged dead, said farewell, or not configured. */
  get alone(): boolean {
    return this.peer === null || this.peer.dead || this.peer.left
  }

  get peerIsTwinbeat(): boolean {
    return this.peer?.kind === 'twinbeat'
  }
}
