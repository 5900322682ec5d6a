// What a daemon finds running of an earlier life. `accept`: the peer speaks first, as ever. `fence`: a daemon that was
// only restarted keeps what runs completely; if nobody can hear its claim, the fence ends it. `lease`: kept only when
// the arbiter confirms that the ownership is still ours, else stopped before this node says a word.

import type { LeaseBook } from './authority-book.js'
import type { Group } from './group.js'
import type { Handover } from './handover.js'
import type { World } from './world.js'

/** Facts with this beginning are forgotten when the machine itself was restarted. */
export const lifeKey = 'boot:life'
export const seenKey = 'boot:seen'

export class Leftovers {
  /** This is not the first life of the daemon since the machine booted. */
  #restarted = false

  constructor(
    private readonly world: World,
    private readonly parts: { readonly lease: LeaseBook; readonly handover: Handover },
  ) {}

  boot(persisted: Readonly<Record<string, string>>): void {
    const { ctx } = this.world
    if (ctx.config.protection === 'accept') return
    this.#restarted = persisted[lifeKey] !== undefined
    this.world.peerSeen = persisted[seenKey] !== undefined
    ctx.persist(lifeKey, `${ctx.generation}`)
  }

  peerHeard(): void {
    const { ctx } = this.world
    if (this.world.peerSeen) return
    this.world.peerSeen = true
    if (ctx.config.protection !== 'accept') ctx.persist(seenKey, '1')
  }

  found(group: Group): void {
    if (this.world.ctx.config.protection !== 'fence' || group.state !== 'found') return
    if (this.#restarted && group.complete && !this.parts.handover.busy(group.id)) group.adopt()
  }

  /** Level. */
  advance(): void {
    if (this.world.ctx.config.protection !== 'lease') return
    let open = false
    for (const group of this.world.groups.values()) {
      const owned = this.parts.lease.ownership(group.id) !== null
      if (group.state === 'found') open = this.#judge(group, owned) || open
      else if (group.leftBehind && group.mayHold && group.state !== 'blocked' && !owned) open = true
      else if ((group.state === 'held' || group.state === 'taking') && group.begun && !owned && !this.parts.lease.confirming(group.id)) {
        group.give('lease-lost')
      }
    }
    this.world.leftoversDecided = !open
  }

  /** True: not decided yet. */
  #judge(group: Group, owned: boolean): boolean {
    if (this.parts.lease.confirming(group.id)) return true
    if (!owned) group.give('lease-lost')
    else if (group.complete) {
      group.adopt()
      group.lookAgain()
    }
    return !owned
  }
}
