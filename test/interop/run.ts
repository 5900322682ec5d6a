// `npm run test:interop`: the whole table, lanes side by side, the longest first. Every finished cell
// is appended to a results file at once; --resume plays only what has not passed yet.

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Command } from 'commander'

import { heartbeatObstacle } from '../../lab/heartbeat-node.js'
import { labObstacle } from '../../lab/lab.js'
import type { AuthMethod, Medium } from '../../lab/pair-files.js'
import { pause } from '../../lab/processes.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { cellName, PAIRS, places, runLane, type CellResult, type Lane, type PairName } from './lane.js'
import { Reference, REFERENCE_FILE } from './reference.js'
import { FULL, programmes, type Durations } from './scenarios.js'
import { formatTable } from './table.js'

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url))
const RESULTS_DIR = join(PROJECT, '.cache', 'interop')
const TABLE = join(PROJECT, 'docs', 'interop.md')
const AUTHS: readonly AuthMethod[] = ['crc', 'md5', 'sha1']
const MEDIA: readonly Medium[] = ['bcast', 'ucast', 'mcast', 'serial']
const STAGGER_MS = 2_000
const DEFAULT_PAIRS = 'real-twinbeat,twinbeat-twinbeat'

interface RunOptions {
  readonly pairs: readonly PairName[]
  readonly jobs: number
  readonly resume: boolean
  readonly only: RegExp
  readonly recordReference: boolean
  /** Earlier recordings are forgotten. */
  readonly fresh: boolean
  readonly durations: Durations
}

function parse(argv: readonly string[]): RunOptions {
  const program = new Command('test:interop')
    .description('plays every cell of the interoperability table beside real heartbeat nodes')
    .option('--pairs <list>', `which daemons: ${Object.keys(PAIRS).join(', ')}`, DEFAULT_PAIRS)
    .option('--jobs <n>', 'lanes side by side', '14')
    .option('--only <pattern>', 'only cells whose name matches', '.')
    .option('--resume', 'only cells that have not passed yet')
    .option('--record-reference', 'play real pairs and record which warnings are normal')
    .option('--fresh', 'with --record-reference: forget earlier recordings')
    .option('--calm <seconds>', 'length of the calm scenario', String(FULL.calmMs / 1000))
    .option('--loss <seconds>', 'length of the loss scenario', String(FULL.lossMs / 1000))
  program.parse([...argv])
  const options = program.opts<Record<string, string | boolean | undefined>>()
  const record = options['recordReference'] === true
  return {
    pairs: record ? ['real-real'] : (String(options['pairs']).split(',') as PairName[]),
    jobs: Number(options['jobs']),
    resume: options['resume'] === true,
    only: new RegExp(String(options['only'])),
    recordReference: record,
    fresh: options['fresh'] === true,
    durations: { calmMs: Number(options['calm']) * 1000, lossMs: Number(options['loss']) * 1000 },
  }
}

function allLanes(options: RunOptions): Lane[] {
  const lanes = options.pairs.flatMap((pair) => AUTHS.flatMap((auth) => MEDIA.flatMap((medium) =>
    programmes(options.durations)
      .filter((programme) => !(programme.withSerial && medium === 'serial'))
      .map((programme): Lane => ({ pair, auth, medium, programme })))))
  return lanes.sort((x, y) => y.programme.seconds - x.programme.seconds)
}

async function main(): Promise<number> {
  const options = parse(process.argv)
  const obstacle = (await labObstacle()) ?? heartbeatObstacle() ?? (options.recordReference ? null : twinbeatObstacle())
  if (obstacle !== null) {
    process.stderr.write(`the interoperability table cannot be played here: ${obstacle}\n`)
    return 1
  }
  mkdirSync(RESULTS_DIR, { recursive: true })
  // Each machine that is on wants to be taken down when this process is told to end.
  process.setMaxListeners(2 * options.jobs)
  const file = join(RESULTS_DIR, `${options.recordReference ? 'reference' : lengthName(options)}.jsonl`)
  const results = options.resume ? readResults(file) : new Map<string, CellResult>()
  if (!options.resume) rmSync(file, { force: true })
  const wanted = (cell: string): boolean => options.only.test(cell) && results.get(cell)?.passed !== true
  const lanes = allLanes(options).filter((lane) => lane.programme.scenarios.some((s) => wanted(cellName(lane, s))))
  await playAll(lanes, options, wanted, (result) => {
    results.set(result.cell, result)
    appendFileSync(file, `${JSON.stringify(result)}\n`)
    const verdict = result.passed ? 'ok' : `FAILED: ${result.problems.join('; ')}`
    process.stdout.write(`${String(result.seconds).padStart(6)} s  ${result.cell}: ${verdict}\n`)
  })
  const all = [...results.values()]
  if (options.recordReference) writeReference(all, options)
  else if (isWhole(options)) {
    mkdirSync(dirname(TABLE), { recursive: true })
    writeFileSync(TABLE, formatTable(all))
  }
  const failed = all.filter((result) => !result.passed)
  process.stdout.write(`${all.length} cells, ${failed.length} failed\n`)
  return failed.length === 0 ? 0 : 1
}

/** Cells of shortened runs are kept apart: --resume must not take one for the other. */
function lengthName({ durations }: RunOptions): string {
  return `results-loss-${durations.lossMs}-calm-${durations.calmMs}`
}

/** Only the whole table at full length is worth committing. */
function isWhole({ only, durations }: RunOptions): boolean {
  return only.source === '.' && durations.lossMs === FULL.lossMs && durations.calmMs === FULL.calmMs
}

async function playAll(
  lanes: readonly Lane[], options: RunOptions, wanted: (cell: string) => boolean, onResult: (r: CellResult) => void,
): Promise<void> {
  const queue = [...lanes]
  const reference = options.recordReference ? null : Reference.load()
  const worker = async (number: number): Promise<void> => {
    // Building machines keeps a core busy; begun all at once they would wait for each other.
    await pause(number * STAGGER_MS)
    for (let lane = queue.shift(); lane !== undefined; lane = queue.shift()) {
      await runLane(lane, { reference, wanted, again: 'stalls', onResult, keepLogsIn: join(RESULTS_DIR, 'failed') })
        .catch((error: unknown) => process.stderr.write(`a lane ended early: ${String(error)}\n`))
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, (_job, number) => worker(number)))
}

function readResults(file: string): Map<string, CellResult> {
  if (!existsSync(file)) return new Map()
  const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '')
  return new Map(lines.map((line) => JSON.parse(line) as CellResult).map((result) => [result.cell, result]))
}

/** Adds what was recorded to the file; with --fresh only this recording counts. */
function writeReference(results: readonly CellResult[], { fresh }: RunOptions): void {
  const reference = fresh ? new Reference() : Reference.load()
  for (const result of results.filter((r) => r.passed)) {
    for (const [place, warnings] of places(result.warnings, result)) reference.record(place, warnings)
  }
  writeFileSync(REFERENCE_FILE, reference.format())
}

process.exitCode = await main()
