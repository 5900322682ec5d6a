import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { it } from 'node:test'
import { StateStore } from '../../src/store/state-store.js'

it('facts come back after a restart, the last write of a key wins, removed facts stay away', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-store-'))
  try {
    const store = new StateStore(dir)
    await Promise.all([1, 2, 3].map((value) => store.store('keep', { value })))
    await store.store('gone', { value: 1 })
    await store.store('gone', null)
    assert.deepEqual(new StateStore(dir).load(), { facts: { keep: { value: 3 } }, damaged: [] })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('a damaged fact is named and the others are still there', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-store-'))
  try {
    const store = new StateStore(dir)
    await store.store('good', 1)
    writeFileSync(path.join(dir, 'fact-bad.json'), '{"half')
    assert.deepEqual(store.load(), { facts: { good: 1 }, damaged: ['fact-bad.json'] })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('a write that fails rejects, and the next one of that key is tried again', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-store-'))
  const store = new StateStore(path.join(dir, 'later'))
  try {
    await assert.rejects(store.store('key', 1))
    await assert.rejects(store.store('a key\n', 1), /must match/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
