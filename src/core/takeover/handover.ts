// Moving one group between two twinbeat nodes: a two-party exchange with an id.
//
//   giver   offered --accept--> marking --on disk--> releasing --stopped--> released --held--> (end)
//   taker                accepted ------------released (or query)--------> taking --held--> (end)
// The giver writes "the peer may hold it" before its stop begins, or while it is still to be seen whether there will be
// an exchange at all. While that mark stands, the giver, or its next life, asks `query` until the taker says `held` or
// `refused`. After `refused` the taker never acts on that exchange again, and the giver may take the group back.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import { word } from '../context.js'
import type { Field, GroupSnapshot } from '../types.js'
import type { AuthorityBooks } from './authority-book.js'
import type { Door, Verdict } from './authorise.js'
import type { Claims } from './claims.js'
import type { Group, Outcome } from './group.js'
import { HandoverMarks } from './handover-marks.js'
import { numberOf } from './statement.js'
import type { World } from './world.js'

export type OfferReason = 'standby' | 'asked' | 'failback' | 'monitor-failed' | 'interface' | 'guardian-lost'
type EndReason =
  | 'held' | 'refused' | 'revoked' | 'no-answer' | 'peer-dead' | 'peer-restarted' | 'not-written' | 'blocked'
  | 'grant-expired' | 'not-taken' | 'still-running' | 'leaving' | 'ordered' | 'interface-changed'
type Op = 'ask' | 'offer' | 'accept' | 'released' | 'held' | 'refused' | 'query' | 'revoke'

type Exchange =
  | {
      readonly role: 'giver'
      readonly x: string
      readonly state: 'offered' | 'marking' | 'releasing' | 'released'
      readonly reason: OfferReason
      /** The taker stepped back while the stop was running. */
      readonly refused: boolean
    }
  | { readonly role: 'taker'; readonly x: string; readonly state: 'accepted' | 'taking' }

/** Of two exchanges of one giver, the one that was offered later. */
function isLater(x: string, than: string): boolean {
  const [life, count] = x.split('.')
  const [otherLife, otherCount] = than.split('.')
  if (life !== otherLife) return Number(life) > Number(otherLife)
  return Number(count) > Number(otherCount)
}

const retryUs = 10_000_000
export const handoverTimer = 'handover'
export const failbackOfferTimer = 'handover.failback'

