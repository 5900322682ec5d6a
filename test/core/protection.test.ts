// What a take rests on under each protection: fences, ownerships, boots and restarts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig } from '../../src/core/types.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second, Stage } from './stage.js'

const fence = pairConfig({ protection: 'fence' })
const lease = pairConfig({ protection: 'lease' })
const tick = (stage: Stage): void => {
  stage.feed({ type: 'timer', key: 'fencing:' })
  stage.run(second)
}

function leasePair(config: CoreConfig = lease): Pair {
  const books = new FakeBooks()
  books.own('web')
  return new Pair(config, { slots: true, books })
}

// ----------------------------------------------------------------------------------------------- fence

test('with fencing, silence asks for a fence and takes nothing', () => {
  const pair = new Pair(fence, { slots: true })
  pair.dead()
  pair.run(60 * second)
  assert.equal(pair.states(), 'web=held db=stopped')
  assert.deepEqual([...pair.books.requests], ['beta 100 db'])
  assert.deepEqual(pair.group('db').takeNow, { withheld: 'fence-not-confirmed', needs: 'fence' })
  assert.equal(pair.trace.filter((line) => line.includes('take.waiting')).length, 1)
})

test('the confirmation fires the plan that was staged', () => {
  const pair = new Pair(fence, { slots: true })
  pair.dead()
  pair.run(5 * second)
  pair.books.off.add('beta 100')
  tick(pair)
  assert.deepEqual(pair.slots?.fired.map((one) => one.authority.kind), ['fence'])
  assert.equal(pair.states(), 'web=held db=held')
})

test('a confirmation is worth nothing for a newer incarnation', () => {
  const pair = new Pair(fence)
  pair.dead()
  pair.run(second)
  pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
  pair.books.off.add('beta 100')
  tick(pair)
  assert.equal(pair.group('db').state, 'stopped')
})

test('a confirmation that ends between the order and the first act withholds the take', () => {
  const pair = new Pair(fence)
  pair.hanging.add('probe:ip-db')
  pair.dead()
  pair.books.off.add('beta 100')
  tick(pair)
  assert.equal(pair.group('db').state, 'taking')
  pair.books.off.clear()
  pair.release('probe:ip-db')
  pair.run(second)
  assert.equal(pair.group('db').state, 'stopped')
  assert.deepEqual(pair.starts().filter((line) => line.includes('db')), [])
})

test('a peer that said farewell needs no fence', () => {
  const pair = new Pair(fence)
  pair.say({ t: 'shutdone', st: 'dead' })
  pair.run(second)
  pair.dead()
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=held')
  assert.deepEqual([...pair.books.requests], [])
})

test('after a boot with fencing nothing is fenced or taken before the peer was seen once', () => {
  const books = new FakeBooks()
  const stage = new Stage(fence, 20_000, books)
  stage.boot()
  stage.run(20 * second)
  stage.peerDead(0)
  stage.run(60 * second)
  assert.equal(stage.states(), 'web=stopped db=stopped')
  assert.deepEqual([...books.requests], [])
  books.startAlone = true
  tick(stage)
  assert.deepEqual([...books.requests].sort(), ['beta 0 db', 'beta 0 web'])
  books.off.add('beta 0')
  tick(stage)
  assert.equal(stage.states(), 'web=held db=held')
})

test('a daemon that is only restarted need not see the peer again before it fences', () => {
  const first = new Pair(fence)
  assert.equal(first.facts['boot:seen'], '1')
  const books = new FakeBooks()
  const stage = new Stage(fence, 20_000, books)
  stage.boot(first.facts)
  stage.run(20 * second)
  stage.peerDead(0)
  stage.run(second)
  assert.ok(books.requests.has('beta 0 db'))
})

test('with fencing a restarted daemon keeps what runs completely, and starts nothing', () => {
  const first = new Pair(fence)
  const stage = new Stage(fence, 20_000, new FakeBooks())
  for (const member of first.running) stage.running.add(member)
  stage.boot(first.facts)
  assert.equal(stage.states(), 'web=held db=stopped')
  assert.deepEqual(stage.trace.filter((line) => line.includes('run start')), [])
})

