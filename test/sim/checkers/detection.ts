// Silence and life: what reached a node's sockets, against what its engine makes of it.

import type { Status } from '../engine.js'
import type { SimEvent } from '../events.js'
import type { SimNode } from '../node.js'
import { Violation, type Scene } from './scene.js'

interface Heard { readonly generation: number; readonly seq: number; readonly at: number; readonly deadtimeUs: number }

const slackUs = 1_500_000

export class DetectionCheckers {
  readonly #heard: [Heard | null, Heard | null] = [null, null]
  readonly #awakeSince: [number, number] = [0, 0]

  constructor(private readonly scene: Scene) {}

  /** A heartbeat arrived at this node's socket: the first copy of a newest one is a sign of life. */
  arrived(node: SimNode, status: Status): void {
    const last = this.#heard[node.index]
    const { generation, seq, deadtimeUs } = status
    if (last !== null && (generation < last.generation || (generation === last.generation && seq <= last.seq))) return
    this.#heard[node.index] = { generation, seq, at: node.clock.now, deadtimeUs }
  }

  /** A new life, a new boot, or the end of a standstill. */
  awake(node: SimNode): void {
    this.#awakeSince[node.index] = node.clock.now
    if (node.engine?.peerHeard !== true) this.#heard[node.index] = null
  }

  record(node: SimNode, event: SimEvent): void {
    if (event.type !== 'peer.dead') return
    const heard = this.#heard[node.index]
    if (heard === null || event.generation === 0 || heard.generation !== event.generation) return
    const silentUs = node.clock.now - heard.at
    if (silentUs < Math.min(heard.deadtimeUs, node.config.timing.deadtimeUs) - 1) {
      this.#fail(`${node.id} judges the peer dead, ${silentUs} us after its heartbeat lay in the socket`)
    }
  }

  /** Now and then. */
  look(): void {
    for (const node of this.scene.nodes) {
      const heard = this.#heard[node.index]
      const { engine } = node
      if (engine === null || engine.frozen || node.clock.hidden || !engine.peerHeard || engine.peerDead || heard === null) continue
      const since = Math.max(heard.at, this.#awakeSince[node.index])
      const limitUs = Math.max(heard.deadtimeUs, engine.limitUs)
      if (node.clock.now - since > limitUs + slackUs) this.#fail(`${node.id} has not noticed that the peer is silent`)
    }
  }

  #fail(detail: string): never {
    throw new Violation('detection', this.scene.now(), detail)
  }
}