export class Handover {
  claims: Claims | null = null
  door: Door | null = null
  readonly #exchanges = new Map<GroupId, Exchange>()
  readonly #refused = new Set<GroupId>()
  readonly #marks: HandoverMarks
  /** Marks of the last life, until their groups are probed. */
  readonly #found = new Map<GroupId, string>()
  readonly #returning = new Set<GroupId>()
  /** Accepted because the interface of its home is down: with failback it goes home when that is up again. */
  readonly #lent = new Set<GroupId>()
  #counter = 0
  #failbackAt = 0
  #endedLife = 0
  /** The newest offer to this node that has had its answer: whatever comes of it later is a copy. */
  readonly #answered = new Map<GroupId, string>()

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly books: AuthorityBooks,
  ) {
    this.#marks = new HandoverMarks(ctx)
  }

  // --------------------------------------------------------------------------------------------- views

  promised(id: GroupId): boolean {
    const exchange = this.#exchanges.get(id)
    return this.#found.has(id) || (exchange?.role === 'giver' && exchange.state === 'released')
  }

  busy(id: GroupId): boolean {
    return this.#exchanges.has(id) || this.#found.has(id)
  }

  /** Past the point at which it could still stay where it is. */
  moving(id: GroupId): boolean {
    const one = this.#exchanges.get(id)
    return one !== undefined && (one.role === 'taker' || one.state === 'releasing' || one.state === 'released')
  }

  /** Offered by the peer: until this ends with `held` it is the peer's, should we refuse. */
  comes(id: GroupId): boolean {
    return this.#exchanges.get(id)?.role === 'taker'
  }

  get idle(): boolean {
    return this.#exchanges.size === 0 && this.#found.size === 0
  }

  permits(x: string): boolean {
    return [...this.#exchanges.values()].some((one) => one.role === 'taker' && one.state === 'taking' && one.x === x)
  }

  refused(id: GroupId): boolean {
    return this.#refused.has(id)
  }

  heldByPeer(id: GroupId): boolean {
    return this.claims?.theirWord(id) === 'held'
  }

  snapshot(id: GroupId): GroupSnapshot['exchange'] {
    const one = this.#exchanges.get(id)
    return one === undefined ? null : { id: one.x, role: one.role, state: one.state }
  }

  // ---------------------------------------------------------------------------------------- giver's side

  /** An offer will probably be made soon: what the disk takes to write the mark is not waited for then. */
  prepare(group: Group): void {
    if (this.#marks.isAhead(group.id) || this.busy(group.id) || group.state !== 'held') return
    this.#marks.writeAhead(group.id, this.#nextX())
  }

  /** It will not be made after all. */
  unprepare(id: GroupId): void {
    this.#marks.dropAhead(id)
  }

  #nextX(): string {
    this.#counter += 1
    return `${this.ctx.generation}.${this.#counter}`
  }

  offer(group: Group, reason: OfferReason): string | null {
    const { peer } = this.world
    if (peer === null || !peer.active || this.claims?.settled !== true) return 'TB_STANDBY_NO_TARGET'
    const ordered = this.world.ordered(group.id)
    if (ordered !== null) return ordered === 'maintenance' ? 'TB_MAINTENANCE' : 'TB_ON_HOLD'
    if (this.busy(group.id) || group.state !== 'held' || this.world.stopping || this.world.paused) return 'TB_BUSY'
    // Without the arbiter the peer could not take what is let go here. But what is down here may be our only way to an
    // arbiter that the peer does reach; then the peer says whether it takes.
    if (!this.books.lease.healthy && reason !== 'interface') return 'TB_ARBITER_SILENT'
    const x = this.#marks.takeAhead(group.id) ?? this.#nextX()
    this.#refused.delete(group.id)
    this.#enter(group.id, { role: 'giver', x, state: 'offered', reason, refused: false })
    this.#say(group.id, 'offer', x)
    this.ctx.timer(`${handoverTimer}:${group.id}`, this.ctx.config.handoverWaitUs)
    return null
  }

  /** Ask the peer to give the group to us; take it outright if nobody holds it. Not null: why this node would not take it. */
  ask(group: Group): string | null {
    this.#refused.delete(group.id)
    const unfit = this.unfit(group)
    if (unfit !== null) return unfit
    if (this.heldByPeer(group.id)) this.#say(group.id, 'ask', '')
    else this.claims?.want(group.id)
    return null
  }

  /** What would make this node refuse an offer of the group now. */
  unfit(group: Group): string | null {
    if (group.failed) return 'start-failed'
    if (!this.books.lease.healthy) return 'arbiter-silent'
    return this.door?.forbidden(group) ?? null
  }

  persisted(key: string, ok: boolean): void {
    const name = HandoverMarks.groupOf(key)
    if (name === null || !this.#marks.answered(name, ok)) return
    const group = this.#group(name)
    const one = group === null ? undefined : this.#exchanges.get(group.id)
    if (group === null || one?.role !== 'giver' || one.state !== 'marking') return
    if (this.#marks.stateOf(group.id, one.x) === 'written') return this.#release(group)
    this.#say(group.id, 'revoke', one.x)
    this.#end(group.id, 'not-written')
  }

  /** The mark is on the disk: from here on the peer may hold the group. */
  #release(group: Group): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role !== 'giver' || one.state !== 'marking') return
    if (this.#needless(group, one.reason)) return
    this.#enter(group.id, { ...one, state: 'releasing' })
    if (one.reason === 'monitor-failed') group.failed = true
    // Also in the middle of a restart in place, which becomes a stop.
    if (group.mayHold) group.give('handover')
    else this.#released(group)
  }

  /**
   * Stopped and verified; told only when the arbiter does not name us any more either. An arbiter that is silent here may
   * answer the taker, which owns nothing before our key has ended: waiting for it would leave the group with nobody.
   */
  #released(group: Group): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role !== 'giver' || one.state !== 'releasing' || group.mayHold) return
    if (!this.books.lease.gone(group.id) && this.books.lease.healthy) return
    if (this.world.stopping || this.world.paused || !one.refused) {
      this.#enter(group.id, { ...one, state: 'released' })
    }
    if (one.refused) return this.#takeBack(group)
    this.#say(group.id, 'released', one.x)
    this.ctx.timer(`${handoverTimer}:${group.id}`, this.ctx.config.timing.keepaliveUs)
  }

  #takeBack(group: Group): void {
    const { peer } = this.world
    this.#end(group.id, 'refused')
    if (peer === null || group.failed || this.world.stopping || this.world.paused || group.state !== 'stopped') return
    const agreed: Verdict = { authority: { kind: 'agreed', peer: peer.id, peerGeneration: peer.generation }, reason: 'refused' }
    // If something is missing for it, it is claimed like a group that nobody holds.
    if (this.door?.take(group, agreed) !== true) this.claims?.want(group.id)
  }

  // -------------------------------------------------------------------------------------------- messages

  message(fields: readonly Field[]): void {
    const { peer } = this.world
    const group = this.#group(word(fields, 'tb_group'))
    const x = word(fields, 'tb_x')
    const n = numberOf(fields, 'tb_n')
    if (peer === null || x === null || n === null) return
    if (numberOf(fields, 'tb_gen') !== peer.generation || numberOf(fields, 'tb_peer') !== this.ctx.generation) return
    const op = word(fields, 'tb_op') as Op | null
    const epoch = numberOf(fields, 'tb_epoch') ?? 0
    if (group !== null) this.world.epochs.learn(group.id, epoch)
    if (group === null) {
      if (op === 'offer' || op === 'query') this.#say(word(fields, 'tb_group') ?? '', 'refused', x)
      return
    }
    switch (op) {
      case 'ask': return this.#asked(group)
      case 'offer': return this.#offered(group, x)
      case 'accept': return this.#accepted(group, x)
      case 'released': this.claims?.learn(group.id, n, 'promised'); return this.#mayTake(group, x)
      case 'query': return this.#queried(group, x)
      case 'held': return this.#confirmed(group, x, { n, epoch })
      case 'refused': return this.#refusedBy(group, x, n)
      case 'revoke': return this.#revoked(group, x)
      default: return
    }
  }

  #asked(group: Group): void {
    const refusal = this.offer(group, 'asked')
    if (refusal === null) return
    this.ctx.note('info', 'handover.not-offered', `${group.id}: asked for by the peer, not given: ${refusal}`, {
      group: group.id, reason: refusal,
    })
    this.#say(group.id, 'refused', '')
  }

  #offered(group: Group, x: string): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role === 'taker' && one.x === x) return this.#say(group.id, 'accept', x)
    // A late copy. `refused` would permit the giver to take back what was taken under this very offer.
    const answered = this.#answered.get(group.id)
    if (answered !== undefined && !isLater(x, answered)) return this.#queried(group, x)
    // Its giver ended it where we could not hear it: nobody offers twice at a time.
    if (one?.role === 'taker' && one.state === 'accepted' && isLater(x, one.x)) this.#end(group.id, 'revoked')
    const { world } = this
    const free = !this.busy(group.id) && group.state === 'stopped' && world.joined && !world.stopping && !world.paused
    if (!free || this.claims?.settled !== true || this.unfit(group) !== null) {
      // Whoever asked for it here is told as well.
      this.#refused.add(group.id)
      return this.#refuse(group.id, x)
    }
    if (group.home === world.peer?.id && world.peerUnfit(group.id)) this.#lent.add(group.id)
    this.#enter(group.id, { role: 'taker', x, state: 'accepted' })
    this.#say(group.id, 'accept', x)
    this.ctx.timer(`${handoverTimer}:${group.id}`, this.ctx.config.grantWaitUs)
  }

  #accepted(group: Group, x: string): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role !== 'giver' || one.x !== x) return this.#say(group.id, 'revoke', x)
    if (one.state !== 'offered') return
    if (group.state !== 'held') {
      this.#say(group.id, 'revoke', x)
      return this.#end(group.id, 'not-taken')
    }
    if (this.#needless(group, one.reason)) return
    this.ctx.cancel(`${handoverTimer}:${group.id}`)
    this.#enter(group.id, { ...one, state: 'marking' })
    const mark = this.#marks.stateOf(group.id, x)
    if (mark === 'written') this.#release(group)
    else if (mark === 'none') this.#marks.write(group.id, x)
  }

  /** Offered because of an interface, and what made that right has changed since: nothing has been let go yet. */
  #needless(group: Group, reason: OfferReason): boolean {
    if (reason !== 'interface' || this.world.betterThere(group.id)) return false
    const one = this.#exchanges.get(group.id)
    if (one !== undefined) this.#say(group.id, 'revoke', one.x)
    this.#end(group.id, 'interface-changed')
    return true
  }

  /** The giver has released: from here on, until we answer, the group is ours to take. */
  #mayTake(group: Group, x: string): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role !== 'taker' || one.x !== x) return this.#queried(group, x)
    // A reload is looking at it: the giver asks again.
    if (one.state !== 'accepted' || group.state === 'unknown') return
    if (group.state !== 'stopped' || group.failed || group.retired) {
      if (!group.mayHold) this.#refuse(group.id, x)
      return this.#end(group.id, 'not-taken')
    }
    this.#enter(group.id, { role: 'taker', x, state: 'taking' })
    this.#take(group, x)
  }

  #take(group: Group, x: string): void {
    this.door?.take(group, { authority: { kind: 'handover', exchange: x }, reason: 'handover' })
  }

  #queried(group: Group, x: string): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role === 'taker' && one.x === x) {
      if (one.state === 'accepted') this.#mayTake(group, x)
      else if (group.state === 'stopped') this.#take(group, x)
      return
    }
    // What is true now counts, not what was answered once: `refused` permits the giver to take the group back.
    if (group.state === 'unknown') return
    if (group.mayHold) this.#say(group.id, 'held', x)
    else this.#refuse(group.id, x)
  }

  #confirmed(group: Group, x: string, said: { readonly n: number; readonly epoch: number }): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role !== 'giver' || one.x !== x) return
    this.claims?.learn(group.id, said.n, 'held', said.epoch)
    this.#end(group.id, 'held')
  }

  #refusedBy(group: Group, x: string, n: number): void {
    const one = this.#exchanges.get(group.id)
    this.#refused.add(group.id)
    if (one?.role !== 'giver' || one.x !== x) return
    switch (one.state) {
      case 'offered': case 'marking': return this.#end(group.id, 'refused')
      case 'releasing': this.#exchanges.set(group.id, { ...one, refused: true }); return
      case 'released':
        this.claims?.learn(group.id, n, 'free')
        return this.#takeBack(group)
    }
  }

  #revoked(group: Group, x: string): void {
    const one = this.#exchanges.get(group.id)
    if (one?.role !== 'taker' || one.x !== x || one.state !== 'accepted') return
    this.#end(group.id, 'revoked')
  }

  /**
   * This node did not run for so long that the giver may have held it for dead, and taken back what it released: what
   * it said before that is no permission any more.
   */
  stoodStill(us: number): void {
    const { deadtimeUs, keepaliveUs } = this.ctx.config.timing
    if (us + 2 * keepaliveUs < deadtimeUs) return
    for (const [id, one] of [...this.#exchanges]) {
      if (one.role !== 'taker' || one.state !== 'accepted') continue
      this.#refuse(id, one.x)
      this.#end(id, 'grant-expired')
    }
  }

  // ------------------------------------------------------------------------------------- timers, outcomes

  timeout(id: GroupId): void {
    const one = this.#exchanges.get(id)
    if (one === undefined) return
    if (one.role === 'taker') {
      // A take that waits for what else it needs has not begun either.
      if (one.state !== 'accepted' && this.world.groups.get(id)?.mayHold === true) return
      this.#refuse(id, one.x)
      return this.#end(id, 'grant-expired')
    }
    if (one.state === 'offered') {
      this.#say(id, 'revoke', one.x)
      this.#refused.add(id)
      return this.#end(id, 'no-answer')
    }
    if (one.state !== 'released') return
    // A real heartbeat answers no query; it says what it holds by its own protocol.
    if (this.world.peer?.alive === true && !this.world.peerIsTwinbeat) return this.#end(id, 'peer-restarted')
    if (this.world.peer?.alive === true) this.#say(id, 'query', one.x)
    this.ctx.timer(`${handoverTimer}:${id}`, this.ctx.config.timing.keepaliveUs)
  }

  groupSettled(group: Group, outcome: Outcome): void {
    // Usually after the look at the start; a node that slept in the middle of that lets go without having finished it.
    if (group.state !== 'unknown') this.#restore(group)
    const one = this.#exchanges.get(group.id)
    if (one === undefined) return
    if (one.role === 'taker') {
      if (one.state !== 'taking') return
      if (outcome === 'held') {
        this.#say(group.id, 'held', one.x)
        return this.#end(group.id, 'held')
      }
      if (group.mayHold && outcome !== 'blocked') return
      // A blocked group may run here: the giver must not take it back.
      if (outcome === 'blocked') this.#say(group.id, 'held', one.x)
      else this.#refuse(group.id, one.x)
      return this.#end(group.id, 'not-taken')
    }
    if (one.state !== 'releasing') return
    if (outcome === 'blocked') {
      this.#say(group.id, 'revoke', one.x)
      return this.#end(group.id, 'blocked')
    }
    if (group.state === 'stopped') this.#released(group)
    else if (group.mayHold) group.give('handover')
  }

  /** Gone from the configuration: nobody here can answer for it any more. */
  removed(id: GroupId): void {
    this.#found.delete(id)
    this.#marks.dropAhead(id)
    this.#end(id, 'leaving')
  }

  /** A mark of the last life: the peer may hold the group, unless our probe shows that we never let go. */
  boot(persisted: Readonly<Record<string, string>>): void {
    for (const [key, x] of Object.entries(persisted)) {
      const name = HandoverMarks.groupOf(key)
      if (name === null) continue
      const group = this.#group(name)
      if (group === null) this.#marks.write(name, null)
      else this.#found.set(group.id, x)
    }
  }

  #restore(group: Group): void {
    const x = this.#found.get(group.id)
    if (x === undefined) return
    this.#found.delete(group.id)
    this.#enter(group.id, { role: 'giver', x, state: 'released', reason: 'standby', refused: false })
    if (group.mayHold) return this.#end(group.id, 'still-running')
    this.ctx.timer(`${handoverTimer}:${group.id}`, 0)
  }

  peerDead(): void {
    for (const id of [...this.#exchanges.keys()]) this.#end(id, 'peer-dead')
  }

  peerRestarted(): void {
    for (const [id, one] of [...this.#exchanges]) {
      // A new life of the taker answers `refused` once it has probed: the query goes on.
      if (one.role === 'giver' && (one.state === 'releasing' || one.state === 'released')) continue
      this.#end(id, 'peer-restarted')
    }
  }

  /** An operator wants the group to stay: an offer that the peer has not answered yet is taken back. */
  withdraw(id: GroupId): void {
    const one = this.#exchanges.get(id)
    if (one?.role !== 'giver' || one.state !== 'offered') return
    this.#say(id, 'revoke', one.x)
    this.#end(id, 'ordered')
  }

  leaving(): void {
    for (const [id, one] of [...this.#exchanges]) {
      if (one.role === 'giver') {
        if (one.state !== 'offered' && one.state !== 'marking') continue
        this.#say(id, 'revoke', one.x)
      } else if (one.state === 'accepted') {
        this.#refuse(id, one.x)
      } else continue
      this.#end(id, 'leaving')
    }
  }

  /** Level: what waits for the arbiter, then failback. */
  advance(): void {
    for (const id of this.#marks.waiting) {
      if (this.world.groups.get(id)?.state !== 'held' || this.world.stopping || this.world.paused) this.#marks.dropAhead(id)
    }
    for (const [id, one] of [...this.#exchanges]) {
      const group = this.world.groups.get(id)
      if (group?.state !== 'stopped') continue
      if (one.role === 'giver') this.#released(group)
      else if (one.state === 'taking' && !this.world.paused && !this.world.stopping) this.#take(group, one.x)
    }
    this.#failback()
  }

  /** Give groups back to their home where auto_failback says so. */
  #failback(): void {
    const { peer } = this.world
    if (this.ctx.config.autoFailback === 'off' || peer === null || !this.world.peerIsTwinbeat) return
    if (!peer.active || peer.generation === this.#endedLife) return
    if (this.claims?.settled !== true || this.ctx.now < this.#failbackAt) return
    for (const group of this.world.groups.values()) {
      if (group.home !== peer.id || group.state !== 'held' || !this.#returning.has(group.id) || this.busy(group.id)) continue
      if (this.claims.theirWord(group.id) !== 'free' || this.world.ordered(group.id) !== null) continue
      if (this.world.peerUnfit(group.id)) continue
      if (this.#refused.has(group.id)) {
        this.#refused.delete(group.id)
        this.#failbackAt = this.ctx.now + retryUs
        this.ctx.timer(failbackOfferTimer, retryUs)
        return
      }
      this.offer(group, 'failback')
    }
  }

  returns(id: GroupId): boolean {
    return this.#returning.has(id)
  }

  /** Taken because its home was gone: with failback it goes home again, but not to a life that has said its last words. */
  returnsHome(id: GroupId, ended?: number): void {
    this.#returning.add(id)
    if (ended !== undefined) this.#endedLife = ended
  }

  // ----------------------------------------------------------------------------------------------- parts

  #group(id: string | null): Group | null {
    return [...this.world.groups.values()].find((group) => group.id === id) ?? null
  }

  #say(group: string, op: Op, x: string): void {
    const { peer } = this.world
    if (peer === null) return
    this.ctx.send('tb_handover', [
      ['dest', peer.id], ['tb_op', op], ['tb_x', x], ['tb_group', group], ['tb_gen', `${this.ctx.generation}`],
      ['tb_peer', `${peer.generation}`], ['tb_n', `${this.claims?.number ?? 0}`],
      ['tb_epoch', `${this.#epochOf(group)}`],
    ])
  }

  #epochOf(id: string): number {
    const group = this.#group(id)
    return group === null ? 0 : this.world.claimEpoch(group)
  }

  #refuse(id: GroupId, x: string): void {
    this.#noteAnswered(id, x)
    this.#say(id, 'refused', x)
  }

  #noteAnswered(id: GroupId, x: string): void {
    const before = this.#answered.get(id)
    if (before === undefined || isLater(x, before)) this.#answered.set(id, x)
  }

  #enter(id: GroupId, exchange: Exchange): void {
    this.#exchanges.set(id, exchange)
    this.ctx.note('info', `handover.${exchange.state}`, `${id}: hand-over ${exchange.x} ${exchange.state} (${exchange.role})`, {
      group: id, exchange: exchange.x, role: exchange.role,
    })
  }

  #end(id: GroupId, reason: EndReason): void {
    const one = this.#exchanges.get(id)
    if (one === undefined) return
    this.#exchanges.delete(id)
    if (one.role === 'taker') this.#noteAnswered(id, one.x)
    this.ctx.cancel(`${handoverTimer}:${id}`)
    if (reason === 'held') this.#returning.delete(id)
    else this.#refused.add(id)
    if (this.#lent.delete(id) && reason === 'held') this.#returning.add(id)
    if (one.role === 'giver' && one.reason === 'monitor-failed' && one.state === 'offered') {
      // The peer does not want it: what failed is at least started again here.
      this.world.groups.get(id)?.repair()
    }
    if (one.role === 'giver' && (one.state !== 'offered' || this.#marks.has(id))) this.#marks.write(id, null)
    const fine = reason === 'held'
    this.ctx.note(fine ? 'info' : 'warn', 'handover.ended', `${id}: hand-over ${one.x} ended: ${reason}`, {
      group: id, exchange: one.x, role: one.role, reason, state: one.state,
    })
  }
}
