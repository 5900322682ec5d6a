// What must be true of two nodes whatever makes their takes safe: who holds, what is said, how it ends.

import type { Effect } from '../../../src/core/effects.js'
import type { GroupConfig } from '../../../src/core/types.js'
import type { SimNode } from '../node.js'
import { Violation, type CheckerName, type Scene } from './scene.js'

const graceUs = 1_000_000
/** A real node goes on with what it began while it was alone, however long its scripts take. */
const realGraceUs = 40_000_000
const messagesPerSecondMax = 400

const isAddressOnly = (group: GroupConfig): boolean => group.members.every((member) => member.kind === 'address')

export class PairCheckers {
  #togetherSince: number | null = null
  #overlapSince = new Map<string, number>()
  #probed = new Map<string, boolean>()
  #offered = new Map<string, number>()
  /** By node and group: when it last began to take it. */
  #taken = new Map<string, number>()
  #messages: number[] = [0, 0]
  #second = 0

  constructor(private readonly scene: Scene, private readonly realPeer: boolean) {}

  fail(checker: CheckerName, detail: string): never {
    throw new Violation(checker, this.scene.now(), detail)
  }

  // ------------------------------------------------------------------------------------------ holders

  /** Called after every event: cheap unless something overlaps. */
  holders(): void {
    const { scene } = this
    const now = scene.now()
    if (!scene.together()) this.#togetherSince = null
    else this.#togetherSince ??= now
    for (const group of scene.groups) {
      const both = scene.nodes.every((node) => group.members.some((member) => node.machine.running.has(member.id)))
      if (!both) {
        this.#overlapSince.delete(group.id)
        continue
      }
      const since = this.#overlapSince.get(group.id) ?? now
      this.#overlapSince.set(group.id, since)
      if (this.#togetherSince === null || this.#undecided(group)) continue
      const lateUs = this.realPeer ? realGraceUs : graceUs
      if (since >= this.#togetherSince + lateUs) this.fail('single-holder', `${group.id} began to run on both nodes`)
      this.#addressesGo(group, this.#togetherSince)
      const limit = isAddressOnly(group) && !this.realPeer ? graceUs : 120_000_000
      if (now > this.#togetherSince + limit) this.fail('heal', `${group.id} still runs on both nodes`)
    }
  }

  /** Whoever lets go because the peer holds the group too drops its addresses at once, whatever its services need. */
  #addressesGo(group: GroupConfig, togetherSince: number): void {
    for (const node of this.scene.nodes) {
      const state = node.core?.snapshot().groups.find((one) => one.id === group.id)
      if (state?.state !== 'giving' || !['heal-lost', 'heal-yield', 'paused'].includes(state.reason)) continue
      const stays = group.members.find((member) => member.kind === 'address' && node.machine.running.has(member.id))
      const long = node.clock.now - state.since > graceUs && this.scene.now() - togetherSince > graceUs
      if (stays === undefined || !long) continue
      this.fail('heal', `${node.id} lets go of ${group.id} and still has ${stays.id}`)
    }
  }

  /** A new life has not yet decided about what the last one left behind, or cannot stop it. */
  #undecided(group: GroupConfig): boolean {
    return this.scene.nodes.some((node) => {
      if (node.core === null) return node.leftovers
      const state = node.core.snapshot().groups.find((one) => one.id === group.id)
      return state === undefined || state.state === 'unknown' || state.state === 'found' || state.state === 'blocked' ||
        (state.state === 'giving' && state.reason === 'claimed-by-peer')
    })
  }

  // ------------------------------------------------------------------------------------------ effects

  effect(node: SimNode, effect: Effect): void {
    switch (effect.type) {
      case 'member.run': return this.#run(node, effect)
      case 'send': {
        this.#count(node)
        // The original reports what it hopes for; only our own words must be true.
        if (node.twinbeat === null) return
        return this.#said(node, new Map(effect.fields.map((field) => [field.name, String(field.value)])))
      }
      case 'note': return this.#noted(node, effect)
      default: return
    }
  }

  #run(node: SimNode, effect: Extract<Effect, { type: 'member.run' }>): void {
    const key = `${node.id}/${effect.group}/${effect.member}`
    if (effect.action === 'probe') this.#probed.set(key, true)
    if (effect.action !== 'start') return
    if (effect.authority === null) this.fail('authority', `${key} started without authority`)
    if (this.#probed.get(key) !== true) this.fail('probe-first', `${key} started without a probe`)
    this.#probed.delete(key)
  }

  #runs(node: SimNode, id: string): boolean {
    const group = this.scene.groups.find((one) => one.id === id)
    return group?.members.some((member) => node.machine.running.has(member.id)) ?? false
  }

