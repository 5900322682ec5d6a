// npm run sim -- [--real] --seeds N [--from S] | --replay SEED      (--real: beside a model of a real heartbeat)
// Prints a line for every failing seed and a summary; --replay prints the trace of one.

import { parseArgs } from 'node:util'
import { defaults, runSeed } from './world.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    replay: { type: 'string' },
    real: { type: 'boolean', default: false },
    'stop-after': { type: 'string', default: '10' },
  },
})

function replay(seed: number): number {
  const outcome = runSeed(seed, { ...defaults, realPeer: values.real, trace: (line) => { process.stdout.write(`${line}\n`) } })
  process.stdout.write(`seed ${seed} hash ${outcome.hash} ${outcome.violation?.message ?? 'ok'}\n`)
  return outcome.violation === null ? 0 : 1
}

function sweep(from: number, seeds: number, failuresMax: number): number {
  const began = process.hrtime.bigint()
  let events = 0
  let injected = 0
  let failures = 0
  let done = 0
  for (let seed = from; seed < from + seeds && failures < failuresMax; seed += 1) {
    const outcome = runSeed(seed, { ...defaults, realPeer: values.real })
    events += outcome.events
    injected += outcome.injected
    done += 1
    if (outcome.violation === null) continue
    failures += 1
    const [why] = outcome.violation.message.split('\n')
    const again = `npm run sim -- ${values.real ? '--real ' : ''}--replay ${seed}`
    process.stdout.write(`seed ${seed} FAILED: ${why ?? ''}\n  again with: ${again}\n`)
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  process.stdout.write(`${done} seeds, ${failures} failed, ${injected} faults, ${events} core events, ${seconds.toFixed(1)} s\n`)
  return failures === 0 ? 0 : 1
}

process.exitCode = values.replay === undefined
  ? sweep(Number(values.from), Number(values.seeds), Number(values['stop-after'])) : replay(Number(values.replay))
