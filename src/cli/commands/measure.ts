// `twinbeat measure`: what a client of an address sees, whoever moves that address.
import { Command } from 'commander'
import { setPriority } from 'node:os'
import { TwinbeatError } from '../../errors.js'
import type { ProbeKind } from '../../measure/prober.js'
import type { MeasureReport } from '../../measure/report.js'
import { measure, type Measurement } from '../../measure/session.js'
import { formatMeasurement, formatProgress } from '../format/measure.js'
import { parseDurationMs, print, printJson, type CommonOptions } from '../output.js'

interface MeasureCommandOptions extends CommonOptions {
  readonly port?: string
  readonly udp?: boolean
  readonly icmp?: boolean
  readonly every?: string
  readonly for: string
  readonly answerWithin: string
  readonly maxOutage?: string
}

/** A connection costs the service something, an echo nothing. */
export const everyMsOf: Readonly<Record<ProbeKind, number>> = { icmp: 1, udp: 1, tcp: 10 }
const everyLeastMs = 1
const progressMs = 250
/** As urgent as an ordinary process may be. */
const urgent = -20
const exitOutage = 1

export function measureCommand(): Command {
  return new Command('measure')
    .description('what a client of an address sees: outages, changes of owner, loss, round trip; the address may be of any make')
    .argument('<address>', 'IPv4 or IPv6 address, best asked from a third machine in the same network')
    .option('--port <port>', 'connect to this TCP port of the service (answered by the kernel, reset at once, no byte sent)')
    .option('--udp', 'with --port: send datagrams to an echo service instead')
    .option('--icmp', 'send echo requests; needs root and the optional package raw-socket (default without --port)')
    .option('--every <time>', 'between two probes, at least 1ms (default: 1ms, for TCP 10ms)')
    .option('--for <time>', "how long; 'forever' until interrupted", '30s')
    .option('--answer-within <time>', 'a probe without an answer for this long is lost', '1s')
    .option('--max-outage <time>', 'exit with 1 if an outage was longer')
    .option('--json', 'the report as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  twinbeat measure 10.0.0.100 --icmp\n  twinbeat measure 10.0.0.100 --port 443 --for 10m --max-outage 50ms\n' +
        '  twinbeat measure 2001:db8::100 --port 7 --udp --json > seen.json\n\n' +
        'An outage begins with the first probe that stays without an answer and ends with the next answer. What this\n' +
        'process itself was late is taken off. Ctrl-C ends it early and prints the report so far.\n\n' +
        'Exit codes: 0 fine, 1 an outage longer than --max-outage or never an answer, 2 cannot measure here, 64 wrong usage',
    )
    .action(async (address: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<MeasureCommandOptions>()
      const report = await runMeasurement(address, options)
      if (options.json === true) printJson(report)
      else print(formatMeasurement(report))
      if (report.verdict !== 'fine') process.exitCode = exitOutage
    })
}

async function runMeasurement(address: string, options: MeasureCommandOptions): Promise<MeasureReport> {
  const { probe, port } = probeOf(options)
  const everyMs = options.every === undefined ? everyMsOf[probe] : parseDurationMs(options.every)
  if (everyMs < everyLeastMs) throw new TwinbeatError('TB_USAGE', '--every must be at least 1ms')
  const outageMaxMs = options.maxOutage === undefined ? null : parseDurationMs(options.maxOutage)
  if (outageMaxMs !== null && outageMaxMs < 2 * everyMs) {
    throw new TwinbeatError('TB_USAGE', `an outage of ${outageMaxMs} ms is not seen by probes every ${everyMs} ms`, {
      hint: 'make --every at most half of --max-outage',
    })
  }
  const forMs = options.for === 'forever' ? null : parseDurationMs(options.for)
  const interrupt = new AbortController()
  const stop = (): void => interrupt.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  beUrgent()
  try {
    const measurement = await measure({
      address, probe, port, everyMs, forMs,
      answerWithinMs: parseDurationMs(options.answerWithin),
      outageMaxMs,
      signal: interrupt.signal,
    })
    const endProgress = showProgress(measurement)
    const report = await measurement.done
    endProgress()
    return report
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

export function probeOf(options: { port?: string; udp?: boolean; icmp?: boolean }): { probe: ProbeKind; port: number | null } {
  if (options.port === undefined) {
    if (options.udp === true) throw new TwinbeatError('TB_USAGE', '--udp needs --port')
    return { probe: 'icmp', port: null }
  }
  if (options.icmp === true) throw new TwinbeatError('TB_USAGE', '--icmp and --port exclude each other')
  const port = Number(options.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new TwinbeatError('TB_USAGE', `'${options.port}' is not a port`)
  return { probe: options.udp === true ? 'udp' : 'tcp', port }
}

/** Only root may; without it the measurer is late more often, which is taken off. */
function beUrgent(): void {
  try {
    setPriority(urgent)
  } catch {
    // An ordinary user measures at ordinary priority.
  }
}

/** A line that is written over itself, on a terminal only. */
export function showProgress(measurement: Measurement): () => void {
  if (!process.stderr.isTTY) return () => undefined
  const timer = setInterval(() => {
    const running = measurement.running()
    const text = formatProgress(measurement.tally, measurement.sinceStartMs(), running === null ? null : running.lengthUs / 1000)
    process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`)
  }, progressMs)
  return () => {
    clearInterval(timer)
    process.stderr.write('\r\u001b[K')
  }
}
