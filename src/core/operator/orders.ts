// What operators forbid and permit: holds, maintenance, a start without the peer, the end of a block. The others ask
// only `withheld` before anything is armed or taken, and `startAlone` at boot.
//
// Holds and maintenance are written down before they are confirmed, and said to a twinbeat peer in every statement,
// so that both nodes obey whichever of them was told. A real heartbeat knows neither: it is refused what it asks for,
// and free to do what it does by itself.

import type { GroupId } from '../base/ids.js'
import { word, type Context, type Words } from '../context.js'
import type { OperatorEvent } from '../events.js'
import type { PeerChange } from '../membership/peers.js'
import type { HoldBook } from '../takeover/authority-book.js'
import { numberOf } from '../takeover/statement.js'
import type { Group, Outcome } from '../takeover/group.js'
import type { Order, World } from '../takeover/world.js'
import type { Field } from '../types.js'
import { SharedHolds } from './hold.js'
import { Maintenance, maintenanceMaxUs } from './maintenance.js'
import { StartAlone } from './start-alone.js'
import { Unblock } from './unblock.js'

interface Waiting {
  readonly id: string
  readonly about: 'holds' | 'maintenance'
  readonly groups: readonly GroupId[]
  readonly text: string
  readonly next: string
  written: boolean
}

export interface OrderHost {
  /** An offer of this group that nothing was done about yet is taken back. */
  withdraw(group: Group): void
  /** Number of our newest statement. */
  statementNumber(): number
  /** The group is on its way from one node to the other: it arrives, or it would be nowhere. */
  moving(group: Group): boolean
}

const holdsKey = 'holds'
/** Carries a moment of the machine's clock, which starts anew with every boot. */
const maintenanceKey = 'boot:maintenance'
/** A peer that hears us answers a statement within a few round trips. */
const peerWaitUs = 3_000_000
const waitingMax = 32

export class Orders implements HoldBook {
  readonly #holds: SharedHolds
  readonly #maintenance = new Maintenance()
  readonly #alone: StartAlone
  readonly #unblock: Unblock
  #waiting: Waiting[] = []
  #inMaintenance = false
  /** What was last said to the peer, and the statement in which it was said first. */
  #said = { stamp: '', n: 0 }
  host: OrderHost | null = null

  constructor(private readonly ctx: Context, private readonly world: World) {
    this.#holds = new SharedHolds((id) => world.groups.has(id) || ctx.config.groups.some((group) => group.id === id))
    this.#alone = new StartAlone(ctx, world)
    this.#unblock = new Unblock(ctx)
  }

  // --------------------------------------------------------------------------------------------- views

  get startAlone(): boolean {
    return this.#alone.allowed
  }

  /** What is left of the maintenance; null: there is none. */
  get maintenanceLeftUs(): number | null {
    const until = this.#maintenance.until(this.ctx.now)
    return until === null ? null : until - this.ctx.now
  }

  get inMaintenance(): boolean {
    return this.#maintenance.until(this.ctx.now) !== null
  }

  onHold(id: GroupId): boolean {
    return this.#holds.has(id)
  }

  withheld(id: GroupId): string | null {
    const reason = this.ordered(id)
    const group = this.world.groups.get(id)
    if (reason === null || group === undefined) return reason
    if (this.host?.moving(group) === true) return null
    // What an earlier life left running is adopted where it is; in maintenance not even that.
    const adopted = group.state === 'found' || (group.state === 'taking' && group.reason === 'adopted')
    return reason === 'on-hold' && adopted ? null : reason
  }

  /** What was ordered, whatever the group is doing. */
  ordered(id: GroupId): Order | null {
    if (this.inMaintenance) return 'maintenance'
    return this.#holds.has(id) ? 'on-hold' : null
  }

  // ------------------------------------------------------------------------------------------- requests

  request(event: OperatorEvent): boolean {
    switch (event.verb) {
      case 'hold': this.#hold(event, { on: true }); return true
      case 'unhold': this.#hold(event, { on: false }); return true
      case 'maintenance': this.#maintain(event); return true
      case 'start-alone': this.#alone.request(event.id); return true
      case 'unblock': {
        const group = this.world.named(event.what)?.[0]
        if (group === undefined) this.#refuse(event.id, 'TB_UNKNOWN_GROUP', `no group '${event.what}'`)
        else this.#unblock.request(event.id, group)
        return true
      }
      default: return false
    }
  }

