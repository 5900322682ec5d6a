// The only public door of the decision core: one event in, the effects out. Deterministic; no clock,
// no socket, no file, no chance of its own. This file wires the machines; it decides nothing itself.

import type { GroupId } from './base/ids.js'
import { invariant, InvariantError } from './base/invariant.js'
import type { Prng } from './base/prng.js'
import { Context, word } from './context.js'
import type { Effect } from './effects.js'
import type { CoreEvent, EngineEvent, MessageEvent } from './events.js'
import { snapshotOf } from './explain.js'
import { Join, joinTimer } from './membership/join.js'
import { Peer, type PeerChange } from './membership/peers.js'
import { authorise } from './takeover/authorise.js'
import { Group, type Outcome } from './takeover/group.js'
import { Heal, healTimer } from './takeover/heal.js'
import { claimsTimer, Claims, oneWayTimer, vetoTimer } from './takeover/claims.js'
import { failbackOfferTimer, Handover, handoverTimer } from './takeover/handover.js'
import { haltTimer, Operator, requestTimer } from './takeover/operator.js'
import { Pause } from './takeover/pause.js'
import { failbackTimer, failureTimer, ResourceProtocol, settleTimer } from './takeover/resource-protocol.js'
import { Standby, standbyTimer } from './takeover/standby.js'
import { World } from './takeover/world.js'
import type { CoreConfig, CoreSnapshot, GroupConfig } from './types.js'

export interface Core {
  /** Throws only on a broken invariant; the caller must then release everything and stop. */
  step(event: CoreEvent): readonly Effect[]
  snapshot(): CoreSnapshot
}

export function createCore(config: CoreConfig, _prng: Prng): Core {
  return new Node(config)
}

/** Machines that settle each other need a few rounds; more would be a loop. */
const roundsMax = 16

class Node implements Core {
  readonly #ctx: Context
  readonly #world: World
  readonly #join: Join
  readonly #standby: Standby
  readonly #protocol: ResourceProtocol
  readonly #heal: Heal
  readonly #pause: Pause
  readonly #claims: Claims
  readonly #handover: Handover
  readonly #operator: Operator

