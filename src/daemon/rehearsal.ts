// What a pair does once a year it must do in a millisecond, and a program that has never run a path runs it ten times
// slower. So once the pair is there, two cores of the same configuration play it through among themselves: a lost
// interface, a silent peer, a partition that heals, a stop. What they decide is carried out by an understudy each, so that
// the way from a decision to the engine has been gone as well. Nothing leaves these two files: no engine, no disk, no agent.
import { micros, type NodeId } from '../core/base/ids.js'
import { createPrng } from '../core/base/prng.js'
import { createCore, type Core } from '../core/core.js'
import type { Effect, MemberRunEffect, PlanFireEffect } from '../core/effects.js'
import type { CoreConfig } from '../core/types.js'
import { messageOf } from '../errors.js'
import type { Occurrence } from './shell.js'
import { Understudy } from './understudy.js'

/** After the start of the resources: nobody waits for us then. */
export const beginAfterMs = 500
/** As often as an interpreter has to see something to stop interpreting it. */
const rounds = 12
/** Of one core between two looks at the real world. */
const stepsPerTurn = 2
/** Of one scene: a configuration that never comes to rest is left alone. */
const stepsMax = 600
const second = 1_000_000
/** Of the size that they have on the day: what was compiled for small integers is thrown away at the first large one. */
const beginAt = 100_000 * second
const firstGeneration = 1_800_000_000

interface Waiting {
  readonly at: number
  readonly to: Actor
  readonly event: Occurrence
}

/** What is warm stays warm: whoever comes back from a pause has better things to do. */
let isRehearsed = false

/**
 * Once in a process. Plays on in small pieces between whatever else there is to do, and ends by itself: also when the copies
 * contradict themselves, which is told and is no end of the real one.
 */
export function rehearseSoon(config: CoreConfig, onFailure: (text: string) => void, play = rehearsal(config)): void {
  if (isRehearsed) return
  isRehearsed = true
  const turn = (): void => {
    try {
      if (play.next().done !== true) setImmediate(turn).unref()
    } catch (error) {
      onFailure(`the rehearsal ended early, nothing depends on it: ${messageOf(error)}`)
    }
  }
  setTimeout(turn, beginAfterMs).unref()
}

/** Every step of it is one `next`; the result says whether the peer had everything in the end, each time. */
export function* rehearsal(config: CoreConfig): Generator<undefined, boolean> {
  const peer = config.nodes.find((node) => node.kind === 'normal' && node.id !== config.self)?.id
  // With an arbiter everything hangs on answers that nobody gives here.
  if (peer === undefined || config.protection === 'lease' || config.groups.length === 0) return false
  let whole = true
  for (let round = 0; round < rounds; round += 1) {
    const scene = new Scene(config, peer)
    try {
      whole = (yield* scene.play()) && whole
    } finally {
      scene.end()
    }
  }
  return whole
}

class Actor {
  readonly core: Core
  readonly hands: Understudy
  readonly running = new Set<string>()
  readonly timers = new Map<string, number>()
  generation = firstGeneration
  gone = false

  constructor(readonly config: CoreConfig, readonly other: NodeId) {
    this.core = createCore(config, createPrng(1))
    this.hands = new Understudy(config, other)
  }
}

class Scene {
  readonly #here: Actor
  readonly #there: Actor
  #waiting: Waiting[] = []
  #now = beginAt
  #steps = 0
  /** They do not hear each other. */
  #cut = false

  constructor(config: CoreConfig, peer: NodeId) {
    this.#here = new Actor(config, peer)
    this.#there = new Actor({ ...config, self: peer }, config.self)
  }

