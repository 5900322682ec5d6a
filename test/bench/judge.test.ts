import assert from 'node:assert/strict'
import { test } from 'node:test'

import { judge, type TryFrame } from '../../bench/failover/judge.js'
import type { ProbeEvent } from '../../lab/prober.js'

const address = '10.77.0.100'
const ms = (value: number): number => value * 1e6
/** Asked every half millisecond, numbered by the time. */
const answer = (atMs: number, from: string, rttMs = 0): ProbeEvent =>
  ({ t: ms(atMs), e: 'answer', seq: Math.round((atMs - rttMs) * 2), rtt: ms(rttMs), from })
const addr = (atMs: number, node: string, on: boolean): ProbeEvent => ({ t: ms(atMs), e: 'addr', node, address, on })
const garp = (atMs: number): ProbeEvent => ({ t: ms(atMs), e: 'garp', address, mac: '02:00:00:00:00:01', where: 'client' })
const frame: TryFrame = {
  address, victim: 'a', survivor: 'b', faultNs: ms(100), faultDoneNs: ms(100.05), healNs: ms(400), endNs: ms(600),
}
const start: ProbeEvent = { t: ms(90), e: 'held', node: 'a', address, on: true }
const answers = (fromMs: number, toMs: number, from: string): ProbeEvent[] =>
  Array.from({ length: Math.round((toMs - fromMs) * 2) }, (_, at) => answer(fromMs + at / 2, from))

test('a takeover is measured to the first answer of the other node, an outage from the last answer before it', () => {
  const measured = judge([start, ...answers(90, 100, 'a'), addr(105, 'b', true), garp(105.2), ...answers(106, 400, 'b')], frame)
  assert.equal(measured.takeoverMs, 6)
  assert.equal(measured.outageMs, 6.5)
  assert.equal(measured.addedMs, 5)
  assert.ok(Math.abs((measured.arpMs ?? 0) - 5.2) < 1e-9)
  assert.equal(measured.faultTookMs, 0.05)
})

test('an old node that goes on answering makes no outage, and its answers are no takeover', () => {
  const measured = judge([start, ...answers(90, 112, 'a'), addr(112, 'b', true), garp(112.1), ...answers(112.5, 400, 'b')], frame)
  assert.equal(measured.takeoverMs, 12.5)
  assert.equal(measured.outageMs, 1)
})

test('two owners last until one of them has let go, or until the heal', () => {
  const until = judge([start, addr(105, 'b', true), addr(420, 'a', false)], frame)
  assert.deepEqual([until.twoOwnersMs, until.twoUntilHeal, until.reachableTwiceMs], [295, true, 20])
  const brief = judge([start, addr(105, 'b', true), addr(107, 'a', false)], frame)
  assert.deepEqual([brief.twoOwnersMs, brief.twoUntilHeal, brief.reachableTwiceMs], [2, false, 0])
  const none = judge([start, addr(104, 'a', false), addr(105, 'b', true)], frame)
  assert.deepEqual([none.twoOwnersMs, none.twoUntilHeal, none.goneMs, until.goneMs], [0, false, 4, undefined])
})

test('an address that asking found and no notice told counts as well', () => {
  const measured = judge([start, { t: ms(130), e: 'held', node: 'b', address, on: true }], frame)
  assert.equal(measured.addedMs, 30)
})

test('nobody took over: no takeover, and no number in its place', () => {
  const measured = judge([start, ...answers(90, 400, 'a')], frame)
  assert.deepEqual([measured.takeoverMs, measured.addedMs, measured.arpMs, measured.twoOwnersMs], [null, null, null, 0])
  assert.equal(measured.outageMs, 0)
})

test('a question without an answer is an outage, one that is answered late is none', () => {
  const late = judge([start, ...answers(90, 150, 'a'), answer(154, 'a', 4), answer(154.1, 'a', 3.6), ...answers(151, 400, 'a')
    .map((one): ProbeEvent => ({ ...one, t: Math.max(one.t, ms(154.2)) }))], frame)
  assert.equal(late.outageMs, 0)
  const lost = judge([start, ...answers(90, 150, 'a'), ...answers(154, 400, 'a')], frame)
  assert.equal(lost.outageMs, 4.5)
})

test("the prober's own lateness counts between the fault and the takeover only", () => {
  const late = (t: number, ns: number): ProbeEvent => ({ t: ms(t), e: 'late', ns: ms(ns) })
  const measured = judge([start, late(50, 3), late(104, 2), ...answers(106, 400, 'b'), late(300, 4)], frame)
  assert.equal(measured.proberLateMs, 2)
})

test('what belongs to the time after the heal is not taken for the takeover', () => {
  const measured = judge([start, ...answers(90, 100, 'a'), addr(450, 'b', true), garp(450), ...answers(450, 500, 'b')], frame)
  assert.deepEqual([measured.takeoverMs, measured.addedMs, measured.arpMs], [null, null, null])
  assert.equal(measured.outageMs, 350.5)
})
