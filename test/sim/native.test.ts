import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyRuleHolds } from './hold.js'
import { optionsFor } from './sweep.js'
import { runSeed } from './world.js'

for (const mode of ['accept', 'fence', 'lease'] as const) {
  test(`every rule holds under ${mode} with the C++ engine`, () => {
    everyRuleHolds(mode, { from: 1, count: 15, engine: 'native' })
  })
}

test('with the C++ engine too, the same seed gives the same run', () => {
  const options = optionsFor({ mode: 'lease', realPeer: false, engine: 'native', mutant: null })
  assert.equal(runSeed(4, options).hash, runSeed(4, options).hash)
})
