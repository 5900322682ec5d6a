// This node slept longer than the others waited for it: they hold it for dead and may have taken everything.
// Release first, then begin a new conversation with a higher generation, which a real heartbeat takes for
// a clean restart; the old generation would make it restart itself.

import type { Context } from '../context.js'
import type { World } from './world.js'

export class Pause {
  #asked = false

  constructor(private readonly ctx: Context, private readonly world: World) {}

  begin(us: number): void {
    if (this.world.paused) return
    this.world.paused = true
    this.#asked = false
    this.ctx.note('error', 'node.paused', `this node slept ${Math.round(us / 1000)} ms, longer than the others wait`, { us })
    for (const group of this.world.groups.values()) group.give('paused')
  }

  /** Level: once nothing is held any more (or what is left cannot be stopped), speak again as a new life. */
  advance(): void {
    if (!this.world.paused || this.#asked) return
    const groups = [...this.world.groups.values()]
    if (groups.some((group) => group.mayHold && group.state !== 'blocked')) return
    this.#asked = true
    this.ctx.raiseGeneration()
  }

  end(): void {
    this.world.paused = false
    this.#asked = false
  }
}
