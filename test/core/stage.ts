// One core on a stage: the test plays the engine, the peer and the agents, and reads the trace.
// Nothing here waits for real time: `run` moves the clock from timer to timer.

import { groupId, micros, nodeId } from '../../src/core/base/ids.js'
import { createPrng } from '../../src/core/base/prng.js'
import { createCore, type Core } from '../../src/core/core.js'
import { withoutDevices } from '../../src/core/fencing/model.js'
import type { Effect } from '../../src/core/effects.js'
import type { CoreEvent, OperatorVerb } from '../../src/core/events.js'
import type { AuthorityBooks } from '../../src/core/takeover/authority-book.js'
import type { CoreConfig, Field } from '../../src/core/types.js'
import type { Slots } from './slots.js'

type WithoutAt<T> = T extends unknown ? Omit<T, 'at'> : never
export type StageEvent = WithoutAt<CoreEvent>

export const second = 1_000_000

export function pairConfig(change: Partial<CoreConfig> = {}): CoreConfig {
  return {
    self: nodeId('alpha'),
    nodes: [{ id: nodeId('alpha'), kind: 'normal' }, { id: nodeId('beta'), kind: 'normal' }],
    groups: [
      {
        id: groupId('web'), home: nodeId('alpha'), digest: 'web-1',
        members: [{ id: 'ip-web', kind: 'address' }, { id: 'httpd', kind: 'agent' }],
      },
      {
        id: groupId('db'), home: nodeId('beta'), digest: 'db-1',
        members: [{ id: 'ip-db', kind: 'address' }],
      },
    ],
    monitors: [],
    tracks: [],
    autoFailback: 'off',
    timing: { keepaliveUs: second, deadtimeUs: 10 * second, initdeadUs: 20 * second },
    stopFailure: 'reset',
    stopRetryMax: 3,
    protection: 'accept',
    fencing: withoutDevices,
    lease: null,
    handoverWaitUs: 10 * second,
    grantWaitUs: 120 * second,
    ...change,
  }
}

export function fieldsOf(words: Readonly<Record<string, string>>): Field[] {
  return Object.entries(words).map(([name, value]) => ({ name, type: 0 as const, value }))
}

export class Stage {
  readonly core: Core
  readonly trace: string[] = []
  readonly running = new Set<string>()
  /** `start:httpd`, `stop:ip-web`, `probe:x`: these actions fail. */
  readonly failing = new Set<string>()
  /** These actions are not answered until `answer` is called. */
  readonly hanging = new Set<string>()
  diskFails = false
  readonly held: { effect: Extract<Effect, { type: 'member.run' }> }[] = []
  /** What the next life would be told. */
  readonly facts: Record<string, string> = {}
  halted = false
  now = 0
  /** Null: an engine that knows no plans. */
  slots: Slots | null = null
  /** What engine and guardian were told last of each group. */
  readonly holdings = new Map<string, Extract<Effect, { type: 'holding' }>>()
  #timers = new Map<string, number>()
  #results: { at: number; event: StageEvent }[] = []

  constructor(public config: CoreConfig = pairConfig(), readonly actionUs = 20_000, books: Partial<AuthorityBooks> = {}) {
    this.core = createCore(config, createPrng(1), books)
  }

  feed(event: StageEvent, label: string | null = null): readonly Effect[] {
    const stamp = (this.now / second).toFixed(3)
    if (label !== null) this.trace.push(`${stamp} ${label}`)
    const effects = this.core.step({ ...event, at: micros(this.now) })
    for (const effect of effects) this.#apply(effect)
    return effects
  }

  /** A message of the peer. */
  say(words: Readonly<Record<string, string>>, from = 'beta'): readonly Effect[] {
    const text = Object.entries(words).map(([name, value]) => `${name}=${value}`).join(' ')
    return this.feed({ type: 'message', from: nodeId(from), fields: fieldsOf(words), link: 'eth0' }, `${from}: ${text}`)
  }

  peerStatus(status: string, generation = 100, twinbeat: string | null = null, node = 'beta'): void {
    this.feed(
      { type: 'peer.status', node: nodeId(node), status, generation, deadtimeUs: 10 * second, twinbeat },
      `engine: ${node} status ${status} generation ${generation}`,
    )
  }

  peerDead(generation = 100): void {
    const silentUs = generation === 0 ? 20 * second : 10 * second
    const links = generation === 0 ? [] : [{ name: 'eth0', silentUs }, { name: 'ttyS0', silentUs: silentUs + second }]
    this.feed({ type: 'peer.dead', node: nodeId('beta'), generation, silentUs, links }, 'engine: beta dead')
  }

  operator(verb: OperatorVerb, what = '', id: string = verb): void {
    this.feed({ type: 'operator', id, verb, what }, `operator: ${verb} ${what}`.trimEnd())
  }

  /** Let time pass: timers fire and agents answer in order. */
  run(us: number): void {
    const until = this.now + us
    for (;;) {
      const next = this.#next()
      if (next === null || next.at > until || this.halted) break
      this.now = Math.max(this.now, next.at)
      next.fire()
    }
    this.now = until
  }

  say2(label: string): void {
    this.trace.push(`# ${label}`)
  }

  states(): string {
    return this.core.snapshot().groups.map((group) => `${group.id}=${group.state}`).join(' ')
  }

  sent(t: string): Record<string, string>[] {
    return this.messages.filter((message) => message['t'] === t)
  }

  readonly messages: Record<string, string>[] = []
  readonly notes: string[] = []
  readonly replies: Extract<Effect, { type: 'reply' }>[] = []

