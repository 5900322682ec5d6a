// What operators ask for: standby, takeover, stop, restart-keep. Each request is answered in full: refused
// with a code and a reason, or with progress and one end.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'
import type { OperatorEvent } from '../events.js'
import type { Group } from './group.js'
import type { Handover } from './handover.js'
import { encodeKeep, KeepAnnouncement, keepExtraUs, keepKey } from './keep.js'
import type { ResourceProtocol } from './resource-protocol.js'
import type { Standby } from './standby.js'
import { whatOf, type What, type World } from './world.js'

interface Request {
  readonly id: string
  readonly verb: OperatorEvent['verb']
  readonly what: string
  /** Groups still to arrive. */
  readonly pending: Set<GroupId>
}

const takeoverLimitUs = 90_000_000
/** Our last messages must be able to be asked for again before the engine stops. */
const lingerUs = 1_000_000
const requestsMax = 32
export const haltTimer = 'operator.halt'
export const requestTimer = 'operator.limit'

export class Operator {
  #requests: Request[] = []
  #stopId: string | null = null
  /** A stop asked for while a pause is being mended: after it. */
  #deferred: OperatorEvent | null = null
  #keep: { id: string } | null = null
  readonly #announcement: KeepAnnouncement
  #ending: 'stop' | 'restart' | null = null

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly protocol: ResourceProtocol,
    private readonly standby: Standby,
    private readonly handover: Handover,
  ) {
    this.#announcement = new KeepAnnouncement(ctx)
  }

  get snapshot(): readonly { readonly id: string; readonly verb: string; readonly what: string }[] {
    return this.#requests.map(({ id, verb, what }) => ({ id, verb, what }))
  }

  request(event: OperatorEvent): void {
    if (this.#requests.some((request) => request.id === event.id)) return
    if (event.verb === 'stop') return this.#stop(event)
    if (this.#requests.length >= requestsMax) return this.#refuse(event.id, 'TB_BUSY', 'too many requests are under way')
    if (this.world.paused || this.world.halted) return this.#refuse(event.id, 'TB_BUSY', 'this node is just leaving the cluster')
    switch (event.verb) {
      case 'restart-keep': return this.#restartKeep(event)
      case 'standby': return this.#standby(event)
      case 'takeover': return this.#takeover(event)
      // What is answered before it comes here.
      case 'hold': case 'unhold': case 'maintenance': case 'start-alone': case 'unblock': return
    }
  }

  // --------------------------------------------------------------------------------- standby, takeover

  /** The set that is exactly these groups: a real heartbeat moves nothing smaller. */
  #setOf(event: OperatorEvent, groups: readonly Group[]): What | null {
    const what = whatOf(event.what)
    if (what !== null) return what
    const only = groups[0]
    if (only === undefined) return null
    const side = this.world.side(only)
    return this.world.groupsOf(side).length === 1 ? side : null
  }

  #standby(event: OperatorEvent): void {
    const groups = this.#checked(event)
    if (groups === null) return
    if (!this.world.peerIsTwinbeat) {
      const set = this.#setOf(event, groups)
      if (set === null) return this.#refuse(event.id, 'TB_STANDBY_SET_ONLY', 'the peer is a real heartbeat: it takes all, local or foreign')
      const refusal = this.standby.request(set, event.id)
      if (refusal !== null) this.#refuse(event.id, refusal, `standby ${event.what} is not possible now`)
      return
    }
    const ours = this.#movable(event, groups.filter((group) => group.state === 'held'))
    if (ours.length === 0) return this.#refuse(event.id, 'TB_STANDBY_NOTHING', `nothing of '${event.what}' is held here`)
    const moving = new Set<GroupId>()
    for (const group of ours) {
      const refusal = this.handover.offer(group, 'standby')
      if (refusal !== null) this.ctx.reply(event.id, false, true, 'ok', `${group.id}: ${refusal}`)
      else moving.add(group.id)
    }
    if (moving.size === 0) return this.#refuse(event.id, 'TB_BUSY', 'no group can be handed over now')
    this.#follow(event, moving)
  }

  #takeover(event: OperatorEvent): void {
    const groups = this.#checked(event)
    if (groups === null) return
    const wanted = this.#movable(event, groups.filter((group) => group.state !== 'held'))
    if (wanted.length === 0) return this.ctx.reply(event.id, true, true, 'ok', `'${event.what}' is held here already`)
    for (const group of wanted) group.failed = false
    if (!this.world.peerIsTwinbeat) {
      const set = this.#setOf(event, groups)
      if (set === null) return this.#refuse(event.id, 'TB_STANDBY_SET_ONLY', 'the peer is a real heartbeat: it gives all, local or foreign')
      if (!this.protocol.stable || this.standby.running) return this.#refuse(event.id, 'TB_BUSY', 'another hand-over is under way')
      this.ctx.send('hb_takeover', [['rsc_hold', set]])
      return this.#follow(event, new Set(wanted.map((group) => group.id)))
    }
    const moving = new Set<GroupId>()
    const reasons: string[] = []
    for (const group of wanted) {
      const unfit = this.handover.ask(group)
      if (unfit === null) moving.add(group.id)
      else reasons.push(`${group.id}: ${unfit}`)
    }
    if (moving.size === 0) return this.#refuse(event.id, 'TB_NOT_FIT', `this node cannot take it now: ${reasons.join('; ')}`)
    for (const reason of reasons) this.ctx.reply(event.id, false, true, 'ok', reason)
    this.#follow(event, moving)
  }

  /** Common refusals of everything that needs the peer. */
  #checked(event: OperatorEvent): readonly Group[] | null {
    const { peer } = this.world
    const groups = this.world.named(event.what)
    if (groups === null || groups.length === 0) this.#refuse(event.id, 'TB_UNKNOWN_GROUP', `no group '${event.what}'`)
    else if (this.world.stopping) this.#refuse(event.id, 'TB_BUSY', 'this node is stopping')
    else if (groups.some((group) => this.world.ordered(group.id) === 'maintenance')) {
      this.#refuse(event.id, 'TB_MAINTENANCE', 'this pair is in maintenance: nothing moves')
    } else if (!this.#mayMove(groups)) {
      const names = groups.filter((group) => this.world.ordered(group.id) !== null).map((group) => group.id)
      this.#refuse(event.id, 'TB_ON_HOLD', `on hold: ${names.join(' ')}`)
    }
    else if (peer === null || !peer.active || this.world.contested || !this.world.joined) {
      const state = peer === null ? 'not configured' : peer.dead ? 'dead' : peer.left ? 'gone' : peer.status
      this.#refuse(event.id, 'TB_STANDBY_NO_TARGET', `the peer is ${state}`)
    } else if (this.ctx.config.autoFailback === 'legacy' && !this.world.peerIsTwinbeat) {
      this.#refuse(event.id, 'TB_STANDBY_LEGACY', 'auto_failback legacy knows no hand-over')
    } else return groups
    return null
  }

  /** A twinbeat peer moves the others; a real heartbeat moves only whole sets. */
  #mayMove(groups: readonly Group[]): boolean {
    const free = (group: Group): boolean => this.world.ordered(group.id) === null
    return this.world.peerIsTwinbeat ? groups.some(free) : groups.every(free)
  }

  /** Without those on hold, which are named. */
  #movable(event: OperatorEvent, groups: readonly Group[]): readonly Group[] {
    return groups.filter((group) => {
      const free = this.world.ordered(group.id) === null
      if (!free) this.ctx.reply(event.id, false, true, 'ok', `${group.id}: on hold, it stays where it is`)
      return free
    })
  }

  #follow(event: OperatorEvent, pending: Set<GroupId>): void {
    this.#requests.push({ id: event.id, verb: event.verb, what: event.what, pending })
    this.ctx.timer(`${requestTimer}:${event.id}`, takeoverLimitUs)
  }

  // ------------------------------------------------------------------------------------- stop, restart

  #stop(event: OperatorEvent): void {
    // Whoever asks for the stop kills next: it is not refused because something else is under way.
    if (this.#keep !== null) this.#stay(this.#keep.id, 'TB_BUSY', 'the node is to be stopped instead', { stopping: true })
    if (this.#stopId !== null || this.#deferred !== null || this.#ending !== null || this.world.halted) {
      return this.#refuse(event.id, 'TB_BUSY', 'this node is stopping already')
    }
    if (this.world.paused) {
      this.#deferred = event
      return
    }
    this.world.stopping = true
    this.#stopId = event.id
    this.#requests.push({ id: event.id, verb: 'stop', what: '', pending: new Set() })
    this.standby.cancel('stopping')
    this.handover.leaving()
    this.ctx.note('info', 'node.stopping', 'stopping: giving up all groups', {})
    this.protocol.shutdown()
    for (const group of this.world.groups.values()) group.give('stop')
  }

  #restartKeep(event: OperatorEvent): void {
    const busy = this.world.stopping || this.standby.running || !this.handover.idle || !this.world.joined || this.world.contested
    if (busy || !this.world.quiet('all') || this.#requests.length > 0) {
      return this.#refuse(event.id, 'TB_BUSY', 'wait until no group moves')
    }
    this.world.stopping = true
    this.#keep = { id: event.id }
    this.#requests.push({ id: event.id, verb: 'restart-keep', what: '', pending: new Set() })
    const held = [...this.world.groups.values()].filter((group) => group.state === 'held')
    this.ctx.note('info', 'node.restarting', `restarting, keeping: ${held.map((group) => group.id).join(' ') || 'nothing'}`, {})
    this.#announcement.begin()
    this.ctx.persist(keepKey, encodeKeep(held, this.ctx.now + keepExtraUs, (id) => this.handover.returns(id)))
  }

  persisted(key: string, ok: boolean): void {
    if (key !== keepKey || this.#keep === null) return
    if (ok) {
      if (this.#announcement.written()) this.#replace(this.#keep.id)
      return
    }
    this.#stay(this.#keep.id, 'TB_STATE_WRITE', 'the intent to keep the groups could not be written')
  }

  keepDue(): void {
    if (this.#keep !== null && this.#announcement.due()) this.#replace(this.#keep.id)
  }

  #stay(id: string, code: string, text: string, how = { stopping: false }): void {
    this.#keep = null
    if (how.stopping) this.ctx.persist(keepKey, null)
    this.world.stopping = false
    this.#announcement.cancel()
    this.#finish(id, false, code, text)
  }

  #replace(id: string): void {
    if (this.world.paused || !this.world.quiet('all')) {
      this.ctx.persist(keepKey, null)
      return this.#stay(id, 'TB_BUSY', 'a group began to move meanwhile')
    }
    this.#keep = null
    this.#finish(id, true, 'ok', 'resources run on')
    this.#ending = 'restart'
    this.ctx.timer(haltTimer, 0)
  }

  haltDue(): void {
    if (this.#ending === null) return
    this.world.halted = true
    this.ctx.halt(this.#ending, this.#ending === 'stop' ? 'operator' : 'restart-keep')
  }

  /** What was asked of the peer's last life is not known to this one. */
  peerRestarted(): void {
    for (const request of [...this.#requests]) {
      if (request.pending.size === 0) continue
      this.#finish(request.id, false, 'TB_PEER_LOST', `the peer restarted before ${[...request.pending].join(' ')} had moved`)
    }
  }

  limitDue(id: string): void {
    const request = this.#requests.find((one) => one.id === id)
    if (request !== undefined && request.pending.size > 0) {
      this.#finish(id, false, 'TB_CONTROL_TIMEOUT', `still waiting for ${[...request.pending].join(' ')}`)
    }
  }

  /** Level, at the end of every step. */
  advance(): void {
    if (this.#deferred !== null && !this.world.paused) {
      const event = this.#deferred
      this.#deferred = null
      this.#stop(event)
    }
    this.#advanceStop()
    for (const request of [...this.#requests]) if (request.pending.size > 0) this.#advanceMove(request)
  }

  #advanceStop(): void {
    const id = this.#stopId
    if (id === null) return
    const groups = [...this.world.groups.values()]
    const blocked = groups.filter((group) => group.state === 'blocked')
    if (groups.some((group) => group.mayHold && group.state !== 'blocked')) return
    this.#stopId = null
    if (blocked.length > 0) {
      // No farewell: it would permit the peer to start what still runs here.
      const names = blocked.map((group) => group.id).join(' ')
      this.world.stopping = false
      this.protocol.adoptFromGroups()
      this.protocol.report()
      return this.#finish(id, false, 'TB_STOP_BLOCKED', `cannot be stopped: ${names}; clean up, then stop again`)
    }
    this.protocol.farewell()
    this.#finish(id, true, 'ok', 'all groups are released')
    this.#ending = 'stop'
    this.ctx.timer(haltTimer, lingerUs)
  }

  #advanceMove(request: Request): void {
    const here = request.verb === 'takeover'
    for (const id of request.pending) {
      const group = this.world.groups.get(id)
      const arrived = group === undefined || (here ? group.state === 'held' : !group.mayHold && this.handover.heldByPeer(id))
      if (arrived) {
        request.pending.delete(id)
        this.ctx.reply(request.id, false, true, 'ok', `${id} is held by ${here ? 'this node' : 'the peer'}`)
      } else if (group.failed && here) {
        return this.#finish(request.id, false, 'TB_START_FAILED', `${id} did not start here`)
      } else if (this.world.peerIsTwinbeat && this.handover.refused(id)) {
        const unfit = here && group !== undefined ? this.handover.unfit(group) : null
        if (unfit !== null) return this.#finish(request.id, false, 'TB_NOT_FIT', `${id}: this node cannot take it now: ${unfit}`)
        return this.#finish(request.id, false, 'TB_HANDOVER_REFUSED', `${id}: ${here ? 'not given' : 'the peer refused'}`)
      } else if (this.world.alone && !here) {
        return this.#finish(request.id, false, 'TB_PEER_LOST', `the peer was lost before it had ${id}`)
      }
    }
    if (request.pending.size === 0) this.#finish(request.id, true, 'ok', `done: ${request.verb} ${request.what}`)
  }

  #refuse(id: string, code: string, text: string): void {
    this.ctx.reply(id, true, false, code, text)
  }

  #finish(id: string, ok: boolean, code: string, text: string): void {
    this.#requests = this.#requests.filter((request) => request.id !== id)
    this.ctx.cancel(`${requestTimer}:${id}`)
    this.ctx.reply(id, true, ok, code, text)
  }
}

