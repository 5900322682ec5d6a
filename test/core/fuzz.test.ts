// Whatever comes from the wire, from agents, from timers and from operators, in any order: the core never
// throws, never starts without an authority that stands, never runs two actions of one group at once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { groupId, micros, nodeId } from '../../src/core/base/ids.js'
import { createPrng } from '../../src/core/base/prng.js'
import { createCore, type Core } from '../../src/core/core.js'
import type { Effect } from '../../src/core/effects.js'
import type { CoreConfig, Field, GroupConfig } from '../../src/core/types.js'
import { fieldsOf, pairConfig, type StageEvent } from './stage.js'

type RunEffect = Extract<Effect, { type: 'member.run' }>
type PlanEffect = Extract<Effect, { type: 'plan.arm' | 'plan.disarm' | 'plan.fire' }>
type Act =
  | { readonly kind: 'slot'; readonly pick: number; readonly good: boolean; readonly guard: string }
  | { readonly kind: 'event'; readonly event: StageEvent }
  | { readonly kind: 'answer'; readonly pick: number; readonly outcome: 'running' | 'stopped' | 'failed' }
  | { readonly kind: 'due' | 'written' | 'again'; readonly pick: number; readonly ok: boolean }
  | { readonly kind: 'reload'; readonly pick: number }
interface Step {
  readonly act: Act
  readonly afterUs: number
}

// ------------------------------------------------------------------------------------------- what may come

const generation = fc.constantFrom(0, 5, 100, 101, 102)
const peer = fc.constantFrom(
  nodeId('beta'),
  nodeId('beta'),
  nodeId('beta'),
  nodeId('alpha'),
  nodeId('router'),
  nodeId('nobody'),
)
const group = fc.constantFrom('web', 'db', 'mail', 'ghost', '', 'constructor')
const exchange = fc.constantFrom('7.1', '7.2', '100.1', '101.1', '', 'x')
const number = fc.constantFrom('0', '1', '2', '7', '8', '100', '101', '999999999999999', '-1', 'abc', '')
const hex = fc.constantFrom('1', '2', '63', '64', '65', '66', 'ffffffffffff', 'no', '')
const hold = fc.constantFrom('none', 'local', 'foreign', 'all', 'nonsense', '')
const claims = fc
  .array(
    fc
      .tuple(fc.constantFrom('u', 'f', 'h', 'p', 'c', 'n', 'w', 's', 'x'), fc.constantFrom('0', '1'), group)
      .map(([word, senior, id]) => `${word}${senior}:${id}`),
    { maxLength: 4 },
  )
  .map((parts) => parts.join(' '))

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 4 })
const words = fc
  .record(
    {
      t: fc.constantFrom(
        'tb_claims',
        'tb_handover',
        'resource',
        'ask_resources',
        'starting',
        'shutdone',
        'reqnodes',
        'repnodes',
        'hb_takeover',
        'ip-request',
        'ip-request-resp',
        'stonith',
        'unknown',
        '',
      ),
      hg: optional(hex),
      seq: optional(hex),
      dest: optional(fc.constantFrom('alpha', 'beta')),
      rsc_hold: optional(hold),
      rtype: optional(fc.constantFrom('full', 'x')),
      isstable: optional(fc.constantFrom('0', '1')),
      info: optional(fc.constantFrom('me', 'other', 'done', 'standby', 'shutdown', 'mach_down')),
      nodelist: optional(fc.constantFrom('alpha beta ', 'alpha ', ' ')),
      ipaddr: optional(group),
      ok: optional(fc.constant('OK')),
      tb_gen: fc.constantFrom('100', '101', '5'),
      tb_peer: fc.constantFrom('7', '0', '8'),
      tb_n: number,
      tb_ack: number,
      tb_ask: optional(fc.constantFrom('0', '1')),
      tb_groups: optional(claims),
      tb_epochs: optional(fc.constantFrom('5:db 1:web', '5:db', 'x', '')),
      tb_ready: optional(fc.constantFrom('web db', 'db', '')),
      tb_heal: optional(fc.constantFrom('1 1 0 1 0', '2 1 0 1 0', '1 0 0 1 0', '0 1 1 1 0', '9999999999 0 0 0 0', 'x')),
      tb_heal_claims: optional(fc.constantFrom('0:1:web 5:0:db', '9:1:web', '7:2:db :1:x', '')),
      tb_hold: optional(fc.constantFrom('1+:web', '9-:web 2+:db', '1+:', '-', '')),
      tb_maint: optional(fc.constantFrom('1:5000', '2:0', '3:999999999', 'x:1', '')),
      tb_tokens: optional(fc.constantFrom('1:web', '8:web 9:db', '99999999999999999999:db', ':web', ' ', '')),
      tb_watchdog: optional(fc.constantFrom('5000000', '0', '-1', 'x')),
      tb_epoch: optional(number),
      tb_group: optional(group),
      tb_x: optional(exchange),
      tb_op: optional(
        fc.constantFrom(
          'ask',
          'offer',
          'accept',
          'released',
          'held',
          'refused',
          'query',
          'revoke',
          'toString',
        ),
      ),
    },
    { requiredKeys: ['t', 'tb_gen', 'tb_peer', 'tb_n', 'tb_ack'] },
  )
  .map((record) =>
    fieldsOf(
      Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Record<
        string,
        string
      >,
    ),
  )
