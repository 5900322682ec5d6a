// `twinbeat tune`: which keepalive and deadtime this machine and its links hold, from the gaps of the running pair.
import { Command } from 'commander'
import type { GapsReport, StatusReport } from '../../control/report.js'
import { TwinbeatError } from '../../errors.js'
import { kernelLimits, type KernelLimits } from '../../measure/limits.js'
import { advise, countedSince, judgeTail, neededSeconds, parseRisk, ratePerSecond, type TailReport } from '../../measure/tune.js'
import { formatTune, type TuneReport, type TuneSeries } from '../format/tune.js'
import { askDaemon, parseDurationMs, print, printJson, type CommonOptions } from '../output.js'

interface TuneOptions extends CommonOptions {
  readonly for: string
  readonly risk: string
  readonly all?: boolean
}

const answerMs = 5000
const secondMs = 1000
/** A link whose interval is longer has its own, longer dead time. */
const sameIntervalFactor = 1.5

export function tuneCommand(): Command {
  return new Command('tune')
    .description('which keepalive and deadtime this pair holds at a stated risk, and what limits it; changes nothing')
    .option('--for <time>', 'watch the running pair for so long', '10m')
    .option('--all', 'judge everything that was counted since the last start or reload, at once')
    .option('--risk <rate>', 'false deaths that you accept: 1/year, 2/month, 1/week, 1/day; a bare number is a year', '1/year')
    .option('--json', 'the report as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  twinbeat tune\n  twinbeat tune --for 8h --risk 1/day\n  twinbeat tune --all --risk 1/month --json\n\n' +
        'A risk is called supported only when the sample itself bears it, with 95 % confidence: three times the mean time\n' +
        'between two events must have passed without a longer gap. Everything else is an estimate and is called so.\n' +
        'Run it on both nodes, under the load that they will have.\n\n' +
        'Exit codes: 0 done, 1 no daemon or nothing to judge, 64 wrong usage',
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<TuneOptions>()
      const report = await tune(options)
      if (options.json === true) printJson(report)
      else print(formatTune(report))
    })
}

async function tune(options: TuneOptions): Promise<TuneReport> {
  const risk = parseRisk(options.risk)
  if (risk === null) {
    throw new TwinbeatError('TB_USAGE', `'${options.risk}' is not a risk`, { hint: "write '1/year', '2/month' or '1/day'" })
  }
  const status = async (): Promise<StatusReport> => (await askDaemon('status', {}, options, answerMs)) as StatusReport
  const first = await status()
  if (options.all === true) return judge(first, first.gaps, risk)
  await watch(parseDurationMs(options.for))
  const last = await status()
  return judge(last, difference(first, last), risk)
}

/** Until the time is over or somebody has seen enough. */
async function watch(forMs: number): Promise<void> {
  const endMs = performance.now() + forMs
  const show = (): void => {
    process.stderr.write(`\r\u001b[Kwatching for another ${Math.ceil((endMs - performance.now()) / secondMs)} s`)
  }
  const timer = process.stderr.isTTY ? setInterval(show, secondMs) : null
  await new Promise<void>((resolve) => {
    const end = setTimeout(resolve, forMs)
    process.once('SIGINT', () => {
      clearTimeout(end)
      resolve()
    })
  })
  if (timer === null) return
  clearInterval(timer)
  process.stderr.write('\r\u001b[K')
}

function difference(first: StatusReport, last: StatusReport): GapsReport {
  const [before, after] = [first.gaps, last.gaps]
  const since = (a: Parameters<typeof countedSince>[0] | undefined, b: Parameters<typeof countedSince>[0]): GapsReport['lateness'] => {
    const counted = a === undefined ? b : countedSince(a, b)
    if (counted === null) throw begunAnew()
    return counted
  }
  if (last.pid !== first.pid || after.countedForMs < before.countedForMs) throw begunAnew()
  return {
    countedForMs: after.countedForMs - before.countedForMs,
    lateness: since(before.lateness, after.lateness),
    rescues: after.rescues - before.rescues,
    stands: after.stands - before.stands,
    peers: after.peers.map((peer) => (
      { ...peer, gaps: since(before.peers.find(({ node }) => node === peer.node)?.gaps, peer.gaps) })),
    // Two links may share a name: they stay in their order until a reload, which begins anew.
    links: after.links.map((link, index) => ({ ...link, gaps: since(before.links[index]?.gaps, link.gaps) })),
  }
}

const begunAnew = (): TwinbeatError =>
  new TwinbeatError('TB_TUNE_SAMPLE', 'the daemon was restarted or reloaded meanwhile: its counting began anew')

