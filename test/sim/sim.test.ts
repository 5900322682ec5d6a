import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants } from './mutants/mutants.js'
import { defaults, runSeed } from './world.js'

test('every rule holds in the first 150 seeds', () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const { violation } = runSeed(seed)
    assert.equal(violation, null, `seed ${seed}: ${violation?.message ?? ''}`)
  }
})

test('every rule holds in the first 150 seeds beside a model of a real heartbeat', () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const { violation } = runSeed(seed, { ...defaults, realPeer: true })
    assert.equal(violation, null, `seed ${seed}: ${violation?.message ?? ''}`)
  }
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
