// How well the end of somebody's lease is known, from answers in whole seconds, and when that is well enough.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sights } from '../../src/arbiter/etcd-sights.js'
import type { Micros } from '../../src/core/base/ids.js'
import { times } from './arbiter.contract.js'

const group = 'web'
const key = { token: 5, leaseId: '7', holder: 'a' }
const at = (us: number): Micros => us as Micros
const wholeUs = times.ttlUs * 1.01

/** A lease that ends at `endUs`, watched every 250 ms from `fromUs` on until `untilUs`. */
function watched(endUs: number, fromUs: number, untilUs: number): Sights {
  const sights = new Sights(times)
  for (let now = fromUs; now < untilUs; now += 250_000) {
    sights.look(group, at(now))
    sights.see(group, key)
    if (!sights.wantsLife(group, at(now))) continue
    now += sights.putOffUs(group, at(now))
    const leftS = Math.floor(Math.max(0, endUs - now) / 1_000_000)
    sights.life(group, { sentAt: at(now), answeredAt: at(now + 1_000), leftS, grantedS: 6 })
  }
  return sights
}

test('the end of a lease is known to less than the pause of a waiting node, and never too early', () => {
  for (let phase = 0; phase < 1_000_000; phase += 37_000) {
    const endUs = 20_000_000 + phase
    const gone = watched(endUs, 14_500_000, endUs).absent(group, at(endUs + 1))?.gone
    assert.ok(gone !== undefined && !gone.early)
    assert.ok(gone.freeAt >= endUs && gone.freeAt < endUs + 250_000, `${gone.freeAt - endUs} us after the end`)
  }
})

test('one that was not looked at while its owner could still renew it says nothing', () => {
  for (const blindUs of [1_050_000, 1_500_000, 3_000_000, 5_000_000]) {
    const gone = watched(20_000_000, 14_500_000, 20_000_000 - blindUs).absent(group, at(20_100_000))?.gone
    assert.deepEqual(gone, { freeAt: 20_100_000 + wholeUs, early: true }, `${blindUs} us`)
  }
})

test('a renewal since the last word moves the end, however the words overlap', () => {
  const sights = watched(20_000_000, 14_500_000, 19_000_000)
  // Renewed at 18.9 s: it ends at 24.9 s.
  sights.life(group, { sentAt: at(19_000_000), answeredAt: at(19_001_000), leftS: 5, grantedS: 6 })
  const gone = sights.absent(group, at(20_100_000))?.gone
  assert.deepEqual(gone, { freeAt: 20_100_000 + wholeUs, early: true })
})

test('what was seen before a pause of a whole lease is forgotten, and what was seen gone stays gone', () => {
  const sights = watched(20_000_000, 14_500_000, 16_000_000)
  assert.equal(sights.absent(group, at(16_000_000))?.first, true)
  const again = sights.absent(group, at(18_000_000))
  assert.deepEqual([again?.first, again?.gone.freeAt], [false, 16_000_000 + wholeUs], 'counted from the first time')
  sights.look(group, at(16_000_000 + 2 * wholeUs))
  assert.equal(sights.absent(group, at(16_000_000 + 2 * wholeUs)), null)
})

test('a longer lease than ours is waited for, and a node of whose lease nothing was told', () => {
  const sights = new Sights(times)
  sights.see(group, key)
  assert.deepEqual(sights.absent(group, at(1_000_000))?.gone, { freeAt: 1_000_000 + wholeUs, early: true })
  sights.see(group, { ...key, token: 6 })
  sights.life(group, { sentAt: at(1_000_000), answeredAt: at(1_001_000), leftS: 9, grantedS: 10 })
  assert.deepEqual(sights.absent(group, at(2_000_000))?.gone, { freeAt: 2_000_000 + 10_100_000, early: true })
})