function judge(status: StatusReport, gaps: GapsReport, riskPerSecond: number): TuneReport {
  const seconds = gaps.countedForMs / secondMs
  const intervalUs = status.timing.keepaliveMs * secondMs
  const tail = (counts: GapsReport['lateness'], interval: number): TailReport =>
    judgeTail(counts, { seconds, intervalUs: interval }, riskPerSecond)
  const series = (name: string, kind: TuneSeries['kind'], counts: GapsReport['lateness'], interval: number): TuneSeries =>
    ({ name, kind, intervalMs: interval / secondMs, ...tail(counts, interval) })
  const peers = gaps.peers.filter(({ kind }) => kind === 'normal').map((peer) => series(peer.node, 'peer', peer.gaps, intervalUs))
  const pings = new Set(status.nodes.filter(({ kind }) => kind === 'ping').map(({ name }) => name))
  // Both lists are the engine's, in its order; two links may share a name, as bcast and ucast on one interface do.
  const links = gaps.links.map((link, index) => ({ ...link, type: status.links[index]?.type ?? '' }))
    .filter(({ link }) => !pings.has(link))
    .map(({ link, type, gaps: counts, intervalMs }) => series(`${link} ${type}`.trim(), 'link', counts, intervalMs * secondMs))
  const heard = links.filter((link) => link.gaps > 0 && link.intervalMs <= status.timing.keepaliveMs * sameIntervalFactor)
  if (!peers.some(({ gaps: count }) => count > 0)) {
    throw new TwinbeatError('TB_TUNE_SAMPLE', 'no gap between two heartbeats of the other node was counted')
  }
  // The worst single link: the pair must hold when the others are gone.
  const worst = [...(heard.length > 0 ? heard : peers)].sort((a, b) => tailOf(b) - tailOf(a))[0]
  const lateness = series('this node', 'own', gaps.lateness, 0)
  return {
    node: status.node,
    measuredMs: gaps.countedForMs,
    riskPerSecond,
    supportedPerSecond: ratePerSecond(0, seconds),
    neededMs: neededSeconds(riskPerSecond) * secondMs,
    running: { keepaliveMs: status.timing.keepaliveMs, deadtimeMs: status.timing.deadtimeMs },
    series: [...peers, ...links, lateness],
    decides: worst?.name ?? null,
    advice: worst === undefined ? null : advise(worst, worst.intervalMs * secondMs),
    limits: limitsOf({
      status, worst: worst ?? null, lateness, rescues: gaps.rescues, stands: gaps.stands, heard: heard.length,
      kernel: kernelLimits(status.pid),
    }),
  }
}

const tailOf = (series: TuneSeries): number => series.supportedUs ?? series.estimateUs ?? series.maxUs

interface LimitInput {
  readonly status: StatusReport
  readonly worst: TuneSeries | null
  readonly lateness: TuneSeries
  readonly rescues: number
  readonly stands: number
  readonly heard: number
  readonly kernel: KernelLimits
}

function limitsOf({ status, worst, lateness, rescues, stands, heard, kernel }: LimitInput): string[] {
  const ms = (us: number): string => `${(us / secondMs).toFixed(2)} ms`
  const excessUs = worst === null ? 0 : Math.max(0, worst.maxUs - worst.intervalMs * secondMs)
  const { rtRuntimeUs, rtPeriodUs, rtTimeUs } = kernel
  return [
    ...(status.realtime ? []
      : ['no real-time scheduling: the engine waits for every other process (run it as root or grant CAP_SYS_NICE)']),
    ...(status.realtime && rtRuntimeUs !== null && rtPeriodUs !== null && rtRuntimeUs >= 0 && rtRuntimeUs < rtPeriodUs
      ? [`the kernel may stop real-time threads for ${ms(rtPeriodUs - rtRuntimeUs)} of each ${ms(rtPeriodUs)} when they ` +
        'use all of a core (kernel.sched_rt_runtime_us)'] : []),
    ...(rtTimeUs !== null ? [`RLIMIT_RTTIME ends a real-time thread that runs ${ms(rtTimeUs)} without a pause`] : []),
    `own lateness: at most ${ms(lateness.maxUs)} here; it delays what this node sends, not what it judges`,
    ...(rescues > 0
      ? [`the engine was moved to another processor ${rescues === 1 ? 'once' : `${rescues} times`}, because its own stood ` +
        'still: a host that withholds virtual processors, or a kernel without preemption'] : []),
    ...(stands > 0
      ? [`the other node was asked to wait ${stands === 1 ? 'once' : `${stands} times`}, because the processor stood still on ` +
        'which the engine ran, or all of them did'] : []),
    ...(worst !== null && excessUs > 2 * lateness.maxUs
      ? [`link or peer: gaps were up to ${ms(excessUs)} longer than the interval, more than this node's own lateness explains; ` +
        "'twinbeat tune' on the other node shows its share"] : []),
    ...(heard < 2 ? ['one link only: a lost packet and a dead node look alike'] : []),
  ]
}
