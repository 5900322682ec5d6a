// A lane plays the tries of one cell, a row under one protection, one after the other on one pair. After a problem the
// pair is built anew, so that one bad try does not spoil the next.
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { StallWatch } from '../interop/stall-watch.js'
import { isSure } from './judge.js'
import { cellName } from './results.js'
import type { Row } from './rows.js'
import { startResponders, stopResponders } from './sampler.js'
import { Scene, type Mode } from './scene.js'
import { play, type Played, type TryResult } from './try.js'

export interface Cell {
  readonly row: Row
  readonly mode: Mode
  readonly numbers: readonly number[]
}

export interface LaneOptions {
  /** Where everything about a try with problems goes; null to keep nothing. */
  readonly keepIn: string | null
  readonly onResult: (result: TryResult) => void
}

/** Longer than anything here waits for on a machine that runs. */
const STALL_MS_MAX = 400
const AGAIN_MAX = 2

interface Stage {
  readonly scene: Scene
  readonly responders: readonly ChildProcess[]
}

export async function playCell(cell: Cell, options: LaneOptions): Promise<void> {
  let stage: Stage | null = null
  try {
    for (const number of cell.numbers) {
      for (let again = 0; ; again += 1) {
        const watch = new StallWatch()
        stage ??= await build(cell)
        const played = await play(stage.scene, cell.row, number)
        const stalledMs = watch.stop()
        const { problems } = played.result
        if (problems.length > 0) {
          keep(played, cell, options.keepIn)
          const broken = stage
          stage = null
          await takeDown(broken)
          // A machine that stood still makes everything late; two owners that were seen are never its doing.
          if (stalledMs > STALL_MS_MAX && again < AGAIN_MAX && !isSure(problems)) continue
        }
        options.onResult(played.result)
        break
      }
    }
  } finally {
    if (stage !== null) await takeDown(stage)
  }
}

export async function build({ row, mode }: Pick<Cell, 'row' | 'mode'>): Promise<Stage> {
  const { haCf = [], nodeOptions = [], prefix = [] } = row
  const scene = await Scene.open({ name: 'authority', mode, haCf, nodeOptions, prefix })
  try {
    return { scene, responders: await startResponders(scene) }
  } catch (error) {
    await scene.close()
    throw error
  }
}

export async function takeDown({ scene, responders }: Stage): Promise<void> {
  await stopResponders(responders)
  await scene.close()
}

function keep({ result, samples, logs }: Played, { row, mode }: Cell, into: string | null): void {
  if (into === null) return
  const dir = join(into, `${cellName(row.name, mode)} ${String(result.number)}`.replace(/[^a-z0-9]+/gi, '-'))
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(join(dir, 'struck.log'), logs[0])
  writeFileSync(join(dir, 'peer.log'), logs[1])
  const told = samples.filter(({ e }) => e !== 'answer').map((sample) => JSON.stringify(sample))
  writeFileSync(join(dir, 'samples.jsonl'), `${told.join('\n')}\n`)
}
