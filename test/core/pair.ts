// A stage beside a twinbeat peer that agrees with everything: alpha holds `web`, the peer holds `db`.

import { nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig } from '../../src/core/types.js'
import { FakeBooks } from './books.js'
import { Slots } from './slots.js'
import { pairConfig, second, Stage } from './stage.js'

export class Pair extends Stage {
  n = 0
  readonly books: FakeBooks
  /** Both nodes have one. */
  readonly watchdog: boolean

  constructor(
    config: CoreConfig = pairConfig(),
    how: { readonly slots?: boolean; readonly books?: FakeBooks; readonly watchdog?: boolean } = {},
  ) {
    const books = how.books ?? new FakeBooks()
    super(config, 20_000, config.protection === 'accept' && how.books === undefined ? {} : books)
    this.books = books
    if (how.slots === true) this.slots = new Slots()
    this.watchdog = how.watchdog ?? config.protection === 'lease'
    this.boot()
    if (this.watchdog) this.feed({ type: 'watchdog.changed', timeoutUs: 5 * second })
    this.peerStatus('active', 100, '1')
    this.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
    this.claim('n0:web h1:db')
    this.run(second)
    this.claim('n0:web h1:db')
    this.run(second)
  }

  get #generation(): string {
    return `${this.core.snapshot().generation}`
  }

  /** `more`: fields of the statement beside the words. */
  claim(text: string, generation = 100, more: Readonly<Record<string, string>> = {}): void {
    this.n += 1
    const ack = this.sent('tb_claims').at(-1)?.['tb_n'] ?? '0'
    this.say({
      t: 'tb_claims', tb_gen: `${generation}`, tb_peer: this.#generation, tb_n: `${this.n}`, tb_ack: ack, tb_ask: '0',
      tb_groups: text, ...(this.watchdog ? { tb_watchdog: `${5 * second}` } : {}), ...more,
    })
  }

  tell(op: string, x: string, group = 'web', generation = 100, more: Readonly<Record<string, string>> = {}): void {
    this.say({
      t: 'tb_handover', tb_op: op, tb_x: x, tb_group: group, tb_gen: `${generation}`, tb_peer: this.#generation,
      tb_n: `${this.n}`, ...more,
    })
  }

  dead(generation = 100): void {
    this.feed({ type: 'peer.dead', node: nodeId('beta'), generation, silentUs: 10 * second, links: [] }, 'engine: beta dead')
  }

  ops(): string[] {
    return this.sent('tb_handover').map((message) => `${message['tb_op']} ${message['tb_group']}`)
  }

  starts(): string[] {
    return this.trace.flatMap((line) => /run (start .+)$/.exec(line)?.[1] ?? [])
  }

  group(id: string): ReturnType<Stage['core']['snapshot']>['groups'][number] {
    const group = this.core.snapshot().groups.find((one) => one.id === id)
    if (group === undefined) throw new Error(`no group ${id}`)
    return group
  }
}
