// The ownership of one group: what the disk, the arbiter and the other node have to have said before it moves on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arbitration } from '../../src/core/arbitration/arbitration.js'
import { groupId, micros, type Micros } from '../../src/core/base/ids.js'
import { Context } from '../../src/core/context.js'
import type { ArbiterRunEffect } from '../../src/core/effects.js'
import { GroupLease, type GroupFacts, type LeaseIo, type Ownership } from '../../src/core/arbitration/group-lease.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second } from './stage.js'

const web = groupId('web')
const used: GroupFacts = { held: true, wanted: true, bound: false }
const unused: GroupFacts = { held: false, wanted: false, bound: false }

class Io implements LeaseIo {
  now: Micros = micros(0)
  readonly config = { ttlUs: 10 * second, driftPpm: 0, stopBudgetUs: second, renewUs: 2 * second, requestUs: second }
  readonly orders: string[] = []
  readonly written: (Ownership | null)[] = []
  readonly notes: string[] = []
  order(_group: string, action: string, token: number | null): number {
    return this.orders.push(`${action} ${token ?? '-'}`)
  }

  ownership(): void { /* nobody looks */ }
  remember(_group: string, ownership: Ownership | null): void { this.written.push(ownership) }
  unbind(): void { /* nobody looks */ }
  note(_level: string, event: string): void { this.notes.push(event) }
}

function owned(): { io: Io; lease: GroupLease } {
  const io = new Io()
  const lease = new GroupLease(io, web)
  lease.advance({ ...unused, wanted: true })
  lease.result({
    type: 'arbiter.result', call: 1, group: web, action: 'acquire', outcome: 'held', token: 7, deadlineAt: micros(9 * second),
    holder: null, text: '',
  })
  assert.deepEqual(lease.ownership, { token: 7, deadlineAt: 9 * second })
  return { io, lease }
}

test('a key is given back only when no next life can believe in it', () => {
  const { io, lease } = owned()
  lease.remembered()
  lease.advance(unused)
  assert.deepEqual(io.written.at(-1), null)
  assert.deepEqual(io.orders, ['acquire -'])
  lease.remembered()
  lease.advance(unused)
  assert.deepEqual(io.orders, ['acquire -', 'release 7'])
})

test('the answer of the disk to an earlier write does not count', () => {
  const { io, lease } = owned()
  lease.advance(unused)
  lease.remembered()
  lease.advance(unused)
  assert.deepEqual(io.orders, ['acquire -'], 'that was the token')
  lease.remembered()
  lease.advance(unused)
  assert.deepEqual(io.orders, ['acquire -', 'release 7'])
})

test('a disk that does not answer keeps the other node waiting for a moment, not for ever', () => {
  const { io, lease } = owned()
  lease.advance(unused)
  assert.equal(lease.nextAt(unused), second / 2)
  io.now = micros(second / 2)
  lease.advance(unused)
  assert.deepEqual(io.orders, ['acquire -', 'release 7'])
})

test('an ownership that is known to be over is none, and its key is tidied up after the stop', () => {
  const { io, lease } = owned()
  lease.refused(6, 'of another token')
  assert.notEqual(lease.ownership, null)
  lease.refused(7, 'beta owns it with the later token 9')
  assert.equal(lease.ownership, null)
  assert.ok(io.notes.includes('lease.expired'))
  lease.advance(used)
  assert.equal(lease.name, 'lapsed')
  lease.advance(unused)
  assert.equal(lease.name, 'clearing')
})

test('a node that is bound looks four times a second, never asks, and asks at once when it is bound no more', () => {
  const io = new Io()
  const lease = new GroupLease(io, web)
  const bound: GroupFacts = { held: false, wanted: true, bound: true }
  const answer = (call: number, outcome: 'other' | 'released' | 'unknown'): void => {
    lease.result({
      type: 'arbiter.result', call, group: web, action: 'look', outcome, token: null, deadlineAt: null, holder: null, text: outcome,
    })
  }
  for (const [i, outcome] of (['other', 'unknown', 'released'] as const).entries()) {
    lease.advance(bound)
    lease.advance(bound)
    assert.equal(io.orders.length, i + 1, 'one at a time')
    assert.equal(lease.nextAt(bound), null)
    assert.ok(lease.clear && lease.mayPromise, 'a look makes nothing')
    answer(i + 1, outcome)
    assert.equal(lease.problem, outcome === 'unknown' ? 'unknown' : null)
    lease.advance(bound)
    assert.equal(io.orders.length, i + 1)
    assert.equal(lease.nextAt(bound), io.now + second / 4)
    if (i < 2) io.now = micros(io.now + second / 4)
  }
  lease.advance({ ...bound, bound: false })
  assert.deepEqual(io.orders, ['look -', 'look -', 'look -', 'acquire -'])
  assert.deepEqual(io.notes, ['lease.waiting'])
})

