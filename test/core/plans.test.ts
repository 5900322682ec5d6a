// Armed plans: what is armed when, what a take does with one, and every answer that the engine can give.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second } from './stage.js'

const plansOf = (pair: Pair): string[] =>
  pair.trace.flatMap((line) => / (plan (?:arm|disarm|fire) .+)$/.exec(line)?.[1] ?? [])

function armedPair(config = pairConfig(), books?: FakeBooks): Pair {
  const pair = new Pair(config, books === undefined ? { slots: true } : { slots: true, books })
  assert.equal(pair.states(), 'web=held db=stopped')
  return pair
}

test('a group that this node may take has a plan armed, one that it holds has none', () => {
  const pair = armedPair()
  assert.deepEqual([...pair.slots?.armed.keys() ?? []], ['db'])
  assert.equal(pair.group('db').armed, true)
})

test('an armed plan goes off with the authority of the take, and its addresses are not started again', () => {
  const pair = armedPair()
  pair.dead()
  pair.run(second)
  assert.deepEqual(pair.slots?.fired.map((one) => `${one.group} ${one.authority.kind}`), ['db accept'])
  assert.equal(pair.states(), 'web=held db=held')
  assert.ok(pair.running.has('ip-db'))
  assert.deepEqual(pair.starts().filter((line) => line.includes('db/')), [])
  assert.ok(pair.notes.includes('plan.fired'))
})

