import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decadesOf, stripChart, type Row } from '../../bench/failover/chart.js'
import { compare, compareText } from '../../bench/failover/compare.js'
import { goalsOf } from '../../bench/failover/goals.js'
import { markBegin, markdownOf, withResults } from '../../bench/failover/markdown.js'
import { htmlPage, pictureOf } from '../../bench/failover/page.js'
import { cellsOf, terminalReport } from '../../bench/failover/report.js'
import { emptyResults, type Results, type Stress } from '../../bench/failover/results-file.js'
import type { Fault, Sample } from '../../bench/failover/samples.js'
import { commonStalls, longestJudged, longestOf, movesOf } from '../../bench/failover/stress.js'

function samples(system: string, fault: Fault, takeovers: readonly (number | null)[], more: Partial<Sample> = {}): Sample[] {
  return takeovers.map((takeoverMs, index) => ({
    kind: 'try', system, fault, group: 'address', index, takeoverMs, outageMs: takeoverMs, addedMs: takeoverMs, arpMs: takeoverMs,
    twoOwnersMs: 0, twoUntilHeal: false, reachableTwiceMs: 0, proberLateMs: 0, faultTookMs: 0, at: '2026-01-01T00:00:00Z', load: 1,
    victim: 'nodea', voided: null, ...more,
  }))
}
const spread = (middle: number): number[] => Array.from({ length: 50 }, (_, at) => middle * (0.9 + at / 250))
const results = (...some: Sample[][]): Results => ({ ...emptyResults, samples: some.flat() })
const stress = (system: string, moves: number, movesInStalls: number): Stress => ({
  kind: 'stress', system, seconds: 600, moves, movesInStalls, twoOwnersMs: 0, stalls: 1, longestStallMs: 20, longestGapMs: 4,
  judgedMs: null, load: 4,
})
const verdictOf = (of: Results, text: string): string => goalsOf(of).find((goal) => goal.text.startsWith(text))?.verdict ?? 'no such goal'

test('a goal is met or missed by the medians, and not measured without both sides', () => {
  const text = 'twinbeat-fast, cut: median takeover against k3'
  assert.equal(verdictOf(emptyResults, text), 'not measured')
  assert.equal(verdictOf(results(samples('twinbeat-fast', 'cut', spread(5))), text), 'not measured')
  assert.equal(verdictOf(results(samples('twinbeat-fast', 'cut', spread(5)), samples('k3', 'cut', spread(26))), text), 'met')
  assert.equal(verdictOf(results(samples('twinbeat-fast', 'cut', spread(6)), samples('k3', 'cut', spread(26))), text), 'missed')
})

test('two owners are missed by one long overlap as well as by several short ones', () => {
  const kill = (two: readonly number[]): Results => results(spread(1).map((ms, index) => ({
    ...samples('twinbeat-fast', 'kill', [ms])[0]!, index, twoOwnersMs: two[index] ?? 0,
  })))
  const text = 'twinbeat-fast: two owners after kill'
  assert.equal(verdictOf(kill([]), text), 'met')
  assert.equal(verdictOf(kill([3]), text), 'met')
  assert.equal(verdictOf(kill([6]), text), 'missed')
  assert.equal(verdictOf(kill([1, 1]), text), 'missed')
})

test('a move in a stall of the machine is forgiven to fast, never to safe', () => {
  const run = (system: string, moves: number, inStalls: number): Results =>
    ({ ...emptyResults, stresses: [stress(system, moves, inStalls)] })
  assert.equal(verdictOf(run('twinbeat-fast', 1, 1), 'twinbeat-fast: false takeovers'), 'met')
  assert.equal(verdictOf(run('twinbeat-fast', 2, 1), 'twinbeat-fast: false takeovers'), 'missed')
  assert.equal(verdictOf(run('twinbeat-safe', 1, 1), 'twinbeat-safe: false takeovers'), 'missed')
})

