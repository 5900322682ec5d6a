// The whole chain of times of a pair, in the order in which they pass when something goes wrong: what is configured,
// what follows from it, and where two of them contradict each other.
import { announcedDeadtimeUs, failoverTimes, linkTimings } from '../../config/timing.js'
import type { ClusterConfig, LeaseSettings } from '../../config/model.js'
import { formatTime } from '../../config/values.js'
import { controllerLimits } from '../../config/limits.js'

export interface ChainRow {
  readonly name: string
  readonly us: number
  /** Which rule or directive it comes from. */
  readonly from: string
}

export interface TimeChain {
  readonly rows: readonly ChainRow[]
  /** From the last heartbeat to the judgement, for each set of links that may be up. */
  readonly failover: readonly { readonly links: readonly string[]; readonly us: number }[]
  readonly contradictions: readonly string[]
}

const kPpm = 1_000_000
/** The kernel looks for expired addresses once a second, and is up to a second late. */
const kKernelUs = 1_250_000
/** Between the last petting that may be and the reset: the timer of the device is coarse. */
const kPetMarginUs = 1_000_000

export function timeChain(config: ClusterConfig): TimeChain {
  // 0: none.
  const watchdogUs = (config.watchdog?.timeoutS ?? 0) * 1_000_000
  const failover = failoverTimes(config.links, config.timing)
  return {
    rows: [...heartbeatRows(config), ...limitRows(config, watchdogUs), ...leaseRows(config, watchdogUs), ...moveRows(config)],
    failover,
    contradictions: contradictionsOf(config, watchdogUs),
  }
}

function heartbeatRows({ timing, links, autoFailback }: ClusterConfig): ChainRow[] {
  const announced = announcedDeadtimeUs(links, timing)
  return [
    { name: 'heartbeat', us: timing.keepaliveUs, from: 'keepalive' },
    ...linkTimings(links, timing).filter((link) => link.intervalUs !== timing.keepaliveUs)
      .map((link) => ({ name: `heartbeat on ${link.name}`, us: link.intervalUs, from: 'twice the time that one occupies the line' })),
    { name: 'late', us: timing.warntimeUs, from: 'warntime' },
    { name: 'announced dead time', us: announced, from: 'what a real heartbeat waits for on every link' },
    { name: 'first wait', us: timing.initdeadUs, from: `initdead, at the start${autoFailback === 'legacy' ? ' (legacy)' : ''}` },
  ]
}

function limitRows({ links, timing, process }: ClusterConfig, watchdogUs: number): ChainRow[] {
  const deadtimes = linkTimings(links, timing).map((link) => link.deadUs)
  const facts = {
    deadtimeUs: Math.max(timing.deadtimeUs, ...deadtimes), leastDeadtimeUs: Math.min(timing.deadtimeUs, ...deadtimes),
    realtime: process.realtime, watchdogUs,
  }
  const limits = controllerLimits(facts)
  const idle = controllerLimits({ ...facts, realtime: false })
  return [
    { name: 'no takes', us: limits.withholdUs, from: 'daemon stands still: the larger of 2 s and half the dead time' },
    { name: 'release', us: limits.releaseUs, from: 'daemon stands still: the larger of 10 s and twice the dead time' },
    ...(limits.resetUs === 0 ? [] : [{ name: 'reset', us: limits.resetUs, from: 'release and the timeout of the watchdog' }]),
    { name: 'frozen', us: limits.freezeUs, from: 'guardian: engine without progress (real-time scheduling)' },
    ...(limits.freezeUs === idle.freezeUs ? []
      : [{ name: 'frozen', us: idle.freezeUs, from: 'the same where real-time scheduling is not permitted' }]),
    ...(watchdogUs === 0 ? [] : [{ name: 'watchdog', us: watchdogUs, from: 'without petting, until the machine is reset' }]),
  ]
}

