// A message of a life of the peer that no status has told of yet: heartbeats are lost, messages are asked for again, so what
// overtook the status tells of the restart itself. Nothing that was known of the earlier life counts for the new one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../src/core/base/ids.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second } from './stage.js'

const hg = (generation: number): { readonly hg: string } => ({ hg: generation.toString(16) })
const peerOf = (pair: Pair): { readonly status: string; readonly generation: number } | undefined => pair.core.snapshot().peers[0]

const messages: Readonly<Record<string, (pair: Pair) => void>> = {
  statement: (pair) => { pair.claim('n0:web h1:db', 101, hg(101)) },
  'word of a hand-over': (pair) => { pair.tell('offer', '101.1', 'db', 101, hg(101)) },
  'word of the original protocol': (pair) => { pair.say({ t: 'ask_resources', rsc_hold: 'all', info: 'me', ...hg(101) }) },
  'message that nobody knows': (pair) => { pair.say({ t: 'whatever', ...hg(101) }) },
}
for (const [what, say] of Object.entries(messages)) {
  test(`a ${what} of a life that was not introduced tells of the restart`, () => {
    const pair = new Pair()
    say(pair)
    assert.equal(peerOf(pair)?.generation, 101)
    assert.equal(pair.notes.filter((note) => note === 'peer.restarted').length, 1)
    // The status that comes behind it is no second restart.
    pair.peerStatus('up', 101, '1')
    pair.feed({ type: 'peer.restarted', node: nodeId('beta'), generation: 101 })
    assert.equal(pair.notes.filter((note) => note === 'peer.restarted').length, 1)
    pair.run(second)
    assert.equal(pair.states(), 'web=held db=stopped')
  })
}

test('what an earlier life said is not believed of the one that was not introduced', () => {
  const pair = new Pair()
  pair.claim('n0:web f0:db')
  pair.say({ t: 'whatever', ...hg(101) })
  pair.operator('takeover', 'db')
  pair.run(5 * second)
  assert.equal(pair.group('db').state, 'stopped', 'its new life has not said what it holds')
})

test('a message of the life before, late, is nothing', () => {
  const pair = new Pair()
  pair.say({ t: 'whatever', ...hg(101) })
  pair.claim('n0:web f0:db', 100, hg(100))
  pair.tell('refused', '7.1', 'db', 100, hg(100))
  pair.run(5 * second)
  assert.equal(peerOf(pair)?.generation, 101)
  assert.equal(pair.group('db').state, 'stopped')
})

test('a confirmed fence ends with the first message of a newer life, whatever it is', () => {
  const books = new FakeBooks()
  books.off.add('beta 100')
  const pair = new Pair(pairConfig({ protection: 'fence' }), { books })
  pair.hanging.add('probe:ip-db')
  pair.dead()
  pair.run(second)
  assert.equal(pair.group('db').state, 'taking')
  pair.say({ t: 'whatever', ...hg(101) })
  pair.release('probe:ip-db')
  pair.run(second)
  assert.equal(pair.group('db').state, 'stopped')
})

test('a node that is held for dead and speaks in a new life is alive again', () => {
  const books = new FakeBooks()
  const pair = new Pair(pairConfig({ protection: 'fence' }), { books })
  pair.dead()
  assert.equal(peerOf(pair)?.status, 'dead')
  pair.claim('n0:web f0:db', 101, hg(101))
  assert.notEqual(peerOf(pair)?.status, 'dead')
  assert.equal(peerOf(pair)?.generation, 101)
})