test('moves under load are compared with those of the peer, all runs together', () => {
  const text = 'twinbeat-fast: false takeovers under stress against k1'
  const runs = (ours: readonly number[], theirs: readonly number[]): Results => ({ ...emptyResults, stresses: [
    ...ours.map((moves) => stress('twinbeat-fast', moves, 0)), ...theirs.map((moves) => stress('k1', moves, 0))] })
  assert.equal(verdictOf(runs([2, 0], [1, 1]), text), 'met')
  assert.equal(verdictOf(runs([2, 1], [1, 1]), text), 'missed')
  assert.equal(verdictOf(runs([2], []), text), 'not measured')
})

test('the daemon at rest is judged without its engine, and its threads are told', () => {
  const cost = (engine: number, rest: number, guardianKiB: number): Results => ({ ...emptyResults, costs: [{
    kind: 'cost', system: 'twinbeat-fast', node: 'nodea', role: 'active', seconds: 10, load: 1, processes: [
      { name: 'twinbeatd', cpuPercent: engine + rest, rssKiB: 60_000, threads: { 'twinbeat-engine': engine, node: rest, idle: 0 } },
      { name: 'twinbeat-guardi', cpuPercent: 0, rssKiB: guardianKiB },
    ],
  }] })
  const [rest, guardian] = ['twinbeat-fast: the daemon at rest', 'twinbeat-fast: resident memory of the guardian']
  assert.deepEqual([verdictOf(cost(20, 0.2, 2000), rest ?? ''), verdictOf(cost(20, 0.2, 2000), guardian ?? '')], ['met', 'met'])
  assert.deepEqual([verdictOf(cost(20, 0.4, 4000), rest ?? ''), verdictOf(cost(20, 0.4, 4000), guardian ?? '')], ['missed', 'missed'])
  assert.equal(verdictOf(emptyResults, rest ?? ''), 'not measured')
  assert.match(markdownOf(cost(20, 0.2, 2000)), /twinbeatd \| 20\.200 \| 58\.6 \| .* \| twinbeat-engine 20\.000, node 0\.200 \|/)
})

test('void tries are counted apart and their times are not', () => {
  const [cell] = cellsOf(results(samples('k3', 'cut', [20, 22]), samples('k3', 'cut', [null, 900], { voided: 'late' })
    .map((one, at) => ({ ...one, index: 2 + at }))))
  assert.equal(cell?.samples.length, 2)
  assert.equal(cell?.voided, 2)
  assert.match(terminalReport(results(samples('k3', 'cut', [20, 22, null]))), /3 \(1 none\)/)
})

