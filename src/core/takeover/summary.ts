// One line at the end of every takeover: what set it off, when the peer was last heard on each link, under
// which authority, and how long it took. Watches, decides nothing.
//
// A takeover is all groups that are taken for one reason before the last of them has come to rest.

import type { GroupId, Micros, NodeId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { Authority } from '../types.js'
import type { Group, Outcome, TakeReason } from './group.js'

export interface Death {
  readonly peer: NodeId
  readonly silentUs: number
  readonly links: readonly { readonly name: string; readonly silentUs: number }[]
}

interface Takeover {
  readonly reason: TakeReason
  readonly authority: Authority
  readonly decidedAt: Micros
  readonly groups: Map<GroupId, Outcome | null>
}

const ms = (us: number): number => Math.round(us / 1000)

export class TakeoverSummary {
  readonly #open = new Map<TakeReason, Takeover>()
  #death: { readonly death: Death; readonly at: Micros } | null = null

  constructor(private readonly ctx: Context) {}

  peerDead(death: Death): void {
    this.#death = { death, at: this.ctx.now }
  }

  taking(group: Group, authority: Authority, reason: TakeReason): void {
    for (const other of this.#open.values()) {
      if (other.reason !== reason && other.groups.delete(group.id)) this.#finish(other)
    }
    const open = this.#open.get(reason) ?? { reason, authority, decidedAt: this.ctx.now, groups: new Map<GroupId, null>() }
    open.groups.set(group.id, null)
    this.#open.set(reason, open)
  }

  settled(group: Group, outcome: Outcome): void {
    for (const open of this.#open.values()) {
      if (open.groups.get(group.id) !== null) continue
      open.groups.set(group.id, outcome)
      this.#finish(open)
    }
  }

  #finish(open: Takeover): void {
    if ([...open.groups.values()].includes(null)) return
    this.#open.delete(open.reason)
    if (open.groups.size === 0) return
    const named = (held: boolean): string =>
      [...open.groups].filter(([, outcome]) => (outcome === 'held') === held).map(([id]) => id).join(' ')
    const held = named(true)
    const missed = named(false)
    const decisionMs = ms(this.ctx.now - open.decidedAt)
    const last = open.authority.kind === 'accept' ? this.#death : null
    const silent = last === null || last.death.links.length === 0 ? null : last.death.silentUs
    const heartbeatMs = last === null || silent === null ? null : ms(this.ctx.now - last.at + silent)
    const deadMs = last === null ? null : ms(this.ctx.now - last.at)
    const heard = last === null ? null
      : last.death.links.map((link) => `${link.name} ${ms(link.silentUs)} ms`).join(', ') || 'never'
    const since = deadMs === null ? ''
      : `, ${deadMs} ms after the death was declared` +
        (heartbeatMs === null ? '; never heard' : `, ${heartbeatMs} ms after the last heartbeat (silent then: ${heard})`)
    this.ctx.note(missed === '' ? 'info' : 'warn', 'takeover.done',
      `${held === '' ? 'nothing' : held} taken (${open.reason}) by authority ${open.authority.kind}: ` +
      `${decisionMs} ms after the decision${since}${missed === '' ? '' : `; not held: ${missed}`}`, {
        trigger: open.reason, authority: open.authority.kind, held, missed, lastHeard: heard,
        sinceDecisionMs: decisionMs, sinceHeartbeatMs: heartbeatMs, sinceDeathMs: deadMs,
      })
  }
}
