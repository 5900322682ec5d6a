// The command line of the benchmark.
import { parseArgs } from 'node:util'

import { faults, type Fault } from './samples.js'
import { systems } from './systems/table.js'

export interface BenchOptions {
  readonly systems: readonly string[]
  readonly faults: readonly Fault[]
  readonly groups: readonly ('address' | 'service')[]
  /** Null: as many as each system is worth. */
  readonly tries: number | null
  readonly json: string
  readonly html: string | null
  readonly svg: string | null
  readonly markdown: string | null
  readonly resume: boolean
  readonly stressS: number
  readonly cost: boolean
  readonly report: boolean
  readonly seed: number
}

export class UsageError extends Error {}

export const usage = `usage: npm run bench:failover [-- OPTIONS]
  --systems A,B   ${systems.map((one) => one.key).join(' ')}
  --faults X,Y    ${faults.join(' ')}
  --groups G      address, service (default: address)
  --tries N       for each system and fault (default: 50, slow systems 12)
  --json FILE     the results, appended to (default: .cache/bench/failover.jsonl)
  --resume        go on with that file instead of beginning it anew
  --html FILE     a page of it
  --svg FILE      the picture of the cut alone
  --markdown FILE a table of it for bench/RESULTS.md
  --stress T      false takeovers under load for so long, such as 10m, in place of faults
  --no-cost       do not measure processor and memory at rest
  --report        measure nothing: tables and pages of the file that is there
  --seed N        of the random phases
`

/** Seconds, of '90', '90s', '10m'. */
export function secondsOf(text: string): number {
  const match = /^(\d+)(s|m|h)?$/.exec(text)
  if (match === null) throw new UsageError(`not a time: ${text}`)
  return Number(match[1]) * (match[2] === 'h' ? 3600 : match[2] === 'm' ? 60 : 1)
}

function listOf<T extends string>(text: string | undefined, known: readonly T[], fallback: readonly T[], what: string): T[] {
  if (text === undefined) return [...fallback]
  return text.split(',').map((word) => {
    const found = known.find((one) => one === word)
    if (found === undefined) throw new UsageError(`no ${what} '${word}'; there are: ${known.join(' ')}`)
    return found
  })
}

function numberOf(text: string, what: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${what} must be a whole number above 0, not '${text}'`)
  return value
}

export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv], allowPositionals: false, options: {
      systems: { type: 'string' }, faults: { type: 'string' }, groups: { type: 'string' }, tries: { type: 'string' },
      json: { type: 'string', default: '.cache/bench/failover.jsonl' }, html: { type: 'string' }, svg: { type: 'string' },
      markdown: { type: 'string' },
      resume: { type: 'boolean', default: false }, stress: { type: 'string' }, 'no-cost': { type: 'boolean', default: false },
      report: { type: 'boolean', default: false }, seed: { type: 'string', default: String(Date.now() % 0xffff_ffff) },
    },
  })
  const keys = systems.map((one) => one.key)
  if (values.json.endsWith('.gz') && !values.report) throw new UsageError(`'${values.json}' is packed and can only be read: --report`)
  return {
    systems: listOf(values.systems, keys, keys, 'system'),
    faults: listOf(values.faults, faults, faults, 'fault'),
    groups: listOf(values.groups, ['address', 'service'] as const, ['address'], 'kind of group'),
    tries: values.tries === undefined ? null : numberOf(values.tries, '--tries'),
    json: values.json,
    html: values.html ?? null,
    svg: values.svg ?? null,
    markdown: values.markdown ?? null,
    resume: values.resume,
    stressS: values.stress === undefined ? 0 : secondsOf(values.stress),
    cost: !values['no-cost'],
    report: values.report,
    seed: numberOf(values.seed, '--seed'),
  }
}
