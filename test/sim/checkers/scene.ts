// What a checker may look at, and how it says that something is wrong.

import type { NodeId } from '../../../src/core/base/ids.js'
import type { GroupConfig, Protection } from '../../../src/core/types.js'
import type { Flaw } from '../page.js'
import type { SimNode } from '../node.js'

/** A violation ends the run with the name of its checker. */
export type CheckerName =
  | 'one-holder' // under fence or lease no two machines ever run a member of one group
  | 'single-holder' // two nodes that hear each other never both run a member of one group
  | 'heal' // after a heal both hold an address for at most one second
  | 'authority' // no start without an authority that stands, in the world and not only in the words
  | 'probe-first' // no start without a look
  | 'truthful' // nothing is said to be released that runs
  | 'last-words' // a gasp tells of a group that was held by exactly that life and is verified gone
  | 'guardian' // nobody removes what a newer daemon has
  | 'dropped-for-nobody' // a healthy node lets go by itself only for somebody who can take
  | 'exchange-ends-once'
  | 'plan-ends-once' // each epoch is armed once, and fired or taken back at most once
  | 'tokens' // every change of owner has a higher token
  | 'epochs' // a claim is above every one that was made or heard before it
  | 'one-verdict' // after a partition the two nodes do not both let go
  | 'deadline' // no ownership is believed to last longer than the arbiter, or a promise, lets it
  | 'stale-plan' // no plan is carried out on another interface than it was made for
  | 'held-back' // nothing is armed or taken while an operator forbids it
  | 'boot' // a machine that has just booted takes nothing that it does not know to be free
  | 'detection' // a dead peer is noticed, a live one is not judged dead
  | 'wake' // who slept too long lets go of its addresses within one second
  | 'bounded'
  | 'liveness'
  | 'invariant'

export class Violation extends Error {
  constructor(readonly checker: CheckerName, readonly at: number, detail: string) {
    super(`${checker} at ${(at / 1e6).toFixed(6)} s: ${detail}`)
  }
}

export interface Scene {
  now(): number
  readonly mode: Protection
  readonly nodes: readonly SimNode[]
  readonly groups: readonly GroupConfig[]
  readonly flaws: ReadonlySet<Flaw>
  /** Both daemons live, are awake and consider each other alive over whole paths. */
  together(): boolean
  /** A node is reached by nobody: neither by its peer nor by the arbiter. */
  cutOff(): boolean
  /** When one of the nodes was last let through to the other again. */
  readonly mendedAt: number
  /** Nothing can be promised: a device lies, or a machine stood still without noticing. */
  readonly excused: 'no' | 'lying-device' | 'hidden-pause'
  /** The arbiter's own knowledge. */
  /** When the last of what lets this node own the group ends, in the time of the world. */
  ownedUntil(group: string, node: SimNode, token: number): number
  owner(group: string): { readonly node: NodeId; readonly token: number } | null
}
