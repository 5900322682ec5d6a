// The contract against the native engine: UDP on 127.0.0.1 and the loopback link, no privileges, no namespaces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import type { EngineConfig, EngineRecord, LinkConfig } from '../../src/engine/engine.js'
import { text } from '../../src/engine/engine.js'
import { checkMessage, NativeEngine } from '../../src/engine/native.js'
import { TwinbeatError } from '../../src/errors.js'
import { loadAddon } from '../../src/system/addon.js'
import { authorityContract } from './authority.contract.js'
import { begin, configOf, engineContract, wire } from './engine.contract.js'
import type { Node, Pair, PairOptions } from './engine.contract.js'

// Ports and channels are shared by all tests of this process; other test files run in other processes.
let places = 0

function nodeOf(name: string): Node {
  const records: EngineRecord[] = []
  const engine: NativeEngine = new NativeEngine({ wake: () => records.push(...engine.drain()) })
  return { engine, name, records }
}

const portBase = 20_000 + (process.pid % 2000) * 16

function linksFor(place: number, side: 0 | 1, options: PairOptions): readonly LinkConfig[] {
  const port = (of: number): number => portBase + (place * 2 + of) % 16
  const loopback: LinkConfig = {
    type: 'loopback', name: 'loop', channel: place % 64, seed: place * 2 + side + 1,
    lossPercent: options.lossPercent, duplicatePercent: options.duplicatePercent,
  }
  // A second, perfect link would hide the losses of the first.
  if (options.lossPercent > 0) return [loopback]
  const udp: LinkConfig = {
    type: 'ucast', name: 'lo', interface: null, address: '127.0.0.1', port: port(1 - side),
    localAddress: '127.0.0.1', localPort: port(side),
  }
  return [loopback, udp]
}

async function makePair(): Promise<Pair> {
  const place = places++
  const left = nodeOf('left')
  const right = nodeOf('right')
  wire(left, (options) => linksFor(place, 0, options))
  wire(right, (options) => linksFor(place, 1, options))
  return Promise.resolve({
    left,
    right,
    until: async (what, condition, limitMs = 5000) => {
      const limit = Date.now() + limitMs
      while (!condition()) {
        assert.ok(Date.now() < limit, `not in ${limitMs} ms: ${what}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    close: () => {
      left.engine.stop({ farewell: false })
      right.engine.stop({ farewell: false })
    },
  })
}

engineContract('native', makePair)
authorityContract('native', makePair)

test('an engine that nobody runs or holds is collected, with its threads', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const threads = (): number => readdirSync('/proc/self/task').length
  const before = threads()
  for (let at = 0; at < 20; at++) nodeOf('left')
  const limit = Date.now() + 5000
  while (threads() > before + 2) {
    assert.ok(Date.now() < limit, `${threads() - before} threads are left`)
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
})

const silent = (): NativeEngine => new NativeEngine({ wake: () => undefined })
const isArgumentError = (error: unknown): boolean =>
  error instanceof TwinbeatError && (error.code === 'TB_ENGINE_ARGUMENT' || error.code === 'TB_ENGINE_STATE')

test('no argument whatever crashes the process or passes for right by accident', () => {
  const engine = silent()
  const calls = [
    'configure', 'stop', 'setStatus', 'setPhase', 'setGeneration', 'send', 'runSteps', 'watchAddresses',
    'attachGuardian', 'setLimits', 'setGroups', 'setHolding', 'armPlan', 'disarmPlan', 'firePlan', 'renewOwnership',
  ] as const
  fc.assert(fc.property(fc.constantFrom(...calls), fc.array(fc.anything({ withTypedArray: true }), { maxLength: 3 }),
    (name, values) => {
      try {
        const call: unknown = Reflect.get(engine, name)
        Reflect.apply(call as () => unknown, engine, values)
      } catch (error) {
        assert.ok(isArgumentError(error), String(error))
      }
    }), { numRuns: 3000 })
  assert.equal(engine.snapshot().running, false)
})

test('a configuration with one wrong part is refused with the name of that part', () => {
  const good = configOf('left', linksFor(0, 0, { lossPercent: 0, duplicatePercent: 0 }))
  const paths = pathsOf(good).filter((path) => path.at(-1) !== 'type')
  const wrong = fc.constantFrom(undefined, -1, 1.5, Number.NaN, 2 ** 60, '', 'a b', {}, [[]], Symbol.iterator)
  const engine = silent()
  fc.assert(fc.property(fc.constantFrom(...paths), wrong, (path, value) => {
    try {
      engine.configure(replaced(good, path, value) as EngineConfig)
    } catch (error) {
      assert.ok(isArgumentError(error), `${path.join('.')}: ${String(error)}`)
      return
    }
    assert.fail(`${path.join('.')} = ${inspect(value)} was accepted`)
  }), { numRuns: 500 })
})

function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [[...path]]
  return Object.entries(value).flatMap(([name, part]) => pathsOf(part, [...path, name]))
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [first, ...rest] = path
  if (first === undefined) return by
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>
  copy[first] = replaced(copy[first], rest, by)
  return copy
}

test('calls in the wrong order are refused', () => {
  const engine = silent()
  assert.throws(() => engine.start(), isArgumentError)
  engine.configure(configOf('left', []))
  assert.throws(() => engine.start(), isArgumentError)
  assert.throws(() => engine.send([text('t', 'note')]), isArgumentError)
  assert.throws(() => engine.configure(configOf('left', [])), isArgumentError, 'the same revision again')
  engine.stop({ farewell: true })
})

test('an engine starts again after a stop, with a higher generation', async () => {
  const pair = await makePair()
  const links = linksFor(places, 0, { lossPercent: 0, duplicatePercent: 0 })
  begin(pair.left.engine, configOf('left', links), 5)
  pair.left.engine.stop({ farewell: true })
  pair.left.engine.setGeneration(6)
  pair.left.engine.start()
  const before = pair.left.engine.counters().heartbeatsSent
  await pair.until('it beats', () => pair.left.engine.counters().heartbeatsSent > before + 3)
  pair.close()
})

test('a missing addon is one error with each attempt and the remedy', () => {
  assert.throws(() => loadAddon(['/nowhere/a.node', '/nowhere/b.node']), (error: unknown) => {
    assert.ok(error instanceof TwinbeatError)
    assert.equal(error.code, 'TB_ADDON_MISSING')
    assert.match(error.message, /a\.node.*b\.node/)
    assert.match(error.hint, /build:native/)
    return true
  })
})

test('engines live in worker threads and end with them', { timeout: 30_000 }, async () => {
  const source = new URL('./engine-worker.js', import.meta.url)
  const workers = [0, 1, 2].map(() => new Worker(source))
  await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })))
  // Ended while the engine thread runs: the environment's cleanup must join it.
  await Promise.all(workers.map((worker) => worker.terminate()))
})

test('what only the engine says, its owner may not', () => {
  for (const type of ['NS_tbgasp', 'NS_tbstand', 'NS_tbwait']) {
    assert.throws(() => { checkMessage([text('t', type)]) }, /what only the engine says/)
  }
})
