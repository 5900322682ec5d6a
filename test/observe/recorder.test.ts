import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { micros } from '../../src/core/base/ids.js'
import { createPrng } from '../../src/core/base/prng.js'
import { createCore } from '../../src/core/core.js'
import type { CoreConfig } from '../../src/core/types.js'
import { TwinbeatError } from '../../src/errors.js'
import {
  digestOf, recordedCore, Recorder, recordFolder, type RecordDisk, type RecorderLimits, type RecordHeader,
} from '../../src/observe/recorder.js'
import { describeReplay, replay } from '../../src/observe/replay.js'
import { pairConfig } from '../core/stage.js'
import { defaults, runSeed } from '../sim/world.js'

const large: RecorderLimits = { wholeBytes: 64 << 20, tailBytes: 1 << 20, waitingBytes: 64 << 20, lives: 3 }

const headerOf = (config: CoreConfig, generation: number): RecordHeader => ({
  format: 'twinbeat-record', version: 1, program: 'test', node: config.self, generation, seed: 7, digest: digestOf(config), config,
  begunAt: '2026-01-01T00:00:00.000Z', whole: true,
})

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'twinbeat-record-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every life of both nodes of a simulated pair, as the daemons would have written them. */
async function recordPair(folder: string, seed: number, mode: CoreConfig['protection']): Promise<string[]> {
  const recorders: Recorder[] = []
  const outcome = runSeed(seed, { ...defaults, mode, makeCore: (config) => {
    const recorder = new Recorder(join(folder, config.self), headerOf(config, recorders.length + 1), { limits: { ...large, lives: 1000 } })
    recorders.push(recorder)
    return recordedCore(createCore(config, createPrng(7)), recorder)
  } })
  assert.equal(outcome.violation, null)
  for (const recorder of recorders) await recorder.close(60_000)
  return ['alpha', 'beta'].flatMap((node) =>
    readdirSync(join(folder, node, recordFolder)).map((name) => join(folder, node, recordFolder, name)))
}

const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1)

for (const mode of ['accept', 'fence', 'lease'] as const) {
  test(`a recorded life decides the same again: ${mode}`, async () => {
    await inFolder(async (folder) => {
      let steps = 0
      for (const file of await recordPair(folder, 5, mode)) {
        const result = replay(linesOf(file))
        assert.equal(result.stopped, null)
        assert.deepEqual(result.differences, [], file)
        steps += result.steps
      }
      assert.ok(steps > 100, `${steps} steps`)
    })
  })
}

test('a decision that differs is shown with its line, its event and both versions', async () => {
  await inFolder(async (folder) => {
    const [file] = await recordPair(folder, 5, 'accept')
    const lines = linesOf(file ?? '')
    const at = lines.findIndex((line) => line.includes('"type":"member.run"') && line.includes('"start"'))
    lines[at] = lines[at]?.replace('"action":"start"', '"action":"stop"') ?? ''
    const result = replay(lines)
    assert.equal(result.differing, 1)
    assert.equal(result.differences[0]?.line, at + 1)
    const text = describeReplay(result).join('\n')
    assert.match(text, / {2}- .*"action":"stop"/)
    assert.match(text, / {2}\+ .*"action":"start"/)
  })
})

/** A disk that answers only when it is told to. */
function slowDisk(): { disk: RecordDisk; texts: string[]; answer: () => Promise<void> } {
  const texts: string[] = []
  let open: (() => void)[] = []
  const disk: RecordDisk = {
    create: async () => undefined, list: async () => [], remove: async () => undefined,
    append: async (_file, text) => {
      texts.push(text)
      await new Promise<void>((resolve) => open.push(resolve))
    },
  }
  const answer = async (): Promise<void> => {
    for (const resolve of open.splice(0)) resolve()
    open = []
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  return { disk, texts, answer }
}

test('a disk that hangs delays nothing, and what it did not take is marked as a gap', async () => {
  const config = pairConfig()
  const { disk, texts, answer } = slowDisk()
  const recorder = new Recorder('/nowhere', headerOf(config, 1), { disk, limits: { ...large, waitingBytes: 2000 }, later: setImmediate })
  const event = (n: number): Parameters<Recorder['step']>[0] => ({ type: 'timer', key: `t${n}`, at: micros(n) })
  for (let n = 0; n < 1000; n += 1) recorder.step(event(n), [])
  await answer()
  await answer()
  recorder.step(event(1000), [])
  await answer()
  await answer()
  const lines = texts.join('').split('\n')
  const gap = lines.find((line) => line.includes('"gap"'))
  assert.ok(gap !== undefined)
  const kept = lines.filter((line) => line.includes('"timer"')).length
  assert.equal(kept + Number((JSON.parse(gap) as { gap: number }).gap), 1001)
  assert.match(replay(lines).stopped ?? '', /could not be written/)
  await recorder.close(1)
})

test('a disk that refuses ends the recording and nothing else', async () => {
  const refuse = async (): Promise<never> => { throw new Error('ENOSPC') }
  const disk: RecordDisk = { create: async () => undefined, list: async () => [], remove: async () => undefined, append: refuse }
  const config = pairConfig()
  const recorder = new Recorder('/nowhere', headerOf(config, 1), { disk })
  recorder.step({ type: 'timer', key: 't', at: micros(1) }, [])
  await recorder.close(1000)
  assert.equal(recorder.problem, 'ENOSPC')
  recorder.step({ type: 'timer', key: 't', at: micros(2) }, [])
})

test('a long life keeps its beginning and its newest events within their limits; old lives go', async () => {
  await inFolder(async (folder) => {
    const config = pairConfig()
    const limits = { wholeBytes: 20_000, tailBytes: 10_000, waitingBytes: 1 << 20, lives: 2 }
    for (let generation = 1; generation <= 4; generation += 1) {
      const recorder = new Recorder(folder, headerOf(config, generation), { limits })
      for (let n = 0; n < 2000; n += 1) {
        recorder.step({ type: 'timer', key: `t${n}`, at: micros(n) }, [])
        if (n % 50 === 0) await new Promise((resolve) => { setImmediate(resolve) })
      }
      await recorder.close(10_000)
    }
    const names = readdirSync(join(folder, recordFolder)).sort()
    assert.deepEqual([...new Set(names.map((name) => name.split('.')[0]))], ['life-3', 'life-4'])
    for (const name of names) assert.ok(readFileSync(join(folder, recordFolder, name)).length <= 20_000, name)
    const textOf = (name: string): string => readFileSync(join(folder, recordFolder, name), 'utf8')
    const newest = names.filter((name) => name.startsWith('life-4') && textOf(name).includes('"t1999"'))
    assert.equal(newest.length, 1)
    assert.match(newest[0] ?? '', /tail/)
    assert.throws(() => replay(linesOf(join(folder, recordFolder, newest[0] ?? ''))), (error: unknown) =>
      error instanceof TwinbeatError && error.code === 'TB_RECORD_FORMAT' && /middle of a life/.test(error.message))
  })
})

test('what is no record is refused; a last line that was cut off is not', () => {
  for (const text of ['', '{}', 'x', '{"format":"twinbeat-record","version":99}']) {
    assert.throws(() => replay(text === '' ? [] : [text]), (error: unknown) =>
      error instanceof TwinbeatError && error.code === 'TB_RECORD_FORMAT')
  }
  const head = JSON.stringify(headerOf(pairConfig(), 1))
  assert.match(replay([head, '{"event":{"type":"ti']).stopped ?? '', /cut off/)
  assert.throws(() => replay([head, '{"event":3,"decided":0}']), /neither a step nor a gap/)
})
