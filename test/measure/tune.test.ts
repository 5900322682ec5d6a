import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatTune, span } from '../../src/cli/format/tune.js'
import {
  advise, countedSince, endOf, judgeTail, neededSeconds, parseRisk, poissonBound, type GapCounts,
} from '../../src/measure/tune.js'

/** A plain generator with a seed: the same numbers on every machine. */
function chance(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const classOf = (us: number): number => {
  if (us < 160) return 0
  const octave = 2 ** Math.floor(Math.log2(us))
  return octave + Math.floor((us - octave) / (octave / 4)) * (octave / 4)
}

function counted(gapsUs: readonly number[]): GapCounts {
  const classes = new Map<number, number>()
  for (const us of gapsUs) classes.set(classOf(us), (classes.get(classOf(us)) ?? 0) + 1)
  return { maxUs: Math.max(0, ...gapsUs), classes: [...classes].sort(([a], [b]) => a - b) }
}

const exposure = { seconds: 1000, intervalUs: 1000 }

test('the bound for nothing seen is the rule of three', () => {
  assert.ok(Math.abs(poissonBound(0) - 2.9957) < 0.001)
  assert.ok(Math.abs(poissonBound(5) - 10.513) < 0.001)
  assert.ok(Math.abs(poissonBound(100) - 118.079) < 0.05)
})

test('a risk below three in the time that was measured is never supported, whatever was seen', () => {
  const risks = fc.double({ min: 1e-12, max: 0.0029, noNaN: true })
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 5_000_000 })), risks, (gaps, risk) => {
    assert.equal(judgeTail(counted(gaps), exposure, risk).supportedUs, null)
  }))
})

test('an estimate is never below the longest gap that was seen, and grows when less is risked', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1001, max: 500_000 }), { minLength: 30, maxLength: 400 }), (gaps) => {
    const at = (risk: number): number | null => judgeTail(counted(gaps), exposure, risk).estimateUs
    const [some, few] = [at(1e-4), at(1e-7)]
    if (some === null || few === null) return
    assert.ok(some >= Math.max(...gaps) && few >= some)
  }))
})

test('what is called supported holds in at least 95 of 100 samples', () => {
  const seconds = 200
  const riskPerSecond = 0.05
  const meanUs = 2_000
  let broken = 0
  const rounds = 600
  for (let round = 0; round < rounds; round++) {
    const next = chance(round + 1)
    // Ten gaps a second whose excess is exponential: the true rate beyond x is known.
    const gaps = Array.from({ length: seconds * 10 }, () => 1000 - meanUs * Math.log(1 - next()))
    const { supportedUs } = judgeTail(counted(gaps), { seconds, intervalUs: 1000 }, riskPerSecond)
    assert.notEqual(supportedUs, null)
    if (10 * Math.exp(-(supportedUs! - 1000) / meanUs) > riskPerSecond) broken++
  }
  assert.ok(broken <= rounds * 0.07, `${broken} of ${rounds}`)
})

test('without a single gap beyond the interval nothing is advised, and with few no tail is fitted', () => {
  const few = judgeTail(counted([1000, 1001, 2500]), exposure, 1e-9)
  assert.deepEqual([few.supportedUs, few.estimateUs, advise(few, 1000)], [null, null, null])
  assert.equal(advise(judgeTail(counted([]), exposure, 1), 1000), null)
})

test('a supported advice covers the gap and three lost heartbeats; an estimated one twice what was seen', () => {
  const supportedTail = { gaps: 1000, maxUs: 4_000, supportedUs: 4_000, estimateUs: 9_000 }
  assert.deepEqual(advise(supportedTail, 1000), { keepaliveMs: 1, deadtimeMs: 6, by: 'sample' })
  assert.deepEqual(advise({ ...supportedTail, supportedUs: null }, 1000), { keepaliveMs: 1, deadtimeMs: 11, by: 'estimate' })
  assert.deepEqual(advise({ ...supportedTail, supportedUs: null, estimateUs: 5_000 }, 1000)?.deadtimeMs, 10)
})

test('what was counted between two looks is their difference; a counting that began anew is seen', () => {
  const first = counted([900, 1000, 1000, 3000])
  const second = counted([900, 1000, 1000, 3000, 1000, 2000])
  assert.deepEqual(countedSince(first, second), { maxUs: endOf(classOf(2000)), classes: [[classOf(1000), 1], [classOf(2000), 1]] })
  assert.equal(countedSince(second, first), null)
  assert.deepEqual(countedSince(first, first), { maxUs: 0, classes: [] })
})

test('risks are read with their unit, a year without', () => {
  assert.equal(parseRisk('1/hour'), 1 / 3600)
  assert.equal(parseRisk('1e-9'), 1e-9 / 31_557_600)
  for (const wrong of ['', '0', '-1', 'x/year', '1/century']) assert.equal(parseRisk(wrong), null)
  assert.ok(Math.abs(neededSeconds(1 / 3600) - 3 * 3600) < 60)
})

test('the page says what the sample supports before it says anything else', () => {
  const yearly = 1 / 31_557_600
  const series = { name: 'eth0', kind: 'link', intervalMs: 1, gaps: 600_000, maxUs: 4200, supportedUs: null, estimateUs: 9100 } as const
  const text = formatTune({
    node: 'nodea', measuredMs: 600_000, riskPerSecond: yearly, supportedPerSecond: 0.005, neededMs: neededSeconds(yearly) * 1000,
    running: { keepaliveMs: 1, deadtimeMs: 5 }, series: [series], decides: 'eth0', advice: advise(series, 1000), limits: ['one link only'],
  })
  assert.match(text, /one false death in 365 days is NOT supported by this sample: it supports one in 3\.33 minutes/)
  assert.match(text, /to support it, measure for 3 years without a longer gap/)
  assert.match(text, /keepalive 1ms, deadtime 12ms: an ESTIMATE/)
  assert.match(text, /on eth0 +600000 +4\.20 ms +- +9\.10 ms/)
  assert.deepEqual([90_000, 7_200_000, 31_557_600_000_000].map(span), ['90 s', '2 hours', '1000 years'])
})
