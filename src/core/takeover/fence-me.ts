// `stop_failure fence`: a member that does not stop makes this node ask the other one to fence it, because only a
// device can prove that what runs here has ended. If the other node cannot, this machine resets itself in time; what
// is not proven either way is never started elsewhere.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import { word } from '../context.js'
import type { Field } from '../types.js'
import type { AuthorityBooks } from './authority-book.js'
import type { Group } from './group.js'
import { numberOf } from './statement.js'
import type { World } from './world.js'

export const fenceMeMessage = 'tb_fence_me'
export const fenceMeTimer = 'fence-me'

export class FenceMe {
  /** The life of the peer that asked, and the group that does not stop there. */
  #asked: { readonly generation: number; readonly group: GroupId } | null = null

  constructor(private readonly ctx: Context, private readonly world: World, private readonly books: AuthorityBooks) {}

  /** A group is blocked here for good. */
  ask(group: Group): void {
    const { peer, peerIsTwinbeat } = this.world
    const { protection, handoverWaitUs } = this.ctx.config
    if (protection !== 'fence' || peer === null || !peer.active || !peerIsTwinbeat) return this.#reset(group)
    this.ctx.send(fenceMeMessage, [
      ['dest', peer.id], ['tb_gen', `${this.ctx.generation}`], ['tb_peer', `${peer.generation}`], ['tb_group', group.id],
    ])
    this.ctx.timer(`${fenceMeTimer}:${group.id}`, handoverWaitUs)
    this.ctx.note('error', 'fence.begged', `${group.id} does not stop: ${peer.id} is asked to fence this machine`, {
      group: group.id, peer: peer.id,
    })
  }

  /** Nobody did. */
  due(id: GroupId): void {
    const group = this.world.groups.get(id)
    if (group?.state === 'blocked') this.#reset(group)
  }

  #reset(group: Group): void {
    this.world.halted = true
    this.ctx.halt('reset', `${group.id} cannot be stopped`)
  }

  message(fields: readonly Field[]): void {
    const { peer } = this.world
    const group = this.world.groups.get((word(fields, 'tb_group') ?? '') as GroupId)
    if (peer === null || group === undefined || this.ctx.config.protection !== 'fence') return
    if (numberOf(fields, 'tb_gen') !== peer.generation || numberOf(fields, 'tb_peer') !== this.ctx.generation) return
    if (this.#asked?.generation === peer.generation) return
    this.#asked = { generation: peer.generation, group: group.id }
    this.ctx.note('error', 'fence.asked', `${peer.id} asks to be fenced: ${group.id} does not stop there`, {
      group: group.id, peer: peer.id,
    })
  }

  /** Level: as long as that life of the peer may run. */
  advance(): void {
    const { peer } = this.world
    if (this.#asked === null || peer === null) return
    const { generation, group } = this.#asked
    if (peer.generation !== generation || peer.left || this.books.fencing.confirmed(peer.id, generation)) this.#asked = null
    else this.books.fencing.request(peer.id, generation, group)
  }
}