test('what a booted machine finds running is not kept before the peer has spoken', () => {
  const stage = new Stage(fence, 20_000, new FakeBooks())
  stage.running.add('ip-web').add('httpd')
  stage.boot()
  assert.equal(stage.states(), 'web=found db=stopped')
})

test('with fencing a group that was on its way to the peer is not kept by a restarted daemon', () => {
  const first = new Pair(fence)
  const stage = new Stage(fence, 20_000, new FakeBooks())
  for (const member of first.running) stage.running.add(member)
  stage.boot({ ...first.facts, 'handover:web': '7.1' })
  assert.notEqual(stage.states(), 'web=held db=stopped')
})

test('without fencing a lone start is as in heartbeat', () => {
  const stage = new Stage()
  stage.boot()
  stage.run(20 * second)
  stage.peerDead(0)
  stage.run(second)
  assert.equal(stage.states(), 'web=held db=held')
})

// ----------------------------------------------------------------------------------------------- lease

test('with leases a group that the peer agrees to is taken only when it is owned', () => {
  const books = new FakeBooks()
  const pair = new Pair(lease, { books })
  assert.equal(pair.group('web').state, 'stopped')
  assert.deepEqual([...books.wanted], ['web'])
  books.own('web')
  tick(pair)
  assert.equal(pair.group('web').state, 'held')
  assert.deepEqual(pair.starts(), ['start web/ip-web by lease', 'start web/httpd by lease'])
})

test('with leases silence alone takes nothing, the ownership does', () => {
  const pair = leasePair()
  pair.dead()
  pair.run(30 * second)
  assert.equal(pair.states(), 'web=held db=stopped')
  assert.deepEqual([...pair.books.wanted].sort(), ['db', 'web'])
  pair.books.own('db', 8)
  tick(pair)
  assert.deepEqual(pair.slots?.fired.at(-1)?.authority.kind, 'lease')
  assert.equal(pair.states(), 'web=held db=held')
})

test('an ownership that ends is followed by the release, the addresses first', () => {
  const pair = leasePair()
  pair.hanging.add('stop:httpd')
  pair.books.lose('web')
  tick(pair)
  assert.equal(pair.group('web').state, 'giving')
  assert.ok(!pair.running.has('ip-web'))
})

test('an ownership past its deadline is none, at the moment of acting', () => {
  const books = new FakeBooks()
  const pair = new Pair(lease, { books })
  pair.hanging.add('probe:ip-web')
  books.own('web', 7, pair.now + second)
  tick(pair)
  assert.equal(pair.group('web').state, 'taking')
  pair.run(second)
  pair.release('probe:ip-web')
  pair.run(second)
  assert.deepEqual(pair.starts(), [])
})

test('the ownership of another grant does not serve a take that was ordered under an earlier one', () => {
  const books = new FakeBooks()
  const pair = new Pair(lease, { books })
  pair.hanging.add('probe:ip-web')
  books.own('web', 7)
  tick(pair)
  books.own('web', 8)
  pair.release('probe:ip-web')
  pair.run(second / 20)
  assert.ok(pair.notes.includes('take.withheld'))
})

test('the ownership of one group is no ownership of another', () => {
  const pair = leasePair()
  pair.dead()
  pair.books.own('mail', 9)
  tick(pair)
  assert.equal(pair.group('db').state, 'stopped')
})

test('services of a dead daemon are not started elsewhere on an ownership alone without a watchdog', () => {
  const books = new FakeBooks()
  const groups = lease.groups.map((group) => ({ ...group, home: nodeId('beta') }))
  const pair = new Pair(pairConfig({ protection: 'lease', groups }), { books, watchdog: false })
  pair.claim('h1:web h1:db')
  pair.run(second)
  books.own('web')
  books.own('db')
  pair.dead()
  pair.run(second)
  assert.equal(pair.states(), 'web=stopped db=held')
  assert.deepEqual(pair.group('web').takeNow, { withheld: 'services-not-proven-stopped', needs: 'nothing' })
  books.off.add('beta 100')
  tick(pair)
  assert.equal(pair.group('web').state, 'held')
})

