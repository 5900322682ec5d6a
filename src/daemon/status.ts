// Builds the report of `status` from what the core believes and what the engine sees.
import type { ClusterConfig } from '../config/model.js'
import type { ArbiterHealth } from '../arbiter/arbiter.js'
import type {
  ArbiterReport, FencingReport, GapsReport, GroupReport, LeaseReport, LinkReport, NodeReport, StatusReport,
} from '../control/report.js'
import type { Authority, CoreSnapshot, GroupSnapshot } from '../core/types.js'
import type { EngineSnapshot, LinkSnapshot, PeerSnapshot } from '../engine/engine.js'
import type { Members } from './effects/members.js'
import type { ClosedLine } from './lines.js'
import { errnoName, whyClosed } from './link-words.js'

export interface StatusInput {
  readonly version: string
  readonly startedAt: Date
  readonly haDir: string
  readonly uuid: Uint8Array
  readonly config: ClusterConfig
  readonly core: CoreSnapshot
  readonly engine: EngineSnapshot
  readonly members: Members
  readonly logLinesDropped: number
  readonly guardian: StatusReport['guardian']
  readonly stopping: boolean
  readonly peerFiles: string | null
  readonly arbiter: ArbiterHealth | null
  /** Serial lines that could not be opened: the engine does not know them. */
  readonly closedLines: readonly ClosedLine[]
  readonly warnings: readonly string[]
}

const ms = (us: number): number => Math.round(us / 1000)

export function buildStatus(input: StatusInput): StatusReport {
  const { config, core, engine } = input
  const ago = (at: number | null): number | null => (at === null ? null : ms(Math.max(0, engine.at - at)))
  return {
    at: new Date().toISOString(),
    version: input.version,
    node: config.self,
    pid: process.pid,
    startedAt: input.startedAt.toISOString(),
    haDir: input.haDir,
    resources: core.resources,
    membership: input.stopping ? 'stopping' : core.status,
    operation:
      core.standby.state === 'not' ? null : `standby ${core.standby.what ?? ''} (${core.standby.state})`,
    maintenanceLeftMs: core.maintenanceLeftUs === null ? null : ms(core.maintenanceLeftUs),
    autoFailback: config.autoFailback,
    splitBrain: config.twinbeat.splitBrain,
    stopFailure: config.twinbeat.stopFailure,
    acceptedWithout: config.acceptedWithout,
    generation: core.generation,
    uuid: Buffer.from(input.uuid).toString('hex'),
    realtime: engine.realtime.scheduling === 'fifo',
    logLinesDropped: input.logLinesDropped,
    guardian: input.guardian,
    timing: {
      keepaliveMs: ms(config.timing.keepaliveUs),
      deadtimeMs: ms(config.timing.deadtimeUs),
      warntimeMs: ms(config.timing.warntimeUs),
      initdeadMs: ms(config.timing.initdeadUs),
    },
    gaps: gapsReport(engine),
    nodes: engine.peers.map((peer) => nodeReport(peer, engine, ago)),
    links: [...engine.links.map((link) => linkReport(link, ago)), ...input.closedLines.map(closedLineReport)],
    groups: core.groups.map((group) => groupReport(group, input)),
    arbiter: input.arbiter === null ? null : arbiterReport(input.arbiter, ago),
    fencing: fencingReport(config, core.fencing, ago),
    peerFiles: input.peerFiles,
    warnings: warningsOf(input),
    parameters: Object.fromEntries(config.directives),
  }
}

function fencingReport(
  config: ClusterConfig, fencing: CoreSnapshot['fencing'], ago: (at: number | null) => number | null,
): FencingReport {
  return {
    required: config.twinbeat.splitBrain === 'fence',
    state: fencing.state,
    text: fencing.text,
    confirmedGeneration: fencing.confirmedGeneration,
    devices: config.fencing.devices.map(({ name, type, targets }) => {
      const known = fencing.devices.find((device) => device.name === name)
      return {
        name, type, targets: targets === null ? [] : targets.map((target) => target.node),
        lastTestAgoMs: ago(known?.lastTestAt ?? null), lastGoodAgoMs: ago(known?.lastGoodAt ?? null),
        problem: known?.problem ?? null,
      }
    }),
  }
}

function gapsReport({ at, countedSince, lateness, rescues, stands, peers, links }: EngineSnapshot): GapsReport {
  return {
    countedForMs: countedSince === null ? 0 : ms(Math.max(0, at - countedSince)),
    lateness,
    rescues,
    stands,
    peers: peers.filter((peer) => !peer.self).map(({ name, kind, gaps }) => ({ node: name, kind, gaps })),
    links: links.map(({ name, intervalUs, gaps }) => ({ link: name, intervalMs: intervalUs / 1000, gaps })),
  }
}

