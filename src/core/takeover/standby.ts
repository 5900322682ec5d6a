// Giving groups to a real heartbeat node, and taking them from it, by its standby protocol.
//
//   A (gives)  not -> me(asked) --other--> me(releasing) --all stopped, sends done--> done(giver) --done--> not
//   B (takes)  not --me--> other --done--> done(taker) --all settled, sends done--> not
// Messages may arrive in any order and a state ignores what it does not expect. `done` leaves only after
// every group of the set is verified stopped: it is the message that permits the other to take.

import type { Context } from '../context.js'
import { seqOf, word } from '../context.js'
import type { Field } from '../types.js'
import type { Group } from './group.js'
import {
  covers, mirrored, sides, whatOf, type Bits, type Side, type What, type World,
} from './world.js'

type State =
  | { readonly name: 'not' }
  | { readonly name: 'asked'; readonly what: What; readonly request: string | null }
  | { readonly name: 'releasing'; readonly what: What; readonly request: string | null }
  | { readonly name: 'other'; readonly what: What }
  | { readonly name: 'done'; readonly role: 'giver' | 'taker'; readonly what: What; readonly request: string | null }

type EndReason = 'finished' | 'no-reply' | 'too-long' | 'peer-dead' | 'peer-restarted' | 'peer-left' | 'blocked' | 'stopping'

/** The part of the resource protocol that the standby machine drives. */
export interface StandbyHost {
  readonly stable: boolean
  readonly otherStable: boolean
  /** The halves this node answers for. */
  readonly mine: Bits
  setMine(side: Side, responsible: boolean): void
  givenAway(what: What, seq: number | null): void
  released(what: What, seq: number | null): void
  report(info: string | null, stable: boolean): void
  /** The peer is told what is held now. */
  standbyEnded(outcome: { readonly finished: boolean }): void
}

const replyUs = 10_000_000
const workUs = 3_600_000_000
/** An answer this late is still taken up, or the peer would wait an hour for our `done`. */
const lateReplyUs = 60_000_000
export const standbyTimer = 'standby'

export class Standby {
  #state: State = { name: 'not' }
  #expired: { what: What; until: number } | null = null
  host: StandbyHost | null = null

  constructor(private readonly ctx: Context, private readonly world: World) {}

  get running(): boolean {
    return this.#state.name !== 'not'
  }

  get snapshot(): { state: 'not' | 'me' | 'other' | 'done'; what: string | null } {
    const state = this.#state
    switch (state.name) {
      case 'not': return { state: 'not', what: null }
      case 'asked': case 'releasing': return { state: 'me', what: state.what }
      case 'other': case 'done': return { state: state.name, what: state.what }
    }
  }

  /** Ask the peer to take `what`. Null: asked; else why not. */
  request(what: What, request: string | null): string | null {
    const { host, world } = this
    if (host === null || this.ctx.config.autoFailback === 'legacy') return 'TB_STANDBY_LEGACY'
    if (world.peer === null || !world.peer.active || world.contested) return 'TB_STANDBY_NO_TARGET'
    if (this.running || !host.stable || !host.otherStable || world.stopping || world.paused) return 'TB_BUSY'
    // What did not start here is not held, but it is ours to give.
    const { mine } = host
    if (!sides.some((side) => covers(what, side) && mine[side])) return 'TB_STANDBY_NOTHING'
    const ordered = this.#ordered(what)
    if (ordered !== null) return ordered
    this.#expired = null
    this.ctx.send('ask_resources', [['rsc_hold', what], ['info', 'me']])
    this.#enter({ name: 'asked', what, request }, replyUs)
    return null
  }

  /** The exchange under which the taker may take this half now; null: none. */
  exchangeFor(side: Side): string | null {
    const state = this.#state
    if (state.name !== 'done' || state.role !== 'taker' || !covers(state.what, side)) return null
    return this.#exchangeId(state.what)
  }

  /** The peer is letting the group go for this node to take. */
  moving(group: Group): boolean {
    const state = this.#state
    const taker = state.name === 'other' || (state.name === 'done' && state.role === 'taker')
    return taker && covers(state.what, this.world.side(group))
  }

  permits(exchange: string): boolean {
    const state = this.#state
    return state.name === 'done' && state.role === 'taker' && exchange === this.#exchangeId(state.what)
  }

  message(t: string, fields: readonly Field[]): void {
    const what = whatOf(word(fields, 'rsc_hold'))
    if (what === null || this.ctx.config.autoFailback === 'legacy' || this.world.stopping) return
    if (t === 'hb_takeover') {
      const refusal = this.request(mirrored(what), null)
      if (refusal !== null) this.#ignore(`hb_takeover ${what}`, refusal)
      return
    }
    switch (word(fields, 'info')) {
      case 'me': return this.#me(mirrored(what))
      case 'other': return this.#other(what)
      case 'done': return this.#done(what, seqOf(fields))
      default: return
    }
  }