/** TTL as this node may count it, whatever the two clocks do. */
const safeTtlUs = (lease: LeaseSettings): number => Math.floor(lease.ttlUs * (1 - lease.driftPpm / kPpm))

function leaseRows({ twinbeat, groups }: ClusterConfig, watchdogUs: number): ChainRow[] {
  const { lease } = twinbeat
  if (twinbeat.splitBrain !== 'lease') return []
  const services = groups.some((group) => group.members.some((member) => member.by === 'agent'))
  const petUs = safeTtlUs(lease) - watchdogUs - kPetMarginUs
  return [
    { name: 'lease', us: lease.ttlUs, from: 'lease_ttl: a silent holder keeps it so long' },
    { name: 'renewal', us: lease.renewUs, from: 'lease_renew' },
    { name: 'answer', us: lease.timeoutUs, from: 'lease_timeout' },
    {
      name: 'deadline', us: safeTtlUs(lease) - lease.stopBudgetUs,
      from: 'after a renewal was sent: lease_ttl less drift and stop_budget; the group is released',
    },
    {
      name: 'address expires', us: Math.max(0, safeTtlUs(lease) - kKernelUs),
      from: 'after a renewal was sent: by the kernel itself, at the latest 1.25 s later',
    },
    ...(services && watchdogUs > 0
      ? [{ name: 'last petting', us: petUs, from: 'after a renewal was sent: services that do not stop end with the machine' }] : []),
  ]
}

function moveRows({ twinbeat }: ClusterConfig): ChainRow[] {
  return [
    { name: 'start of a member', us: twinbeat.startTimeoutUs, from: 'start_timeout' },
    {
      name: 'stop of a member', us: twinbeat.stopTimeoutUs,
      from: `stop_timeout; ${String(twinbeat.stopRetryMax)} attempts, then stop_failure ${twinbeat.stopFailure}`,
    },
    { name: 'offer', us: twinbeat.handoverWaitUs, from: 'handover_wait' },
    { name: 'agreement', us: twinbeat.grantWaitUs, from: 'grant_wait' },
  ]
}

function contradictionsOf({ twinbeat, groups, timing }: ClusterConfig, watchdogUs: number): string[] {
  const found: string[] = []
  const { lease } = twinbeat
  if (watchdogUs > 0 && watchdogUs <= 2 * timing.keepaliveUs) {
    found.push(`the watchdog bites after ${formatTime(watchdogUs)}, a heartbeat comes every ` +
      `${formatTime(timing.keepaliveUs)}: a healthy machine is reset`)
  }
  const services = groups.find((group) => group.members.some((member) => member.by === 'agent'))
  if (twinbeat.splitBrain === 'lease' && services !== undefined && watchdogUs > 0) {
    const petUs = safeTtlUs(lease) - watchdogUs - kPetMarginUs
    const neededUs = lease.renewUs + lease.timeoutUs
    if (petUs <= neededUs) {
      found.push(`lease_ttl ${formatTime(lease.ttlUs)} less the watchdog's ${formatTime(watchdogUs)} leaves ` +
        `${formatTime(Math.max(0, petUs))}, less than a renewal takes (${formatTime(neededUs)}): ` +
        `${services.key} would reset this machine without need; raise lease_ttl`)
    }
  }
  return found
}

export function formatChain(chain: TimeChain): string {
  const time = (us: number): string => (us === 0 ? 'no limit' : formatTime(us))
  const width = Math.max(...chain.rows.map((row) => row.name.length))
  const timeWidth = Math.max(...chain.rows.map((row) => time(row.us).length))
  const sets = chain.failover.map((set) => `${set.links.join('+')}: ${formatTime(set.us)}`)
  return [
    'Times:',
    `  a death is noticed after  ${sets.join('; ') || '- (no heartbeat link)'}`,
    ...chain.rows.map((row) => `  ${row.name.padEnd(width)}  ${time(row.us).padStart(timeWidth)}  ${row.from}`),
    ...chain.contradictions.map((text) => `  error: ${text}`),
  ].join('\n')
}