test('what follows the addresses is started in the ordinary way', () => {
  const pair = armedPair()
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(second)
  pair.tell('held', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.claim('h1:web h1:db')
  pair.run(second)
  assert.deepEqual([...pair.slots?.armed.keys() ?? []].sort(), ['db', 'web'])
  const before = pair.starts().length
  pair.tell('offer', '100.1')
  pair.run(second / 100)
  pair.tell('released', '100.1')
  pair.run(second)
  assert.deepEqual(pair.starts().slice(before), ['start web/httpd by handover'])
  assert.deepEqual(pair.slots?.fired.map((one) => `${one.group} ${one.authority.kind}`), ['web handover'])
  assert.equal(pair.states(), 'web=held db=stopped')
})

test('an engine that answers nothing is not waited for', () => {
  const pair = new Pair()
  pair.dead()
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=held')
  assert.deepEqual(pair.starts().slice(-1), ['start db/ip-db by accept'])
})

test('a plan that the engine did not arm is not fired', () => {
  for (const answer of ['busy', 'invalid', 'unguarded'] as const) {
    const pair = new Pair(pairConfig(), { slots: true })
    pair.slots?.refusals.set('db', answer)
    pair.feed({ type: 'interface', name: 'eth0', up: true, carrier: true })
    pair.run(second / 2)
    pair.dead()
    pair.run(second)
    assert.deepEqual(pair.slots?.fired, [], answer)
    assert.equal(pair.states(), 'web=held db=held', answer)
  }
})

test('a busy slot is tried again, an invalid plan is not', () => {
  const pair = new Pair(pairConfig(), { slots: true })
  pair.slots?.refusals.set('db', 'busy')
  pair.feed({ type: 'interface', name: 'eth0', up: true, carrier: true })
  pair.run(second / 2)
  pair.slots?.refusals.clear()
  pair.run(2 * second)
  assert.deepEqual([...pair.slots?.armed.keys() ?? []], ['db'])
  pair.slots?.refusals.set('db', 'invalid')
  pair.feed({ type: 'interface', name: 'eth0', up: true, carrier: true })
  pair.run(10 * second)
  assert.equal(plansOf(pair).slice(-2).join(), 'plan disarm db,plan arm db')
})

test('a change of an interface disarms before anything else and arms anew', () => {
  const pair = armedPair()
  const effects = pair.feed({ type: 'interface', name: 'eth1', up: false, carrier: false })
  assert.deepEqual([effects[0]?.type, effects.at(-1)?.type], ['plan.disarm', 'plan.arm'])
})

test('a reload disarms the plan of a group that it changes before it says anything', () => {
  const pair = armedPair()
  const groups = pair.config.groups.map((group) => (group.id === 'db' ? { ...group, digest: 'db-2' } : group))
  const effects = pair.feed({ type: 'config.changed', config: { ...pair.config, groups } })
  assert.equal(effects[0]?.type, 'plan.disarm')
})

test('a restart of the peer disarms: the plan is for its last life', () => {
  const pair = armedPair()
  const effects = pair.feed({ type: 'peer.restarted', node: pair.core.snapshot().peers[0]?.id ?? pair.config.self, generation: 101 })
  assert.equal(effects[0]?.type, 'plan.disarm')
  pair.run(second)
  assert.equal(pair.slots?.armed.get(groupId('db'))?.peerGeneration, 101)
})

test('on hold nothing is armed and nothing is taken, and what was armed is disarmed first', () => {
  const books = new FakeBooks()
  const pair = armedPair(pairConfig(), books)
  books.held.set('db', 'hold')
  const effects = pair.feed({ type: 'timer', key: 'holds:' })
  assert.equal(effects[0]?.type, 'plan.disarm')
  pair.dead()
  pair.run(5 * second)
  assert.equal(pair.states(), 'web=held db=stopped')
  assert.ok(pair.notes.includes('take.waiting'))
  books.held.clear()
  pair.feed({ type: 'timer', key: 'holds:' })
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=held')
})

test('a guard that clears delays the take, and its plan stays armed', () => {
  const pair = armedPair()
  pair.slots?.guards.set('db', 'peer-alive')
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').state, 'taking')
  assert.ok((pair.slots?.fired.length ?? 0) > 3)
  pair.slots?.guards.clear()
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
  assert.deepEqual(pair.starts().filter((line) => line.includes('db/')), [])
})

test('a peer that is heard while a guard withholds the take ends it', () => {
  const pair = armedPair()
  pair.slots?.guards.set('db', 'peer-alive')
  pair.dead()
  pair.run(second)
  pair.peerStatus('active', 100, '1')
  pair.claim('n0:web h1:db')
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=stopped')
  assert.ok(!pair.running.has('ip-db'))
})

test('a changed interface is met by the ordinary way', () => {
  const pair = armedPair()
  pair.slots?.guards.set('db', 'interface')
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
  assert.deepEqual(pair.starts().slice(-1), ['start db/ip-db by accept'])
})

test('an address that the plan could not add is tried once more in the ordinary way', () => {
  const pair = armedPair()
  pair.failing.add('plan:ip-db')
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
  assert.deepEqual(pair.starts().slice(-1), ['start db/ip-db by accept'])
})

test('a plan that went off although its record was lost is found by looking', () => {
  const pair = armedPair()
  if (pair.slots !== null) pair.slots.mute = true
  pair.dead()
  pair.run(10 * second)
  assert.equal(pair.group('db').state, 'held')
  assert.ok(pair.trace.some((line) => line.includes('run probe db/ip-db')))
})

test('a take that is not wanted any more while its plan goes off is taken down again', () => {
  const pair = armedPair()
  pair.dead()
  pair.operator('stop')
  pair.run(5 * second)
  assert.ok(!pair.running.has('ip-db'), pair.trace.join('\n'))
  assert.ok(pair.halted)
})

test('a plan that goes off without our order makes the group held, and it is let go', () => {
  const pair = armedPair()
  const plan = pair.slots?.armed.get(groupId('db'))
  pair.claim('n0:web h1:db', 100, { tb_epochs: '0:web 26214500:db', tb_ready: 'web' })
  pair.running.add('ip-db')
  const at = pair.core.snapshot().groups[0]?.since ?? null
  pair.feed({
    type: 'plan.fired', group: groupId('db'), epoch: plan?.epoch ?? 0, members: [{ member: 'ip-db', ok: true, text: '' }],
    detectedAt: at ?? pair.group('db').since, firstAddressAt: null, firstAnnounceAt: null,
  })
  assert.ok((pair.holdings.get('db')?.claimEpoch ?? 0) > 26_214_500, 'no claim of before, nor one that the other node has made since')
  pair.claim('n0:web h1:db')
  pair.run(second)
  assert.ok(!pair.running.has('ip-db'))
  assert.equal(pair.group('db').state, 'stopped')
})

test('addresses that went up before their service are withdrawn first when the service does not start', () => {
  const pair = armedPair()
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(second)
  pair.tell('held', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.claim('h1:web h1:db')
  pair.run(second)
  pair.failing.add('start:httpd')
  pair.trace.length = 0
  pair.tell('offer', '100.1')
  pair.run(second / 100)
  pair.tell('released', '100.1')
  pair.run(second)
  const stops = pair.trace.flatMap((line) => /run (stop .+)$/.exec(line)?.[1] ?? [])
  assert.deepEqual(stops, ['stop web/ip-web', 'stop web/httpd'])
  assert.ok(pair.ops().includes('refused web'))
  assert.ok(pair.group('web').obstacles.includes('start-failed'))
})

test('a group is said to be held before the first act of its take and until after its last stop', () => {
  const pair = armedPair()
  pair.dead()
  const effects = pair.feed({ type: 'timer', key: 'nothing' })
  assert.deepEqual(effects, [])
  assert.equal(pair.holdings.get('db')?.held, true)
  pair.run(second)
  pair.operator('stop')
  assert.equal(pair.holdings.get('db')?.held, true)
  pair.run(5 * second)
  assert.equal(pair.holdings.get('db')?.held, false)
})

test('the holding comes before the order to fire', () => {
  const pair = armedPair()
  const effects = pair.feed({ type: 'peer.dead', node: nodeId('beta'), generation: 100, silentUs: 1, links: [] })
  const fires = effects.findIndex((one) => one.type === 'plan.fire')
  const held = effects.findIndex((one) => one.type === 'holding' && one.group === 'db' && one.held)
  assert.ok(held >= 0 && held < fires, `${held} ${fires}`)
})

test('a peer that says that it could take a group makes it ready, one that says nothing or is gone does not', () => {
  const pair = armedPair()
  assert.equal(pair.holdings.get('web')?.peerReady, true)
  pair.claim('n0:web h1:db', 100, { tb_ready: '' })
  assert.equal(pair.holdings.get('web')?.peerReady, false)
  pair.claim('n0:web h1:db', 100, { tb_ready: 'web' })
  assert.equal(pair.holdings.get('web')?.peerReady, true)
  pair.dead()
  assert.equal(pair.holdings.get('web')?.peerReady, false)
})