  /** An operator wants the groups to stay where they are, whoever asks for them. */
  #ordered(what: What): string | null {
    const reasons = this.world.groupsOf(what).map((group) => this.world.ordered(group.id))
    if (reasons.includes('maintenance')) return 'TB_MAINTENANCE'
    return reasons.some((reason) => reason !== null) ? 'TB_ON_HOLD' : null
  }

  #me(what: What): void {
    const { host } = this
    if (host === null || !host.stable || !host.otherStable) return this.#ignore('me', 'not stable')
    if (this.world.contested || this.world.paused) return this.#ignore('me', 'contested')
    if (this.running) return this.#ignore('me', `busy: ${this.#state.name}`)
    const ordered = this.#ordered(what)
    if (ordered !== null) return this.#ignore('me', ordered)
    this.ctx.send('ask_resources', [['rsc_hold', mirrored(what)], ['info', 'other']])
    this.#enter({ name: 'other', what }, workUs)
  }

  #other(what: What): void {
    const state = this.#state
    const late = state.name === 'not' && this.#expired?.what === what && this.ctx.now <= this.#expired.until
    if (!late && (state.name !== 'asked' || state.what !== what)) return this.#ignore('other', state.name)
    this.#expired = null
    this.#enter({ name: 'releasing', what, request: state.name === 'asked' ? state.request : null }, workUs)
    for (const side of sides) if (covers(what, side)) this.host?.setMine(side, false)
  }

  #done(theirs: What, seq: number | null): void {
    const state = this.#state
    if (state.name === 'done' && state.role === 'giver' && state.what === theirs) {
      this.host?.givenAway(theirs, seq)
      return this.#end('finished')
    }
    if (state.name !== 'other' || state.what !== mirrored(theirs)) return this.#ignore('done', state.name)
    this.host?.released(state.what, seq)
    this.#enter({ name: 'done', role: 'taker', what: state.what, request: null }, workUs)
    for (const side of sides) if (covers(state.what, side)) this.host?.setMine(side, true)
  }

  /** Level, at the end of every step: has the release, or the acquisition, come to its end? */
  advance(): void {
    const state = this.#state
    if (state.name === 'releasing') {
      const groups = this.world.groupsOf(state.what)
      if (groups.some((group) => group.state === 'blocked')) return this.#end('blocked')
      if (groups.some((group) => group.mayHold)) return
      this.host?.report('standby', false)
      this.ctx.send('ask_resources', [['rsc_hold', state.what], ['info', 'done']])
      this.#enter({ name: 'done', role: 'giver', what: state.what, request: state.request }, workUs)
    } else if (state.name === 'done' && state.role === 'taker') {
      const settled = this.world.groupsOf(state.what).every((group) => group.atRest && (group.mayHold || group.failed))
      if (!settled) return
      this.ctx.send('ask_resources', [['rsc_hold', mirrored(state.what)], ['info', 'done']])
      this.#end('finished')
    }
  }

  timeout(): void {
    const state = this.#state
    if (state.name === 'not') return
    if (state.name === 'asked') {
      this.#end('no-reply')
      this.#expired = { what: state.what, until: this.ctx.now + lateReplyUs }
    } else {
      this.#end('too-long')
    }
  }

  cancel(reason: 'peer-dead' | 'peer-restarted' | 'peer-left' | 'stopping'): void {
    this.#expired = null
    if (this.running) this.#end(reason)
  }

  #exchangeId(what: What): string {
    return `standby:${this.world.peer?.generation ?? 0}:${what}`
  }

  #ignore(info: string, why: string): void {
    this.ctx.note('warn', 'standby.ignored', `standby message '${info}' ignored: ${why}`, { info, why })
  }

  #enter(state: Exclude<State, { name: 'not' }>, limitUs: number): void {
    this.#state = state
    this.ctx.timer(standbyTimer, limitUs)
    this.ctx.note('info', `standby.${state.name}`, `standby ${state.what}: ${state.name}`, { what: state.what })
    if ('request' in state && state.request !== null) {
      this.ctx.reply(state.request, false, true, 'ok', `standby ${state.what}: ${state.name}`)
    }
  }

  #end(reason: EndReason): void {
    const state = this.#state
    if (state.name === 'not') return
    this.#state = { name: 'not' }
    this.ctx.cancel(standbyTimer)
    const fine = reason === 'finished'
    this.ctx.note(fine ? 'info' : 'warn', 'standby.ended', `standby ${state.what} ended: ${reason}`, {
      what: state.what, reason, from: state.name,
    })
    if ('request' in state && state.request !== null) {
      const gone = reason === 'peer-dead' || reason === 'peer-left' || reason === 'peer-restarted'
      const code = fine ? 'ok' : reason === 'blocked' ? 'TB_STOP_BLOCKED' : gone ? 'TB_PEER_LOST' : 'TB_STANDBY_NO_REPLY'
      this.ctx.reply(state.request, true, fine, code, `standby ${state.what}: ${reason}`)
    }
    if (reason === 'blocked') {
      // The peer never got `done`: what still runs here is ours and said to be ours.
      for (const side of sides) if (covers(state.what, side)) this.host?.setMine(side, true)
    }
    if (reason !== 'peer-dead' && reason !== 'peer-left' && reason !== 'stopping') {
      this.host?.standbyEnded({ finished: fine })
    }
  }
}

