// What is known of one other node, kept from engine records. A record is a hint: each of them may be
// missing, so every record that shows a generation or a sign of life is enough to see the change.

import type { NodeId } from '../base/ids.js'
import type { EngineEvent } from '../events.js'
import type { PeerKind, PeerSnapshot } from '../types.js'

/** What a record meant; at most one of these per record. */
export type PeerChange = 'none' | 'first' | 'dead' | 'returned' | 'restarted' | 'status'

export class Peer {
  /** As it says itself; `init` before its first status. */
  status = 'init'
  generation = 0
  kind: PeerKind | 'ping'
  heard = false
  /** Judged dead by the engine and not heard since. */
  dead = false
  /** It said `shutdone`: it holds nothing and will not take until it has restarted. */
  left = false
  /** How long it had been silent when it was judged dead. */
  silentUs = 0

  constructor(readonly id: NodeId, kind: 'normal' | 'ping') {
    this.kind = kind === 'ping' ? 'ping' : 'heartbeat'
  }

  get alive(): boolean {
    return this.heard && !this.dead
  }

  /** Alive and taking part, so that it can be talked to about resources. */
  get active(): boolean {
    return this.alive && !this.left && this.status === 'active'
  }

  apply(event: EngineEvent): PeerChange {
    switch (event.type) {
      case 'peer.status': {
        if (this.kind !== 'ping') this.kind = event.twinbeat === null ? 'heartbeat' : 'twinbeat'
        if (event.status === 'dead') return 'none'
        const life = this.#seen(event.generation)
        if (event.status === this.status && life === 'none') return 'none'
        this.status = event.status
        return life === 'none' ? 'status' : life
      }
      case 'peer.up': case 'peer.returned': return this.#seen(event.generation)
      case 'peer.restarted': {
        const life = this.#seen(event.generation)
        if (life === 'restarted') this.status = 'init'
        return life
      }
      case 'peer.dead': {
        if (this.dead || event.generation < this.generation) return 'none'
        this.dead = true
        this.silentUs = event.silentUs
        return 'dead'
      }
      default: return 'none'
    }
  }

  snapshot(holds: PeerSnapshot['holds'], stable: boolean): PeerSnapshot {
    const { id, kind, generation } = this
    return { id, kind, status: this.dead ? 'dead' : this.status, generation, holds, stable }
  }

  #seen(generation: number): PeerChange {
    if (generation < this.generation) return 'none'
    const restarted = generation > this.generation && this.heard
    const first = !this.heard
    const returned = this.heard && this.dead && !restarted
    if (generation > this.generation) this.generation = generation
    this.heard = true
    this.dead = false
    if (restarted) this.left = false
    if (first) return 'first'
    if (restarted) return 'restarted'
    return returned ? 'returned' : 'none'
  }
}
