import assert from 'node:assert/strict'
import { test } from 'node:test'

import { medianInterval, randomOf, ratioOfMedians, summarise } from '../../bench/failover/statistics.js'

test('percentiles are values that were measured', () => {
  const summary = summarise([5, 1, 4, 2, 3])
  assert.deepEqual(summary, { count: 5, min: 1, median: 3, p95: 5, p99: 5, max: 5 })
  const hundred = summarise(Array.from({ length: 100 }, (_, at) => 100 - at))
  assert.deepEqual([hundred.median, hundred.p95, hundred.p99, hundred.max], [50, 95, 99, 100])
})

test('nothing measured is no number', () => {
  const summary = summarise([])
  assert.equal(summary.count, 0)
  assert.ok(Number.isNaN(summary.median) && Number.isNaN(medianInterval([]).low))
})

test('the interval of a median holds the true median of most samples, and is the same each time', () => {
  const random = randomOf(7)
  let held = 0
  for (let round = 0; round < 60; round += 1) {
    const samples = Array.from({ length: 50 }, () => random() * 10)
    const { low, high } = medianInterval(samples)
    assert.deepEqual(medianInterval(samples), { low, high })
    if (low <= 5 && high >= 5) held += 1
  }
  assert.ok(held >= 50, `${held} of 60 hold the true median`)
})

test('a ratio of two medians lies in its interval, and tells apart what differs', () => {
  const random = randomOf(3)
  const around = (middle: number): number[] => Array.from({ length: 50 }, () => middle + random())
  const { ratio, low, high } = ratioOfMedians(around(5), around(25))
  assert.ok(low <= ratio && ratio <= high && high < 0.25 && low > 0.15, `${low} ${ratio} ${high}`)
})