const binary = fc.constant<Field[]>([
  { name: 't', type: 1, value: new Uint8Array([1, 2]) },
  { name: 'rsc_hold', type: 1, value: new Uint8Array(0) },
])

const twinbeat = fc.constantFrom('1', '1', null)
const event: fc.Arbitrary<StageEvent> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('message' as const),
      from: peer,
      fields: fc.oneof({ weight: 30, arbitrary: words }, { weight: 1, arbitrary: binary }),
      link: fc.constant('eth0'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('peer.status' as const),
      node: peer,
      status: fc.constantFrom('init', 'up', 'active', 'active', 'dead', 'odd'),
      generation,
      deadtimeUs: fc.constant(10_000_000),
      twinbeat,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('peer.up' as const, 'peer.returned' as const, 'peer.restarted' as const),
      node: peer,
      generation,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('peer.dead' as const),
      node: peer,
      generation,
      silentUs: fc.constant(1),
      links: fc.constant([]),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('stall' as const),
      us: fc.constant(9_000_000),
      muted: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('overflow' as const), lost: fc.constant(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('gasp' as const),
      node: peer,
      generation,
      group: group.map(groupId),
      claimEpoch: fc.constantFrom(0, 1, 5),
      digest: fc.constantFrom('web-1', 'db-1'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom('guardian.lost' as const, 'guardian.ready' as const, 'guardian.ready' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('group.released' as const),
      group: group.map(groupId),
      claimEpoch: fc.constantFrom(0, 1_835_009, 1_835_010),
      ok: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('interface' as const),
      name: fc.constant('eth0'),
      up: fc.boolean(),
      carrier: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('address.lost' as const),
      group: group.map(groupId),
      member: fc.constantFrom('ip-web', 'ip-db', 'x'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('operator' as const),
      id: fc.constantFrom('a', 'b', 'c'),
      verb: fc.constantFrom(
        'standby' as const,
        'takeover' as const,
        'stop' as const,
        'restart-keep' as const,
      ),
      what: fc.constantFrom('all', 'local', 'foreign', 'web', 'ghost', ''),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('timer' as const),
      key: fc.constantFrom(
        '',
        'handover:web',
        'handover',
        'stop:db',
        'monitor:ghost',
        'heal',
        'resource.ownerless',
        ':',
      ),
    }),
  },
)

const step: fc.Arbitrary<Step> = fc.record({
  act: fc.oneof(
    { weight: 10, arbitrary: event.map((one): Act => ({ kind: 'event', event: one })) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('answer' as const),
        pick: fc.nat(9),
        outcome: fc.constantFrom(
          'running' as const,
          'stopped' as const,
          'stopped' as const,
          'failed' as const,
        ),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('due' as const, 'written' as const, 'again' as const),
        pick: fc.nat(9),
        ok: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const), pick: fc.nat(9) }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('slot' as const),
        pick: fc.nat(9),
        good: fc.boolean(),
        guard: fc.constantFrom('late', 'peer-alive', 'interface', 'expired', 'voided'),
      }),
    },
  ),
  afterUs: fc.constantFrom(0, 1000, 300_000, 4_000_000, 30_000_000),
})

// --------------------------------------------------------------------------------------------- what must hold

