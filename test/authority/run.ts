// `npm run test:authority`: every fault under every protection, lanes side by side, the longest first. Every finished
// try is appended to a results file at once; --resume plays only what has not passed yet.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Command } from 'commander'

import { etcdObstacle } from '../../lab/etcd.js'
import { labObstacle } from '../../lab/lab.js'
import { pause } from '../../lab/processes.js'
import { proberProgram } from '../../lab/prober.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { playLane } from './lane.js'
import { cellName, Results } from './results.js'
import { ROWS, type Row } from './rows.js'
import { MODES, type Mode } from './scene.js'
import { formatTable } from './table.js'
import type { TryResult } from './try.js'

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url))
const RESULTS_DIR = join(PROJECT, '.cache', 'authority')
const TABLE = join(PROJECT, 'docs', 'authority.md')
const STAGGER_MS = 3_000
const EVERY_US = 500
/** Of one lane. */
const BUILD_SECONDS = 5

/** A row under one protection. */
interface Cell {
  readonly row: Row
  readonly mode: Mode
  readonly numbers: readonly number[]
}

interface RunOptions {
  readonly jobs: number
  readonly resume: boolean
  readonly only: RegExp
  /** At most; null: as many as each row says. */
  readonly tries: number | null
}

function parse(argv: readonly string[]): RunOptions {
  const program = new Command('test:authority')
    .description('breaks one node of a pair in every way, under every protection, and looks who owns what every half millisecond')
    .option('--jobs <n>', 'lanes side by side', '5')
    .option('--only <pattern>', "only cells whose name matches, for example 'SIGSTOP.*lease'", '.')
    .option('--resume', 'only tries that have not passed yet')
    .option('--tries <n>', 'at most so many of each')
  program.parse([...argv])
  const options = program.opts<Record<string, string | boolean | undefined>>()
  return {
    jobs: Number(options['jobs']), resume: options['resume'] === true, only: new RegExp(String(options['only'])),
    tries: options['tries'] === undefined ? null : Number(options['tries']),
  }
}

/** What is particular about some tries, a reload or a longer fault, comes early when there are only a few. */
const EARLY = [0, 3, 4]

function chosen(row: Row, { tries }: RunOptions): number[] {
  const all = Array.from({ length: row.tries }, (_, number) => number)
  return [...EARLY, ...all.filter((number) => !EARLY.includes(number))].slice(0, tries ?? row.tries)
}

const secondsOf = ({ row, mode, numbers }: Cell): number => BUILD_SECONDS + numbers.length * row.seconds[mode]

function cellsOf(options: RunOptions, results: Results): Cell[] {
  const cells = ROWS.filter((row) => (row.obstacle?.() ?? null) === null).flatMap((row) => MODES.map((mode): Cell => {
    const numbers = chosen(row, options).filter((number) => !results.hasPassed(row.name, mode, number))
    return { row, mode, numbers }
  }))
  return cells.filter(({ row, mode, numbers }) => numbers.length > 0 && options.only.test(cellName(row.name, mode)))
    .sort((one, other) => secondsOf(other) - secondsOf(one))
}

/** How long it will take, learnt from how long it took. */
class Clock {
  readonly #jobs: number
  readonly #startMs = performance.now()
  #planned: number
  #done = 0

  constructor(cells: readonly Cell[], jobs: number) {
    this.#jobs = jobs
    this.#planned = cells.reduce((sum, cell) => sum + secondsOf(cell), 0)
  }

  played(row: Row, mode: Mode): void {
    this.#done += row.seconds[mode]
  }

  left(): string {
    const tookS = (performance.now() - this.#startMs) / 1000
    const pace = this.#done > 0 ? tookS / this.#done : 1 / this.#jobs
    return `${String(Math.max(1, Math.ceil(((this.#planned - this.#done) * pace) / 60)))} min left`
  }
}

function report(result: TryResult, left: string): void {
  const { row, mode, number, figures, decided, problems } = result
  const verdict = problems.length === 0 ? 'ok' : `FAILED: ${problems.join('; ')}`
  const said = `two ${String(figures.twoMs)} ms, nobody ${String(figures.noneMs)} ms, ${decided.letGo}, ${decided.taken}`
  process.stdout.write(`${left.padStart(12)}  ${cellName(row, mode)} ${String(number)}: ${said}: ${verdict}\n`)
}

async function playAll(cells: readonly Cell[], { jobs }: RunOptions, results: Results): Promise<string[]> {
  const queue = [...cells]
  const clock = new Clock(cells, Math.min(jobs, cells.length))
  const broken: string[] = []
  const worker = async (index: number): Promise<void> => {
    // Building machines keeps a core busy; begun all at once they would wait for each other.
    await pause(index * STAGGER_MS)
    for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
      const { row, mode, numbers } = cell
      await playLane({ mode, turns: numbers.map((number) => ({ row, number })) }, {
        keepIn: join(RESULTS_DIR, 'failed'), hurried: false, everyUs: EVERY_US,
        onResult: (result) => {
          results.add(result)
          clock.played(row, mode)
          report(result, clock.left())
        },
      }).catch((error: unknown) => {
        broken.push(`${cellName(row.name, mode)} ended early: ${error instanceof Error ? error.message : String(error)}`)
        process.stdout.write(`${broken.at(-1) ?? ''}\n`)
      })
    }
  }
  await Promise.all(Array.from({ length: jobs }, (_, index) => worker(index)))
  return broken
}

async function main(): Promise<number> {
  const options = parse(process.argv)
  const obstacle = (await labObstacle()) ?? etcdObstacle() ?? twinbeatObstacle()
  if (obstacle !== null) {
    process.stderr.write(`authority cannot be tried here: ${obstacle}\n`)
    return 1
  }
  await proberProgram()
  // Each machine that is on wants to be taken down when this process is told to end.
  process.setMaxListeners(4 * options.jobs + 10)
  const results = new Results(join(RESULTS_DIR, 'results.jsonl'), options)
  const skipped = new Map(ROWS.flatMap((row) => {
    const reason = row.obstacle?.() ?? null
    return reason === null ? [] : [[row.name, reason] as const]
  }))
  const broken = await playAll(cellsOf(options, results), options, results)
  const all = results.all()
  const table = formatTable(ROWS, all, skipped)
  writeFileSync(join(RESULTS_DIR, 'table.md'), table)
  const isWhole = cellsOf({ ...options, only: /./, tries: null }, results).length === 0
  if (isWhole) writeFileSync(TABLE, table)
  const failed = all.filter(({ problems }) => problems.length > 0)
  for (const [row, reason] of skipped) process.stdout.write(`skipped: ${row}: ${reason}\n`)
  process.stdout.write(`${String(all.length)} tries, ${String(failed.length)} failed, ${String(broken.length)} lanes ended early\n`)
  return failed.length + broken.length === 0 ? 0 : 1
}

process.exitCode = await main()
