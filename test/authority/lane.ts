// A lane plays tries one after the other on one pair under one protection. After a problem the pair is built anew, so
// that one bad try does not spoil the next.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { StallWatch } from '../interop/stall-watch.js'
import { isSure } from './judge.js'
import { cellName } from './results.js'
import type { Row } from './rows.js'
import { Scene, type Mode } from './scene.js'
import { play, type Pace, type Played, type TryResult } from './try.js'

export interface Turn {
  readonly row: Row
  readonly number: number
}

/** Rows of one lane share its pair, which is made for all that any of them needs. */
export interface Lane {
  readonly mode: Mode
  readonly turns: readonly Turn[]
}

export interface LaneOptions extends Pace {
  /** Where everything about a try with problems goes; null to keep nothing. */
  readonly keepIn: string | null
  readonly onResult: (result: TryResult) => void
}

/** Longer than anything here waits for on a machine that runs. */
const STALL_MS_MAX = 400
/** For one address. Both nodes of the lab have one kernel: while something else there holds its lock, nobody lets go. */
const KERNEL_MS_MAX = 250
const AGAIN_MAX = 2

export async function playLane(lane: Lane, options: LaneOptions): Promise<void> {
  let scene: Scene | null = null
  try {
    for (const { row, number } of lane.turns) {
      for (let again = 0; ; again += 1) {
        const watch = new StallWatch()
        scene ??= await build(lane)
        const played = await play(scene, row, number, options)
        const stalledMs = watch.stop()
        const { problems } = played.result
        if (problems.length > 0) {
          keep(played, options.keepIn)
          const broken = scene
          scene = null
          await broken.close()
          if (again < AGAIN_MAX && isExcused(played.result, stalledMs)) continue
        }
        options.onResult({ ...played.result, again })
        break
      }
    }
  } catch (error) {
    if (scene !== null && options.keepIn !== null) keepLogs(scene, join(options.keepIn, `lane-${lane.mode}-${String(process.pid)}`))
    throw error
  } finally {
    await scene?.close()
  }
}

function keepLogs({ struck, peer }: Scene, dir: string): void {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'struck.log'), struck.log())
  writeFileSync(join(dir, 'peer.log'), peer.log())
}

/**
 * A machine that stood still makes everything late; two owners that were seen are never its doing, unless its kernel
 * changed no address at all for a while. Under a lease not even that.
 */
function isExcused({ mode, problems, kernelMs }: TryResult, stalledMs: number): boolean {
  if (mode !== 'lease' && kernelMs > KERNEL_MS_MAX) return true
  return stalledMs > STALL_MS_MAX && !isSure(problems)
}

async function build({ mode, turns }: Lane): Promise<Scene> {
  const rows = [...new Set(turns.map(({ row }) => row))]
  return await Scene.open({
    name: 'authority', mode, haCf: rows.flatMap(({ haCf = [] }) => haCf), nodeOptions: rows.flatMap(({ nodeOptions = [] }) => nodeOptions),
    prefix: rows.find(({ prefix }) => prefix !== undefined)?.prefix ?? [],
  })
}

function keep({ result, samples, logs }: Played, into: string | null): void {
  if (into === null) return
  const dir = join(into, `${cellName(result.row, result.mode)} ${String(result.number)}`.replace(/[^a-z0-9]+/gi, '-'))
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(join(dir, 'struck.log'), logs[0])
  writeFileSync(join(dir, 'peer.log'), logs[1])
  const told = samples.filter(({ e }) => e !== 'answer').map((sample) => JSON.stringify(sample))
  writeFileSync(join(dir, 'samples.jsonl'), `${told.join('\n')}\n`)
}