const mail: GroupConfig = {
  id: groupId('mail'),
  home: nodeId('alpha'),
  digest: 'mail-1',
  members: [{ id: 'ip-mail', kind: 'address' }],
}

function configs(autoFailback: CoreConfig['autoFailback']): readonly CoreConfig[] {
  const config = pairConfig({
    autoFailback,
    stopFailure: 'block',
    nodes: [...pairConfig().nodes, { id: nodeId('router'), kind: 'ping' }],
    monitors: [{ group: groupId('web'), everyUs: 1_000_000, failuresMax: 1 }],
    tracks: [],
  })
  const other = config.groups.map((one) => ({ ...one, digest: `${one.digest}-b` }))
  return [
    config,
    { ...config, groups: other },
    { ...config, groups: [...config.groups, mail] },
    { ...config, groups: other.slice(1) },
  ]
}

class Play {
  readonly core: Core
  readonly log: string[] = []
  readonly calls: RunEffect[] = []
  readonly plans: PlanEffect[] = []
  readonly #armed = new Map<string, number>()
  readonly #answeredArmed = new Set<number>()
  #epoch = 0
  readonly timers = new Set<string>()
  readonly writes: string[] = []
  readonly #begun = new Set<string>()
  readonly #answered: StageEvent[] = []
  #now = 1_000_000
  #raised = 8
  halted = false

  constructor(readonly choices: readonly CoreConfig[]) {
    this.core = createCore(choices[0] as CoreConfig, createPrng(1))
  }

  act({ act, afterUs }: Step): void {
    this.#now += afterUs
    const take = <T>(list: T[], pick: number): T | undefined =>
      list.splice(pick % Math.max(list.length, 1), 1)[0]
    switch (act.kind) {
      case 'event':
        return this.feed(act.event)
      case 'answer': {
        const call = take(this.calls, act.pick)
        if (call === undefined) return
        const { group: id, member, action } = call
        const outcome =
          act.outcome === 'failed'
            ? 'failed'
            : action === 'start'
              ? 'running'
              : action === 'stop'
                ? 'stopped'
                : act.outcome
        const event: StageEvent = {
          type: 'member.result',
          call: call.call,
          group: id,
          member,
          action,
          outcome,
          text: '',
        }
        this.#answered.push(event)
        return this.feed(event)
      }
      case 'slot': return this.#slot(act)
      case 'again': {
        // A result of a call that is over, told once more.
        const event = this.#answered[act.pick % Math.max(this.#answered.length, 1)]
        return event === undefined ? undefined : this.feed(event)
      }
      case 'due': {
        const keys = [...this.timers]
        const key = keys[act.pick % Math.max(keys.length, 1)]
        if (key === undefined) return
        this.timers.delete(key)
        return this.feed({ type: 'timer', key })
      }
      case 'written': {
        const key = take(this.writes, act.pick)
        return key === undefined ? undefined : this.feed({ type: 'persisted', key, ok: act.ok })
      }
      case 'reload':
        return this.feed({
          type: 'config.changed',
          config: this.choices[act.pick % this.choices.length] as CoreConfig,
        })
    }
  }

