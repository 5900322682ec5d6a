// Under a lease each node says under which token it owns what it holds. Tokens grow with every owner: one above ours
// proves that our ownership is over, whatever our own clock says, which may have stood still together with the machine.

import type { GroupId } from '../base/ids.js'
import { word, type Context, type Words } from '../context.js'
import type { Field } from '../types.js'
import type { LeaseBook } from './authority-book.js'
import type { StatementNotes } from './claims.js'
import type { World } from './world.js'

const fieldName = 'tb_tokens'

export class LeaseTokens implements StatementNotes {
  readonly asks = false

  constructor(private readonly ctx: Context, private readonly world: World, private readonly lease: LeaseBook) {}

  get stamp(): string {
    return this.#owned().join(' ')
  }

  words(): Words {
    return this.ctx.config.protection === 'lease' ? [[fieldName, this.stamp]] : []
  }

  heard(fields: readonly Field[]): void {
    for (const part of (word(fields, fieldName) ?? '').split(' ')) {
      const match = /^([0-9]{1,15}):(.+)$/.exec(part)
      if (match === null) continue
      const id = match[2] as GroupId
      const ours = this.lease.ownership(id)
      if (ours !== null && Number(match[1]) > ours.token) {
        this.lease.refused(id, ours.token, `${this.world.peer?.id ?? 'the peer'} owns it with the later token ${match[1] ?? ''}`)
      }
    }
  }

  #owned(): string[] {
    return [...this.world.groups.values()].flatMap((group) => {
      const ownership = group.mayHold ? this.lease.ownership(group.id) : null
      return ownership === null ? [] : [`${ownership.token}:${group.id}`]
    })
  }
}