  #next(): { at: number; fire: () => void } | null {
    let best: { at: number; fire: () => void } | null = null
    for (const [key, at] of this.#timers) {
      if (best === null || at < best.at) {
        best = { at, fire: () => { this.#timers.delete(key); this.feed({ type: 'timer', key }) } }
      }
    }
    this.#results.forEach((result, index) => {
      if (best === null || result.at < best.at) {
        best = { at: result.at, fire: () => { this.#results.splice(index, 1); this.feed(result.event) } }
      }
    })
    return best
  }

  #apply(effect: Effect): void {
    const stamp = (this.now / second).toFixed(3)
    switch (effect.type) {
      case 'send': {
        const words = effect.fields.map((field) => `${field.name}=${String(field.value)}`).join(' ')
        this.messages.push(Object.fromEntries(effect.fields.map((field) => [field.name, String(field.value)])))
        this.trace.push(`${stamp}   send ${words}`)
        return
      }
      case 'status': this.trace.push(`${stamp}   status ${effect.st}${effect.deadtimeExtraUs > 0 ? ' longer' : ''}`); return
      case 'timer.set': this.#timers.set(effect.key, effect.at); return
      case 'timer.cancel': this.#timers.delete(effect.key); return
      case 'note': this.notes.push(effect.event); this.trace.push(`${stamp}   ${effect.level} ${effect.event}: ${effect.text}`); return
      case 'reply':
        this.replies.push(effect)
        this.trace.push(`${stamp}   reply ${effect.done ? (effect.ok ? 'done' : 'failed') : 'progress'} ${effect.code}: ${effect.text}`)
        return
      case 'persist':
        this.trace.push(`${stamp}   persist ${effect.key} ${effect.value === null ? 'nothing' : 'value'}`)
        if (effect.value === null) delete this.facts[effect.key]
        else this.facts[effect.key] = effect.value
        this.#results.push({ at: this.now + 1000, event: { type: 'persisted', key: effect.key, ok: !this.diskFails } })
        return
      case 'generation.raise':
        this.trace.push(`${stamp}   generation.raise`)
        this.#results.push({ at: this.now + 1000, event: { type: 'generation.raised', generation: 8 } })
        return
      case 'halt': this.halted = true; this.trace.push(`${stamp}   HALT ${effect.how}: ${effect.reason}`); return
      case 'member.run': return this.#run(effect, stamp)
      case 'member.abort': {
        this.trace.push(`${stamp}   abort ${effect.group}/${effect.member}`)
        const index = this.held.findIndex((one) => one.effect.call === effect.call)
        if (index < 0) return
        const [{ effect: order }] = this.held.splice(index, 1) as [{ effect: Extract<Effect, { type: 'member.run' }> }]
        const { call, group, member, action } = order
        this.#results.push({
          at: this.now + 1000,
          event: { type: 'member.result', call, group, member, action, outcome: 'failed', text: 'aborted' },
        })
        return
      }
      case 'plan.arm': case 'plan.disarm': case 'plan.fire': return this.#plan(effect, stamp)
      case 'holding': this.holdings.set(effect.group, effect); return
      case 'ownership': case 'fence.run': case 'fence.record': case 'arbiter.run': return
    }
  }

  #plan(effect: Extract<Effect, { type: 'plan.arm' | 'plan.disarm' | 'plan.fire' }>, stamp: string): void {
    if (this.slots === null) return
    const by = effect.type === 'plan.fire' ? ` by ${effect.authority.kind}` : ''
    this.trace.push(`${stamp}   ${effect.type.replace('.', ' ')} ${effect.group}${by}`)
    this.slots.apply(effect, {
      now: this.now, config: this.config, running: this.running, failing: this.failing,
      answer: (afterUs, event) => { this.#results.push({ at: this.now + afterUs, event }) },
    })
  }

  #run(effect: Extract<Effect, { type: 'member.run' }>, stamp: string): void {
    const { call, group, member, action, authority } = effect
    const by = action === 'start' ? ` by ${authority?.kind ?? 'NOTHING'}` : ''
    this.trace.push(`${stamp}   run ${action} ${group}/${member}${by}`)
    if (this.hanging.has(`${action}:${member}`)) {
      this.held.push({ effect })
      return
    }
    this.#answer(call, group, member, action)
  }

  release(key: string): void {
    this.hanging.delete(key)
    for (const { effect } of this.held.splice(0)) this.#answer(effect.call, effect.group, effect.member, effect.action)
  }

  #answer(call: number, group: string, member: string, action: 'probe' | 'start' | 'stop' | 'monitor'): void {
    const fails = this.failing.has(`${action}:${member}`)
    if (!fails && action === 'start') this.running.add(member)
    if (!fails && action === 'stop') this.running.delete(member)
    const outcome = fails ? 'failed' : this.running.has(member) ? 'running' : 'stopped'
    this.#results.push({
      at: this.now + this.actionUs,
      event: { type: 'member.result', call, group: groupId(group), member, action, outcome, text: fails ? 'exit 1' : '' },
    })
  }

  boot(persisted: Readonly<Record<string, string>> = {}): void {
    this.feed({ type: 'boot', generation: 7, persisted }, 'boot')
    this.run(second / 2)
  }

  /** Boot and join beside a stable real node that holds `holds`. */
  joinStable(holds: 'none' | 'local' | 'foreign' | 'all'): void {
    this.boot()
    this.peerStatus('active')
    this.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
    this.say({ t: 'resource', rsc_hold: holds, rtype: 'full', isstable: '1' })
    this.run(second)
  }
}
