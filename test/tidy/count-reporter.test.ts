// What `npm test` counts: a test or a suite that is left out is told, and one that is left out for want of a program has failed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const reporter = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'scripts', 'count-reporter.mjs')

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly failures: readonly string[]
}

function countsOf(source: string): Counts {
  const dir = mkdtempSync(path.join(tmpdir(), 'twinbeat-counts-'))
  try {
    const file = path.join(dir, 'some.test.mjs')
    writeFileSync(file, `import assert from 'node:assert/strict'\nimport { describe, test } from 'node:test'\n${source}\n`)
    // A runner within a runner would only report to the outer one.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const args = ['--test', `--test-reporter=${reporter}`, file]
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env, timeout: 60_000 })
    return JSON.parse(stdout) as Counts
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

test('what passes, fails and is slow is counted as such', () => {
  const { passed, failed, skipped } = countsOf(`
    test('good', () => {})
    test('bad', () => assert.equal(1, 2))
    test('slow', { skip: 'slow; TWINBEAT_SLOW=1 runs it' }, () => {})
    describe('all of these are slow', { skip: 'slow' }, () => { test('one', () => {}); test('two', () => {}) })`)
  assert.deepEqual({ passed, failed, skipped }, { passed: 1, failed: 1, skipped: 2 })
})

test('a test or a suite that is left out because a program is missing has failed, and says which', () => {
  const { passed, failed, skipped, failures } = countsOf(`
    test('is missing a reason', () => {})
    test('a line', { skip: 'socat is not installed' }, () => {})
    describe('a pair', { skip: "program 'socat' is missing" }, () => { test('one', () => {}) })`)
  assert.deepEqual({ passed, failed, skipped }, { passed: 1, failed: 2, skipped: 0 })
  assert.match(failures[1] ?? '', /a pair \(program 'socat' is missing\)/)
})