  constructor(config: CoreConfig) {
    this.#ctx = new Context(config)
    this.#world = new World(this.#ctx)
    this.#join = new Join(this.#ctx, this.#world)
    this.#standby = new Standby(this.#ctx, this.#world)
    this.#protocol = new ResourceProtocol(this.#ctx, this.#world, this.#standby)
    this.#standby.host = this.#protocol
    this.#heal = new Heal(this.#ctx, this.#world)
    this.#pause = new Pause(this.#ctx, this.#world)
    this.#handover = new Handover(this.#ctx, this.#world)
    this.#claims = new Claims(this.#ctx, this.#world, this.#handover)
    this.#handover.claims = this.#claims
    this.#protocol.onTakenAlone = (group) => {
      this.#claims.takenAlone(group.id)
      this.#handover.returnsHome(group.id)
    }
    this.#protocol.vetoes = (group) => this.#claims.vetoes(group.id)
    this.#operator = new Operator(this.#ctx, this.#world, this.#protocol, this.#standby, this.#handover)
    const others = config.nodes.filter((node) => node.id !== config.self)
    const normal = others.filter((node) => node.kind === 'normal')
    invariant(normal.length <= 1, 'a pair has at most two normal nodes')
    this.#world.peer = normal[0] === undefined ? null : new Peer(normal[0].id, 'normal')
    this.#world.pings = others.filter((node) => node.kind === 'ping').map((node) => new Peer(node.id, 'ping'))
  }

  step(event: CoreEvent): readonly Effect[] {
    this.#ctx.begin(event.at)
    if (this.#world.halted) return this.#ctx.end()
    this.#dispatch(event)
    for (let round = 0, before = -1; before !== this.#ctx.end().length; round += 1) {
      if (round >= roundsMax) throw new InvariantError(`the machines do not settle: ${JSON.stringify(this.#ctx.end().slice(-3))}`)
      before = this.#ctx.end().length
      this.#settle()
    }
    return this.#ctx.end()
  }

  snapshot(): CoreSnapshot {
    return snapshotOf({
      ctx: this.#ctx, world: this.#world, join: this.#join, protocol: this.#protocol, standby: this.#standby,
      claims: this.#claims, handover: this.#handover, operator: this.#operator,
    })
  }

  #settle(): void {
    if (this.#world.halted) return
    if (this.#join.advance()) this.#protocol.joined()
    this.#standby.advance()
    if (this.#world.peerIsTwinbeat && !this.#world.alone) this.#protocol.publish()
    else this.#protocol.reconcile()
    this.#claims.advance()
    this.#handover.advance()
    this.#pause.advance()
    this.#operator.advance()
  }

  #dispatch(event: CoreEvent): void {
    switch (event.type) {
      case 'boot': return this.#boot(event.generation, event.persisted)
      case 'member.result': this.#world.groups.get(event.group)?.result(event); return
      case 'timer': return this.#timer(event.key)
      case 'operator': return this.#operator.request(event)
      case 'persisted':
        this.#operator.persisted(event.key, event.ok)
        return this.#handover.persisted(event.key, event.ok)
      case 'generation.raised': return this.#raised(event.generation)
      case 'config.changed': return
      case 'message': return this.#message(event)
      default: return this.#engine(event)
    }
  }

  #boot(generation: number, persisted: Readonly<Record<string, string>>): void {
    this.#ctx.generation = generation
    const kept = keptGroups(persisted['keep'], this.#ctx.now)
    if (persisted['keep'] !== undefined) this.#ctx.persist('keep', null)
    if (this.#ctx.config.splitBrain === 'accept' && this.#world.peer !== null) {
      this.#ctx.note('warn', 'split_brain.accepted', 'no fencing: a peer that is only cut off will hold its groups too', {})
    }
    for (const config of this.#ctx.config.groups) this.#add(config)
    this.#handover.boot(persisted)
    for (const group of this.#world.groups.values()) group.boot(kept.has(group.id))
    this.#join.start('boot')
  }

  #add(config: GroupConfig): Group {
    const group = new Group(this.#ctx, config, {
      authorise: (asking) => authorise(this.#world, asking, {
        permits: (exchange) => this.#standby.permits(exchange) || this.#handover.permits(exchange),
      }),
      settled: (settled, outcome) => { this.#settled(settled, outcome) },
    })
    this.#world.groups.set(config.id, group)
    const monitor = this.#ctx.config.monitors.find((one) => one.group === config.id)
    if (monitor !== undefined) this.#ctx.timer(`monitor:${config.id}`, monitor.everyUs)
    return group
  }

  #settled(group: Group, outcome: Outcome): void {
    if (outcome === 'blocked' && this.#ctx.config.stopFailure === 'reset' && group.wantsReset) {
      this.#world.halted = true
      return
    }
    if (outcome === 'probed' && group.state === 'held') this.#protocol.adoptFromGroups()
    if (outcome === 'monitor-failed') return this.#monitorFailed(group)
    this.#protocol.groupSettled(group, outcome)
    this.#handover.groupSettled(group, outcome)
  }

  /** Restarted often enough: to the peer if it is fit, else say so and start it here once more. */
  #monitorFailed(group: Group): void {
    const refusal = this.#world.peerIsTwinbeat
      ? this.#handover.offer(group, 'monitor-failed') : this.#standby.request(this.#world.side(group), null)
    if (refusal === null) return
    this.#ctx.note('error', 'monitor.stuck', `${group.id} fails again and again and no peer can take it: ${refusal}`, { group: group.id })
    group.repair()
  }

  #timer(key: string): void {
    const [name, group] = split(key)
    switch (name) {
      case joinTimer: return this.#join.ask()
      case settleTimer: return this.#protocol.settleDue()
      case failbackTimer: return this.#protocol.failbackDue()
      case failureTimer: return this.#protocol.failureDue()
      case standbyTimer: return this.#standby.timeout()
      case haltTimer: return this.#operator.haltDue()
      case requestTimer: return this.#operator.limitDue(group)
      case healTimer: this.#heal.end('yielded'); return this.#protocol.yieldAfterPartition()
      case claimsTimer: return this.#claims.repeatDue()
      case vetoTimer: return this.#claims.vetoDue()
      case oneWayTimer: return this.#claims.oneWayDue()
      case handoverTimer: return this.#handover.timeout(group as GroupId)
      case failbackOfferTimer: return
      case 'stop': this.#world.groups.get(group as GroupId)?.stopRetryDue(); return
      case 'monitor': return this.#monitor(group as GroupId)
      default: return
    }
  }

  #monitor(id: GroupId): void {
    const monitor = this.#ctx.config.monitors.find((one) => one.group === id)
    if (monitor === undefined) return
    this.#ctx.timer(`monitor:${id}`, monitor.everyUs)
    this.#world.groups.get(id)?.monitorDue()
  }

  #message(event: MessageEvent): void {
    const { peer } = this.#world
    const t = word(event.fields, 't')
    if (t === null) return
    if (this.#join.message(t, event.from, event.fields)) this.#protocol.joined()
    if (peer === null || peer.id !== event.from) return
    if (t === 'shutdone') return this.#farewell()
    if (t === 'tb_claims') return this.#claims.message(event.fields)
    if (peer.dead) return
    if (peer.kind === 'twinbeat') {
      if (t === 'tb_handover') this.#handover.message(event.fields)
      return
    }
    if (t === 'resource' && word(event.fields, 'info') === 'shutdown') this.#heal.shutdownAnnounced()
    if (t === 'ask_resources' || t === 'hb_takeover') this.#standby.message(t, event.fields)
    else this.#protocol.message(t, event.fields)
  }

  #farewell(): void {
    if (this.#world.peer === null) return
    this.#world.peer.left = true
    this.#heal.end('peer-left')
    this.#standby.cancel('peer-left')
    this.#handover.peerDead()
    this.#claims.peerLost()
    this.#ctx.note('info', 'peer.left', `${this.#world.peer.id} released everything and is going down`, {})
    this.#protocol.peerGone()
  }

  #engine(event: Exclude<EngineEvent, MessageEvent>): void {
    switch (event.type) {
      case 'stall':
        if (!event.muted) return
        this.#handover.leaving()
        return this.#pause.begin(event.us)
      case 'address.lost': {
        this.#ctx.note('warn', 'address.lost', `${event.member} was removed by somebody else`, { group: event.group })
        this.#world.groups.get(event.group)?.addressLost(event.member)
        return
      }
      case 'address.conflict':
        this.#ctx.note('error', 'address.conflict', `${event.mac} answers for ${event.member} too`, { group: event.group, mac: event.mac })
        return
      case 'send.history-full':
        this.#ctx.note('warn', 'history.full', 'the peer does not acknowledge our messages', {})
        return
      case 'link.up': case 'link.down':
        this.#ctx.note(event.type === 'link.up' ? 'info' : 'warn', event.type, `${event.node}: link ${event.link} is ${event.type.slice(5)}`, { peer: event.node, link: event.link })
        return
      case 'overflow': case 'interface': case 'peer.late': return
      default: return this.#peer(event)
    }
  }

  #peer(event: Extract<EngineEvent, { type: 'peer.status' | 'peer.up' | 'peer.dead' | 'peer.returned' | 'peer.restarted' }>): void {
    const peer = [this.#world.peer, ...this.#world.pings].find((candidate) => candidate?.id === event.node)
    if (peer === undefined || peer === null) return
    const { dead: wasDead, heard: wasHeard, kind } = peer
    const change = peer.apply(event)
    if (peer === this.#world.peer && peer.kind !== kind && wasHeard) this.#kindChanged()
    if (change === 'none') return
    const silent = event.type === 'peer.dead' ? event.silentUs : null
    this.#ctx.note(change === 'dead' ? 'warn' : 'info', `peer.${change}`, `${peer.id} is ${peer.dead ? 'dead' : peer.status} (${change})`, {
      peer: peer.id, status: peer.status, generation: peer.generation, silentUs: silent,
    })
    if (peer === this.#world.peer) this.#peerChanged(change === 'first' && wasDead ? 'restarted' : change)
  }

  #peerChanged(change: PeerChange): void {
    const { peer } = this.#world
    invariant(peer !== null, 'only the peer changes')
    switch (change) {
      case 'dead':
        this.#heal.end('peer-dead')
        this.#standby.cancel('peer-dead')
        this.#handover.peerDead()
        this.#claims.peerLost()
        return this.#protocol.peerGone()
      case 'restarted':
        this.#heal.end('peer-restarted')
        this.#standby.cancel('peer-restarted')
        this.#handover.peerRestarted()
        this.#claims.peerLost()
        return this.#protocol.peerRestarted()
      case 'returned':
        this.#standby.cancel('peer-restarted')
        if (peer.kind === 'twinbeat') this.#claims.peerReturned()
        else this.#heal.returned()
        return
      case 'first': case 'status': case 'none': return
    }
  }

  /** The other node was upgraded or rolled back: another protocol decides from here on. */
  #kindChanged(): void {
    this.#claims.reset()
    this.#handover.peerDead()
    if (!this.#world.alone) this.#protocol.adoptFromGroups()
  }

  #raised(generation: number): void {
    this.#ctx.generation = generation
    this.#pause.end()
    this.#standby.cancel('stopping')
    this.#heal.end('settled')
    this.#protocol.reset()
    this.#claims.reset()
    this.#join.start('generation-raised')
  }
}

function split(key: string): [string, string] {
  const at = key.indexOf(':')
  return at < 0 ? [key, ''] : [key.slice(0, at), key.slice(at + 1)]
}

/** Groups that the last daemon left running on purpose, while its permission lasts. */
function keptGroups(text: string | undefined, now: number): ReadonlySet<string> {
  if (text === undefined) return new Set()
  try {
    const value = JSON.parse(text) as { until?: unknown; groups?: unknown }
    if (typeof value.until !== 'number' || value.until < now || !Array.isArray(value.groups)) return new Set()
    return new Set(value.groups.filter((group): group is string => typeof group === 'string'))
  } catch {
    return new Set()
  }
}
