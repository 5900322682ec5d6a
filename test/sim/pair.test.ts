import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyRuleHolds } from './hold.js'
import { defaults, runSeed } from './world.js'

test('every rule holds beside a model of a real heartbeat', () => {
  everyRuleHolds('accept', { from: 1, count: 300, realPeer: true })
})

test('the same seed gives the same run, event for event', () => {
  for (const mode of ['accept', 'fence', 'lease'] as const) {
    const options = { ...defaults, mode }
    const first = runSeed(17, options)
    assert.equal(runSeed(17, options).hash, first.hash)
    assert.notEqual(runSeed(18, options).hash, first.hash)
  }
})