  /** The engine answers the oldest, or another, order about a plan; late answers come too. */
  #slot({ pick, good, guard }: Extract<Act, { kind: 'slot' }>): void {
    const [order] = this.plans.splice(pick % Math.max(this.plans.length, 1), 1)
    if (order === undefined) return
    const { group: id, epoch } = order
    switch (order.type) {
      case 'plan.arm': {
        const answer = good ? 'armed' : (['busy', 'invalid', 'unguarded'] as const)[pick % 3] ?? 'busy'
        if (answer === 'armed') this.#answeredArmed.add(epoch)
        else if (this.#armed.get(id) === epoch) this.#armed.delete(id)
        return this.feed({ type: 'plan.armed', group: id, epoch, answer })
      }
      case 'plan.disarm': {
        const answer = good ? 'disarmed' : (['fired', 'firing', 'unknown'] as const)[pick % 3] ?? 'fired'
        return this.feed({ type: 'plan.disarmed', group: id, epoch, answer })
      }
      case 'plan.fire': {
        if (!good) return this.feed({ type: 'plan.withheld', group: id, epoch, guard })
        const members = [{ member: `ip-${id}`, ok: pick % 2 === 0, text: '' }]
        const at = micros(this.#now)
        return this.feed({ type: 'plan.fired', group: id, epoch, members, detectedAt: at, firstAddressAt: at, firstAnnounceAt: null })
      }
    }
  }

  #plan(order: PlanEffect): void {
    this.plans.push(order)
    const { group: id, epoch } = order
    if (order.type === 'plan.arm') {
      assert.ok(!this.#armed.has(id), `${id} is armed twice`)
      assert.ok(epoch > this.#epoch, 'an epoch is used once')
      this.#epoch = epoch
      this.#armed.set(id, epoch)
      assert.equal(this.core.snapshot().groups.find((one) => one.id === id)?.state, 'stopped', 'armed for what may run here')
    } else if (order.type === 'plan.disarm') {
      if (this.#armed.get(id) === epoch) this.#armed.delete(id)
    } else {
      assert.equal(this.#armed.get(id), epoch, `${id} fired without being armed`)
      assert.ok(this.#answeredArmed.has(epoch), `${id} fired before the engine said that it is armed`)
      assert.ok(!this.calls.some((call) => call.group === id), `${id} fired during an action`)
    }
  }

  feed(one: StageEvent): void {
    if (one.type === 'plan.fired') {
      this.#armed.delete(one.group)
      // Added by the engine by order: the claim is public.
      if (one.members.some(({ ok }) => ok)) this.#begun.add(one.group)
    }
    this.log.push(JSON.stringify(one))
    const effects = this.core.step({ ...one, at: micros(this.#now) })
    if (this.halted) assert.equal(effects.length, 0, 'nothing is ordered after the end')
    for (const effect of effects) this.#apply(effect)
    this.core.snapshot()
  }

  #apply(effect: Effect): void {
    switch (effect.type) {
      case 'member.run':
        return this.#run(effect)
      case 'note':
        if (effect.event === 'group.taking') this.#begun.delete(String(effect.details['group']))
        return
      case 'timer.set':
        this.timers.add(effect.key)
        return
      case 'timer.cancel':
        this.timers.delete(effect.key)
        return
      case 'persist':
        this.writes.push(effect.key)
        return
      case 'halt':
        this.halted = true
        return
      case 'generation.raise':
        this.#raised += 1
        return this.feed({ type: 'generation.raised', generation: this.#raised })
      case 'plan.arm':
      case 'plan.disarm':
      case 'plan.fire':
        return this.#plan(effect)
      case 'send':
      case 'status':
      case 'reply':
      case 'holding':
      case 'ownership':
      case 'member.abort':
      case 'fence.run':
      case 'fence.record':
      case 'arbiter.run':
        return
    }
  }

  #run(effect: RunEffect): void {
    assert.ok(
      !this.calls.some((call) => call.group === effect.group),
      `two actions of ${effect.group} at once`,
    )
    this.calls.push(effect)
    if (effect.action !== 'start') return
    const { authority } = effect
    assert.ok(authority !== null, 'a start without authority')
    const first = !this.#begun.has(effect.group)
    this.#begun.add(effect.group)
    const other = this.core.snapshot().peers.find((one) => one.kind !== 'ping')
    // Silence permits every single member, unless the peer is a real heartbeat: that has no word to be asked for.
    const anew = first || (authority.kind === 'accept' && other?.kind === 'twinbeat')
    if (!anew) return
    if (authority.kind === 'accept')
      assert.equal(other?.status, 'dead', 'taken by acceptance from a peer that lives')
    if (authority.kind === 'accept' || authority.kind === 'agreed')
      assert.equal(authority.peerGeneration, other?.generation)
  }
}

function play(autoFailback: CoreConfig['autoFailback'], steps: readonly Step[]): void {
  const one = new Play(configs(autoFailback))
  one.feed({
    type: 'boot',
    generation: 7,
    persisted: { 'handover:web': '6.1', keep: '{"until":1,"groups":7}', other: '' },
  })
  try {
    for (const next of steps) one.act(next)
  } catch (error) {
    throw new Error(`after\n${one.log.join('\n')}`, { cause: error })
  }
}

for (const autoFailback of ['on', 'off', 'legacy'] as const) {
  test(`nothing that comes breaks the core, auto_failback ${autoFailback}`, () => {
    const numRuns = Number(process.env['TWINBEAT_FUZZ_RUNS'] ?? 400)
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        play(autoFailback, steps)
      }),
      { numRuns },
    )
  })
}
