// `twinbeat drill`: faults on a pair in service, one after the other, seen from a third machine.
import { Command } from 'commander'
import { appendFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createInterface } from 'node:readline/promises'
import { TwinbeatError, messageOf } from '../../errors.js'
import { drill, type DrillResult } from '../../measure/drill/drill.js'
import { destructive, faultNames, type Fault } from '../../measure/drill/faults.js'
import type { Remote } from '../../measure/drill/remote.js'
import { formatDrill } from '../format/drill.js'
import { parseDurationMs, print, printJson, type CommonOptions } from '../output.js'
import { everyMsOf, probeOf } from './measure.js'

interface DrillCommandOptions extends CommonOptions {
  readonly on: readonly string[]
  readonly faults: string
  readonly tries: string
  readonly yes?: string
  readonly port?: string
  readonly udp?: boolean
  readonly icmp?: boolean
  readonly every?: string
  readonly nic?: string
  readonly tool: string
  readonly start: string
  readonly limit: string
  readonly settle: string
  readonly overlapMax: string
  readonly samples?: string
}

const triesMax = 10_000
const answerWithinMs = 1_000
const exitAnomaly = 1
const collect = (value: string, before: readonly string[]): string[] => [...before, value]

export function drillCommand(): Command {
  return new Command('drill')
    .description('faults on a pair in service, one after the other, with what a client sees; run it on a third machine')
    .argument('<address>', 'service address of the pair')
    .requiredOption('--on <node=prefix>', "how commands run on a node, once for each: --on alpha='ssh root@alpha'", collect, [])
    .option('--faults <list>', faultNames.join(', '), 'standby')
    .option('--tries <n>', 'of each fault', '10')
    .option('--yes <list>', 'do not ask before these destructive faults')
    .option('--port <port>', 'probe this TCP port (default: echo requests, as in measure)')
    .option('--udp', 'with --port: an echo service')
    .option('--icmp', 'echo requests')
    .option('--every <time>', 'between two probes')
    .option('--nic <interface>', 'of the fault nic (default: the interface of the address)')
    .option('--tool <command>', 'the tool on the nodes', 'twinbeat')
    .option('--start <command>', 'how the daemon is started on a node after kill and freeze', 'systemctl start twinbeat')
    .option('--limit <time>', 'within which the other node must answer', '30s')
    .option('--settle <time>', 'within which the pair must stand right again', '2m')
    .option('--overlap-max <time>', 'two owners for longer than this end the drill', '50ms')
    .option('--samples <file>', 'raw samples as JSON lines, with settings of kernel and interface (default: twinbeat-drill-TIME.jsonl)')
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  twinbeat drill 10.0.0.100 --on alpha='ssh root@alpha' --on beta='ssh root@beta'\n" +
        "  twinbeat drill 10.0.0.100 --on alpha='ssh root@alpha' --on beta='ssh root@beta' \\\n" +
        '    --faults kill,nic,freeze,standby --tries 20 --yes kill,nic,freeze --json\n\n' +
        'A try begins only when both nodes are up and active and exactly one has the address. Each fault is undone, by the\n' +
        'node itself if nobody reaches it. The first anomaly ends the drill: two owners, nobody within --limit, a wrong\n' +
        'state before a try. Ctrl-C restores, then ends.\n\n' +
        'Exit codes: 0 all tries went well, 1 an anomaly or interrupted, 2 a node cannot be reached, 64 wrong usage or not confirmed',
    )
    .action(async (address: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<DrillCommandOptions>()
      const result = await runDrill(address, options)
      if (options.json === true) printJson(result)
      else print(formatDrill(result))
      if (result.anomaly !== null || result.interrupted) process.exitCode = exitAnomaly
    })
}

async function runDrill(address: string, options: DrillCommandOptions): Promise<DrillResult & { samples: string }> {
  if (isIP(address) === 0) throw new TwinbeatError('TB_USAGE', `'${address}' is not an address`)
  const remotes = remotesOf(options.on)
  const faults = faultsOf(options.faults, '--faults')
  const tries = Number(options.tries)
  if (!Number.isInteger(tries) || tries < 1 || tries > triesMax) {
    throw new TwinbeatError('TB_USAGE', `--tries must be from 1 to ${triesMax}`)
  }
  const { probe, port } = probeOf(options)
  const everyMs = options.every === undefined ? everyMsOf[probe] : parseDurationMs(options.every)
  await confirmFaults(faults, options.yes === undefined ? [] : faultsOf(options.yes, '--yes'))
  const samples = options.samples ?? `twinbeat-drill-${new Date().toISOString().replaceAll(':', '')}.jsonl`
  const interrupt = new AbortController()
  const stop = (): void => interrupt.abort()
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    const result = await drill({
      address, remotes, faults, tries, tool: options.tool, start: options.start, nic: options.nic ?? null,
      limitMs: parseDurationMs(options.limit), settleMs: parseDurationMs(options.settle), overlapMaxMs: parseDurationMs(options.overlapMax),
      probe: { probe, port, everyMs, answerWithinMs, outageMaxMs: null },
      signal: interrupt.signal,
      sample: (line) => writeSample(samples, line),
      progress: (text) => { if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`) },
    })
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
    return { ...result, samples }
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

function remotesOf(list: readonly string[]): Remote[] {
  const remotes = list.map((word) => {
    const at = word.indexOf('=')
    if (at < 1) throw new TwinbeatError('TB_USAGE', `'${word}' is not NODE=PREFIX`, { hint: "write --on alpha='ssh root@alpha'" })
    return { node: word.slice(0, at), prefix: word.slice(at + 1) }
  })
  if (remotes.length !== 2 || remotes[0]?.node === remotes[1]?.node) {
    throw new TwinbeatError('TB_USAGE', '--on is needed once for each of the two nodes')
  }
  return remotes
}

function faultsOf(text: string, option: string): Fault[] {
  return text.split(',').map((word) => {
    const fault = faultNames.find((name) => name === word.trim())
    if (fault === undefined) throw new TwinbeatError('TB_USAGE', `${option}: '${word}' is none of ${faultNames.join(', ')}`)
    return fault
  })
}

/** Each class by itself: a yes to one is none to the next. */
async function confirmFaults(faults: readonly Fault[], granted: readonly Fault[]): Promise<void> {
  const open = faults.filter((fault) => destructive[fault] !== undefined && !granted.includes(fault))
  if (open.length === 0) return
  const how = `give --yes ${open.join(',')}`
  if (!process.stdin.isTTY) throw new TwinbeatError('TB_CONFIRM', `nobody is there to confirm: ${open.join(', ')}`, { hint: how })
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    for (const fault of open) {
      const answer = await prompt.question(`${fault}: ${destructive[fault] ?? ''}.\nDo that to this pair? (yes/no) `)
      if (answer.trim().toLowerCase() === 'yes') continue
      throw new TwinbeatError('TB_CONFIRM', `${fault} is not confirmed: nothing was done`, { hint: how })
    }
  } finally {
    prompt.close()
  }
}

function writeSample(file: string, line: Readonly<Record<string, unknown>>): void {
  try {
    appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`)
  } catch (error) {
    throw new TwinbeatError('TB_DRILL_SAMPLES', `cannot write '${file}': ${messageOf(error)}`, { cause: error })
  }
}
