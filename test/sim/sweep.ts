// Many seeds at once, on several threads. A seed is a run of its own, so that the order does not matter; what
// is told is in the order of the seeds.

import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Protection } from '../../src/core/types.js'
import type { CheckerName } from './checkers/scene.js'
import { mutants, optionsOf, type Mutant } from './mutants/mutants.js'
import { NativeSimEngine, type NativeEngineParts } from './native-engine.js'
import { defaults, runSeed, type Options } from './world.js'

export interface SweepOrder {
  readonly mode: Protection
  readonly realPeer: boolean
  readonly engine: 'simulated' | 'native'
  /** Name of a mutant; null: the program as it is. */
  readonly mutant: string | null
}

export interface Failure {
  readonly seed: number
  readonly checker: CheckerName
  readonly message: string
}

export interface SweepResult {
  readonly seeds: number
  readonly events: number
  readonly injected: number
  readonly failures: readonly Failure[]
  readonly seconds: number
}

interface Chunk {
  readonly order: SweepOrder
  readonly from: number
  readonly seeds: number
  readonly failuresMax: number
  /** Other checkers do not count; null: all count. */
  readonly wanted: readonly CheckerName[] | null
}
interface ChunkResult extends Omit<SweepResult, 'seconds'> { readonly from: number }

const chunkSeeds = 50
const threadsDefault = Math.max(1, Math.min(availableParallelism(), 8))

export function optionsFor(order: SweepOrder): Options {
  const mutant = mutants.find((one) => one.name === order.mutant)
  const nativeEngine = order.engine === 'native' ? (parts: NativeEngineParts): NativeSimEngine => new NativeSimEngine(parts) : null
  const base: Options = { ...defaults, mode: order.mode, realPeer: order.realPeer, nativeEngine }
  return mutant === undefined ? base : { ...base, ...optionsOf(mutant) }
}

export function runChunk({ order, from, seeds, failuresMax, wanted }: Chunk): ChunkResult {
  let events = 0
  let injected = 0
  let done = 0
  const failures: Failure[] = []
  for (let seed = from; seed < from + seeds && failures.length < failuresMax; seed += 1) {
    const outcome = runSeed(seed, optionsFor(order))
    events += outcome.events
    injected += outcome.injected
    done += 1
    const { violation } = outcome
    if (violation === null || wanted?.includes(violation.checker) === false) continue
    failures.push({ seed, checker: violation.checker, message: violation.message })
  }
  return { from, seeds: done, events, injected, failures }
}

/** Ends early when enough seeds have failed. */
export async function sweep(
  order: SweepOrder, from: number, seeds: number, failuresMax: number,
  threads = threadsDefault, onProgress: (seeds: number) => void = () => undefined,
): Promise<SweepResult> {
  const began = process.hrtime.bigint()
  const results: ChunkResult[] = []
  let next = from
  let failed = 0
  let played = 0
  const take = (): Chunk | null => {
    if (next >= from + seeds || failed >= failuresMax) return null
    const chunk = { order, from: next, seeds: Math.min(chunkSeeds, from + seeds - next), failuresMax, wanted: null }
    next += chunk.seeds
    return chunk
  }
  const keep = (result: ChunkResult): void => {
    results.push(result)
    failed += result.failures.length
    played += result.seeds
    onProgress(played)
  }
  await Promise.all(Array.from({ length: Math.min(threads, Math.ceil(seeds / chunkSeeds)) }, async () => { await oneThread(take, keep) }))
  results.sort((one, other) => one.from - other.from)
  const sum = (of: (result: ChunkResult) => number): number => results.reduce((total, result) => total + of(result), 0)
  return {
    seeds: sum((one) => one.seeds), events: sum((one) => one.events), injected: sum((one) => one.injected),
    failures: results.flatMap((one) => one.failures), seconds: Number(process.hrtime.bigint() - began) / 1e9,
  }
}

export interface Catch {
  readonly mutant: Mutant
  /** The first seed in which a checker that it names has seen it; null: none. */
  readonly failure: Failure | null
  readonly seeds: number
}

const huntOf = (mutant: Mutant, seedsMax: number): Chunk => ({
  order: { mode: mutant.mode, realPeer: false, engine: 'simulated', mutant: mutant.name },
  from: 1, seeds: seedsMax, failuresMax: 1, wanted: mutant.caughtBy,
})

/** On this thread. */
export function catchOf(mutant: Mutant, seedsMax: number): Catch {
  const { failures, seeds } = runChunk(huntOf(mutant, seedsMax))
  return { mutant, failure: failures[0] ?? null, seeds }
}

/** Each mutant by itself, seed by seed, until it is caught. */
export async function hunt(prey: readonly Mutant[], seedsMax: number, threads = threadsDefault): Promise<readonly Catch[]> {
  const waiting = [...prey]
  const caught = new Map<string, Catch>()
  await Promise.all(Array.from({ length: Math.min(threads, prey.length) }, async () => {
    let mutant: Mutant | undefined
    await oneThread(() => {
      mutant = waiting.shift()
      return mutant === undefined ? null : huntOf(mutant, seedsMax)
    }, ({ failures, seeds }) => {
      if (mutant !== undefined) caught.set(mutant.name, { mutant, failure: failures[0] ?? null, seeds })
    })
  }))
  return prey.map((mutant) => caught.get(mutant.name) ?? { mutant, failure: null, seeds: 0 })
}

async function oneThread(take: () => Chunk | null, keep: (result: ChunkResult) => void): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: sweepWorker })
  try {
    await new Promise<void>((resolve, reject) => {
      const order = (): void => {
        const chunk = take()
        if (chunk === null) resolve()
        else worker.postMessage(chunk)
      }
      worker.on('message', (result: ChunkResult) => {
        keep(result)
        order()
      })
      worker.on('error', reject)
      order()
    })
  } finally {
    await worker.terminate()
  }
}

const sweepWorker = 'twinbeat-sweep'

if (!isMainThread && workerData === sweepWorker) {
  parentPort?.on('message', (chunk: Chunk) => { parentPort?.postMessage(runChunk(chunk)) })
}
