// Plays the plan: opens a pair, makes its tries, writes each to the file as soon as it is made.
import { measureCost } from './cost.js'
import { blocksOf, wantedTries, type Block } from './plan.js'
import type { BenchOptions } from './options.js'
import { Progress } from './progress.js'
import { stillToDo, type Results, type ResultsFile } from './results-file.js'
import type { Sample, TryKey } from './samples.js'
import { probeEveryUs, slowProbeEveryUs, Stage } from './stage.js'
import { randomOf } from './statistics.js'
import type { Running, System } from './systems/system.js'
import { oneTry, settle } from './try.js'

/** A pair that breaks so often in a row is left alone: the run goes on with the others. */
const failuresMax = 3
/** Tries that say nothing are made again in a later pass. */
const passesMax = 3

const emptyMeasure = {
  takeoverMs: null, outageMs: null, addedMs: null, arpMs: null, twoOwnersMs: 0, twoUntilHeal: false, reachableTwiceMs: 0,
  proberLateMs: 0, faultTookMs: 0,
}

interface Player {
  readonly options: BenchOptions
  readonly file: ResultsFile
  readonly progress: Progress
  readonly random: () => number
  readonly costed: Set<string>
  stopped: boolean
}

export async function playAll(systems: readonly System[], options: BenchOptions, file: ResultsFile, before: Results): Promise<void> {
  const random = randomOf(options.seed)
  let done: readonly Sample[] = before.samples
  const costed = new Set(before.costs.map((cost) => cost.system))
  for (let pass = 0; pass < passesMax; pass += 1) {
    const tries = stillToDo(wantedTries(systems, options), done)
    if (tries.length === 0) return
    const progress = new Progress(tries.length)
    const player: Player = { options, file, progress, random, costed, stopped: false }
    const stop = (): void => { player.stopped = true }
    process.once('SIGINT', stop)
    const blocks = blocksOf(systems, tries, random)
    for (const block of blocks.filter((one) => one.system.fast)) await playBlock(block, player)
    const slow = blocks.filter((one) => !one.system.fast)
    const lanes = [...new Set(slow.map((one) => one.system))].map((system) => slow.filter((one) => one.system === system))
    await Promise.all(lanes.map(async (lane) => {
      for (const block of lane) await playBlock(block, player)
    }))
    process.off('SIGINT', stop)
    progress.end()
    if (player.stopped) return
    done = file.resume().samples
  }
}

async function playBlock(block: Block, player: Player): Promise<void> {
  let left: readonly TryKey[] = block.tries
  for (let failures = 0; left.length > 0 && failures < failuresMax && !player.stopped; failures += 1) {
    left = await playUntilBroken(block, left, player)
  }
  for (const _ of left) player.progress.made(block.system.key)
}

/** Returns what is left after a pair that broke; empty when all was made. */
async function playUntilBroken(block: Block, tries: readonly TryKey[], player: Player): Promise<readonly TryKey[]> {
  const { system, group } = block
  let stage: Stage | null = null
  let running: Running | null = null
  let at = 0
  try {
    stage = await Stage.open({
      name: `bench-${system.key}`, probe: 'udp', responders: group === 'address', everyUs: system.fast ? probeEveryUs : slowProbeEveryUs,
      ...(system.addresses === undefined ? {} : { addresses: system.addresses }),
      ...(system.serial === undefined ? {} : { serial: system.serial }),
    })
    running = await system.open(stage, group)
    for (const node of stage.nodes) await running.start(node)
    await settle(stage, running)
    if (player.options.cost && group === 'address' && !player.costed.has(system.key)) {
      player.costed.add(system.key)
      for (const cost of await measureCost(stage, system)) player.file.append(cost)
    }
    for (; at < tries.length && !player.stopped; at += 1) {
      const key = tries[at]
      if (key === undefined) break
      player.progress.now(`${system.key} ${group} ${key.fault} ${key.index + 1}`)
      const sample = await oneTry({ stage, running, system, key, random: player.random })
      player.file.append(sample)
      player.progress.made(system.key, sample)
    }
    return []
  } catch (error) {
    const key = tries[at]
    const reason = error instanceof Error ? error.message : String(error)
    player.progress.say(`${system.key} ${key?.fault ?? ''}: ${reason}`)
    if (key !== undefined) {
      player.file.append({ kind: 'try', ...key, ...emptyMeasure, at: new Date().toISOString(), load: 0, victim: '', voided: reason })
      player.progress.made(system.key)
    }
    return tries.slice(at + 1)
  } finally {
    await running?.close()
    await stage?.close().catch((error: unknown) => player.progress.say(String(error)))
  }
}