test('the page stands for itself and shows every system, with a dot for every try', () => {
  const page = htmlPage({
    ...results(samples('twinbeat-fast', 'cut', spread(5)), samples('k3', 'cut', spread(26)), samples('ucarp', 'cut', [null, null])),
    stresses: [stress('k1', 2, 0)],
  })
  assert.equal(page.match(/<circle/g)?.length, 100)
  assert.doesNotMatch(page, /https?:|<script|src=|@import|url\(|NaN|undefined|Infinity/)
  const texts = ['twinbeat fast', 'keepalived VRRPv3 10 ms x 3', 'nobody took over', 'prefers-color-scheme']
  for (const text of texts) assert.ok(page.includes(text), text)
})

test('the picture stands for itself as well', () => {
  const picture = pictureOf(results(samples('twinbeat-fast', 'cut', spread(5)), samples('k3', 'kill', spread(26))))
  assert.equal(picture.match(/<circle/g)?.length, 50)
  assert.match(picture, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="[0-9 ]+" role="img" aria-label="[^"]+"><style>/)
  assert.doesNotMatch(picture.slice(40), /https?:|<script|src=|@import|url\(|NaN|undefined|Infinity/)
})

test('the axis holds everything, in whole decades', () => {
  const row = (...values: number[]): Row => ({ title: 'a & <b>', family: 'other', values, remark: 'none' })
  assert.deepEqual(decadesOf([row(0.4, 3), row(7000)]), { low: -1, high: 4 })
  assert.deepEqual(decadesOf([row()]), { low: -1, high: 1 })
  assert.deepEqual(decadesOf([row(20, 30)]), { low: 1, high: 3 })
  const svg = stripChart([row(0.4, 7000)], 'x')
  const places = [...svg.matchAll(/cx="([\d.]+)"/g)].map((match) => Number(match[1]))
  assert.ok(places.every((x) => x >= 250 && x <= 790), places.join())
  assert.ok(svg.includes('a &amp; &lt;b&gt;'))
})

test('what stands by hand on the page of results stays, what was measured is made anew', () => {
  const part = markdownOf(results(samples('k3', 'cut', spread(26))))
  const first = withResults('# What was measured\n\nby hand\n', part)
  assert.ok(first.includes('by hand') && first.includes(markBegin) && first.includes('keepalived VRRPv3 10 ms x 3'))
  const again = withResults(`${first}\nafter\n`, markdownOf(results(samples('ucarp', 'cut', [2000]))))
  assert.ok(again.includes('by hand') && again.includes('after') && again.includes('ucarp'))
  assert.ok(!again.includes('| keepalived VRRPv3 10 ms x 3 | 50'))
  assert.equal(again.split(markBegin).length, 2)
})

test('two runs differ only when chance could not have done it', () => {
  const before = results(samples('twinbeat-fast', 'cut', spread(10)), samples('k3', 'cut', spread(26)))
  const after = results(samples('twinbeat-fast', 'cut', spread(5)), samples('k3', 'cut', spread(26.1)), samples('k1', 'cut', [1]))
  const rows = compare(before, after)
  assert.deepEqual(rows.map((row) => [row.system, row.verdict]), [['twinbeat-fast', 'faster'], ['k3', 'no difference shown']])
  assert.equal(compare(after, before)[0]?.verdict, 'slower')
  assert.match(compareText(rows), /0\.50 \(0\.\d+ to 0\.\d+\)/)
})

test('a stall counts where every core stood at once', () => {
  const stall = (fromNs: number, toNs: number): { fromNs: number, toNs: number } => ({ fromNs, toNs })
  assert.deepEqual(commonStalls([[stall(0, 10), stall(50, 60)], [stall(5, 20)]]), [stall(5, 10)])
  assert.deepEqual(commonStalls([[stall(0, 10)], []]), [])
  assert.deepEqual(commonStalls([[stall(0, 10)]]), [stall(0, 10)])
})

test('the longest of half a million gaps is found, and none of none', () => {
  assert.equal(longestOf(Array.from({ length: 500_000 }, (_, at) => at % 4999)), 4998)
  assert.equal(longestOf([]), null)
})

test('every arrival of the address after the first is a move', () => {
  const address = '10.77.0.100'
  const event = (t: number, node: string, on: boolean) => ({ t, e: 'addr' as const, node, address, on })
  const start = { ...event(0, 'nodea', true), e: 'held' as const }
  assert.deepEqual(movesOf([start], 'nodea', 100), [])
  assert.deepEqual(movesOf([start, event(10, 'nodeb', true), event(12, 'nodea', false)], 'nodea', 100), [{ ns: 10, to: 'nodeb' }])
  assert.deepEqual(movesOf([start, event(10, 'nodea', false), event(20, 'nodea', true)], 'nodea', 100), [{ ns: 20, to: 'nodea' }])
})

test('the longest silence that was judged is that of the time under load, not of the start before it', () => {
  const early = { maxUs: 9000, classes: [[1024, 10], [8192, 1]] as const }
  const later = { maxUs: 9000, classes: [[1024, 90], [2048, 2], [8192, 1]] as const }
  assert.equal(longestJudged([early], [later]), 2560)
  assert.equal(longestJudged([early, null], [{ ...later, maxUs: 9500 }, null]), 9500)
  assert.equal(longestJudged([early], [{ maxUs: 1500, classes: [[1024, 3]] }]), 1500)
  assert.equal(longestJudged([null], [null]), null)
})
