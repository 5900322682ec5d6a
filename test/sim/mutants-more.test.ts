import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants } from './mutants/mutants.js'
import { catchOf } from './sweep.js'

const seedsMax = 2000

for (const mutant of mutants.filter((_, index) => index % 2 === 1)) {
  test(`mutant is caught: ${mutant.name}`, () => {
    const { failure } = catchOf(mutant, seedsMax)
    assert.ok(failure !== null, `no seed up to ${seedsMax} shows it to ${mutant.caughtBy.join(' or ')}`)
  })
}
