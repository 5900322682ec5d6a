// Runs what the core orders for one member of a group: an address by the engine, an agent by the resource
// manager. Answers each order with exactly one result, whatever happens.
import type { GroupConfig, TwinbeatSettings } from '../../config/model.js'
import type { MemberResultEvent } from '../../core/events.js'
import type { MemberRunEffect } from '../../core/effects.js'
import type { EngineAddress } from '../../engine/engine.js'
import { messageOf } from '../../errors.js'
import { heartbeatEnvironment, type HeartbeatScene } from '../../lrm/environment.js'
import { describeAgent, type Lrm } from '../../lrm/lrm.js'
import { defaultPlaces } from '../../lrm/places.js'
import { resolveMember } from '../../lrm/resolve.js'
import type { AddressSpec, AgentResult, AgentTarget, ResolvedMember } from '../../lrm/types.js'
import type { AddressOutcome, AddressRunner } from './addresses.js'
import { notAfterOf, type GroupPicture, type PlacedMember } from './plans.js'

export interface MemberDependencies {
  readonly addresses: AddressRunner
  readonly lrm: Lrm
  /** Before an address of a group comes up: closed to new connections if it is to be; else why that is not possible. */
  readonly close: (group: string) => Promise<string | null>
  /** Fills in interface and prefix from the routes; a sentence when that is not possible. */
  readonly locate: (address: AddressSpec) => EngineAddress | string
  readonly scene: () => HeartbeatScene
  /** Of the group, in the engine; null: it has none. */
  readonly slotOf: (group: string) => number | null
}

type Answer = Pick<MemberResultEvent, 'outcome' | 'text'>

interface Entry {
  readonly resolved: ResolvedMember
  readonly group: string
  readonly digest: string
  readonly member: string
  readonly carriesAddress: boolean
  /** Its address comes up closed to new connections. */
  readonly closedFirst: boolean
  /** Where the address was put; removal goes there even if the routes changed since. */
  placed: EngineAddress | null
  last: string | null
}

export class Members {
  readonly #dependencies: MemberDependencies
  #entries = new Map<string, Entry>()
  /** Why a group cannot start here at all: one of its members is nothing on this machine. */
  #unusable = new Map<string, { readonly digest: string; readonly why: string }>()
  #settings: Pick<TwinbeatSettings, 'startTimeoutUs' | 'stopTimeoutUs' | 'statusTimeoutUs'> | null = null
  /** Agent of each call that is under way. */
  readonly #underWay = new Map<number, AgentTarget>()

