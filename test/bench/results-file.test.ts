import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { blocksOf, wantedTries } from '../../bench/failover/plan.js'
import { readResults, ResultsFile, stillToDo } from '../../bench/failover/results-file.js'
import type { Sample, TryKey } from '../../bench/failover/samples.js'
import { randomOf } from '../../bench/failover/statistics.js'
import { systems } from '../../bench/failover/systems/table.js'

let dir = ''
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'twinbeat-bench-test-')) })
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const sampleOf = (key: TryKey, voided: string | null = null): Sample => ({
  kind: 'try', ...key, takeoverMs: 5, outageMs: 5, addedMs: 4, arpMs: 4, twoOwnersMs: 0, twoUntilHeal: false, reachableTwiceMs: 0,
  proberLateMs: 0, faultTookMs: 0, at: '2026-01-01T00:00:00Z', load: 1, victim: 'nodea', voided,
})
const options = { faults: ['kill', 'cut'] as const, groups: ['address'] as const, tries: 12 }
const some = systems.filter((one) => ['twinbeat-fast', 'k3'].includes(one.key))

test('a run that was broken off goes on with exactly what is missing', () => {
  const file = new ResultsFile(join(dir, 'a', 'results.jsonl'))
  const wanted = wantedTries(some, options)
  assert.equal(wanted.length, 2 * 2 * 12)
  for (const key of wanted.slice(0, 7)) file.append(sampleOf(key))
  assert.deepEqual(stillToDo(wanted, file.resume().samples), wanted.slice(7))
})

test('a line that was cut off is taken away, and its try is made again', () => {
  const path = join(dir, 'results.jsonl')
  const file = new ResultsFile(path)
  const wanted = wantedTries(some, options)
  for (const key of wanted.slice(0, 3)) file.append(sampleOf(key))
  const whole = readFileSync(path, 'utf8')
  appendFileSync(path, '{"kind":"try","system":"k')
  assert.equal(stillToDo(wanted, file.resume().samples).length, wanted.length - 3)
  assert.equal(readFileSync(path, 'utf8'), whole)
})

test('a void try is made again, and the new one counts in its place', () => {
  const file = new ResultsFile(join(dir, 'results.jsonl'))
  const [key] = wantedTries(some, options)
  assert.ok(key !== undefined)
  file.append(sampleOf(key, 'the prober was late'))
  assert.deepEqual(stillToDo([key], file.resume().samples), [key])
  file.append(sampleOf(key))
  assert.deepEqual(stillToDo([key], file.resume().samples), [])
  assert.equal(file.resume().samples.length, 1)
})

test('blocks hold every try once, and systems take turns', () => {
  const wanted = wantedTries(some, options)
  const blocks = blocksOf(some, wanted, randomOf(5))
  const played = blocks.flatMap((block) => block.tries)
  assert.equal(new Set(played.map((one) => JSON.stringify(one))).size, wanted.length)
  assert.equal(played.length, wanted.length)
  const order = blocks.map((block) => block.system.key)
  for (let at = 0; at + 1 < order.length; at += 2) assert.notEqual(order[at], order[at + 1], order.join())
})

test('a packed file is read as the plain one', () => {
  const [plain, packed] = [join(dir, 'results.jsonl'), join(dir, 'results.jsonl.gz')]
  const file = new ResultsFile(plain)
  for (const key of wantedTries(some, options)) file.append(sampleOf(key))
  writeFileSync(packed, gzipSync(readFileSync(plain)))
  assert.equal(readResults(packed).samples.length, 48)
  assert.deepEqual(readResults(packed), readResults(plain))
})
