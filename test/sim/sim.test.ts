import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants } from './mutants/mutants.js'
import { sweep } from './sweep.js'
import { defaults, runSeed } from './world.js'

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

const seedsPerMutant = 300

for (const mutant of mutants) {
  test(`mutant is caught: ${mutant.name}`, () => {
    for (let seed = 1; seed <= seedsPerMutant; seed += 1) {
      const { violation } = runSeed(seed, { ...defaults, makeCore: mutant.make, faults: mutant.faults ?? null })
      if (violation === null) continue
      if (mutant.caughtBy.includes(violation.checker)) return
    }
    assert.fail(`no seed up to ${seedsPerMutant} shows it to ${mutant.caughtBy.join(' or ')}`)
  })
}