  constructor(dependencies: MemberDependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Resolves every member anew; what is unchanged keeps its place. A definition that is still in force, because
   * its group is not stopped yet, stays known beside its successor: it must be stopped as it was started.
   */
  configure(
    groups: readonly GroupConfig[],
    settings: TwinbeatSettings,
    haDir: string,
    inForce: (group: string, digest: string) => boolean = () => false,
  ): void {
    const places = defaultPlaces(haDir)
    const next = new Map<string, Entry>()
    const unusable = new Map<string, { readonly digest: string; readonly why: string }>()
    for (const group of groups) {
      for (const member of group.members) {
        const key = keyOf(group.key, group.digest, member.id)
        const resolved = resolveMember(member, group.key, places)
        if (resolved.kind === 'unresolved') unusable.set(group.key, { digest: group.digest, why: notThere(member.word, resolved) })
        next.set(key, {
          resolved,
          group: group.key,
          digest: group.digest,
          member: member.id,
          carriesAddress: member.address !== null,
          closedFirst: group.addressOrder === 'blocked',
          placed: this.#entries.get(key)?.placed ?? null,
          last: this.#entries.get(key)?.last ?? null,
        })
      }
    }
    for (const [key, entry] of this.#entries) {
      if (!next.has(key) && inForce(entry.group, entry.digest)) next.set(key, entry)
    }
    this.#entries = next
    this.#unusable = unusable
    this.#settings = settings
  }

  /** A group is held now: addresses of it that were only adopted are announced. */
  held(group: string): void {
    const placed = [...this.#entries.values()].flatMap((entry) =>
      entry.group === group && entry.placed !== null ? [entry.placed] : [],
    )
    this.#dependencies.addresses.announceAdopted(placed)
  }

  async run(order: MemberRunEffect): Promise<Answer> {
    const entry = this.#entries.get(keyOf(order.group, order.digest, order.member))
    if (entry === undefined) return { outcome: 'failed', text: 'this member is not configured any more' }
    if (order.action === 'start' && order.authority === null) {
      return { outcome: 'failed', text: 'a start without authority is refused' }
    }
    const unusable = this.#unusable.get(order.group)
    // Not even its address: an address without its service is an outage that looks healthy.
    if (order.action === 'start' && unusable?.digest === order.digest) {
      return { outcome: 'failed', text: unusable.why }
    }
    const open = order.action === 'start' && addressOf(entry) ? await this.#dependencies.close(order.group) : null
    if (open !== null) return { outcome: 'failed', text: `cannot be closed to new connections: ${open}` }
    let answer: Answer
    try {
      answer =
        entry.resolved.kind === 'address'
          ? await this.#runAddress(entry, entry.resolved.address, order)
          : entry.resolved.kind === 'agent'
            ? await this.#runAgent(entry.resolved.target, order)
            : unresolved(entry.resolved, order)
    } catch (error) {
      answer = { outcome: 'failed', text: messageOf(error) }
    }
    entry.last =
      answer.text === ''
        ? `${order.action}: ${answer.outcome}`
        : `${order.action}: ${answer.outcome}: ${answer.text}`
    return answer
  }

  /** Ends the agent action of this call; its result comes at once, what it started is killed soon after. */
  abort(call: number): void {
    const target = this.#underWay.get(call)
    if (target === undefined) return
    // Either it runs, or it waits for its turn behind an action that does not end.
    if (!this.#dependencies.lrm.abort(target.id)) this.#dependencies.lrm.cancel(target.id)
  }

  async #runAddress(entry: Entry, spec: AddressSpec, order: MemberRunEffect): Promise<Answer> {
    const located = entry.placed ?? this.#dependencies.locate(spec)
    if (typeof located === 'string') {
      // An address that no interface can carry is surely not here.
      return order.action === 'start'
        ? { outcome: 'failed', text: located }
        : { outcome: 'stopped', text: located }
    }
    const action = order.action === 'monitor' ? 'probe' : order.action
    const outcome = await this.#dependencies.addresses.run(located, action, {
      checkDuplicate: located.family === 6 && isUnhurried(order.authority),
      gate: { slot: this.#dependencies.slotOf(order.group), notAfterUs: notAfterOf(order.authority) },
    })
    if (outcome.state === 'running') {
      entry.placed = located
      if (order.action === 'probe') this.#dependencies.addresses.adopt(located)
    }
    if (outcome.state === 'stopped') entry.placed = null
    return addressAnswer(outcome)
  }

