// What engine and guardian are told of every group, so that they can let go of it when this process cannot. Said
// whenever it changes: that a group may be held before the first act of its take, that it is not after the last stop.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { Group } from './group.js'
import type { World } from './world.js'

export class HoldingBook {
  readonly #said = new Map<GroupId, string>()

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    /** A live peer said that it could take the group. */
    private readonly peerReady: (group: Group) => boolean,
  ) {}

  /** The engine took the group by itself, perhaps after it was told last: it waits to hear that this is known. */
  again(id: GroupId): void {
    this.#said.delete(id)
  }

  /** Once at the end of every step. */
  commit(): void {
    for (const group of this.world.groups.values()) {
      const holding = {
        group: group.id, held: group.mayHold, claimEpoch: group.claimEpoch,
        peerReady: group.mayHold && this.peerReady(group), agentBusy: group.agentBusy, leaving: this.#leaves(group),
      }
      const text = JSON.stringify(holding)
      if (this.#said.get(group.id) === text) continue
      this.#said.set(group.id, text)
      this.ctx.holding(holding)
    }
    for (const id of [...this.#said.keys()]) if (!this.world.groups.has(id)) this.#said.delete(id)
  }

  /** A node that stops takes nothing back; with an arbiter the other one has to ask that first. */
  #leaves(group: Group): boolean {
    return this.world.stopping && group.state === 'giving' && group.lettingGo && group.addressOnly &&
      this.ctx.config.protection !== 'lease'
  }
}