test('a look that is under way when the promise ends is waited for, and is never an ownership', () => {
  const io = new Io()
  const lease = new GroupLease(io, web)
  lease.advance({ held: false, wanted: true, bound: true })
  const free: GroupFacts = { held: false, wanted: true, bound: false }
  lease.advance(free)
  assert.deepEqual(io.orders, ['look -'])
  lease.result({
    type: 'arbiter.result', call: 1, group: web, action: 'look', outcome: 'held', token: 7, deadlineAt: micros(9 * second),
    holder: null, text: '',
  })
  assert.equal(lease.ownership, null)
  lease.advance(free)
  assert.deepEqual(io.orders, ['look -', 'acquire -'])
})

// ------------------------------------------------------------------------------------------- in the node

/** The machines of a node without a peer, after a boot; the test plays the disk and the arbiter. */
class Node {
  readonly written: (string | null)[] = []
  readonly orders: string[] = []
  readonly #ctx = new Context(pairConfig({ protection: 'lease', lease: new Io().config }))
  readonly #machine = new Arbitration(this.#ctx, { peer: () => null, held: () => false, peerFree: () => false })
  #order: ArbiterRunEffect | null = null

  constructor(record: string) {
    this.#step((machine) => { machine.boot({ 'lease:web': record }) })
  }

  want(wanted: boolean): void {
    this.#step((machine) => { machine.want(web, wanted) })
  }

  grant(token: number): void {
    const order = this.#order
    assert.equal(order?.action, 'acquire')
    this.#step((machine) => {
      machine.result({
        type: 'arbiter.result', call: order.call, group: web, action: 'acquire', outcome: 'held', token,
        deadlineAt: micros(9 * second), holder: null, text: '',
      })
    })
  }

  /** The disk has done one write, the oldest. */
  diskAnswers(): void {
    this.#step((machine) => { machine.persisted('lease:web', true) })
  }

  #step(body: (machine: Arbitration) => void): void {
    this.#ctx.begin(micros(0))
    body(this.#machine)
    this.#machine.advance()
    for (const effect of this.#ctx.end()) {
      if (effect.type === 'persist') this.written.push(effect.value)
      if (effect.type !== 'arbiter.run') continue
      this.#order = effect
      this.orders.push(`${effect.action} ${effect.token ?? '-'}`)
    }
  }
}

test('the answer of the disk to the removal of a damaged record counts for nothing that is written after it', () => {
  const node = new Node('{"token":')
  assert.deepEqual(node.written, [null], 'no later life reads it again')
  node.want(true)
  node.grant(7)
  node.want(false)
  assert.deepEqual(node.written, [null, `{"token":7,"deadlineAt":${9 * second}}`, null])
  node.diskAnswers()
  node.diskAnswers()
  assert.deepEqual(node.orders, ['acquire -'], 'those were the damaged record and the token')
  node.diskAnswers()
  assert.deepEqual(node.orders, ['acquire -', 'release 7'])
})

test('each node says under which token it owns what it holds, and a later one of the peer ends ours', () => {
  const books = new FakeBooks()
  books.own('web', 7)
  const pair = new Pair(pairConfig({ protection: 'lease' }), { books })
  assert.equal(pair.group('web').state, 'held')
  assert.equal(pair.sent('tb_claims').at(-1)?.['tb_tokens'], '7:web')
  for (const text of ['', '6:web', '7:web', '9:db', 'x:web', '99999999999999999999:web']) {
    pair.claim('n0:web h1:db', 100, { tb_tokens: text })
  }
  assert.deepEqual(books.refused, [])
  pair.claim('h0:web h1:db', 100, { tb_tokens: '5:db 9:web' })
  assert.deepEqual(books.refused, ['web 7'])
})
