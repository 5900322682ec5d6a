import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mutants } from './mutants/mutants.js'
import { catchOf } from './sweep.js'

const seedsMax = 2000

for (const mutant of mutants.filter((_, index) => index % 2 === 0)) {
  test(`mutant is caught: ${mutant.name}`, () => {
    const { failure } = catchOf(mutant, seedsMax)
    assert.ok(failure !== null, `no seed up to ${seedsMax} shows it to ${mutant.caughtBy.join(' or ')}`)
  })
}

test('docs/reference/simulator.md has a row for each mutant', () => {
  const page = readFileSync(new URL('../../../docs/reference/simulator.md', import.meta.url), 'utf8')
  const missing = mutants.filter(({ name, why, mode }) => !page.includes(`| ${name} | ${why} | ${mode} |`))
  assert.deepEqual(missing.map(({ name }) => name), [])
})
