// What may set off a plan without an order: only the silence, or the last words, of a peer that holds the group itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, micros } from '../../src/core/base/ids.js'
import type { PlanArmEffect } from '../../src/core/effects.js'
import type { Protection } from '../../src/core/types.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second, Stage } from './stage.js'
import { Slots } from './slots.js'

const epoch = 26_214_401
const said = { tb_epochs: `0:web ${epoch}:db`, tb_ready: 'web' }

function pairIn(protection: Protection = 'accept'): Pair {
  const config = pairConfig({ protection })
  const pair = new Pair(config, protection === 'accept' ? { slots: true } : { slots: true, books: new FakeBooks() })
  pair.claim('n0:web h1:db', 100, said)
  pair.run(second)
  return pair
}

const planOf = (pair: Stage, group = 'db'): PlanArmEffect | undefined => pair.slots?.armed.get(groupId(group))
const triggerOf = (pair: Stage, group = 'db'): string => {
  const plan = planOf(pair, group)
  return plan === undefined ? 'none' : `${plan.condition} ${plan.gaspEpoch}`
}

function fired(pair: Pair, plan: PlanArmEffect | undefined): void {
  pair.running.add('ip-db')
  pair.slots?.armed.delete(groupId('db'))
  pair.feed({
    type: 'plan.fired', group: groupId('db'), epoch: plan?.epoch ?? 0, members: [{ member: 'ip-db', ok: true, text: '' }],
    detectedAt: micros(pair.now), firstAddressAt: micros(pair.now), firstAnnounceAt: null,
  })
}

test('a group that the live peer holds is armed for its silence and for its last words', () => {
  assert.equal(triggerOf(pairIn()), `peer-dead ${epoch}`)
})

test('under fencing silence sets nothing off, last words do', () => {
  assert.equal(triggerOf(pairIn('fence')), `staged ${epoch}`)
})

test('under a lease neither is enough', () => {
  assert.equal(triggerOf(pairIn('lease')), 'staged 0')
})

test('a group that nobody says he holds waits for an order', () => {
  const pair = pairIn()
  pair.claim('n0:web n1:db', 100, said)
  pair.run(second)
  assert.equal(triggerOf(pair), 'staged 0')
})

test('a claim with another epoch is another claim', () => {
  const pair = pairIn()
  const before = planOf(pair)?.epoch ?? 0
  pair.claim('n0:web h1:db', 100, { ...said, tb_epochs: `0:web ${epoch + 5}:db` })
  pair.run(second)
  assert.equal(triggerOf(pair), `peer-dead ${epoch + 5}`)
  assert.ok((planOf(pair)?.epoch ?? 0) > before)
})

test('while a group is being moved its plan goes off by order only', () => {
  const pair = pairIn()
  pair.tell('offer', '100.1', 'db')
  pair.run(second / 100)
  assert.equal(triggerOf(pair), 'staged 0')
})

test('a peer that is not active, or has not answered this life, sets nothing off', () => {
  const pair = pairIn()
  pair.peerStatus('up', 100, '1')
  assert.equal(triggerOf(pair), 'staged 0')
  pair.peerStatus('active', 100, '1')
  assert.equal(triggerOf(pair), `peer-dead ${epoch}`)
  pair.peerStatus('active', 101, '1')
  assert.equal(triggerOf(pair), 'staged 0')
})

test('on hold, and in maintenance, nothing is armed, and the plan is taken back first of all', () => {
  for (const [verb, what] of [['hold', 'db'], ['maintenance', 'on 60']] as const) {
    const pair = pairIn()
    const effects = pair.feed({ type: 'operator', id: 'o1', verb, what })
    assert.equal(effects[0]?.type, 'plan.disarm', verb)
    assert.equal(triggerOf(pair), 'none')
  }
})

test('a death that the engine has acted upon already is taken over, and not done twice', () => {
  const pair = pairIn()
  pair.dead()
  assert.equal(pair.slots?.fired.length, 1)
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=held')
  assert.deepEqual(pair.starts().filter((line) => line.includes('ip-db')), [])
})

test('while the peer is dead and the group is not taken, silence is no trigger any more', () => {
  const pair = pairIn()
  pair.slots?.guards.set('db', 'interface')
  pair.failing.add('start:ip-db')
  pair.dead()
  pair.run(2 * second)
  assert.notEqual(planOf(pair)?.condition, 'peer-dead')
})

test('a plan that went off while its take waited for a guard is the answer', () => {
  const pair = pairIn()
  pair.slots?.guards.set('db', 'late')
  pair.dead()
  pair.run(second / 100)
  assert.equal(pair.group('db').state, 'taking')
  fired(pair, planOf(pair))
  assert.equal(pair.group('db').state, 'held')
  pair.run(5 * second)
  assert.equal(pair.slots?.fired.length, 1)
})

test('what the engine took by itself is said to be held once more, though it was said before', () => {
  const pair = pairIn()
  pair.slots?.guards.set('db', 'late')
  pair.dead()
  pair.run(second / 100)
  const before = pair.holdings.get('db')
  assert.equal(before?.held, true)
  pair.holdings.clear()
  fired(pair, planOf(pair))
  assert.deepEqual(pair.holdings.get('db'), before)
})

test('a plan that is taken back too late makes the group held here until it is known what became of it', () => {
  const pair = pairIn()
  const plan = planOf(pair)
  pair.slots?.armed.delete(groupId('db'))
  pair.running.add('ip-db')
  pair.operator('hold', 'db')
  pair.feed({ type: 'plan.disarmed', group: groupId('db'), epoch: plan?.epoch ?? 0, answer: 'fired' })
  assert.equal(pair.holdings.get('db')?.held, true)
  assert.equal(pair.group('db').state === 'stopped', false)
})

test('beside a real heartbeat its reports count: stable, and holding the group', () => {
  const stage = new Stage(pairConfig())
  stage.slots = new Slots()
  stage.joinStable('local')
  stage.run(30 * second)
  assert.equal(triggerOf(stage), 'peer-dead 0')
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'shutdown' })
  stage.run(second / 10)
  assert.notEqual(planOf(stage)?.condition, 'peer-dead')
})
