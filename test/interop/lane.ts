// A lane: one programme of scenarios for one choice of daemons, signature and medium. Its scenarios
// share a pair; after a failure the pair is built anew, so that one bad cell does not spoil the next.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { assertNothingLeft } from '../../lab/lab.js'
import { Pair, type Kind } from '../../lab/pair.js'
import type { AuthMethod, Medium } from '../../lab/pair-files.js'
import type { Place, Reference, Side } from './reference.js'
import { joinTogether, type Programme, type Scenario } from './scenarios.js'
import { StallWatch } from './stall-watch.js'
import { Trial, type Warnings } from './trial.js'

export const PAIRS = {
  'real-real': ['heartbeat', 'heartbeat'],
  'real-twinbeat': ['heartbeat', 'twinbeat'],
  'twinbeat-real': ['twinbeat', 'heartbeat'],
  'twinbeat-twinbeat': ['twinbeat', 'twinbeat'],
} as const satisfies Record<string, readonly [Kind, Kind]>

export type PairName = keyof typeof PAIRS

export interface Lane {
  readonly pair: PairName
  readonly auth: AuthMethod
  readonly medium: Medium
  readonly programme: Programme
}

export interface CellResult {
  readonly cell: string
  readonly pair: PairName
  readonly auth: AuthMethod
  readonly medium: Medium
  readonly scenario: string
  readonly passed: boolean
  readonly problems: readonly string[]
  /** What each real node warned about in this cell, normalised. */
  readonly warnings: Warnings
  readonly seconds: number
  /** More than one only after the machine itself had stood still. */
  readonly tries: number
  /** What was wrong in the tries before the last. */
  readonly before: readonly string[]
  readonly stalledMs: number
}

/** Half of the dead time of most scenarios; a cell that fails after such a stall is played again. */
const STALL_MS_MAX = 1_500
const TRIES_MAX = 3

export const cellName = (lane: Lane, scenario: Scenario): string =>
  `${lane.pair} / ${lane.auth} / ${lane.medium} / ${scenario.name}`

export interface LaneOptions {
  /** Null while the reference itself is being recorded. */
  readonly reference: Reference | null
  /** Where the logs of failed cells go; null to keep none. */
  readonly keepLogsIn: string | null
  readonly wanted: (cell: string) => boolean
  /** A cell is played again after a pause of the whole machine; `any`: after every problem but two owners. */
  readonly again: 'stalls' | 'any'
  readonly onResult: (result: CellResult) => void
}

export async function runLane(lane: Lane, options: LaneOptions): Promise<void> {
  let pair: Pair | null = null
  try {
    for (const scenario of lane.programme.scenarios) {
      const cell = cellName(lane, scenario)
      if (!options.wanted(cell)) continue
      const fromMs = performance.now()
      let attempt: Attempt = { pair: null, problems: [], warnings: {}, stalledMs: 0 }
      let tries = 0
      let before: string[] = []
      do {
        if (tries > 0) before = [...before, ...attempt.problems]
        tries += 1
        attempt = await tryOnce(pair, lane, scenario, options)
        pair = attempt.pair
      } while (tries < TRIES_MAX && isPlayedAgain(attempt, options.again))
      const { problems, warnings, stalledMs } = attempt
      options.onResult({
        cell, pair: lane.pair, auth: lane.auth, medium: lane.medium, scenario: scenario.name,
        passed: problems.length === 0, problems, warnings, tries, before, stalledMs: Math.round(stalledMs),
        seconds: Math.round((performance.now() - fromMs) / 100) / 10,
      })
    }
  } finally {
    await (pair === null ? null : close(pair).catch((error: unknown) => {
      throw new Error(`${lane.pair} / ${lane.auth} / ${lane.medium}, at the end: ${said(error)}`)
    }))
  }
}

interface Played {
  /** The pair for the next scenario; null when this one was not left as it has to be. */
  readonly pair: Pair | null
  readonly problems: readonly string[]
  readonly warnings: Warnings
}

interface Attempt extends Played {
  readonly stalledMs: number
}

/** Two owners without a pause of the machine are never a matter of luck. */
function isPlayedAgain(attempt: Attempt, again: LaneOptions['again']): boolean {
  if (attempt.problems.length === 0) return false
  if (attempt.stalledMs > STALL_MS_MAX) return true
  return again === 'any' && !attempt.problems.some((problem) => problem.includes('on both nodes'))
}

