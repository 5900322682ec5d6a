// A take that has begun while the peer was silent, and the peer is heard again before all of it runs: each further member
// needs the word of the life that is heard now, because it may run what the silent one left behind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, micros, nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig, GroupConfig } from '../../src/core/types.js'
import { Pair } from './pair.js'
import { pairConfig, second } from './stage.js'

const services: GroupConfig = {
  id: groupId('db'), home: nodeId('beta'), digest: 'db-1',
  members: [{ id: 'ip-db', kind: 'address' }, { id: 'disk', kind: 'agent' }, { id: 'sql', kind: 'agent' }],
}

function config(change: Partial<CoreConfig> = {}): CoreConfig {
  const [web] = pairConfig().groups
  assert.ok(web !== undefined)
  return pairConfig({ groups: [web, services], ...change })
}

/** The peer that held `db` is dead; its address is up here, and the look at its first service takes a while. */
function begun(how: { readonly slots?: boolean } = {}): Pair {
  const pair = new Pair(config(), how)
  pair.hanging.add('probe:disk')
  pair.dead()
  pair.run(second)
  pair.trace.length = 0
  return pair
}

function restarted(pair: Pair): void {
  pair.peerStatus('up', 101, '1')
  pair.n = 0
}

for (const slots of [false, true]) {
  const how = slots ? 'by an armed plan' : 'by a start'
  test(`begun ${how}: a new life of the peer is waited for, and what it says decides`, () => {
    const pair = begun({ slots })
    assert.ok(pair.running.has('ip-db'))
    restarted(pair)
    pair.release('probe:disk')
    pair.run(5 * second)
    assert.deepEqual(pair.starts(), [], 'it may run the disk that the silent life left behind')
    assert.deepEqual(pair.notes.filter((note) => note === 'take.waiting'), ['take.waiting'])
    pair.peerStatus('active', 101, '1')
    pair.claim('n0:web f0:db', 101)
    pair.run(second)
    assert.deepEqual(pair.starts(), [], 'it is letting go')
    pair.claim('n0:web n0:db', 101)
    pair.run(second)
    assert.deepEqual(pair.starts(), ['start db/disk by agreed', 'start db/sql by agreed'])
    assert.equal(pair.group('db').state, 'held')
  })
}

test('what it said before it knew of our claim is no answer, and it is asked', () => {
  const pair = begun()
  restarted(pair)
  pair.peerStatus('active', 101, '1')
  pair.release('probe:disk')
  pair.claim('n0:web n0:db', 101, { tb_ack: '0' })
  pair.run(second)
  assert.deepEqual(pair.starts(), [])
  assert.equal(pair.sent('tb_claims').at(-1)?.['tb_ask'], '1')
  pair.claim('n0:web n0:db', 101)
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
})

test('it is silent again: the silence permits the rest', () => {
  const pair = begun()
  restarted(pair)
  pair.release('probe:disk')
  pair.run(second)
  pair.dead(101)
  pair.run(second)
  assert.deepEqual(pair.starts(), ['start db/disk by accept', 'start db/sql by accept'])
  assert.equal(pair.group('db').state, 'held')
})

test('it says farewell: nothing of the group runs there', () => {
  const pair = begun()
  restarted(pair)
  pair.release('probe:disk')
  pair.run(second)
  pair.say({ t: 'shutdone', st: 'dead' })
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
})

test('it holds the group and cannot stop it: what had begun is let go', () => {
  const pair = begun()
  restarted(pair)
  pair.peerStatus('active', 101, '1')
  pair.release('probe:disk')
  pair.run(second)
  pair.claim('n0:web s0:db', 101)
  pair.run(second)
  assert.deepEqual(pair.starts(), [])
  assert.equal(pair.group('db').state, 'stopped')
  assert.ok(!pair.running.has('ip-db'))
})

test('an order to stop does not wait for the word', () => {
  const pair = begun()
  restarted(pair)
  pair.release('probe:disk')
  pair.run(second)
  pair.operator('stop')
  pair.run(5 * second)
  assert.equal(pair.running.size, 0)
})

test('an engine that could add nothing has begun nothing', () => {
  const pair = new Pair(config(), { slots: true })
  assert.ok(pair.slots !== null)
  pair.slots.mute = true
  pair.failing.add('plan:ip-db')
  pair.dead()
  const fired = pair.slots.fired.at(-1)
  assert.ok(fired !== undefined)
  restarted(pair)
  pair.trace.length = 0
  const { group, epoch } = fired
  const detectedAt = micros(pair.now)
  pair.feed({
    type: 'plan.fired', group, epoch, members: [{ member: 'ip-db', ok: false, text: 'errno 19' }],
    detectedAt, firstAddressAt: null, firstAnnounceAt: null,
  })
  pair.run(5 * second)
  assert.deepEqual(pair.starts(), [])
  assert.equal(pair.group('db').state, 'stopped')
})

test('a redefined group is not taken again in place while the peer still runs what was left behind there', () => {
  const pair = new Pair(config())
  const [web] = config().groups
  assert.ok(web !== undefined)
  pair.claim('f0:web h1:db')
  pair.trace.length = 0
  pair.feed({ type: 'config.changed', config: config({ groups: [{ ...web, digest: 'web-2' }, services] }) })
  pair.run(second)
  assert.deepEqual(pair.starts(), [])
  pair.claim('n0:web h1:db')
  pair.run(second)
  assert.deepEqual(pair.starts(), ['start web/ip-web by agreed', 'start web/httpd by agreed'])
})

test('a group that a reload changes while it comes from the peer is given back, and not taken again in place', () => {
  const pair = new Pair(config())
  const [web] = config().groups
  assert.ok(web !== undefined)
  pair.tell('offer', '100.1', 'db')
  pair.hanging.add('start:sql')
  pair.tell('released', '100.1', 'db')
  pair.run(second)
  assert.equal(pair.group('db').state, 'taking')
  pair.feed({ type: 'config.changed', config: config({ groups: [web, { ...services, digest: 'db-2' }] }) })
  pair.trace.length = 0
  pair.release('start:sql')
  pair.run(2 * second)
  assert.ok(pair.ops().includes('refused db'))
  assert.deepEqual(pair.starts(), [])
  assert.equal(pair.group('db').state, 'stopped')
})
