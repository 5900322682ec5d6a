// Interfaces that carry the addresses of a group: a group whose interface lost its carrier, or was set down, is
// handed to a peer whose interface for it is up. Nothing is ever taken because of an interface.
//
//   up --down--> down --long enough--> handed over      (a twinbeat peer that says `up`; one that is settling: later)
//   down --up--> settling --for long enough--> up       (each flap doubles the time, so that nothing bounces back)
// Both down: nothing moves. Beside a real heartbeat, whose interfaces nobody knows, only what `track IF on` names
// moves, and only if the whole set that heartbeat can move is affected; the rest is a warning.

import type { GroupId, Micros } from '../base/ids.js'
import { word, type Context, type Words } from '../context.js'
import type { InterfaceEvent } from '../events.js'
import type { Group } from '../takeover/group.js'
import type { StatementNotes } from '../takeover/claims.js'
import type { World } from '../takeover/world.js'
import type { Field } from '../types.js'

/**
 * A switch that starts again, or a cable that is put into another port, is shorter than the longest of these or much
 * longer. A pair that takes over faster than that is not to wait longer for a cable than for a dead node.
 */
const settleMostUs = 1_000_000
/** Of dead times, for a group with services: stopping and starting them costs more than an interface that is back soon. */
const settleDeadtimes = 2
const settleLeastUs = 20_000
/** Back for so long before it counts as good again; doubled by each flap, up to the maximum. */
const riseUs = 5_000_000
const riseMaxUs = 300_000_000
/** An interface without a flap for so long is a good one again. */
const forgetUs = 600_000_000
/** A peer whose interface has only just come back is better than one that is surely down, after this time. */
const worseUs = 10_000_000
const againUs = 10_000_000

export type Fitness = 'up' | 'settling' | 'down'

interface Interface {
  up: boolean
  since: Micros
  flaps: number
}

export interface TrackHost {
  /** It will probably be offered soon; or will not after all. */
  prepare(group: Group): void
  unprepare(group: Group): void
  /** Hand the group to the peer; null: begun, else why not. */
  offer(group: Group): string | null
  /** Beside a real heartbeat: ask it to take these groups. */
  standby(groups: readonly Group[]): string | null
  /** The twinbeat peer and this node have told each other what they hold. */
  readonly settled: boolean
}

export class Track implements StatementNotes {
  readonly #interfaces = new Map<string, Interface>()
  #theirs: ReadonlyMap<GroupId, Fitness> | null = null
  readonly #told = new Map<GroupId, string>()
  readonly #laterAt = new Map<GroupId, number>()
  host: TrackHost | null = null

  constructor(private readonly ctx: Context, private readonly world: World) {
    world.peerUnfit = (id) => this.peerUnfit(id)
    world.betterThere = (id) => this.betterThere(id)
  }

  changed(event: InterfaceEvent): void {
    const up = event.up && event.carrier
    const known = this.#interfaces.get(event.name)
    const { now } = this.ctx
    if (known === undefined) {
      this.#interfaces.set(event.name, { up, since: now, flaps: 0 })
    } else if (known.up !== up) {
      if (up && now - known.since > forgetUs) known.flaps = 0
      if (!up) known.flaps = now - known.since > forgetUs ? 1 : known.flaps + 1
      known.up = up
      known.since = now
    } else return
    // Each brings a step in which a time has passed.
    if (!up) this.ctx.timer(`track:${event.name} soon`, this.#settleUs(true))
    if (!up || known !== undefined) this.ctx.timer(`track:${event.name}`, up ? this.#riseOf(event.name) : this.#settleUs(false))
  }

  /**
   * So long without its interface before a group leaves. Addresses alone move faster than anybody comes back: they wait
   * as long as for a dead node, time enough to hear of an interface of the peer that goes down with ours.
   */
  #settleUs(addressOnly: boolean): number {
    const { deadtimeUs } = this.ctx.config.timing
    return Math.min(settleMostUs, addressOnly ? deadtimeUs : Math.max(settleLeastUs, settleDeadtimes * deadtimeUs))
  }

  #riseOf(name: string): number {
    const flaps = this.#interfaces.get(name)?.flaps ?? 0
    return flaps === 0 ? 0 : Math.min(riseMaxUs, riseUs * 2 ** Math.min(flaps - 1, 10))
  }

  #stateOf(name: string): { fitness: Fitness; forUs: number } {
    const one = this.#interfaces.get(name)
    if (one === undefined) return { fitness: 'up', forUs: 0 }
    const forUs = this.ctx.now - one.since
    if (!one.up) return { fitness: 'down', forUs }
    return { fitness: forUs >= this.#riseOf(name) ? 'up' : 'settling', forUs }
  }