  #hold(event: OperatorEvent, { on }: { readonly on: boolean }): void {
    const groups = this.world.named(event.what)
    if (groups === null || groups.length === 0) return this.#refuse(event.id, 'TB_UNKNOWN_GROUP', `no group '${event.what}'`)
    const names = groups.map((group) => group.id)
    const changed = groups.filter((group) => this.#holds.set(group.id, on))
    for (const group of changed) this.#changed(group.id, 'an operator here')
    this.#wait({
      // Also what the peer has taught us before: that writing may have failed.
      id: event.id, about: 'holds', groups: names, written: false,
      text: `${names.join(' ')} ${on ? 'on hold' : 'off hold'}`,
      next: on ? `'twinbeat unhold ${event.what}' ends it` : "'twinbeat explain GROUP' says what happens next",
    })
    this.ctx.persist(holdsKey, this.#holds.text)
  }

  /** One group's hold begins or ends, whoever said so. */
  #changed(id: GroupId, who: string): void {
    const on = this.#holds.has(id)
    const group = this.world.groups.get(id)
    if (on && group !== undefined) this.host?.withdraw(group)
    if (on) this.ctx.note('warn', 'group.on-hold', `${id} is on hold, said by ${who}: nobody takes it or moves it`, { group: id })
    else this.ctx.note('info', 'group.off-hold', `${id} is no longer on hold, said by ${who}`, { group: id })
  }

  #maintain(event: OperatorEvent): void {
    const match = /^(?:off|on ([1-9]\d{0,6}))$/.exec(event.what)
    const us = match?.[1] === undefined ? 0 : Number(match[1]) * 1_000_000
    if (match === null || us > maintenanceMaxUs) {
      return this.#refuse(event.id, 'TB_USAGE', `'${event.what}' is neither 'off' nor 'on' with at most ${maintenanceMaxUs / 1e6} seconds`)
    }
    const was = this.#inMaintenance
    if (us > 0) this.#maintenance.begin(this.ctx.now, us)
    else if (was) this.#maintenance.end()
    this.#wait({
      id: event.id, about: 'maintenance', groups: [], written: us === 0 && !was,
      text: us === 0 ? 'no maintenance' : `maintenance for ${us / 1e6} s`,
      next: us === 0 ? "'twinbeat status' shows both nodes" : "'twinbeat maintenance off' ends it earlier",
    })
    if (us > 0 || was) this.ctx.persist(maintenanceKey, this.#maintenance.stored)
    this.#maintenanceChanged('an operator here')
  }

  /** Also called when it has run out, and when the peer said something new. */
  #maintenanceChanged(who: string): void {
    const { now } = this.ctx
    const until = this.#maintenance.until(now)
    const was = this.#inMaintenance
    this.#inMaintenance = until !== null
    if (until === null) {
      this.ctx.cancel('holds:maintenance')
      if (!was) return
      this.ctx.note('warn', 'maintenance.ended', `maintenance is over (${who}): takes and monitors are back`, {})
      // What happened to the groups meanwhile is looked at now.
      for (const group of this.world.groups.values()) group.repair()
      return
    }
    this.ctx.timer('holds:maintenance', until - now)
    for (const group of this.world.groups.values()) this.host?.withdraw(group)
    this.ctx.note('warn', 'maintenance.begun',
      `maintenance for ${Math.ceil((until - now) / 1e6)} s (${who}): nothing is taken, handed over or monitored on this pair`, {
        leftUs: until - now,
      })
  }

  #refuse(id: string, code: string, text: string): void {
    this.ctx.reply(id, true, false, code, text)
  }

  // --------------------------------------------------------------------------- answered once it is certain

  #wait(waiting: Waiting): void {
    if (this.#waiting.length >= waitingMax) return this.#refuse(waiting.id, 'TB_BUSY', 'too many requests are under way')
    this.#waiting.push(waiting)
    this.ctx.timer(`holds:wait ${waiting.id}`, peerWaitUs)
  }

  #finish(waiting: Waiting, ok: boolean, code: string, text: string): void {
    this.#waiting = this.#waiting.filter((one) => one !== waiting)
    this.ctx.cancel(`holds:wait ${waiting.id}`)
    this.ctx.reply(waiting.id, true, ok, code, text)
  }

  #agreed(waiting: Waiting): boolean {
    if (waiting.about === 'maintenance') return this.#maintenance.agreed(this.ctx.now)
    return waiting.groups.every((id) => this.#holds.agreed(id))
  }

  advance(): void {
    const { peer, peerIsTwinbeat } = this.world
    for (const waiting of [...this.#waiting]) {
      if (!waiting.written) continue
      const where = peer === null ? 'here' : !peer.alive || peer.left ? `here; ${peer.id} is not there and learns it when it is back`
        : !peerIsTwinbeat ? `here; ${peer.id} is a real heartbeat and does not know of it`
          : this.#agreed(waiting) ? 'on both nodes' : null
      if (where !== null) this.#finish(waiting, true, 'ok', `${waiting.text} ${where}; ${waiting.next}`)
    }
  }

  timer(subject: string): void {
    if (subject === 'maintenance') {
      const until = this.#maintenance.until(this.ctx.now)
      if (until === null) {
        this.ctx.persist(maintenanceKey, this.#maintenance.stored)
        this.#maintenanceChanged('its time is over')
      } else {
        this.ctx.timer('holds:maintenance', until - this.ctx.now)
      }
      return
    }
    const waiting = this.#waiting.find((one) => `wait ${one.id}` === subject)
    if (waiting === undefined) return
    const { peer } = this.world
    const text = waiting.written ? `${peer?.id ?? 'the peer'} has not confirmed it yet` : 'the disk has not confirmed it yet'
    this.#finish(waiting, true, 'ok', `${waiting.text} here; ${text}; 'twinbeat status' shows both nodes`)
  }

  persisted(key: string, ok: boolean): void {
    const about = key === holdsKey ? 'holds' : key === maintenanceKey ? 'maintenance' : null
    if (about === null) return
    for (const waiting of this.#waiting.filter((one) => one.about === about)) {
      if (ok) waiting.written = true
      else this.#finish(waiting, false, 'TB_STATE_WRITE', `${waiting.text} here, but not written: a restart of this daemon forgets it`)
    }
  }

  // ------------------------------------------------------------------------------------ between the nodes

  /** Equal text: nothing new to say. */
  readonly asks = false

  get stamp(): string {
    return `${this.#holds.text} ${this.#maintenance.stamp(this.ctx.now)}`
  }

  /** Additional fields of a statement. */
  words(): Words {
    const { stamp } = this
    if (stamp !== this.#said.stamp) this.#said = { stamp, n: this.host?.statementNumber() ?? 0 }
    return [['tb_hold', this.#holds.text], ['tb_maint', this.#maintenance.said(this.ctx.now)]]
  }

  /** The statement was said in knowledge of all that is ordered here. */
  #informed(fields: readonly Field[]): boolean {
    if (numberOf(fields, 'tb_peer') !== this.ctx.generation || this.#said.stamp !== this.stamp) return false
    return (numberOf(fields, 'tb_ack') ?? 0) >= this.#said.n
  }

  heard(fields: readonly Field[]): void {
    const informed = this.#informed(fields)
    const who = this.world.peer?.id ?? 'the peer'
    const holds = word(fields, 'tb_hold')
    if (holds !== null) {
      const before = this.#holds.text
      for (const id of this.#holds.merge(holds, informed)) this.#changed(id, who)
      if (this.#holds.text !== before) this.ctx.persist(holdsKey, this.#holds.text)
    }
    const maintenance = word(fields, 'tb_maint')
    if (maintenance !== null) {
      const before = this.#maintenance.stored
      if (this.#maintenance.merge(maintenance, this.ctx.now, informed)) this.#maintenanceChanged(who)
      if (this.#maintenance.stored !== before) this.ctx.persist(maintenanceKey, this.#maintenance.stored)
    }
  }

  // --------------------------------------------------------------------------------------- life of the node

  boot(persisted: Readonly<Record<string, string>>): void {
    this.#holds.load(persisted[holdsKey] ?? '')
    for (const { id } of this.ctx.config.groups) if (this.#holds.has(id)) this.#changed(id, 'an earlier life')
    const stored = persisted[maintenanceKey]
    if (stored === undefined) return
    this.#maintenance.load(stored, this.ctx.now)
    if (this.#maintenance.until(this.ctx.now) !== null) this.#maintenanceChanged('an earlier life')
  }

  peerChanged(change: PeerChange | 'left'): void {
    if (change === 'first' || change === 'returned' || change === 'restarted') this.#alone.peerSeen()
    if (change === 'dead' || change === 'left' || change === 'restarted') {
      this.#holds.peerForgotten()
      this.#maintenance.peerForgotten()
    }
  }

  groupSettled(group: Group, outcome: Outcome): void {
    this.#unblock.groupSettled(group, outcome)
  }

  configChanged(): void {
    const before = this.#holds.text
    for (const id of this.#holds.reloaded()) this.#changed(id, this.world.peer?.id ?? 'the peer')
    if (this.#holds.text !== before) this.ctx.persist(holdsKey, this.#holds.text)
  }
}
