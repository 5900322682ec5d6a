// A machine that has just booted does not know whether its peer runs everything behind a cut cable: it waits until it
// has seen the peer once, or holds a lease. An operator who has looked at the other machine may say otherwise.
// Said for this life of the daemon only, and without meaning once the peer is heard.

import type { Context } from '../context.js'
import type { World } from '../takeover/world.js'

export class StartAlone {
  #allowed = false

  constructor(private readonly ctx: Context, private readonly world: World) {}

  get allowed(): boolean {
    return this.#allowed
  }

  request(id: string): void {
    const { peer } = this.world
    if (peer === null) return this.ctx.reply(id, true, true, 'ok', 'there is no other node: nothing to allow')
    if (peer.alive) {
      return this.ctx.reply(id, true, false, 'TB_PEER_SEEN', `${peer.id} is alive: the two agree on who takes what`)
    }
    const before = this.#allowed
    this.#allowed = true
    if (!before) {
      this.ctx.note('warn', 'node.start-alone', `an operator says that this node may start without having seen ${peer.id}`, {
        peer: peer.id, request: id,
      })
    }
    const wait = peer.dead ? '' : ` once ${peer.id} has been silent for initdead`
    this.ctx.reply(id, true, true, 'ok', `this node may take its groups alone${wait}; 'twinbeat status' shows what it takes`)
  }

  /** From here on the two agree with each other again. */
  peerSeen(): void {
    this.#allowed = false
  }
}