test('a restarted daemon says it is free, and its services start here without a fence', () => {
  const pair = new Pair(pairConfig({ protection: 'fence', groups: fence.groups.map((group) => ({ ...group, home: nodeId('alpha') })) }))
  pair.claim('n0:web h1:db')
  pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
  pair.peerStatus('active', 101, '1')
  pair.claim('u0:web u0:db', 101)
  pair.run(second)
  assert.equal(pair.group('db').state, 'stopped')
  pair.claim('n0:web n0:db', 101)
  pair.run(second)
  pair.claim('n0:web n0:db', 101)
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
  assert.deepEqual([...pair.books.requests], [])
})

test('what a restarted daemon finds is kept if the arbiter confirms it, else stopped before a word is said', () => {
  for (const confirmed of [true, false]) {
    const books = new FakeBooks()
    books.confirming.add('web')
    const stage = new Stage(lease, 20_000, books)
    stage.running.add('ip-web').add('httpd')
    stage.boot({ 'boot:life': '6', 'boot:seen': '1' })
    stage.peerStatus('active', 100, '1')
    stage.run(second)
    assert.equal(stage.states(), 'web=found db=stopped')
    assert.equal(stage.core.snapshot().status, 'up')
    books.confirming.clear()
    if (confirmed) books.own('web')
    tick(stage)
    assert.equal(stage.states(), confirmed ? 'web=held db=stopped' : 'web=stopped db=stopped')
    assert.equal(stage.sent('tb_claims').some((words) => words['tb_groups']?.includes('f0:web')), false)
    assert.deepEqual(stage.trace.filter((line) => line.includes('run start')), [])
  }
})

test('a giver with leases says released only when the arbiter does not name it any more', () => {
  const pair = leasePair()
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(5 * second)
  assert.equal(pair.group('web').state, 'stopped')
  assert.ok(!pair.ops().includes('released web'))
  pair.books.lose('web')
  tick(pair)
  assert.ok(pair.ops().includes('released web'))
  assert.ok(!pair.books.wanted.has('web'))
})

