// The way into the cluster: init -> up -> active.
//
//   boot: status init, up at once.
//   up:   until every configured node, ping nodes too, was heard or declared dead, and our own groups
//         are probed. Then ask one live normal node for its node list, every second until it answers;
//         a real node that gets no answer itself never becomes active, so reqnodes is answered at any time.
//   active: announced once. With nobody alive it is announced without asking.

import type { Field } from '../types.js'
import { word, type Context } from '../context.js'
import type { World } from '../takeover/world.js'

type State =
  | { readonly name: 'idle' }
  | { readonly name: 'listening' }
  | { readonly name: 'asking'; readonly asked: number }
  | { readonly name: 'active' }

type Reason = 'boot' | 'generation-raised' | 'everybody-heard' | 'nodelist-received' | 'nobody-else'

const askAgainUs = 1_000_000
export const joinTimer = 'join'

export class Join {
  #state: State = { name: 'idle' }

  constructor(private readonly ctx: Context, private readonly world: World) {}

  get status(): 'init' | 'up' | 'active' {
    return this.#state.name === 'active' ? 'active' : this.#state.name === 'idle' ? 'init' : 'up'
  }

  start(reason: 'boot' | 'generation-raised'): void {
    this.world.joined = false
    this.ctx.status('init')
    this.ctx.status('up')
    this.#enter({ name: 'listening' }, reason)
  }

  /** Called at the end of every step: true exactly when the node became active in it. */
  advance(): boolean {
    const { world } = this
    if (this.#state.name !== 'listening' && this.#state.name !== 'asking') return false
    if (!world.probed || !world.leftoversDecided || world.paused || world.halted) return false
    const { peer } = world
    const others = peer === null ? world.pings : [...world.pings, peer]
    if (!others.every((other) => other.heard || other.dead)) return false
    if (peer === null || !peer.alive || peer.left) return this.#activate('nobody-else')
    if (this.#state.name === 'listening') {
      this.#enter({ name: 'asking', asked: 0 }, 'everybody-heard')
      this.ask()
    }
    return false
  }

  ask(): void {
    const peer = this.world.peer
    if (this.#state.name !== 'asking' || peer === null || !peer.alive) return
    this.#state = { name: 'asking', asked: this.#state.asked + 1 }
    this.ctx.send('reqnodes', [['dest', peer.id]])
    this.ctx.timer(joinTimer, askAgainUs)
  }

  /** True when this answer made the node active. */
  message(t: string, from: string, fields: readonly Field[]): boolean {
    if (t === 'reqnodes') {
      const names = this.ctx.config.nodes.filter((node) => node.kind === 'normal').map((node) => `${node.id} `)
      this.ctx.send('repnodes', [['dest', from], ['nodelist', names.join('')], ['delnodelist', ' ']])
      return false
    }
    if (t !== 'repnodes' || this.#state.name !== 'asking') return false
    const theirs = (word(fields, 'nodelist') ?? '').split(' ').filter((name) => name !== '').sort()
    const ours = this.ctx.config.nodes.filter((node) => node.kind === 'normal').map((node) => `${node.id}`).sort()
    if (theirs.join(' ') !== ours.join(' ')) {
      this.ctx.note('warn', 'nodelist.differs', `${from} names other nodes than ha.cf here: ${theirs.join(' ')}`, {
        peer: from, theirs: theirs.join(' '), ours: ours.join(' '),
      })
    }
    return this.#activate('nodelist-received')
  }

  #activate(reason: Reason): boolean {
    this.ctx.cancel(joinTimer)
    this.world.joined = true
    this.ctx.status('active')
    this.#enter({ name: 'active' }, reason)
    return true
  }

  #enter(state: State, reason: Reason): void {
    this.#state = state
    this.ctx.note('info', `join.${state.name}`, `start handshake: ${state.name} (${reason})`, { reason })
  }
}
