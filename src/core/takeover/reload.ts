// A reload: groups that are new, gone or defined differently. What did not change does not move.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { CoreConfig, GroupConfig } from '../types.js'
import type { World } from './world.js'

export class Reload {
  /** Groups to be let go first; the new definition, or null for none. */
  readonly #pending = new Map<GroupId, GroupConfig | null>()

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly add: (config: GroupConfig) => void,
  ) {}

  apply(config: CoreConfig): void {
    const before = new Map(this.ctx.config.groups.map((group) => [group.id, JSON.stringify(group)]))
    const after = new Map(config.groups.map((group) => [group.id, group]))
    const monitored = new Set(this.ctx.config.monitors.map((monitor) => monitor.group))
    this.ctx.config = config
    for (const group of this.world.groups.values()) {
      const definition = after.get(group.id) ?? null
      if (definition !== null && JSON.stringify(definition) === before.get(group.id)) continue
      this.#pending.set(group.id, definition)
      group.retired = true
      group.give('removed')
      this.ctx.note('info', 'group.redefined', `${group.id}: ${definition === null ? 'removed' : 'changed'} by a reload`, { group: group.id })
    }
    for (const [id, definition] of after) if (!this.world.groups.has(id)) this.add(definition)
    for (const monitor of config.monitors) {
      if (!monitored.has(monitor.group)) this.ctx.timer(`monitor:${monitor.group}`, monitor.everyUs)
    }
  }

  /** Level: once the old one is verified stopped, the new one is looked at. */
  advance(): void {
    for (const [id, definition] of this.#pending) {
      const group = this.world.groups.get(id)
      if (group !== undefined && group.mayHold) continue
      this.#pending.delete(id)
      this.world.groups.delete(id)
      if (definition !== null) this.add(definition)
    }
  }
}