  #rule(id: GroupId): { readonly interfaces: readonly string[]; readonly explicit: boolean } | null {
    return this.ctx.config.tracks.find((track) => track.group === id) ?? null
  }

  /** The worst of the interfaces that carry this group here. */
  fitness(id: GroupId): Fitness {
    const states = (this.#rule(id)?.interfaces ?? []).map((name) => this.#stateOf(name).fitness)
    return states.includes('down') ? 'down' : states.includes('settling') ? 'settling' : 'up'
  }

  /** The peer cannot serve the group well, by its own word. */
  peerUnfit(id: GroupId): boolean {
    const theirs = this.#theirs?.get(id)
    return theirs === 'down' || theirs === 'settling'
  }

  /** Down here, and not there, as far as the peer has said. */
  betterThere(id: GroupId): boolean {
    return this.fitness(id) === 'down' && this.#theirs !== null && this.#theirs.get(id) !== 'down'
  }

  // ------------------------------------------------------------------------------------ between the nodes

  get #text(): string {
    return this.ctx.config.groups.flatMap(({ id }) => {
      const fitness = this.fitness(id)
      return fitness === 'up' ? [] : [`${fitness === 'down' ? 'd' : 's'}:${id}`]
    }).join(' ')
  }

  readonly asks = false

  get stamp(): string {
    return this.#text
  }

  words(): Words {
    return [['tb_if', this.#text]]
  }

  heard(fields: readonly Field[]): void {
    const text = word(fields, 'tb_if')
    if (text === null) {
      this.#theirs = null
      return
    }
    const parts = text.split(' ').filter((part) => /^[ds]:./.test(part))
    this.#theirs = new Map(parts.map((part) => [part.slice(2) as GroupId, part.startsWith('d') ? 'down' : 'settling']))
  }

  peerLost(): void {
    this.#theirs = null
  }

  // ------------------------------------------------------------------------------------------ decisions

  /** Level, at the end of every step. */
  advance(): void {
    const { world } = this
    if (!world.joined || world.stopping || world.paused || world.halted || world.contested) return
    for (const group of world.groups.values()) {
      const fitness = this.fitness(group.id)
      if (fitness === 'up' && this.#told.delete(group.id)) {
        this.ctx.note('info', 'track.back', `${group.id}: its interface is up again and stays so`, { group: group.id })
      }
      if (fitness !== 'down') this.#laterAt.delete(group.id)
      if (fitness === 'down' && group.state === 'held') this.#leave(group)
      else this.host?.unprepare(group)
    }
  }

  #leave(group: Group): void {
    const rule = this.#rule(group.id)
    if (rule === null || this.host === null) return
    const down = rule.interfaces.filter((name) => this.#stateOf(name).fitness === 'down')
    const downUs = Math.max(...down.map((name) => this.#stateOf(name).forUs))
    if (this.ctx.now < (this.#laterAt.get(group.id) ?? 0)) return
    const why = this.#whyNot(group, downUs)
    if (downUs < this.#settleUs(group.addressOnly)) {
      if (why === null && this.world.peerIsTwinbeat) this.host.prepare(group)
      else this.host.unprepare(group)
      return
    }
    const refusal = why ?? (this.world.peerIsTwinbeat ? this.host.offer(group) : this.#standby(group, this.host))
    // What was offered is under way: nothing new to say.
    if (refusal === 'TB_BUSY') return
    if (refusal !== null) this.host.unprepare(group)
    // Also when it was offered: a peer that refuses is not asked again at once.
    this.#laterAt.set(group.id, this.ctx.now + againUs)
    this.ctx.timer(`track:again ${group.id}`, againUs)
    this.#tell(group, down.join(' '), refusal)
  }

  #whyNot(group: Group, downUs: number): string | null {
    const { peer, peerIsTwinbeat } = this.world
    const ordered = this.world.ordered(group.id)
    if (ordered !== null) return ordered
    if (peer === null || !peer.active) return 'no peer is there'
    if (!peerIsTwinbeat) return this.#rule(group.id)?.explicit === true ? null : 'the peer is a real heartbeat'
    if (this.host?.settled !== true || this.#theirs === null) return `${peer.id} has not said whether its interface is up`
    const theirs = this.#theirs.get(group.id) ?? 'up'
    if (theirs === 'down') return `the interface of ${peer.id} is down too`
    return theirs === 'settling' && downUs < worseUs ? `the interface of ${peer.id} has only just come back` : null
  }

  /** Only sets move there: one with a group that is well served here stays. */
  #standby(group: Group, host: TrackHost): string | null {
    const set = this.world.groupsOf(this.world.side(group))
    if (set.some((one) => this.fitness(one.id) !== 'down')) return 'a real heartbeat would take healthy groups with it'
    return host.standby(set)
  }

  #tell(group: Group, interfaces: string, refusal: string | null): void {
    const told = refusal ?? 'handing it over'
    if (this.#told.get(group.id) === told) return
    this.#told.set(group.id, told)
    this.ctx.note('warn', 'track.lost', `${group.id}: ${interfaces} is down: ${refusal === null ? told : `it stays here: ${told}`}`, {
      group: group.id, interfaces, reason: refusal,
    })
  }
}
