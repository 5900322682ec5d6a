// One try of one row under one protection: watched from before the fault until everything is as before.
import { VIPS } from '../../lab/pair-files.js'
import { pause, until, within } from '../../lab/processes.js'
import { decide, kernelTime, type Decided } from './decided.js'
import { CURED, judge, measure, STRUCK, type Figures } from './judge.js'
import { PATIENCE_MS, type Row } from './rows.js'
import { Sampler } from './sampler.js'
import type { Sample } from './samples.js'
import type { Mode, Scene } from './scene.js'

export interface TryResult {
  readonly row: string
  readonly mode: Mode
  readonly number: number
  readonly reloaded: boolean
  readonly figures: Figures
  readonly decided: Decided
  /** Null: it never was again as before. */
  readonly settledMs: number | null
  /** With which codes daemons of the struck node ended that were started again; null: by a signal. */
  readonly exits: readonly (number | null)[]
  readonly problems: readonly string[]
  /** The slowest change of an address: all namespaces of a machine share one lock for them. */
  readonly kernelMs: number
  /** How often it was played before, and not counted because the machine had stood still. */
  readonly again: number
  readonly seconds: number
}

export interface Played {
  readonly result: TryResult
  readonly samples: readonly Sample[]
  readonly logs: readonly [string, string]
}

const LEAD_MS = 100
const TAIL_MS = 300
const SETTLE_MAX_MS = 60_000
const EVERY_FOURTH = 4
/** How long before the fault the files change: the reload is somewhere in its middle. */
const RELOAD_LEADS_MS = [0, 8, 20, 40, 80] as const

export interface Pace {
  /** The longer dead time that a daemon announces at its beginning is not waited out. */
  readonly hurried: boolean
  readonly everyUs: number
}

export async function play(scene: Scene, row: Row, number: number, { hurried, everyUs }: Pace): Promise<Played> {
  const beganMs = performance.now()
  const { mode, pair } = scene
  await scene.home()
  await scene.calm({ atOnce: hurried })
  const marks = [scene.struck.log().length, scene.peer.log().length] as const
  const sampler = await Sampler.start(scene, everyUs)
  const reloaded = number % EVERY_FOURTH === EVERY_FOURTH - 1
  const problems: string[] = []
  let after: Aftermath = { settledMs: null, exits: [] }
  let samples: Sample[]
  try {
    await pause(LEAD_MS)
    const reload = reloaded ? scene.reload() : null
    if (reload !== null) await pause(RELOAD_LEADS_MS[Math.floor(number / EVERY_FOURTH) % RELOAD_LEADS_MS.length] ?? 0)
    after = await strikeAndCure(scene, row, number, sampler)
    if (reload !== null) await within(reload, SETTLE_MAX_MS, 'the reload')
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  } finally {
    samples = await sampler.stop()
  }
  const nodes = [pair.a.node.name, pair.b.node.name] as const
  const figures = measure({ samples, nodes, addresses: VIPS })
  const logs = [scene.struck.log().slice(marks[0]), scene.peer.log().slice(marks[1])] as const
  const { settledMs, exits } = after
  const { exitCode } = row
  if (exitCode !== undefined && !exits.includes(exitCode)) {
    problems.push(`the daemon ended with ${exits.join(', ') || 'nothing'}, not ${String(exitCode)}`)
  }
  const all = judge(figures, row.rules(mode), { settledMs, problems })
  return {
    samples, logs,
    result: {
      row: row.name, mode, number, reloaded, figures, settledMs, exits, problems: all, kernelMs: kernelTime(logs), again: 0,
      decided: decide({ struck: logs[0], peer: logs[1], address: VIPS[0], figures, stands: row.stands === true }),
      seconds: Math.round((performance.now() - beganMs) / 100) / 10,
    },
  }
}

type Aftermath = Pick<TryResult, 'settledMs' | 'exits'>

async function strikeAndCure(scene: Scene, row: Row, number: number, sampler: Sampler): Promise<Aftermath> {
  const fault = row.fault(scene)
  await sampler.mark(STRUCK)
  await fault.strike()
  const { until: what, thenMs } = row.lasts(number)
  const name = scene.pair.a.node.name
  if (what !== 'at once') await scene.takenByPeer(PATIENCE_MS)
  if (what === 'gone') await until(() => !scene.owners().includes(name), PATIENCE_MS, 5)
  await pause(thenMs)
  await sampler.mark(CURED)
  const curedMs = performance.now()
  await fault.cure()
  const supervision = scene.supervise()
  const settled = await scene.settled(SETTLE_MAX_MS)
  const tookMs = Math.round(performance.now() - curedMs)
  await pause(TAIL_MS)
  await supervision.end()
  return { settledMs: settled ? tookMs : null, exits: supervision.exits }
}
