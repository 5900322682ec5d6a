// Two cores on two stages that hear each other: what one says the other is told a millisecond later.
import { nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig } from '../../src/core/types.js'
import { fieldsOf, pairConfig, second, Stage } from './stage.js'

const tickUs = 5000
/** Every stage boots with it. */
const generation = 7

export class Duo {
  alpha: Stage
  beta: Stage
  cut = false
  readonly #read = new Map<Stage, number>()

  constructor(private readonly change: Partial<CoreConfig> = {}) {
    this.alpha = this.#stage('alpha')
    this.beta = this.#stage('beta')
  }

  #stage(self: string): Stage {
    return new Stage(pairConfig({ ...this.change, self: nodeId(self) }))
  }

  /** Both boot, hear each other and settle: each holds its own group. */
  start(): this {
    this.alpha.boot()
    this.beta.boot()
    this.#hear(this.alpha, 'beta', generation)
    this.#hear(this.beta, 'alpha', generation)
    this.run(5 * second)
    return this
  }

  #hear(stage: Stage, node: string, at: number): void {
    const status = (st: string): void => {
      stage.feed({
        type: 'peer.status', node: nodeId(node), status: st, generation: at, deadtimeUs: 10 * second, twinbeat: '1',
      })
    }
    status('up')
    status('active')
  }

  other(stage: Stage): Stage {
    return stage === this.alpha ? this.beta : this.alpha
  }

  nameOf(stage: Stage): string {
    return stage === this.alpha ? 'alpha' : 'beta'
  }

  run(us: number): void {
    for (let left = us; left > 0; left -= tickUs) {
      this.alpha.run(tickUs)
      this.beta.run(tickUs)
      this.#deliver(this.alpha, this.beta)
      this.#deliver(this.beta, this.alpha)
    }
  }

  #deliver(from: Stage, to: Stage): void {
    const said = from.messages.slice(this.#read.get(from) ?? 0)
    this.#read.set(from, from.messages.length)
    if (this.cut || from.halted || to.halted) return
    for (const message of said) {
      if (message['dest'] !== undefined && message['dest'] !== this.nameOf(to)) continue
      to.feed({ type: 'message', from: nodeId(this.nameOf(from)), fields: fieldsOf(message), link: 'eth0' })
    }
  }

  /** One daemon dies; the other's engine says so after the dead time. */
  kill(stage: Stage): void {
    stage.halted = true
    const survivor = this.other(stage)
    survivor.feed({
      type: 'peer.dead', node: nodeId(this.nameOf(stage)), generation, silentUs: 10 * second,
      links: [{ name: 'eth0', silentUs: 10 * second }],
    })
  }

  /** A new life of a node that was killed, with what it had written; nothing of it runs. */
  revive(name: 'alpha' | 'beta'): void {
    const old = this[name]
    const next = this.#stage(name)
    next.now = this.other(old).now
    this.#read.delete(old)
    this[name] = next
    const later = generation + 1
    next.feed({ type: 'boot', generation: later, persisted: { ...old.facts } })
    next.run(second / 2)
    const survivor = name === 'alpha' ? this.beta : this.alpha
    survivor.run(second / 2)
    survivor.feed({ type: 'peer.restarted', node: nodeId(name), generation: later })
    this.#hear(survivor, name, later)
    this.#hear(next, this.nameOf(survivor), generation)
    this.run(5 * second)
  }

  get states(): string {
    return `alpha: ${this.alpha.states()}; beta: ${this.beta.states()}`
  }
}
