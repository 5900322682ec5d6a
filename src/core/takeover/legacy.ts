// auto_failback legacy beside a real heartbeat node: groups are asked for one by one.
//
// A node that becomes active asks for each group of its own; the other gives the group up if it runs it,
// and answers in any case. The answer leaves only after the group is verified stopped: it permits the take.

import type { GroupId } from '../base/ids.js'
import { word, type Context } from '../context.js'
import type { Authority, Field } from '../types.js'
import type { Door } from './authorise.js'
import type { Group } from './group.js'
import type { World } from './world.js'

/** The original asks once; messages are reliable, but the other node may have restarted in between. */
const askAgainUs = 5_000_000
export const legacyTimer = 'legacy.ask'

export class Legacy {
  readonly #asked = new Set<GroupId>()
  readonly #answered = new Set<GroupId>()
  /** Groups the peer asked for, and whether we ran them. */
  readonly #owed = new Map<GroupId, boolean>()

  door: Door | null = null

  constructor(private readonly ctx: Context, private readonly world: World) {}

  get rules(): boolean {
    return this.ctx.config.autoFailback === 'legacy' && !this.world.peerIsTwinbeat
  }

  peerChanged(): void {
    this.#asked.clear()
    this.#answered.clear()
    this.#owed.clear()
  }

  message(t: string, fields: readonly Field[]): void {
    const key = word(fields, 'ipaddr')
    if (key === null || this.world.stopping || this.world.paused) return
    const group = [...this.world.groups.values()].find((candidate) => candidate.id === key)
    if (t === 'ip-request') return this.#request(key, group)
    if (t !== 'ip-request-resp' || group === undefined) return
    if (word(fields, 'dest') !== this.ctx.config.self || word(fields, 'ok') !== 'OK') return
    if (this.#asked.has(group.id)) this.#answered.add(group.id)
  }

  #request(key: string, group: Group | undefined): void {
    if (group === undefined) return this.#respond(key, false)
    this.#asked.delete(group.id)
    this.#answered.delete(group.id)
    this.#owed.set(group.id, group.mayHold)
    group.give('ip-request')
  }

  askAgain(): void {
    this.#asked.clear()
  }

  /** After a partition that the peer did not notice: what was taken from it goes back to it. */
  yieldForeign(): void {
    for (const group of this.world.groupsOf('foreign')) group.give('heal-yield')
  }

  /** Level, while the peer lives. */
  reconcile(): void {
    const { world } = this
    for (const [id, owned] of this.#owed) {
      if (world.groups.get(id)?.mayHold === true) continue
      this.#owed.delete(id)
      this.#respond(id, owned)
    }
    if (!world.joined || world.stopping || world.paused || world.contested || world.peer?.active !== true) return
    for (const group of world.groups.values()) this.#reconcileGroup(group)
  }

  #reconcileGroup(group: Group): void {
    const { peer } = this.world
    if (peer === null || (group.state !== 'stopped' && group.state !== 'found') || group.failed || group.retired) return
    if (this.world.side(group) === 'foreign') return group.give('claimed-by-peer')
    if (this.#answered.has(group.id)) {
      this.#asked.delete(group.id)
      this.#answered.delete(group.id)
      const authority: Authority = { kind: 'agreed', peer: peer.id, peerGeneration: peer.generation }
      if (this.door?.take(group, { authority, reason: 'ip-request' }) !== true) this.#answered.add(group.id)
    } else if (!this.#asked.has(group.id) && !this.#owed.has(group.id)) {
      this.#asked.add(group.id)
      this.ctx.send('ip-request', [['ipaddr', group.id]])
      this.ctx.timer(legacyTimer, askAgainUs)
    }
  }

  #respond(key: string, owned: boolean): void {
    const { peer } = this.world
    if (peer === null || !peer.alive) return
    this.ctx.send('ip-request-resp', [
      ['dest', peer.id], ['ipaddr', key], ['weown', owned ? 'yes' : 'no'], ['ok', 'OK'],
    ])
  }
}
