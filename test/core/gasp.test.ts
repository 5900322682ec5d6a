// Last words: what they permit, and everything that they do not.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import type { GaspEvent } from '../../src/core/events.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second } from './stage.js'

const epoch = 26_214_401
const said = { tb_epochs: `0:web ${epoch}:db`, tb_ready: 'web' }

function pairWith(config = pairConfig(), how: { slots?: boolean; books?: FakeBooks } = {}): Pair {
  const pair = new Pair(config, how)
  pair.claim('n0:web h1:db', 100, said)
  pair.run(second)
  return pair
}

function gasp(pair: Pair, change: Partial<GaspEvent> = {}): void {
  const event: GaspEvent = {
    type: 'gasp', node: nodeId('beta'), generation: 100, group: groupId('db'), claimEpoch: epoch, digest: 'db-1', ...change,
  }
  pair.feed(event, 'engine: gasp')
  pair.run(second / 10)
}

test('the last words about a claim that we know of are acted upon at once, though the peer is not dead yet', () => {
  const pair = pairWith(pairConfig(), { slots: true })
  gasp(pair)
  assert.equal(pair.states(), 'web=held db=held')
  assert.deepEqual(pair.slots?.fired.map((one) => one.authority.kind), ['gasp'])
  assert.ok(pair.group('db').claimEpoch > epoch)
  assert.equal(pair.core.snapshot().peers[0]?.status, 'active')
})

test('without an armed plan the take goes the ordinary way', () => {
  const pair = pairWith()
  gasp(pair)
  assert.deepEqual(pair.starts().slice(-1), ['start db/ip-db by gasp'])
})

const mismatches: Readonly<Record<string, Partial<GaspEvent>>> = {
  'of an earlier life': { generation: 99 },
  'of a later life than the one that is heard': { generation: 101 },
  'of an earlier claim': { claimEpoch: epoch - 1 },
  'of a claim that was never heard of': { claimEpoch: epoch + 1 },
  'of another definition': { digest: 'db-0' },
  'about a group that we hold ourselves': { group: groupId('web'), digest: 'web-1' },
  'about a group that there is not': { group: groupId('ghost') },
  'of a node that is not the peer': { node: nodeId('gamma') },
}
for (const [what, change] of Object.entries(mismatches)) {
  test(`last words ${what} are refused`, () => {
    const pair = pairWith()
    gasp(pair, change)
    assert.equal(pair.states(), 'web=held db=stopped')
    assert.ok(pair.notes.includes('gasp.refused'))
  })
}

test('a peer that never said its claim epoch has no last words', () => {
  const pair = new Pair()
  gasp(pair, { claimEpoch: 0 })
  assert.equal(pair.group('db').state, 'stopped')
})

test('last words are used once', () => {
  const pair = pairWith()
  gasp(pair)
  const before = pair.starts().length
  gasp(pair)
  assert.equal(pair.starts().length, before)
  assert.ok(!pair.notes.includes('gasp.refused'))
})

test('a statement that was said before the death and arrives after the last words does not take the group away', () => {
  const pair = pairWith()
  gasp(pair)
  pair.claim('n0:web h1:db', 100, said)
  pair.run(20 * second)
  assert.equal(pair.group('db').state, 'held')
})

test('a group that was given away just before the last words is not taken by them', () => {
  const pair = pairWith()
  pair.tell('offer', '100.1', 'db')
  gasp(pair)
  assert.equal(pair.group('db').state, 'stopped')
  assert.ok(pair.trace.some((line) => line.includes('handed-over')))
})

test('the last words of a giver after it has released say nothing: its claim was over', () => {
  const pair = pairWith()
  pair.tell('offer', '100.1', 'db')
  pair.tell('released', '100.1', 'db', 100, { tb_epoch: `${epoch}` })
  pair.run(second)
  assert.equal(pair.group('db').state, 'held')
  const held = pair.group('db').claimEpoch
  gasp(pair)
  assert.equal(pair.group('db').claimEpoch, held)
})

test('after its last words a peer is ready for nothing more, though it is not dead yet', () => {
  // Acted upon, for another group, and of no use here.
  for (const change of [{}, { claimEpoch: epoch - 1 }, { digest: 'db-0' }]) {
    const pair = pairWith()
    assert.equal(pair.holdings.get('web')?.peerReady, true)
    gasp(pair, change)
    assert.equal(pair.holdings.get('web')?.peerReady, false)
    // What it had said before it ended and arrives now.
    pair.claim('n0:web h1:db', 100, said)
    pair.run(second)
    assert.equal(pair.holdings.get('web')?.peerReady, false)
  }
})

test('last words of an earlier life do not make the present one unready', () => {
  const pair = pairWith()
  gasp(pair, { generation: 99 })
  assert.equal(pair.holdings.get('web')?.peerReady, true)
  gasp(pair)
  pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
  pair.peerStatus('active', 101, '1')
  pair.claim('n0:web n0:db', 101, said)
  pair.run(second)
  assert.equal(pair.holdings.get('web')?.peerReady, true)
})

