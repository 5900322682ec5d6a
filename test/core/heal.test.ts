// After a partition: a verdict over a frozen pair of claims, the same on both sides whatever happens in between.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import { HealClaims, healWords, parseHeal, type HealClaim, type HealVerdict } from '../../src/core/takeover/heal-claims.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { fieldsOf, pairConfig, second } from './stage.js'

const web = groupId('web')
const alpha = { self: nodeId('alpha'), peer: nodeId('beta'), home: nodeId('beta') }
const beta = { self: nodeId('beta'), peer: nodeId('alpha'), home: nodeId('beta') }
const claimsOf = (claim: HealClaim | null): Map<typeof web, HealClaim> => new Map(claim === null ? [] : [[web, claim]])

/** One statement from one to the other. */
function say(from: HealClaims, to: HealClaims, disputed = true, hearsUs = true): boolean {
  return to.heard(parseHeal(fieldsOf(Object.fromEntries(healWords(from.say(disputed))))), hearsUs)
}

function pairOf(one: HealClaim | null, other: HealClaim | null): [HealVerdict, HealVerdict] {
  const a = new HealClaims()
  const b = new HealClaims()
  a.freeze(claimsOf(one))
  b.freeze(claimsOf(other))
  say(a, b)
  say(b, a)
  say(a, b)
  return [a.verdict(web, alpha), b.verdict(web, beta)]
}

const claim = fc.option(fc.record({ token: fc.constantFrom(0, 5, 9), incumbent: fc.boolean() }), { nil: null })

test('whatever both claim, exactly one stays', () => {
  fc.assert(fc.property(claim, claim, (one, other) => {
    assert.deepEqual(pairOf(one, other).sort(), ['keep', 'yield'])
  }))
})

test('a valid ownership comes before the incumbent, the incumbent before the home', () => {
  const none = { token: 0, incumbent: false }
  assert.deepEqual(pairOf({ token: 5, incumbent: false }, { token: 0, incumbent: true }), ['keep', 'yield'])
  assert.deepEqual(pairOf({ token: 0, incumbent: true }, none), ['keep', 'yield'])
  assert.deepEqual(pairOf(none, none), ['yield', 'keep'])
  assert.deepEqual(pairOf(null, none), ['yield', 'keep'])
})

test('there is no verdict before both have echoed the other', () => {
  const a = new HealClaims()
  const b = new HealClaims()
  a.freeze(claimsOf({ token: 0, incumbent: true }))
  b.freeze(claimsOf({ token: 0, incumbent: false }))
  assert.equal(a.verdict(web, alpha), 'open')
  say(b, a)
  assert.equal(a.verdict(web, alpha), 'open')
  say(a, b)
  assert.equal(b.verdict(web, beta), 'yield')
  assert.equal(a.verdict(web, alpha), 'open')
  say(b, a)
  assert.equal(a.verdict(web, alpha), 'keep')
})

test('a claim that was frozen anew is no half of the old pair', () => {
  const a = new HealClaims()
  const b = new HealClaims()
  a.freeze(claimsOf({ token: 0, incumbent: true }))
  b.freeze(claimsOf({ token: 0, incumbent: true }))
  say(a, b)
  say(b, a)
  b.reset()
  b.freeze(claimsOf({ token: 9, incumbent: false }))
  say(b, a)
  assert.equal(a.verdict(web, alpha), 'open')
  assert.equal(b.verdict(web, beta), 'open')
})

test('a claim that was judged is judged against no other: what was lost by it would be claimed again', () => {
  const a = new HealClaims()
  const b = new HealClaims()
  a.freeze(claimsOf({ token: 0, incumbent: false }))
  b.freeze(claimsOf({ token: 0, incumbent: true }))
  say(a, b)
  say(b, a)
  assert.equal(a.verdict(web, alpha), 'yield')
  // The other node fell silent and came back before it judged, and now has less to say for itself.
  b.reset()
  b.freeze(claimsOf(null))
  assert.ok(say(b, a), 'a claim is to be frozen anew')
  assert.ok(!a.open)
  assert.equal(a.verdict(web, alpha), 'open')
  a.freeze(claimsOf(null))
  say(a, b)
  say(b, a)
  assert.deepEqual([a.verdict(web, alpha), b.verdict(web, beta)], ['yield', 'keep'])
})

test('who does not hear us is told of nothing by which it may judge later, and its echo is of an earlier life', () => {
  const a = new HealClaims()
  const b = new HealClaims()
  a.freeze(claimsOf({ token: 0, incumbent: true }))
  b.freeze(claimsOf({ token: 0, incumbent: false }))
  say(b, a, true, false)
  assert.equal(a.say(true).echo, 0)
  say(a, b)
  assert.equal(b.verdict(web, beta), 'open')
  say(b, a, true, false)
  assert.equal(a.verdict(web, alpha), 'open')
  say(b, a)
  assert.equal(a.verdict(web, alpha), 'keep')
})

test('what is frozen does not change, and a new claim waits until both have settled', () => {
  const a = new HealClaims()
  const b = new HealClaims()
  a.freeze(claimsOf({ token: 0, incumbent: false }))
  b.freeze(claimsOf({ token: 0, incumbent: false }))
  say(a, b)
  say(b, a)
  say(a, b)
  a.freeze(claimsOf({ token: 9, incumbent: true }))
  assert.equal(a.verdict(web, alpha), 'yield')
  say(a, b, false)
  assert.ok(b.open, 'the other still disputes')
  say(b, a, false)
  assert.ok(!a.open)
  say(a, b, false)
  assert.ok(!b.open)
  a.freeze(claimsOf({ token: 9, incumbent: true }))
  assert.ok(say(a, b), 'the other is asked for a new claim')
})

