// Two directions, each with its own loss, delay and cuts. Heartbeats and last words are lost when they are
// lost, and may come a second time much later; messages are asked for again, so that they arrive late and out
// of order, as long as the path and both lives last.

import type { Prng } from '../../src/core/base/prng.js'
import type { Clock } from './clock.js'

export interface Path {
  cut: boolean
  lossPercent: number
}

interface Waiting {
  readonly deliver: () => void
  readonly alive: () => boolean
}

const rexmitMinUs = 50_000
const rexmitMaxUs = 300_000
/** A copy that stood in a queue. */
const lateCopyUs = 4_000_000

export class Network {
  readonly paths: [Path, Path] = [{ cut: false, lossPercent: 0 }, { cut: false, lossPercent: 0 }]
  duplicatePercent = 0
  /** When a direction was last let through again. */
  mendedAt = 0
  #waiting: [Waiting[], Waiting[]] = [[], []]

  constructor(private readonly clock: Clock, private readonly prng: Prng) {}

  get whole(): boolean {
    return !this.paths[0].cut && !this.paths[1].cut
  }

  /** One packet, without a number that could be asked for again. */
  datagram(from: 0 | 1, deliver: () => void, how = { lateCopyPercent: this.duplicatePercent }): void {
    const path = this.paths[from]
    if (path.cut || this.prng.below(100) < path.lossPercent) return
    this.clock.after(this.#delay(), deliver)
    if (this.duplicatePercent > 0 && this.prng.below(100) < how.lateCopyPercent) {
      this.clock.after(this.#delay() + this.prng.below(lateCopyUs), deliver)
    }
  }

  /** `alive`: both ends still are the lives that sent and will receive it. */
  message(from: 0 | 1, deliver: () => void, alive: () => boolean): void {
    const waiting = { deliver, alive }
    this.#try(from, waiting)
    if (this.prng.below(100) < this.duplicatePercent) this.#try(from, waiting)
  }

  set(from: 0 | 1, change: Partial<Path>): void {
    Object.assign(this.paths[from], change)
    if (change.cut !== false) return
    this.mendedAt = this.clock.now
    for (const waiting of this.#waiting[from].splice(0)) {
      this.clock.after(this.prng.below(rexmitMaxUs), () => { this.#try(from, waiting) })
    }
  }

  get queued(): number {
    return this.#waiting[0].length + this.#waiting[1].length
  }

  #try(from: 0 | 1, waiting: Waiting): void {
    if (!waiting.alive()) return
    const path = this.paths[from]
    if (path.cut) {
      this.#waiting[from].push(waiting)
    } else if (this.prng.below(100) < path.lossPercent) {
      this.clock.after(rexmitMinUs + this.prng.below(rexmitMaxUs), () => { this.#try(from, waiting) })
    } else {
      this.clock.after(this.#delay(), () => { if (waiting.alive()) waiting.deliver() })
    }
  }

  #delay(): number {
    return 100 + this.prng.below(this.prng.below(10) === 0 ? 20_000 : 1000)
  }
}
