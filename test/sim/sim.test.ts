import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants } from './mutants/mutants.js'
import { hunt, sweep } from './sweep.js'
import { runSeed } from './world.js'

const seedsPerMode = 200
const seedsBesideReal = 150

for (const mode of ['accept', 'fence', 'lease'] as const) {
  test(`every rule holds under ${mode}`, async () => {
    const { failures } = await sweep({ mode, realPeer: false, mutant: null }, 1, seedsPerMode, 1)
    assert.deepEqual(failures.map(({ seed, message }) => `seed ${seed}: ${message}`), [])
  })
}

test('every rule holds beside a model of a real heartbeat', async () => {
  const { failures } = await sweep({ mode: 'accept', realPeer: true, mutant: null }, 1, seedsBesideReal, 1)
  assert.deepEqual(failures.map(({ seed, message }) => `seed ${seed}: ${message}`), [])
})

test('the same seed gives the same run, event for event', () => {
  for (const seed of [3, 17, 88]) {
    const first = runSeed(seed)
    assert.equal(runSeed(seed).hash, first.hash)
    assert.notEqual(runSeed(seed + 1).hash, first.hash)
  }
})

const seedsPerMutant = 2000

test('every mutant is caught by a checker that it names', async () => {
  const caught = await hunt(mutants, seedsPerMutant)
  assert.deepEqual(caught.filter(({ failure }) => failure === null).map(({ mutant }) => mutant.name), [])
})