test('a restart between the last words and the first start withholds the take', () => {
  const pair = pairWith()
  pair.hanging.add('probe:ip-db')
  gasp(pair)
  pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
  pair.release('probe:ip-db')
  pair.run(second)
  assert.equal(pair.group('db').state, 'stopped')
})

/** The peer holds the group with services. */
function servicesAtPeer(config = pairConfig(), books?: FakeBooks): Pair {
  const pair = new Pair(config, books === undefined ? {} : { books })
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(second)
  pair.claim('h1:web h1:db', 100, { tb_epochs: `${epoch}:web ${epoch}:db`, tb_watchdog: '0' })
  pair.tell('held', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '', 'web', 100, { tb_epoch: `${epoch}` })
  pair.run(second)
  assert.equal(pair.group('web').state, 'stopped')
  return pair
}
const web: Partial<GaspEvent> = { group: groupId('web'), digest: 'web-1' }
const dead = (pair: Pair, generation = 100): void => {
  pair.feed({ type: 'peer.dead', node: nodeId('beta'), generation, silentUs: 10 * second, links: [] }, 'engine: beta dead')
  pair.run(second)
}

test('services have last words too, which only a guardian says that has ended them', () => {
  const pair = servicesAtPeer()
  gasp(pair, web)
  assert.equal(pair.group('web').state, 'held')
})

test('with fencing, services whose end was said need no fence, also when their node is dead already', () => {
  for (const first of [true, false]) {
    const books = new FakeBooks()
    const pair = servicesAtPeer(pairConfig({ protection: 'fence' }), books)
    if (first) gasp(pair, web)
    dead(pair)
    assert.ok(books.requests.has('beta 100 db'), 'the other group has to wait for the device')
    if (!first) assert.equal(pair.group('web').state, 'stopped')
    if (!first) gasp(pair, web)
    assert.equal(pair.states(), 'web=held db=stopped')
    assert.equal(books.requests.has('beta 100 web'), !first)
  }
})

test('last words that come late are refused as strictly as others', () => {
  for (const change of [{ claimEpoch: epoch - 1 }, { generation: 99 }, { digest: 'web-0' }]) {
    const pair = servicesAtPeer(pairConfig({ protection: 'fence' }), new FakeBooks())
    dead(pair)
    gasp(pair, { ...web, ...change })
    assert.equal(pair.group('web').state, 'stopped')
    assert.ok(pair.notes.includes('gasp.refused'))
  }
})

test('with leases, services of a dead node wait for its last words and for the ownership', () => {
  for (const said of [true, false]) {
    const books = new FakeBooks()
    books.own('web')
    const pair = servicesAtPeer(pairConfig({ protection: 'lease' }), books)
    pair.feed({ type: 'watchdog.changed', timeoutUs: 10 * second })
    pair.run(second)
    books.lose('web')
    dead(pair)
    assert.equal(books.wanted.has('web'), false)
    if (said) gasp(pair, web)
    assert.equal(books.wanted.has('web'), said)
    books.own('web', 9)
    pair.feed({ type: 'timer', key: 'arbiter:web' })
    pair.run(second)
    assert.equal(pair.group('web').state, said ? 'held' : 'stopped')
  }
})

test('what the last words of one life prove says nothing of the next one', () => {
  const books = new FakeBooks()
  books.own('web')
  const pair = servicesAtPeer(pairConfig({ protection: 'lease' }), books)
  pair.feed({ type: 'watchdog.changed', timeoutUs: 10 * second })
  pair.run(second)
  books.lose('web')
  books.held.set('web', 'hold')
  gasp(pair, web)
  pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
  dead(pair, 101)
  books.held.clear()
  books.own('web', 9)
  pair.feed({ type: 'timer', key: 'arbiter:web' })
  pair.run(20 * second)
  assert.equal(pair.group('web').state, 'stopped')
})

test('a group on hold is not taken by last words', () => {
  const books = new FakeBooks()
  books.held.set('db', 'hold')
  const pair = pairWith(pairConfig(), { books })
  gasp(pair)
  assert.equal(pair.group('db').state, 'stopped')
})

test('with fencing, last words are authority for that group', () => {
  const pair = pairWith(pairConfig({ protection: 'fence' }))
  gasp(pair)
  assert.deepEqual(pair.starts().slice(-1), ['start db/ip-db by gasp'])
})

test('with leases, last words only ask the arbiter earlier', () => {
  const books = new FakeBooks()
  books.own('web')
  const pair = pairWith(pairConfig({ protection: 'lease' }), { books })
  assert.equal(pair.states(), 'web=held db=stopped')
  gasp(pair)
  assert.equal(pair.group('db').state, 'stopped')
  assert.ok(books.wanted.has('db'))
  books.own('db', 9)
  pair.feed({ type: 'timer', key: 'arbiter:db' })
  pair.run(second)
  assert.deepEqual(pair.starts().slice(-1), ['start db/ip-db by lease'])
})
