// `npm run sim`: seeds through the simulator, one of them again with its trace, or the table of the mutants.
import { Command, InvalidArgumentError } from 'commander'
import type { Protection } from '../../src/core/types.js'
import { mutants } from './mutants/mutants.js'
import { hunt, optionsFor, sweep, type Failure, type SweepOrder } from './sweep.js'
import { runSeed } from './world.js'

const PROGRESS_MS = 10_000

interface Values {
  readonly mode: Protection
  readonly seeds: number
  readonly from: number
  readonly replay?: number
  readonly real?: true
  readonly engine: 'simulated' | 'native'
  readonly mutant?: string
  readonly mutants?: true
  readonly threads?: number
  readonly stopAfter: number
}

const oneOf = <T extends string>(...words: readonly T[]) => (text: string): T => {
  const word = words.find((one) => one === text)
  if (word === undefined) throw new InvalidArgumentError(`there are: ${words.join(', ')}.`)
  return word
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number above 0.')
  return value
}

const values = new Command('sim')
  .description('two cores in a world that breaks in every way, seed by seed; each failing seed is printed with how to see it again')
  .option('--mode <protection>', 'accept, fence or lease', oneOf('accept', 'fence', 'lease'), 'accept')
  .option('--seeds <n>', 'how many', count, 2000)
  .option('--from <n>', 'the first one', count, 1)
  .option('--real', 'beside a model of a real heartbeat')
  .option('--engine <kind>', 'simulated, or native: the C++ engine by its manual clock, slower', oneOf('simulated', 'native'), 'simulated')
  .option('--replay <seed>', 'print the trace of one seed', count)
  .option('--mutant <name>', 'the program with one rule broken')
  .option('--mutants', 'all of them, until each is caught: the table of docs/reference/simulator.md')
  .option('--threads <n>', 'side by side (default: as many as there are processors)', count)
  .option('--stop-after <n>', 'failures', count, 10)
  .addHelpText('after', `
Examples:
  npm run sim -- --mode lease --seeds 100000
  npm run sim -- --mode fence --replay 1365
  npm run sim -- --mutants`)
  .parse()
  .opts<Values>()

const order: SweepOrder = {
  mode: values.mode, realPeer: values.real === true, engine: values.engine,
  mutant: values.mutant ?? null,
}
const words = [
  ...(order.mode === 'accept' ? [] : [`--mode ${order.mode}`]), ...(order.realPeer ? ['--real'] : []),
  ...(order.engine === 'native' ? ['--engine native'] : []),
  ...(order.mutant === null ? [] : [`--mutant '${order.mutant}'`]),
].map((word) => `${word} `).join('')

function replay(seed: number): number {
  const outcome = runSeed(seed, { ...optionsFor(order), trace: (line) => { process.stdout.write(`${line}\n`) } })
  process.stdout.write(`seed ${seed} hash ${outcome.hash} ${outcome.violation?.message ?? 'ok'}\n`)
  return outcome.violation === null ? 0 : 1
}

/** On standard error, now and then, with the time that is left. */
function progress(): (seeds: number) => void {
  const beganMs = performance.now()
  let saidMs = beganMs
  return (seeds) => {
    const nowMs = performance.now()
    if (nowMs - saidMs < PROGRESS_MS) return
    saidMs = nowMs
    const leftS = ((nowMs - beganMs) * (values.seeds - seeds)) / seeds / 1000
    process.stderr.write(`${order.mode}: ${seeds} of ${values.seeds} seeds, ${Math.ceil(leftS)} s left\n`)
  }
}

async function many(): Promise<number> {
  const result = await sweep(order, values.from, values.seeds, values.stopAfter, values.threads, progress())
  for (const { seed, message } of result.failures) {
    process.stdout.write(`seed ${seed} FAILED: ${message.split('\n')[0] ?? ''}\n  again with: npm run sim -- ${words}--replay ${seed}\n`)
  }
  const rate = Math.round(result.injected / result.seconds)
  process.stdout.write(
    `${order.mode}: ${result.seeds} seeds, ${result.failures.length} failed, ${result.injected} faults (${rate}/s), ` +
    `${result.events} core events, ${result.seconds.toFixed(1)} s\n`)
  return result.failures.length === 0 ? 0 : 1
}

/** As it stands in docs/reference/simulator.md. */
async function table(): Promise<number> {
  const caught = await hunt(mutants, values.seeds)
  const by = (failure: Failure | null): string => (failure === null ? '**not caught**' : `${failure.checker}, seed ${failure.seed}`)
  const rows = caught.map(({ mutant, failure }) =>
    `| ${mutant.name} | ${mutant.why} | ${mutant.mode} | ${by(failure)} |`)
  process.stdout.write(['| Broken rule | What follows | Mode | Caught by |', '|---|---|---|---|', ...rows, ''].join('\n'))
  return caught.every(({ failure }) => failure !== null) ? 0 : 1
}

process.exitCode = values.mutants === true ? await table() : values.replay === undefined ? await many() : replay(values.replay)