function nodeReport(peer: PeerSnapshot, { lateness }: EngineSnapshot, ago: (at: number | null) => number | null): NodeReport {
  const says = !peer.self && peer.twinbeat !== null
  return {
    name: peer.name,
    self: peer.self,
    kind: peer.kind,
    state: peer.self ? 'up' : peer.state,
    status: peer.state === 'dead' ? 'dead' : peer.status,
    speaks:
      peer.self || peer.twinbeat !== null
        ? 'twinbeat'
        : peer.lastStatusAt === null || peer.kind === 'ping'
          ? null
          : 'heartbeat',
    generation: peer.generation,
    deadtimeMs: ms(peer.deadtimeUs),
    lastStatusAgoMs: ago(peer.lastStatusAt),
    latenessUs: says ? peer.latenessUs : null,
    latenessMaxUs: peer.self ? lateness.maxUs : says ? peer.latenessMaxUs : null,
    links: peer.links.map((link) => ({
      name: link.name,
      state: link.state,
      lastHeardAgoMs: ago(link.lastHeardAt),
    })),
  }
}

function linkReport(link: LinkSnapshot, ago: (at: number | null) => number | null): LinkReport {
  return {
    name: link.name,
    type: link.type,
    open: link.open,
    problem: link.open || link.errno === 0 ? '' : whyClosed(link.errno),
    state: link.state,
    intervalMs: ms(link.intervalUs),
    deadtimeMs: ms(link.deadtimeUs),
    lastHeardAgoMs: ago(link.lastHeardAt),
    packetsIn: link.packetsIn,
    packetsOut: link.packetsOut,
    sendErrors: link.sendErrors,
    rejected: link.rejected,
  }
}

function closedLineReport({ device, why }: ClosedLine): LinkReport {
  return {
    name: device, type: 'serial', open: false, problem: why, state: 'never', intervalMs: 0, deadtimeMs: 0,
    lastHeardAgoMs: null, packetsIn: 0, packetsOut: 0, sendErrors: 0, rejected: {},
  }
}

function arbiterReport(health: ArbiterHealth, ago: (at: number | null) => number | null): ArbiterReport {
  const { reachable, endpoint, lastAnswerAt, lastMs, problem } = health
  return { kind: 'etcd', reachable, endpoint, lastAnswerAgoMs: ago(lastAnswerAt), lastMs, problem }
}

function leaseReport({ lease }: GroupSnapshot, now: number): LeaseReport | null {
  if (lease === null) return null
  const left = (at: number | null): number | null => (at === null ? null : ms(Math.max(0, at - now)))
  return {
    state: lease.state, token: lease.token, leftMs: left(lease.deadlineAt), byPromise: lease.byPromise,
    boundMs: left(lease.boundUntil), problem: lease.problem,
  }
}

export function authorityText(authority: Authority): string {
  switch (authority.kind) {
    case 'agreed':
      return `agreed with ${authority.peer}`
    case 'held':
      return 'held'
    case 'handover':
      return `handed over (${authority.exchange})`
    case 'accept':
      return authority.peer === null ? 'no other node' : `${authority.peer} judged dead (split_brain accept)`
    case 'fence':
      return `${authority.peer} fenced`
    case 'lease':
      return `lease (token ${authority.token})`
    case 'gasp':
      return `last words of ${authority.peer}`
    case 'operator':
      return `operator (${authority.request})`
  }
}

function groupReport(group: GroupSnapshot, input: StatusInput): GroupReport {
  return {
    id: group.id,
    home: group.home,
    addressOnly: group.members.every((member) => member.kind === 'address'),
    state: group.state,
    holder: group.holder,
    authority: group.authority === null ? null : authorityText(group.authority),
    lease: leaseReport(group, input.engine.at),
    reason: group.obstacles.length === 0 ? group.reason : `${group.reason}; ${group.obstacles.join(', ')}`,
    onHold: group.obstacles.includes('on-hold'),
    members: group.members.map((member) => {
      const { runs, last } = input.members.describe(group.id, member.id)
      return {
        id: member.id,
        kind: member.kind,
        runs,
        state: member.action === null ? member.state : `${member.action}...`,
        lastResult: last,
      }
    }),
  }
}

function warningsOf(input: StatusInput): string[] {
  const { config, engine } = input
  const warnings = [...input.warnings]
  for (const [group, why] of input.members.unusable()) warnings.push(`${group} cannot start on this node: ${why}`)
  for (const group of input.core.groups) {
    if (group.state !== 'blocked') continue
    warnings.push(`${group.id} could not be stopped and is blocked: end it by hand, then 'twinbeat unblock ${group.id}'`)
  }
  if (config.acceptedWithout.length > 0) {
    warnings.push(
      `runs without ${config.acceptedWithout.join(', ')} (--accept-without): what ha.cf asks for there is not done`,
    )
  }
  const method = config.auth.keys.find((key) => key.index === config.auth.signIndex)?.method
  for (const peer of engine.peers) {
    if (method === 'sha256' && !peer.self && peer.kind === 'normal' && peer.lastStatusAt !== null && peer.twinbeat === null) {
      warnings.push(`${peer.name} cannot read us: it is a real heartbeat, which knows no sha256`)
    }
  }
  if (input.peerFiles !== null && input.peerFiles !== 'same') {
    warnings.push(`the peer's configuration files are ${input.peerFiles}`)
  }
  const told = warnings.some((warning) => warning.includes('real-time'))
  if (engine.realtime.scheduling !== 'fifo' && config.process.realtime && !told) {
    const why = errnoName(engine.realtime.schedulingErrno)
    warnings.push(
      `no real-time scheduling (${why}): a busy machine makes heartbeats late; ` +
        "use a longer deadtime, or write 'realtime off' in ha.cf",
    )
  }
  return warnings
}
