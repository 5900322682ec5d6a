// npm run sim -- [--mode accept|fence|lease] [--real] --seeds N [--from S] | --replay SEED | --mutants
// Prints a line for every failing seed and a summary; --replay prints the trace of one. --real: beside a model
// of a real heartbeat. --mutant NAME: the program with one rule broken.

import { parseArgs } from 'node:util'
import type { Protection } from '../../src/core/types.js'
import { mutants } from './mutants/mutants.js'
import { hunt, optionsFor, sweep, type Failure, type SweepOrder } from './sweep.js'
import { runSeed } from './world.js'

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'accept' },
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    replay: { type: 'string' },
    real: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'simulated' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    threads: { type: 'string' },
    'stop-after': { type: 'string', default: '10' },
  },
})

function modeOf(text: string): Protection {
  if (text === 'accept' || text === 'fence' || text === 'lease') return text
  throw new Error(`--mode is accept, fence or lease, not '${text}'`)
}

const order: SweepOrder = {
  mode: modeOf(values.mode), realPeer: values.real, engine: values.engine === 'native' ? 'native' : 'simulated',
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

async function many(): Promise<number> {
  const threads = values.threads === undefined ? undefined : Number(values.threads)
  const result = await sweep(order, Number(values.from), Number(values.seeds), Number(values['stop-after']), threads)
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
  const caught = await hunt(mutants, Number(values.seeds))
  const by = (failure: Failure | null): string => (failure === null ? '**not caught**' : `${failure.checker}, seed ${failure.seed}`)
  const rows = caught.map(({ mutant, failure }) =>
    `| ${mutant.name} | ${mutant.why} | ${mutant.mode} | ${by(failure)} |`)
  process.stdout.write(['| Broken rule | What follows | Mode | Caught by |', '|---|---|---|---|', ...rows, ''].join('\n'))
  return caught.every(({ failure }) => failure !== null) ? 0 : 1
}

process.exitCode = values.mutants ? await table() : values.replay === undefined ? await many() : replay(Number(values.replay))
