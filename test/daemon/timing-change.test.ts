// The order in which a new keepalive and dead time reach the peer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bridgeTiming, bridgeUs } from '../../src/daemon/timing-change.js'

const timing = (keepaliveMs: number, deadtimeMs: number) => ({
  keepaliveUs: keepaliveMs * 1000, deadtimeUs: deadtimeMs * 1000, warntimeUs: 1_000_000, initdeadUs: 60_000_000,
  deadpingUs: 10_000_000, maxRexmitDelayUs: 250_000,
})

test('an unchanged pace and dead time need no bridge', () => {
  const warned = { ...timing(100, 500), warntimeUs: 300_000 }
  assert.equal(bridgeTiming(timing(100, 500), warned), null)
})

test('the bridge has the faster pace and the longer dead time, whichever way the change goes', () => {
  const slow = timing(2_000, 10_000)
  const fast = timing(100, 500)
  for (const [before, after] of [[slow, fast], [fast, slow]] as const) {
    const bridge = bridgeTiming(before, after)
    assert.deepEqual([bridge?.keepaliveUs, bridge?.deadtimeUs], [100_000, 10_000_000])
  }
})

test('on neither step is the peer silent for longer than the dead time it was told, with two heartbeats lost', () => {
  const pace = fc.integer({ min: 50, max: 2_000 })
  fc.assert(fc.property(pace, pace, fc.integer({ min: 3, max: 20 }), fc.integer({ min: 3, max: 20 }), (k1, k2, f1, f2) => {
    const before = timing(k1, k1 * f1)
    const after = timing(k2, k2 * f2)
    const bridge = bridgeTiming(before, after)
    if (bridge === null) return
    // On the bridge the peer may still judge by the old dead time.
    assert.ok(3 * bridge.keepaliveUs <= before.deadtimeUs)
    // Behind it, by the bridge's: the last heartbeat of the bridge, then the new pace.
    assert.ok(after.keepaliveUs <= bridge.deadtimeUs)
    assert.ok(bridgeUs(before, [bridge.keepaliveUs]) >= 3 * bridge.keepaliveUs)
  }))
})
