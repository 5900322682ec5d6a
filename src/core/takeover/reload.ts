// A new configuration while groups run. What did not change is not touched; what changed is let go under its
// old definition first, and only then looked at under the new one. A group that was held here is taken again
// in place, without a word in between that would invite the peer to take it.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { CoreConfig, GroupConfig } from '../types.js'
import type { Group } from './group.js'
import type { World } from './world.js'

interface Pending {
  /** The new definition; null: the group is gone. */
  readonly definition: GroupConfig | null
  readonly retake: boolean
}

export interface ReloadHost {
  /** A new definition, to be looked at before anything is decided. */
  add(config: GroupConfig): void
  /** On its way to the peer, or the peer has not let go of it, nor of what an earlier life left there. */
  mayBeElsewhere(group: Group): boolean
  /** Being taken by a hand-over, which ends with this refusal: from then on it is the peer's again. */
  comesFromPeer(group: Group): boolean
  /** Take it under the authority of having held it; false: not yet. */
  retake(group: Group): boolean
  /** The group is stopped and gone from the configuration. */
  removed(id: GroupId): void
}

export class Reload {
  /** Groups to be let go first. */
  readonly #pending = new Map<GroupId, Pending>()
  /** New groups wait for the old ones: an address may have moved from one to the other. */
  readonly #waiting = new Map<GroupId, GroupConfig>()
  /** Held before under their old definition, being looked at under the new one. */
  readonly #retake = new Set<GroupId>()

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly host: ReloadHost,
  ) {}

  apply(config: CoreConfig): void {
    const after = new Map(config.groups.map((group) => [group.id, group]))
    const monitored = new Set(this.ctx.config.monitors.map((monitor) => monitor.group))
    this.ctx.config = config
    this.#waiting.clear()
    for (const group of this.world.groups.values()) this.#compare(group, after.get(group.id) ?? null)
    for (const [id, definition] of after) if (!this.world.groups.has(id)) this.#waiting.set(id, definition)
    for (const monitor of config.monitors) {
      if (!monitored.has(monitor.group)) this.ctx.timer(`monitor:${monitor.group}`, monitor.everyUs)
    }
  }

  #compare(group: Group, definition: GroupConfig | null): void {
    if (!group.retired && definition?.digest === group.config.digest) return
    const before = this.#pending.get(group.id)
    const retake = before?.retake ?? (group.state === 'held' || (group.state === 'taking' && !this.host.comesFromPeer(group)))
    this.#pending.set(group.id, { definition, retake: retake && definition !== null })
    if (group.retired) return
    group.retired = true
    group.give('removed')
    this.ctx.note('info', 'group.redefined', `${group.id}: ${definition === null ? 'removed' : 'changed'} by a reload`, { group: group.id })
  }

  /** Level: once the old one is verified stopped, the new one is looked at. */
  advance(): void {
    for (const [id, { definition, retake }] of this.#pending) {
      const group = this.world.groups.get(id)
      if (group !== undefined && group.mayHold) continue
      this.#pending.delete(id)
      this.world.groups.delete(id)
      if (definition === null) {
        this.host.removed(id)
        continue
      }
      if (retake) this.#retake.add(id)
      this.host.add(definition)
    }
    const letting = [...this.#pending.keys()].some((id) => this.world.groups.get(id)?.state !== 'blocked')
    if (!letting) {
      for (const definition of this.#waiting.values()) this.host.add(definition)
      this.#waiting.clear()
    }
    for (const id of this.#retake) this.#takeAgain(id)
  }

  /** The restart in place of a group that we never ceased to answer for. */
  #takeAgain(id: GroupId): void {
    const group = this.world.groups.get(id)
    if (group?.state === 'unknown') return
    if (group === undefined || !this.#mayTakeAgain(group) || this.host.retake(group)) this.#retake.delete(id)
  }

  #mayTakeAgain(group: Group): boolean {
    const { world } = this
    if (group.state !== 'stopped' && group.state !== 'found') return false
    if (world.stopping || world.paused || world.halted || world.contested || !world.joined) return false
    return !this.host.mayBeElsewhere(group)
  }
}
