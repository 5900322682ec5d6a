// The peer's last words about one group: its daemon is dead, its guardian (or its engine, at a lapse) has removed the
// addresses and seen that they are gone. Of a group with services only a guardian that has ended them, and seen that
// too, has any. Authority for exactly that claim of exactly that life, once; anything that does not match word for word
// is only noted, and the group waits for what it would have waited for anyway.
//
// Services take longer to end than addresses, so these words may come when the peer has been judged dead already. What
// they prove stays true of that life: under a lease the group then waits for the ownership only.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { GaspEvent } from '../events.js'
import type { Authority } from '../types.js'
import type { Door } from './authorise.js'
import type { Claims } from './claims.js'
import type { Group } from './group.js'
import type { Handover } from './handover.js'
import type { World } from './world.js'

export class LastWords {
  #used = new Set<string>()
  /** Acted upon, but the arbiter has to be asked first. */
  readonly #waiting = new Map<GroupId, Authority>()
  /** By group, the life of the peer that ended and took the services of the group with it. */
  readonly #ended = new Map<GroupId, number>()

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly parts: {
      readonly claims: Claims; readonly handover: Handover; readonly door: Door
      /** A group of the peer is here now because of its end: beside a real heartbeat it goes home by the standby protocol. */
      readonly tookForeign: () => void
    },
  ) {}

  heard(event: GaspEvent): void {
    const { peer } = this.world
    // Whoever says them is dead, or silent for good: nothing of ours is let go for its sake.
    if (peer?.id === event.node && peer.generation === event.generation) this.parts.claims.lifeEnded(event.generation)
    const group = this.world.groups.get(event.group)
    const mismatch = group === undefined ? 'unknown-group' : this.#mismatch(group, event)
    const refusal = mismatch ?? (group === undefined ? null : this.#unfit(group))
    const said = { group: event.group, peer: event.node, claimEpoch: event.claimEpoch }
    if (refusal !== null || group === undefined) {
      // One copy comes on every link.
      if (refusal === 'used') return
      // True of the peer, whatever forbids a take here now.
      if (mismatch === null && group !== undefined) this.#ended.set(group.id, event.generation)
      return this.ctx.note('warn', 'gasp.refused', `${event.group}: last words of ${event.node} are not acted upon: ${refusal}`, {
        ...said, reason: refusal,
      })
    }
    this.#used.add(this.#key(event))
    this.ctx.note('warn', 'gasp.heard', `${group.id}: last words of ${event.node}: nothing of it is left there`, said)
    this.parts.claims.gasped(group.id, event.claimEpoch)
    this.#ended.set(group.id, event.generation)
    const authority: Authority = {
      kind: 'gasp', peer: event.node, peerGeneration: event.generation, claimEpoch: event.claimEpoch,
    }
    this.parts.claims.takenAlone(group.id)
    this.parts.handover.returnsHome(group.id, event.generation)
    if (this.world.side(group) === 'foreign') this.parts.tookForeign()
    // In lease mode it only says that the arbiter can be asked now: the ownership itself still has to end.
    if (this.ctx.config.protection === 'lease') this.#waiting.set(group.id, authority)
    else this.parts.door.take(group, { authority, reason: 'gasp' })
  }

  /** Level. */
  advance(): void {
    for (const [id, authority] of this.#waiting) {
      const { peer } = this.world
      const group = this.world.groups.get(id)
      const over = authority.kind !== 'gasp' || peer?.alive !== true || peer.generation !== authority.peerGeneration
      if (group === undefined || over || this.#unfit(group) !== null) this.#waiting.delete(id)
      else this.parts.door.take(group, { authority, reason: 'gasp' })
    }
  }

  /** Nothing of the group runs on at the present life of the peer, dead or not: that life has ended. */
  endedAtPeer(group: Group): boolean {
    const { peer } = this.world
    return peer !== null && this.#ended.get(group.id) === peer.generation
  }

  #key(event: GaspEvent): string {
    return `${event.generation} ${event.claimEpoch} ${event.group}`
  }

  #mismatch(group: Group, event: GaspEvent): string | null {
    const { peer } = this.world
    if (peer === null || peer.id !== event.node) return 'unknown-node'
    if (this.#used.has(this.#key(event))) return 'used'
    if (peer.kind !== 'twinbeat') return 'not-a-twinbeat-node'
    if (peer.generation !== event.generation) return 'another-incarnation'
    if (group.config.digest !== event.digest) return 'another-definition'
    if (!this.parts.claims.believes(group.id, event.generation, event.claimEpoch)) return 'not-that-claim'
    return this.parts.handover.busy(group.id) ? 'handed-over' : null
  }

  #unfit(group: Group): string | null {
    const { world } = this
    if (!world.joined || world.stopping || world.paused || world.halted) return 'not-taking-part'
    if (world.contested) return 'contested'
    if (group.state !== 'stopped' || group.failed || group.retired) return `group-is-${group.failed ? 'failed' : group.state}`
    return this.parts.door.forbidden(group)
  }
}
