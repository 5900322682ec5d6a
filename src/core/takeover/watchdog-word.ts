// What each node says of its watchdog, and what follows from it under a lease. Services run on when their daemon is
// gone; only the watchdog of their machine ends them then, and it does so before the ownership can be anybody else's:
// a guardian does not pet it beyond the end of an ownership less the watchdog's own time.
//
//   said    by a node in its statements: the time of its watchdog while its guardian pets it, else 0
//   counts  for exactly the life that said it: once the ownership of such a node has ended, its services have too
// A life that nobody heard may have no watchdog. So a node without one takes services only while the other node knows
// that it has none, and waits for no reset when it dies.

import type { GroupId } from '../base/ids.js'
import type { Context, Words } from '../context.js'
import type { WatchdogChangedEvent } from '../events.js'
import type { Field, GroupSnapshot } from '../types.js'
import type { StatementNotes } from './claims.js'
import type { Group } from './group.js'
import { numberOf } from './statement.js'
import type { World } from './world.js'

/** Of the statements: the number of our newest one, and whether the live peer answered in knowledge of one. */
export interface StatementView {
  readonly number: number
  knows(n: number): boolean
}

const fieldName = 'tb_watchdog'
/** Between the last petting and the reset: the timer of the device is coarse. The guardian keeps the same. */
export const petMarginUs = 1_000_000

export class WatchdogWord implements StatementNotes {
  /** 0: there is none, or it is not petted. */
  #timeoutUs = 0
  #said: { readonly generation: number; readonly timeoutUs: number; readonly n: number } | null = null
  #theirs: { readonly generation: number; readonly timeoutUs: number } | null = null

  constructor(private readonly ctx: Context, private readonly world: World, private readonly statements: StatementView) {}

  changed(event: WatchdogChangedEvent): void {
    this.#timeoutUs = event.timeoutUs ?? 0
  }

  get #matters(): boolean {
    return this.ctx.config.protection === 'lease'
  }

  // --------------------------------------------------------------------------------------------- statements

  get stamp(): string {
    return this.#matters ? `${this.#timeoutUs}` : ''
  }

  get asks(): boolean {
    return this.#matters && this.#timeoutUs === 0 && this.world.peerIsTwinbeat && !this.#peerKnows()
  }

  words(): Words {
    if (!this.#matters) return []
    const said = this.#said
    const { generation } = this.ctx
    const n = this.statements.number
    // Statements are numbered anew when the peer became another kind of node.
    const same = said?.generation === generation && said.timeoutUs === this.#timeoutUs && said.n <= n
    if (!same) this.#said = { generation, timeoutUs: this.#timeoutUs, n }
    return [[fieldName, `${this.#timeoutUs}`]]
  }

  /** Only of the life that is known, and only its newest statement. */
  heard(fields: readonly Field[]): void {
    const { peer } = this.world
    if (peer !== null) this.#theirs = { generation: peer.generation, timeoutUs: numberOf(fields, fieldName) ?? 0 }
  }

  // ---------------------------------------------------------------------------------------------- decisions

  /** Services of the peer's present life have ended when its ownership of them has. */
  endsServices(): boolean {
    const { peer } = this.world
    return peer !== null && this.#theirs?.generation === peer.generation && this.#theirs.timeoutUs > 0
  }

  /** Why this node may not begin to hold the group; null: it may. */
  withheld(group: Group): string | null {
    const { peer } = this.world
    if (!this.#matters || group.addressOnly || peer === null || this.#timeoutUs > 0) return null
    // A real heartbeat goes by its own rules.
    if (peer.heard && peer.kind === 'heartbeat') return null
    return this.#peerKnows() ? null : 'watchdog'
  }

  #peerKnows(): boolean {
    const said = this.#said
    if (said?.generation !== this.ctx.generation || said.timeoutUs !== 0) return false
    return this.world.peer?.alive === true && this.statements.knows(said.n)
  }
}

/**
 * The watchdog may be opened and petted when every group with services is stopped here, or owned for long enough: until
 * then what an earlier life left running is only ended by the watchdog that this one would keep from it. A group of which
 * that is not true; null: there is none.
 */
export function servicesUnaccounted(
  groups: readonly Pick<GroupSnapshot, 'id' | 'state' | 'members' | 'lease'>[],
  how: { readonly now: number; readonly stopBudgetUs: number; readonly timeoutUs: number },
): GroupId | null {
  const open = groups.find(({ state, members, lease }) => {
    if (state === 'stopped' || members.every((member) => member.kind === 'address')) return false
    const deadlineAt = lease?.state === 'owned' ? lease.deadlineAt ?? 0 : 0
    return deadlineAt + how.stopBudgetUs - how.timeoutUs - petMarginUs <= how.now
  })
  return open?.id ?? null
}
