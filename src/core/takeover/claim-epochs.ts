// Claim epochs: a number that grows with every change of owner of a group, over both nodes. Whoever takes uses one
// more than the greatest that it ever said or heard. Within a life that is remembered; across lives it grows with the
// generation, which is reserved on disk before a life begins. So no take has to wait for a disk.

import type { GroupId } from '../base/ids.js'

/** More changes of owner than one life can see; generations, which are seconds, leave room for it in 53 bits. */
const epochsPerGeneration = 262_144

export class ClaimEpochs {
  readonly #known = new Map<GroupId, number>()
  #base = 0

  /** A life begins, or the same process begins a new conversation. */
  begin(generation: number): void {
    this.#base = Math.max(this.#base, generation * epochsPerGeneration)
  }

  /** The greatest that was said or heard. */
  known(id: GroupId): number {
    return Math.max(this.#known.get(id) ?? 0, this.#base)
  }

  learn(id: GroupId, epoch: number): void {
    this.#known.set(id, Math.max(epoch, this.known(id)))
  }

  /** For a new owner. */
  next(id: GroupId): number {
    const epoch = this.known(id) + 1
    this.#known.set(id, epoch)
    return epoch
  }
}
