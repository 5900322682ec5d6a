// A group whose stop failed stays where it is until an operator says that he has ended by hand what did not stop.
// His word is not enough: every member is looked at, and only a group of which nothing runs is free again.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { Group, Outcome } from '../takeover/group.js'

export class Unblock {
  readonly #asked = new Map<GroupId, string>()

  constructor(private readonly ctx: Context) {}

  request(id: string, group: Group): void {
    if (group.state !== 'blocked') {
      return this.ctx.reply(id, true, false, 'TB_NOT_BLOCKED', `${group.id} is not blocked: it is ${group.state}`)
    }
    if (this.#asked.has(group.id)) return this.ctx.reply(id, true, false, 'TB_BUSY', `${group.id} is being looked at already`)
    this.#asked.set(group.id, id)
    this.ctx.note('warn', 'group.unblocking', `${group.id}: an operator says that nothing of it runs here: looking`, {
      group: group.id, request: id,
    })
    this.ctx.reply(id, false, true, 'ok', `${group.id}: looking at every member`)
    group.unblock()
  }

  groupSettled(group: Group, outcome: Outcome): void {
    const id = this.#asked.get(group.id)
    if (id === undefined) return
    this.#asked.delete(group.id)
    if (outcome === 'unblocked') {
      return this.ctx.reply(id, true, true, 'ok', `${group.id} is stopped here and free again: the nodes decide who takes it`)
    }
    const left = group.members.filter((member) => member.state !== 'stopped')
    const words = left.map((member) => `${member.id} ${member.state}${member.text === '' ? '' : ` (${member.text})`}`)
    this.ctx.reply(id, true, false, 'TB_STILL_RUNNING', `${group.id} stays blocked: ${words.join(', ') || group.state}`)
  }

  /** The group left the configuration, or this life ends. */
  forget(id: GroupId): void {
    const request = this.#asked.get(id)
    this.#asked.delete(id)
    if (request !== undefined) this.ctx.reply(request, true, false, 'TB_UNKNOWN_GROUP', `${id} is not configured any more`)
  }
}