async function tryOnce(
  given: Pair | null, lane: Lane, scenario: Scenario, options: LaneOptions,
): Promise<Attempt> {
  const watch = new StallWatch()
  const attempt = await play(given, lane, scenario, options).catch((error: unknown): Played => (
    { pair: null, problems: [`the lab: ${said(error)}`], warnings: {} }
  ))
  return { ...attempt, stalledMs: watch.stop() }
}

async function play(given: Pair | null, lane: Lane, scenario: Scenario, options: LaneOptions): Promise<Played> {
  let pair: Pair
  try {
    pair = await ready(given, lane, scenario)
  } catch (error) {
    return { pair: null, problems: [`could not begin: ${said(error)}`], warnings: {} }
  }
  const trial = new Trial(pair)
  const failure = await scenario.play(trial).then(() => null, (error: unknown) => error)
  const { problems, warnings } = await trial.findings(failure)
  const all = [...problems, ...strange(warnings, lane, scenario, options.reference)]
  if (all.length === 0) return { pair, problems: all, warnings }
  keepLogs(pair, cellName(lane, scenario), all, options.keepLogsIn)
  const unclean = await close(pair).then(() => [], (error: unknown) => [`the lab: ${said(error)}`])
  return { pair: null, problems: [...all, ...unclean], warnings }
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function ready(pair: Pair | null, lane: Lane, scenario: Scenario): Promise<Pair> {
  if (pair !== null && scenario.begins === 'stopped') {
    await close(pair)
    pair = null
  }
  if (pair !== null) return pair
  const { programme } = lane
  const media: Medium[] = programme.withSerial && lane.medium !== 'serial' ? [lane.medium, 'serial'] : [lane.medium]
  const fresh = await Pair.create({
    name: 'interop', kinds: PAIRS[lane.pair], settings: { ...programme.settings, auth: lane.auth, media },
  })
  try {
    if (scenario.begins === 'running') await joinTogether(new Trial(fresh))
    return fresh
  } catch (error) {
    keepLogs(fresh, `${lane.pair} ${lane.auth} ${lane.medium} begin`, [String(error)], null)
    await close(fresh)
    throw error
  }
}

async function close(pair: Pair): Promise<void> {
  const traces = pair.lab.traces()
  await pair.close()
  assertNothingLeft(traces)
}

/** The real node's remarks on how late its own process was scheduled: they tell of the machine, not of us. */
const LATENESS = /^WARN: G\w+: (Dispatch function for .* (was delayed|took too long to execute)|working on \w+ child took)/

/** What a real node logged here although a node of a real pair does not in the same cell. */
function strange(warnings: Warnings, lane: Lane, scenario: Scenario, reference: Reference | null): string[] {
  if (reference === null) return []
  return places(warnings, { ...lane, scenario: scenario.name }).flatMap(([place, texts]) => {
    const found = texts.filter((text) => !reference.isNormal(place, text))
    if (found.length > 0 && !reference.knows(place)) return ['no real pair was recorded in this cell']
    return found.map((text) => `the real node warned: ${text}`)
  })
}

/** The real nodes of a cell, each with what it warned about besides its own lateness. */
export function places(warnings: Warnings, cell: Omit<Place, 'side'>): [Place, readonly string[]][] {
  const { auth, medium, scenario } = cell
  return (Object.entries(warnings) as [Side, readonly string[]][])
    .map(([side, texts]) => [{ auth, medium, scenario, side }, texts.filter((text) => !LATENESS.test(text))])
}

function keepLogs(pair: Pair, cell: string, problems: readonly string[], into: string | null): void {
  if (into === null) return
  const dir = join(into, cell.replace(/[^a-z0-9]+/gi, '-'))
  mkdirSync(dir, { recursive: true })
  const timeline = pair.owners.timeline().map((h) => JSON.stringify(h)).join('\n')
  writeFileSync(join(dir, 'problems.txt'), `${problems.join('\n')}\n\n${timeline}\n`)
  for (const { node, daemon } of [pair.a, pair.b]) {
    writeFileSync(join(dir, `${node.name}-${daemon.kind}.log`), daemon.log())
  }
}