  async #runAgent(target: AgentTarget, order: MemberRunEffect): Promise<Answer> {
    const settings = this.#settings
    const limitUs =
      settings === null
        ? 0
        : order.action === 'start'
          ? settings.startTimeoutUs
          : order.action === 'stop'
            ? settings.stopTimeoutUs
            : settings.statusTimeoutUs
    const env = target.class === 'heartbeat' ? heartbeatEnvironment(this.#dependencies.scene()) : {}
    this.#underWay.set(order.call, target)
    try {
      const timeoutMs = limitUs / 1000
      return agentAnswer(await this.#dependencies.lrm.run({ resource: target, action: order.action, timeoutMs, env }))
    } finally {
      this.#underWay.delete(order.call)
    }
  }

  /** Everything that could run here, whatever is known of it: this life ends. */
  async releaseAll(groups: readonly GroupConfig[]): Promise<void> {
    for (const { key, digest, members } of groups) {
      for (const member of [...members].reverse()) {
        await this.run({
          type: 'member.run', call: 0, group: key, digest, member: member.id, action: 'stop', authority: null,
        })
      }
    }
  }

  /** The engine took this member by a plan, or found that it could not. */
  taken(group: string, digest: string, member: string, address: EngineAddress, taken: boolean): void {
    const entry = this.#entries.get(keyOf(group, digest, member))
    if (entry === undefined) return
    this.#dependencies.addresses.taken(address, taken)
    entry.placed = taken ? address : null
    entry.last = taken ? 'start: running' : entry.last
  }

  /** Every group as it would be taken on this machine now; of two definitions of one group the newer comes first. */
  pictures(): readonly GroupPicture[] {
    const found = new Map<string, { name: string; digest: string; addressOnly: boolean; whole: boolean
      leading: PlacedMember[]; addresses: EngineAddress[] }>()
    for (const entry of this.#entries.values()) {
      const key = keyOf(entry.group, entry.digest, '')
      let picture = found.get(key)
      if (picture === undefined) {
        // What must be closed first is taken by orders, which wait for the rule: no plan of the engine does.
        const whole = !entry.closedFirst && this.#unusable.get(entry.group)?.digest !== entry.digest
        picture = { name: entry.group, digest: entry.digest, addressOnly: true, whole, leading: [], addresses: [] }
        found.set(key, picture)
      }
      const { resolved } = entry
      const located = resolved.kind === 'address' ? (entry.placed ?? this.#dependencies.locate(resolved.address)) : null
      if (resolved.kind !== 'address') picture.addressOnly = false
      if (located !== null && typeof located !== 'string') picture.addresses.push(located)
      if (located === null || typeof located === 'string') picture.whole = false
      else if (picture.whole) picture.leading.push({ member: entry.member, address: located })
    }
    return [...found.values()]
  }

  /** For status: what runs the member, and its last result. */
  describe(group: string, member: string): { runs: string; last: string | null } {
    const entry = [...this.#entries.values()].find((one) => one.group === group && one.member === member)
    if (entry === undefined) return { runs: '?', last: null }
    const resolved = entry.resolved
    if (resolved.kind === 'address') {
      return {
        runs: `engine on ${entry.placed?.interface ?? resolved.address.interface ?? 'the route to it'}`,
        last: entry.last,
      }
    }
    if (resolved.kind === 'agent') return { runs: describeAgent(resolved.target), last: entry.last }
    return { runs: `nothing: ${resolved.reason}`, last: entry.last }
  }

  /** Groups that cannot start on this machine, with the reason. */
  unusable(): ReadonlyMap<string, string> {
    return new Map([...this.#unusable].map(([group, { why }]) => [group, why]))
  }

  /** Which group a resource of the resource manager belongs to. */
  groupOfResource(id: string): string | null {
    for (const { resolved, group } of this.#entries.values()) {
      if (resolved.kind === 'agent' && resolved.target.id === id) return group
    }
    return null
  }

  /** What of a group the resource manager runs. */
  resourcesOf(group: string): string[] {
    return [...this.#entries.values()].flatMap((entry) =>
      entry.group === group && entry.resolved.kind === 'agent' ? [entry.resolved.target.id] : [])
  }

  /** Which member an address on an interface belongs to. */
  ownerOf(address: string): { group: string; member: string } | null {
    for (const { resolved, group, member } of this.#entries.values()) {
      if (resolved.kind === 'address' && resolved.address.address === address) return { group, member }
    }
    return null
  }
}

/** By the engine, or by an agent that configures one. */
function addressOf({ resolved, carriesAddress }: Entry): boolean {
  return resolved.kind === 'address' || carriesAddress
}

/**
 * Addresses of version 6 are added without the kernel's own duplicate detection, which takes seconds. Where
 * nobody waits for the address we ask the neighbours ourselves (RFC 4862, 0.2 s); after a death, a hand-over
 * or a loss there is no such time, and the rule that allowed the take has answered the question already.
 */
const isUnhurried = (authority: MemberRunEffect['authority']): boolean =>
  authority?.kind === 'agreed' || authority?.kind === 'operator'

const keyOf = (group: string, digest: string, member: string): string => `${group}\n${digest}\n${member}`

function notThere(word: string, { reason, tried }: Extract<ResolvedMember, { kind: 'unresolved' }>): string {
  return `'${word}' is nothing on this machine: ${reason}; looked at ${tried.join(', ')}`
}

function unresolved(
  resolved: Extract<ResolvedMember, { kind: 'unresolved' }>,
  order: MemberRunEffect,
): Answer {
  if (order.action === 'probe' || order.action === 'monitor')
    return { outcome: 'stopped', text: resolved.reason }
  return { outcome: 'failed', text: resolved.reason }
}

function addressAnswer(outcome: AddressOutcome): Answer {
  const text = outcome.reason ?? ''
  return outcome.ok && outcome.state !== 'unknown'
    ? { outcome: outcome.state, text }
    : { outcome: 'failed', text }
}

function agentAnswer(result: AgentResult): Answer {
  const text = result.reason ?? (result.execution === 'done' ? '' : result.execution)
  if (result.action === 'start') return { outcome: result.ok ? 'running' : 'failed', text }
  if (result.action === 'stop') return { outcome: result.ok ? 'stopped' : 'failed', text }
  if (result.state === 'running' || result.state === 'promoted') return { outcome: 'running', text }
  return { outcome: result.state === 'stopped' ? 'stopped' : 'failed', text }
}