test('nonsense is not understood', () => {
  for (const head of ['', '1', '1 1 2 1 1', '-1 0 0 1 0', '1 1 1 1 1 1', '9999999999 0 0 0 0']) {
    assert.equal(parseHeal(fieldsOf({ tb_heal: head, tb_heal_claims: '' })), null)
  }
  const words = parseHeal(fieldsOf({ tb_heal: '1 0 0 1 0', tb_heal_claims: 'x 5:1:web 7:2:db :1:x 5:1:' }))
  assert.deepEqual([...words?.claims.keys() ?? []], ['web'])
})

// ------------------------------------------------------------------------------------------- in the node

/** Both hold `web`; the peer never fell silent for itself. */
function healed(config = pairConfig(), books?: FakeBooks): Pair {
  const pair = books === undefined ? new Pair(config) : new Pair(config, { books })
  pair.dead()
  pair.run(second)
  pair.feed({ type: 'peer.returned', node: nodeId('beta'), generation: 100 })
  pair.peerStatus('active', 100, '1')
  return pair
}

const frozen = (pair: Pair): string => pair.sent('tb_claims').at(-1)?.['tb_heal']?.split(' ')[0] ?? ''

test('a group that both hold stays until the peer has echoed our claim, then the loser lets go', () => {
  const pair = healed()
  pair.claim('n0:web h1:db', 100, { tb_heal: '4 0 0 1 0', tb_heal_claims: '0:1:db' })
  pair.run(second / 20)
  assert.equal(pair.group('db').state, 'held')
  pair.claim('n0:web h1:db', 100, { tb_heal: `4 ${frozen(pair)} 0 1 0`, tb_heal_claims: '0:1:db' })
  assert.equal(pair.group('db').state, 'giving')
  assert.equal(pair.group('db').reason, 'heal-lost')
})

test('what a node is still letting go by one verdict it claims in no later one, frozen or stated', () => {
  const pair = healed()
  pair.hanging.add('stop:httpd')
  pair.claim('h1:web h1:db', 100, { tb_heal: '4 0 0 1 0', tb_heal_claims: '9:1:web 0:1:db' })
  pair.claim('h1:web h1:db', 100, { tb_heal: `4 ${frozen(pair)} 0 1 0`, tb_heal_claims: '9:1:web 0:1:db' })
  assert.equal(pair.group('web').reason, 'heal-lost')
  pair.dead()
  pair.run(second)
  pair.feed({ type: 'peer.returned', node: nodeId('beta'), generation: 100 })
  pair.peerStatus('active', 100, '1')
  const said = pair.sent('tb_claims').at(-1)
  assert.equal(pair.group('web').state, 'giving')
  assert.match(said?.['tb_groups'] ?? '', /\bh0:web\b/)
  assert.notEqual(frozen(pair), '0')
  assert.doesNotMatch(said?.['tb_heal_claims'] ?? '', /:web\b/)
})

test('the winner keeps the group', () => {
  const pair = healed()
  pair.claim('h0:web h1:db', 100, { tb_heal: `4 ${frozen(pair)} 0 1 0`, tb_heal_claims: '0:0:web 0:1:db' })
  pair.run(second)
  assert.equal(pair.group('web').state, 'held')
  assert.equal(pair.group('db').state, 'stopped')
})

test('one way: who is not heard for a dead time yields', () => {
  const pair = new Pair()
  pair.say({
    t: 'tb_claims', tb_gen: '100', tb_peer: '0', tb_n: '50', tb_ack: '0', tb_ask: '0', tb_groups: 'h1:web h1:db',
  })
  pair.run(11 * second)
  assert.equal(pair.group('web').state, 'stopped')
})

test('what the peer did not know when it spoke is said once more, in case it was dropped there', () => {
  const pair = new Pair(pairConfig())
  pair.run(second)
  pair.operator('hold', 'web')
  const before = Number(pair.sent('tb_claims').at(-1)?.['tb_n'])
  pair.claim('n0:web h1:db', 100, { tb_ack: `${before - 2}` })
  assert.equal(Number(pair.sent('tb_claims').at(-1)?.['tb_n']), before + 1)
  // Each of its statements is an occasion, once; and it knows what was new.
  pair.run(5 * second)
  pair.claim('n0:web h1:db', 100, { tb_ack: `${before}` })
  pair.run(5 * second)
  assert.equal(Number(pair.sent('tb_claims').at(-1)?.['tb_n']), before + 1)
})

test('one way: an ownership or a confirmed fence outweighs a peer that does not hear us', () => {
  const books = new FakeBooks()
  books.own('web')
  const owner = new Pair(pairConfig({ protection: 'lease' }), { books })
  const fencer = healed(pairConfig({ protection: 'fence' }))
  fencer.books.off.add('beta 100')
  fencer.dead()
  fencer.run(second)
  assert.equal(fencer.group('db').state, 'held')
  for (const [pair, id] of [[owner, 'web'], [fencer, 'db']] as const) {
    pair.peerStatus('active', 100, '1')
    pair.say({
      t: 'tb_claims', tb_gen: '100', tb_peer: '0', tb_n: '50', tb_ack: '0', tb_ask: '0', tb_groups: 'h1:web h1:db',
      tb_heal: '1 0 0 1 0', tb_heal_claims: '0:1:web 0:1:db',
    })
    pair.run(30 * second)
    assert.equal(pair.group(id).state, 'held', id)
  }
})
