// After a partition beside a real heartbeat node. It notices our old generation, gives everything up and
// restarts itself: we keep our generation and what we hold, and expect its `shutdone` within three seconds.
// If nothing comes, it never held us for dead and still runs what we took: then we yield.

import type { Context } from '../context.js'
import type { World } from './world.js'

type State =
  | { readonly name: 'none' }
  | { readonly name: 'expecting' }
  /** The peer announced its shutdown; its stop scripts take as long as they take. */
  | { readonly name: 'announced' }

export type HealReason = 'peer-left' | 'peer-restarted' | 'peer-dead' | 'yielded' | 'settled'

const expectUs = 3_000_000
const announcedUs = 120_000_000
export const healTimer = 'heal'

export class Heal {
  #state: State = { name: 'none' }

  constructor(private readonly ctx: Context, private readonly world: World) {}

  returned(): void {
    this.world.contested = true
    this.#enter({ name: 'expecting' }, expectUs)
  }

  /** The real node says that it gives everything up. */
  shutdownAnnounced(): void {
    if (this.#state.name === 'expecting') this.#enter({ name: 'announced' }, announcedUs)
  }

  get waiting(): boolean {
    return this.#state.name !== 'none'
  }

  end(reason: HealReason): void {
    this.world.contested = false
    if (this.#state.name === 'none') return
    this.#state = { name: 'none' }
    this.ctx.cancel(healTimer)
    this.ctx.note(reason === 'yielded' ? 'warn' : 'info', 'partition.settled', `after the partition: ${reason}`, { reason })
  }

  #enter(state: State, limitUs: number): void {
    this.#state = state
    this.ctx.timer(healTimer, limitUs)
    this.ctx.note('warn', `partition.${state.name}`, 'the peer was not dead: a partition has healed', { state: state.name })
  }
}