  *play(): Generator<undefined, boolean> {
    const { groups, timing, tracks } = this.#here.config
    for (const actor of [this.#here, this.#there]) {
      this.#tell(actor, { type: 'boot', generation: actor.generation, persisted: {} })
      this.#tell(actor, { type: 'guardian.ready' })
      for (const track of tracks) for (const name of track.interfaces) this.#link(actor, name, true)
    }
    yield* this.#run(10 * second)
    for (const track of tracks) for (const name of track.interfaces) this.#link(this.#here, name, false)
    yield* this.#run(3 * second)
    // Each finds the other silent, acts on that, and hears it again.
    this.#cut = true
    for (const actor of [this.#here, this.#there]) {
      this.#tell(actor, { type: 'peer.late', node: actor.other, silentUs: timing.deadtimeUs })
      this.#tell(actor, { type: 'link.down', node: actor.other, link: 'eth0' })
      this.#tell(actor, this.#silence(actor, timing.deadtimeUs))
    }
    yield* this.#run(5 * second)
    this.#cut = false
    for (const actor of [this.#here, this.#there]) {
      this.#tell(actor, { type: 'peer.returned', node: actor.other, generation: firstGeneration })
    }
    yield* this.#run(5 * second)
    for (const track of tracks) for (const name of track.interfaces) this.#link(this.#here, name, true)
    this.#tell(this.#here, { type: 'operator', id: 'takeover', verb: 'takeover', what: 'all' })
    yield* this.#run(5 * second)
    for (const { id, digest } of groups.filter((group) => group.members.every((member) => member.kind === 'address'))) {
      const claimEpoch = this.#here.core.snapshot().groups.find((group) => group.id === id)?.claimEpoch ?? 0
      this.#tell(this.#there, { type: 'gasp', node: this.#here.config.self, generation: firstGeneration, group: id, claimEpoch, digest })
    }
    this.#tell(this.#here, { type: 'operator', id: 'stop', verb: 'stop', what: '' })
    yield* this.#run(5 * second)
    return this.#there.core.snapshot().groups.every((group) => group.state === 'held')
  }

  end(): void {
    for (const actor of [this.#here, this.#there]) actor.hands.stop()
  }

  #link(actor: Actor, name: string, carrier: boolean): void {
    this.#tell(actor, { type: 'interface', name, up: true, carrier })
  }

  #silence(actor: Actor, silentUs: number): Occurrence {
    return { type: 'peer.dead', node: actor.other, generation: firstGeneration, silentUs, links: [{ name: 'eth0', silentUs }] }
  }

  /** What is told takes a moment. */
  #tell(to: Actor, event: Occurrence): void {
    this.#waiting.push({ at: this.#now + 1, to, event })
  }

  #say(from: Actor, event: Occurrence): void {
    if (!this.#cut) this.#tell(from === this.#here ? this.#there : this.#here, event)
  }

  *#run(us: number): Generator<undefined, void> {
    const until = this.#now + us
    for (let count = 1; this.#steps < stepsMax; count += 1) {
      const next = this.#next()
      if (next === null || next.at > until) break
      this.#steps += 1
      this.#now = Math.max(this.#now, next.at)
      if (!next.to.gone) this.#step(next)
      if (count % stepsPerTurn === 0) yield undefined
    }
    this.#now = until
  }

  #next(): Waiting | null {
    const [first] = this.#waiting
    let due: { readonly actor: Actor; readonly key: string; readonly at: number } | null = null
    for (const actor of [this.#here, this.#there]) {
      for (const [key, at] of actor.timers) if (due === null || at < due.at) due = { actor, key, at }
    }
    if (due === null || (first !== undefined && first.at <= due.at)) {
      this.#waiting.shift()
      return first ?? null
    }
    due.actor.timers.delete(due.key)
    return { at: due.at, to: due.actor, event: { type: 'timer', key: due.key } }
  }

  #step({ to, event }: Waiting): void {
    const happened = { ...event, at: micros(this.#now) }
    const decided = to.core.step(happened)
    to.hands.carryOut(happened, decided)
    for (const effect of decided) this.#apply(to, effect)
  }

  #apply(actor: Actor, effect: Effect): void {
    const { self, timing } = actor.config
    switch (effect.type) {
      case 'send': return this.#say(actor, { type: 'message', from: self, fields: effect.fields, link: 'eth0' })
      case 'status': return this.#say(actor, {
        type: 'peer.status', node: self, status: effect.st, generation: actor.generation, deadtimeUs: timing.deadtimeUs, twinbeat: '1',
      })
      case 'timer.set': actor.timers.set(effect.key, effect.at); return
      case 'timer.cancel': actor.timers.delete(effect.key); return
      case 'member.run': return this.#act(actor, effect)
      case 'plan.arm': return this.#tell(actor, { type: 'plan.armed', group: effect.group, epoch: effect.epoch, answer: 'armed' })
      case 'plan.disarm':
        return this.#tell(actor, { type: 'plan.disarmed', group: effect.group, epoch: effect.epoch, answer: 'disarmed' })
      case 'plan.fire': return this.#fire(actor, effect)
      case 'persist': return this.#tell(actor, { type: 'persisted', key: effect.key, ok: true })
      case 'fence.run': {
        const { call, device, target, action } = effect
        return this.#tell(actor, { type: 'fence.result', call, device, target, action, outcome: 'confirmed', text: '' })
      }
      case 'generation.raise':
        actor.generation += 1
        return this.#tell(actor, { type: 'generation.raised', generation: actor.generation })
      case 'halt': actor.gone = true; return
      default: return
    }
  }

  #act(actor: Actor, { call, group, member, action }: MemberRunEffect): void {
    const key = `${group} ${member}`
    if (action === 'start') actor.running.add(key)
    if (action === 'stop') actor.running.delete(key)
    const outcome = actor.running.has(key) ? 'running' : 'stopped'
    this.#tell(actor, { type: 'member.result', call, group, member, action, outcome, text: '' })
  }

  /** As the engine does it: the addresses up to the first member that is none. */
  #fire(actor: Actor, { group, epoch }: PlanFireEffect): void {
    const members = actor.config.groups.find((one) => one.id === group)?.members ?? []
    const services = members.findIndex((member) => member.kind !== 'address')
    const leading = members.slice(0, services < 0 ? members.length : services)
    for (const { id } of leading) actor.running.add(`${group} ${id}`)
    const at = micros(this.#now)
    this.#tell(actor, {
      type: 'plan.fired', group, epoch, detectedAt: at, firstAddressAt: at, firstAnnounceAt: at,
      members: leading.map(({ id }) => ({ member: id, ok: true, text: '' })),
    })
  }
}