  #said(node: SimNode, words: ReadonlyMap<string, string>): void {
    const t = words.get('t')
    const released = (id: string, how: string): void => {
      if (this.#runs(node, id)) this.fail('truthful', `${node.id} says ${how} of ${id}, which runs there`)
    }
    if (t === 'tb_claims') {
      for (const part of (words.get('tb_groups') ?? '').split(' ')) {
        if (part !== '' && 'pcnw'.includes(part.charAt(0))) released(part.slice(3), `'${part.charAt(0)}'`)
      }
    } else if (t === 'tb_handover' && (words.get('tb_op') === 'released' || words.get('tb_op') === 'refused')) {
      // `refused` to an offer tells nothing; only what was accepted is promised not to be here.
      if (words.get('tb_op') === 'released') released(words.get('tb_group') ?? '', 'released')
    } else if (t === 'shutdone') {
      for (const group of this.scene.groups) released(group.id, 'shutdone')
    } else if (t === 'resource' && words.get('rtype') === 'full') {
      this.#reported(node, words.get('rsc_hold') ?? '')
    } else if (t === 'ask_resources' && words.get('info') === 'done' && node.core?.snapshot().standby.state === 'done') {
      // The giver's: the taker has left the exchange with its own.
      for (const group of this.#side(node, words.get('rsc_hold') ?? '')) released(group.id, 'done')
    }
  }

  #side(node: SimNode, what: string): readonly GroupConfig[] {
    return this.scene.groups.filter((group) => what === 'all' || (group.home === node.id) === (what === 'local'))
  }

  #reported(node: SimNode, hold: string): void {
    for (const group of this.scene.groups) {
      const side = group.home === node.id ? 'local' : 'foreign'
      if (hold !== 'all' && hold !== side && this.#runs(node, group.id)) {
        this.fail('truthful', `${node.id} reports ${hold}, but ${group.id} runs there`)
      }
    }
  }

  #noted(node: SimNode, note: Extract<Effect, { type: 'note' }>): void {
    if (note.event === 'group.taking') this.#taken.set(`${node.id} ${String(note.details['group'])}`, this.scene.now())
    if (note.details['role'] !== 'giver') return
    const key = `${node.id}#${node.life} ${String(note.details['exchange'])}`
    if (note.event === 'handover.offered') this.#offered.set(key, 0)
    if (note.event === 'handover.ended' && this.#offered.has(key)) {
      const ends = (this.#offered.get(key) ?? 0) + 1
      this.#offered.set(key, ends)
      if (ends > 1) this.fail('exchange-ends-once', `${key} ended ${ends} times`)
    }
  }

  #count(node: SimNode): void {
    const second = Math.floor(this.scene.now() / 1_000_000)
    if (second !== this.#second) {
      this.#second = second
      this.#messages = [0, 0]
    }
    const count = (this.#messages[node.index] ?? 0) + 1
    this.#messages[node.index] = count
    if (count > messagesPerSecondMax) this.fail('bounded', `${node.id} sends more than ${messagesPerSecondMax} messages a second`)
  }

  /** One second after a long sleep: unless the group was taken again since, it must be gone. */
  wokeStill(node: SimNode, wokeAt: number): void {
    if (node.core?.snapshot().status === 'active') return
    for (const group of this.scene.groups) {
      if ((this.#taken.get(`${node.id} ${group.id}`) ?? 0) > wokeAt) continue
      if (isAddressOnly(group) && this.#runs(node, group.id)) this.fail('wake', `${node.id} slept and still holds ${group.id}`)
    }
  }

  // ---------------------------------------------------------------------------------------------- end

  /** After the calm phase. */
  end(): void {
    for (const node of this.scene.nodes) {
      if (node.core === null) this.fail('liveness', `${node.id} is not up`)
      const snapshot = node.core.snapshot()
      if (snapshot.status !== 'active') this.fail('liveness', `${node.id} is ${snapshot.status}`)
      if (snapshot.requests.length > 0) this.fail('liveness', `${node.id} has open requests`)
      for (const group of snapshot.groups) {
        if (group.exchange !== null) this.fail('liveness', `${node.id}: ${group.id} is still in exchange ${group.exchange.state}`)
        if (!['stopped', 'held', 'blocked'].includes(group.state)) this.fail('liveness', `${node.id}: ${group.id} is ${group.state}`)
      }
    }
    for (const group of this.scene.groups) {
      const stateOn = (node: SimNode): string => node.core?.snapshot().groups.find((one) => one.id === group.id)?.state ?? ''
      const owners = this.scene.nodes.filter((node) => ['held', 'blocked'].includes(stateOn(node)))
      // What cannot be stopped on either node waits for an operator on both.
      const stuck = owners.length > 1 && owners.every((node) => stateOn(node) === 'blocked')
      if (owners.length !== 1 && !stuck) this.fail('liveness', `${group.id} has ${owners.length} owners`)
      const owner = owners[0]
      const running = group.members.filter((member) => owner?.machine.running.has(member.id))
      const blocked = owner !== undefined && stateOn(owner) === 'blocked'
      if (running.length !== group.members.length && !blocked) this.fail('liveness', `${group.id} runs only partly`)
    }
    for (const [key, ends] of this.#offered) {
      const living = this.scene.nodes.some((node) => key.startsWith(`${node.id}#${node.life} `))
      if (living && ends !== 1) this.fail('exchange-ends-once', `${key} ended ${ends} times`)
    }
  }
}
