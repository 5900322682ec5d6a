import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatMeasurement, formatMs } from '../../src/cli/format/measure.js'
import { Histogram } from '../../src/measure/histogram.js'
import { macInArpTable, macInNeighbourLine } from '../../src/measure/owners.js'
import { outageFromMs } from '../../src/measure/session.js'
import { Tally, type MeasureSetup } from '../../src/measure/report.js'

const setup: MeasureSetup = {
  address: '10.0.0.100', probe: 'icmp', port: null, everyMs: 1, answerWithinMs: 1000, outageFromMs: 5, outageMaxMs: 50,
}
const tally = (changed: Partial<MeasureSetup> = {}): Tally => new Tally({ ...setup, ...changed }, 1_000_000, '2030-01-01T00:00:00.000Z')
const outage = { fromUs: 2_000_000, toUs: 2_060_500, lengthUs: 60_000, lateUs: 500, unanswered: 60, over: true }

test('a quantile is at most an eighth above the true one and never below it', () => {
  const times = fc.array(fc.integer({ min: 0, max: 10_000_000 }), { minLength: 1 })
  fc.assert(fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (list, share) => {
    const histogram = new Histogram()
    for (const us of list) histogram.add(us)
    const sorted = [...list].sort((a, b) => a - b)
    const truth = sorted[Math.max(1, Math.ceil(share * list.length)) - 1]!
    const found = histogram.quantileUs(share)!
    assert.ok(found >= truth && found <= truth * 1.126 + 1, `${found} for ${truth}`)
    assert.equal(histogram.classes().reduce((sum, { count }) => sum + count, 0), list.length)
  }))
})

test('what counts as an outage is never longer than what is allowed', () => {
  assert.deepEqual([outageFromMs(1, null), outageFromMs(10, null), outageFromMs(10, 20), outageFromMs(1, 4)], [5, 30, 20, 4])
})

test('an empty histogram has no quantile', () => {
  assert.equal(new Histogram().quantileUs(0.5), null)
})

test('the verdict follows the longest outage, and silence is worse than any', () => {
  const seen = tally()
  assert.equal(seen.report(3_000_000).verdict, 'silent')
  seen.probeAnswered(200, null)
  assert.equal(seen.report(3_000_000).verdict, 'fine')
  assert.equal(seen.outage(outage).fromMs, 1000)
  assert.equal(seen.report(3_000_000).verdict, 'outage')
  const lenient = tally({ outageMaxMs: null })
  lenient.probeAnswered(200, null)
  lenient.outage(outage)
  assert.equal(lenient.report(3_000_000).verdict, 'fine')
})

test('a change of owner is one of hardware address; the first one seen is no change', () => {
  const seen = tally()
  assert.equal(seen.ownerSeen('aa', 1_000_000), null)
  assert.equal(seen.ownerSeen('aa', 1_500_000), null)
  assert.deepEqual(seen.ownerSeen('bb', 2_000_000), { atMs: 1000, from: 'aa', to: 'bb' })
  const { owner } = seen.report(3_000_000)
  assert.deepEqual([owner.first, owner.last, owner.changeCount], ['aa', 'bb', 1])
})

test('lost probes of outages are told from stray ones, unsent ones are not counted as sent', () => {
  const seen = tally()
  for (let probe = 0; probe < 100; probe++) seen.probeSent()
  for (let probe = 0; probe < 63; probe++) seen.probeLost()
  seen.probeUnsent('ENOBUFS')
  seen.outage(outage)
  const { probes } = seen.report(3_000_000)
  assert.deepEqual([probes.sent, probes.strayLost, probes.unsent], [99, 3, 1])
})

test('the page names outages, owner, loss and what was taken off', () => {
  const seen = tally()
  for (const trip of [150, 200, 900]) seen.probeAnswered(trip, 'nodea')
  seen.ownerSeen('02:00:00:00:00:01', 1_000_000)
  seen.ownerSeen('02:00:00:00:00:02', 2_050_000)
  seen.outage(outage)
  seen.lateFor({ fromUs: 0, toUs: 2_500 })
  const text = formatMeasurement(seen.report(31_000_000))
  assert.match(text, /^10\.0\.0\.100 by icmp, every 1\.00 ms for 30\.0 s, from 2030-/)
  assert.match(text, /longest outage 60\.0 ms: MORE THAN the allowed 50\.0 ms/)
  assert.match(text, /at 1\.000 s {2}60\.0 ms, 60 probes without answer, 0\.50 ms of the measurer's own taken off$/m)
  assert.match(text, /at 1\.050 s {2}02:00:00:00:00:01 -> 02:00:00:00:00:02/)
  assert.match(text, /answered by nodea 3/)
  assert.match(text, /late 1 times, 2\.50 ms in all/)
  assert.doesNotMatch(text, /undefined|NaN/)
  assert.match(formatMeasurement(tally().report(2_000_000)), /never an answer/)
})

test('times read with the digits that they are worth', () => {
  assert.deepEqual([0.1234, 26.94, 1234.5, 65_000].map(formatMs), ['0.12 ms', '26.9 ms', '1234.5 ms', '65.0 s'])
})

test('the tables of neighbours are read: complete entries of exactly that address', () => {
  const table = 'IP address       HW type     Flags       HW address            Mask     Device\n' +
    '10.0.0.100       0x1         0x2         02:00:00:00:00:01     *        eth0\n' +
    '10.0.0.10        0x1         0x0         00:00:00:00:00:00     *        eth0\n'
  assert.equal(macInArpTable(table, '10.0.0.100'), '02:00:00:00:00:01')
  assert.equal(macInArpTable(table, '10.0.0.10'), null)
  assert.equal(macInArpTable(table, '10.0.0.1'), null)
  assert.equal(macInNeighbourLine('fd00::64 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE', 'fd00::64'), '02:00:00:00:00:02')
  assert.equal(macInNeighbourLine('fd00::64 dev eth0 FAILED', 'fd00::64'), null)
})