test('a giver whose arbiter falls silent meanwhile says released all the same: the taker has to own it first', () => {
  const pair = leasePair()
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(2 * second)
  assert.ok(!pair.ops().includes('released web'))
  pair.books.silent = true
  tick(pair)
  assert.equal(pair.group('web').state, 'stopped')
  assert.ok(pair.ops().includes('released web'))
  pair.tell('held', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(second)
  assert.equal(pair.group('web').state, 'stopped')
})

test('with leases a silent arbiter keeps a group where it is, unless the interface that is down may be the way to it', () => {
  const tracks = [{ group: groupId('web'), interfaces: ['eth0'], explicit: false }]
  const pair = leasePair(pairConfig({ protection: 'lease', tracks }))
  pair.claim('n0:web h1:db', 100, { tb_if: '' })
  pair.books.silent = true
  pair.operator('standby', 'web')
  pair.run(second)
  assert.deepEqual(pair.ops(), [])
  pair.feed({ type: 'interface', name: 'eth0', up: true, carrier: true })
  pair.feed({ type: 'interface', name: 'eth0', up: false, carrier: false })
  pair.run(3 * second)
  assert.deepEqual(pair.ops().slice(0, 1), ['offer web'])
})

test('a taker whose arbiter is silent accepts nothing: it could not take what the other lets go', () => {
  const pair = leasePair()
  pair.books.silent = true
  pair.tell('offer', '100.1', 'db')
  assert.deepEqual(pair.ops(), ['refused db'])
  pair.books.silent = false
  pair.tell('offer', '100.2', 'db')
  assert.deepEqual(pair.ops(), ['refused db', 'accept db'])
})

test('a taker with leases waits for the ownership, and gives the exchange up when it does not come', () => {
  const pair = leasePair()
  pair.tell('offer', '100.1', 'db')
  pair.tell('released', '100.1', 'db')
  pair.run(second)
  assert.equal(pair.group('db').state, 'stopped')
  assert.ok(pair.books.wanted.has('db'))
  pair.books.own('db', 8)
  tick(pair)
  assert.equal(pair.group('db').state, 'held')
  assert.ok(pair.ops().includes('held db'))
  const late = leasePair()
  late.tell('offer', '100.1', 'db')
  late.tell('released', '100.1', 'db')
  late.run(130 * second)
  assert.ok(late.ops().includes('refused db'))
  late.books.own('db', 8)
  tick(late)
  assert.equal(late.group('db').state, 'stopped')
})

test('a member that does not stop makes the node ask to be fenced, and reset itself when nobody does', () => {
  const pair = new Pair(pairConfig({ protection: 'fence', stopFailure: 'fence' }))
  pair.failing.add('stop:httpd').add('probe:httpd')
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(5 * second)
  assert.equal(pair.group('web').state, 'blocked')
  assert.deepEqual(pair.sent('tb_fence_me').map((words) => words['tb_group']), ['web'])
  assert.ok(!pair.halted)
  pair.run(10 * second)
  assert.ok(pair.trace.at(-1)?.includes('HALT reset'), pair.trace.slice(-3).join())
})

test('without fencing, or without a peer that could do it, a failed stop resets at once', () => {
  for (const config of [pairConfig({ stopFailure: 'fence' }), pairConfig({ protection: 'fence', stopFailure: 'fence' })]) {
    const pair = new Pair(config)
    pair.failing.add('stop:httpd').add('probe:httpd')
    pair.dead()
    pair.operator('stop')
    pair.run(5 * second)
    assert.ok(pair.trace.at(-1)?.includes('HALT reset'))
  }
})

test('a peer that asks for it is fenced, in exactly that life, and its group taken after the confirmation', () => {
  const pair = new Pair(fence)
  const ask = { t: 'tb_fence_me', tb_gen: '100', tb_peer: '7', tb_group: 'db' }
  pair.say({ ...ask, tb_gen: '99' })
  pair.say({ ...ask, tb_peer: '6' })
  pair.say({ ...ask, tb_group: 'ghost' })
  assert.deepEqual([...pair.books.requests], [])
  pair.say(ask)
  assert.deepEqual([...pair.books.requests], ['beta 100 db'])
  pair.books.off.add('beta 100')
  tick(pair)
  assert.equal(pair.group('db').state, 'stopped')
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
})

// ---------------------------------------------------------------------------------- guardian and lapses

test('without a guardian nothing is armed or taken, and what is held goes to a peer that is ready', () => {
  const pair = new Pair(pairConfig(), { slots: true })
  const [first] = pair.feed({ type: 'guardian.lost' })
  assert.ok(pair.notes.includes('guardian.absent'))
  assert.equal(first?.type, 'plan.disarm')
  assert.equal(pair.slots?.armed.size, 0)
  pair.run(2 * second)
  assert.ok(pair.ops().includes('offer web'))
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').state, 'stopped')
  pair.feed({ type: 'guardian.ready' })
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
})

test('a guardian that is back within a second changes nothing', () => {
  const pair = new Pair(pairConfig(), { slots: true })
  pair.feed({ type: 'guardian.lost' })
  pair.run(second / 2)
  pair.feed({ type: 'guardian.ready' })
  pair.run(5 * second)
  assert.deepEqual(pair.ops(), [])
  assert.equal(pair.slots?.armed.size, 1)
})

test('without a guardian and with no peer that is ready, what is held stays', () => {
  const pair = new Pair()
  pair.dead()
  pair.run(second)
  pair.feed({ type: 'guardian.lost' })
  pair.run(60 * second)
  assert.equal(pair.states(), 'web=held db=held')
})

test('after a lapse this life decides nothing any more', () => {
  const pair = new Pair(pairConfig(), { slots: true })
  pair.feed({ type: 'controller.lapsed', stage: 'withhold', lateUs: 2 * second })
  assert.ok(pair.notes.includes('controller.late'))
  const effects = pair.feed({ type: 'controller.lapsed', stage: 'release', lateUs: 20 * second })
  assert.equal(effects[0]?.type, 'plan.disarm')
  assert.deepEqual(pair.feed({ type: 'peer.dead', node: nodeId('beta'), generation: 100, silentUs: 1, links: [] }), [])
})

test('a group whose addresses the engine removed by itself is given up', () => {
  const pair = new Pair()
  const { id, claimEpoch } = pair.group('web')
  pair.feed({ type: 'group.released', group: id, claimEpoch: claimEpoch - 1, ok: true })
  pair.run(second)
  assert.equal(pair.group('web').state, 'held')
  pair.feed({ type: 'group.released', group: id, claimEpoch, ok: true })
  assert.equal(pair.group('web').state, 'giving')
})

// ------------------------------------------------------------------------------------------ claim epochs

test('a take has a greater claim epoch than anything that either node said before', () => {
  const pair = new Pair()
  pair.claim('n0:web h1:db', 100, { tb_epochs: '0:web 900000000:db' })
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').claimEpoch, 900_000_001)
  assert.ok(pair.sent('tb_claims').at(-1)?.['tb_epochs']?.includes('900000001:db'))
})

test('a next life says greater claim epochs than the last one without having written one', () => {
  const last = new Pair().group('web').claimEpoch
  const stage = new Stage()
  stage.feed({ type: 'boot', generation: 8, persisted: {} })
  assert.ok((stage.core.snapshot().groups[0]?.claimEpoch ?? 0) > last)
})

test('a statement without epochs, or with nonsense in them, is understood as before', () => {
  for (const text of [undefined, '', 'x:db', '-1:db', '1e9:db', '99999999999999999:db', ':db', 'db']) {
    const pair = new Pair()
    pair.claim('n0:web h1:db', 100, text === undefined ? {} : { tb_epochs: text })
    assert.equal(pair.core.snapshot().groups[1]?.holder, 'beta')
    assert.ok(pair.group('db').claimEpoch < 1e9)
  }
})

const foreignServices = lease.groups.map((group) => ({ ...group, home: nodeId('beta') }))

/** The peer held everything and is dead; both groups are owned here. */
function afterDeath(words: Readonly<Record<string, string>>, generation = 100): Pair {
  const books = new FakeBooks()
  const pair = new Pair(pairConfig({ protection: 'lease', groups: foreignServices }), { books, watchdog: false })
  pair.feed({ type: 'watchdog.changed', timeoutUs: 5 * second })
  pair.claim('h1:web h1:db', generation, words)
  pair.run(second)
  books.own('web')
  books.own('db')
  return pair
}

test('a peer whose watchdog was petted has ended its services when its ownership has ended', () => {
  const pair = afterDeath({ tb_watchdog: `${10 * second}` })
  pair.dead()
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=held')
})

test('the watchdog of one life of the peer says nothing about the next', () => {
  const pair = afterDeath({ tb_watchdog: `${10 * second}` })
  pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
  pair.dead(101)
  pair.run(second)
  assert.deepEqual(pair.group('web').takeNow, { withheld: 'services-not-proven-stopped', needs: 'nothing' })
})

test('a watchdog that is not petted any more ends nothing', () => {
  const pair = afterDeath({ tb_watchdog: `${10 * second}` })
  pair.claim('h1:web h1:db', 100, { tb_watchdog: '0' })
  pair.dead()
  pair.run(second)
  assert.equal(pair.states(), 'web=stopped db=held')
})

test('without a watchdog services are begun under a lease only while the peer knows that there is none', () => {
  const books = new FakeBooks()
  const pair = new Pair(pairConfig({ protection: 'lease' }), { books, watchdog: false })
  books.own('web')
  pair.claim('n0:web h1:db')
  pair.run(second)
  assert.equal(pair.group('web').state, 'held')
  assert.equal(pair.sent('tb_claims').at(-1)?.['tb_watchdog'], '0')

  const alone = new Pair(pairConfig({ protection: 'lease', groups: foreignServices }), { books: new FakeBooks(), watchdog: false })
  alone.claim('h1:web h1:db', 100, { tb_watchdog: `${10 * second}` })
  alone.books.own('web')
  alone.books.own('db')
  alone.dead()
  alone.run(second)
  assert.equal(alone.states(), 'web=stopped db=held')
  alone.feed({ type: 'watchdog.changed', timeoutUs: 5 * second })
  assert.equal(alone.group('web').state, 'taking')
})
