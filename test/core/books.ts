// Fencing, leases and holds as a test plays them.

import type { GroupId, NodeId } from '../../src/core/base/ids.js'
import { micros } from '../../src/core/base/ids.js'
import {
  noFencing, noHolds, noLease, type FencingBook, type HoldBook, type LeaseBook, type Ownership,
} from '../../src/core/takeover/authority-book.js'

export class FakeBooks {
  /** `NODE GENERATION` that a device has confirmed. */
  readonly off = new Set<string>()
  /** `NODE GENERATION GROUP` as asked for. */
  readonly requests = new Set<string>()
  readonly owned = new Map<string, Ownership>()
  readonly wanted = new Set<string>()
  readonly confirming = new Set<string>()
  readonly held = new Map<string, string>()
  /** Keys that stand in the arbiter, owned or not. */
  readonly keys = new Set<string>()
  startAlone = false
  /** The arbiter does not answer this node. */
  silent = false

  readonly fencing: FencingBook = {
    ...noFencing,
    confirmed: (peer: NodeId, generation: number) => this.off.has(`${peer} ${generation}`),
    request: (peer: NodeId, generation: number, group: GroupId) => { this.requests.add(`${peer} ${generation} ${group}`) },
  }

  /** Ownerships by which nobody may act any more. */
  readonly refused: string[] = []
  readonly lease: LeaseBook

  readonly holds: HoldBook

  constructor() {
    const isAlone = (): boolean => this.startAlone
    const isSilent = (): boolean => this.silent
    this.lease = {
      ...noLease,
      ownership: (group: GroupId) => this.owned.get(group) ?? null,
      confirming: (group: GroupId) => this.confirming.has(group),
      want: (group: GroupId, wanted: boolean) => {
        if (wanted) this.wanted.add(group)
        else this.wanted.delete(group)
      },
      gone: (group: GroupId) => !this.keys.has(group),
      refused: (group: GroupId, token: number) => { this.refused.push(`${group} ${token}`) },
      get healthy() { return !isSilent() },
    }
    this.holds = {
      ...noHolds,
      withheld: (group: GroupId) => this.held.get(group) ?? null,
      get startAlone() { return isAlone() },
    }
  }

  own(group: string, token = 7, deadlineAt = Number.MAX_SAFE_INTEGER): void {
    this.owned.set(group, { token, deadlineAt: micros(deadlineAt) })
    this.keys.add(group)
  }

  lose(group: string): void {
    this.owned.delete(group)
    this.keys.delete(group)
  }
}
