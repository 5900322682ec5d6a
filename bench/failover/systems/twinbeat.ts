// twinbeat with each of its profiles: two heartbeat links, an address or an address with a service.
import { createConnection, type Socket } from 'node:net'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { LabNode } from '../../../lab/node.js'
import { SERIAL_DEVICE } from '../../../lab/serial-line.js'
import { until, within } from '../../../lab/processes.js'
import { proberProgram, type ProbeMark } from '../../../lab/prober.js'
import { TwinbeatNode, twinbeatObstacle } from '../../../lab/twinbeat-node.js'
import type { GapReport } from '../../../src/control/report.js'
import { disturbances, disturbanceTexts, disturbedEnvironment, type Disturbance } from '../disturbances.js'
import type { Fault, GroupKind } from '../samples.js'
import { answerPort, vip, type Stage } from '../stage.js'
import { pidsNamed, type EngineHelp, type Running, type System } from './system.js'

interface Profile {
  readonly name: string
  readonly keepaliveMs: number
  readonly deadtimeMs: number
}

const profiles: readonly Profile[] = [
  { name: 'extreme', keepaliveMs: 1, deadtimeMs: 3 },
  { name: 'fast', keepaliveMs: 1, deadtimeMs: 5 },
  { name: 'safe', keepaliveMs: 2, deadtimeMs: 10 },
  { name: 'lan', keepaliveMs: 50, deadtimeMs: 200 },
]

interface Variant {
  readonly profile: Profile
  /** Set in ha.cf, in place of the profile's. */
  readonly deadtimeMs?: number
  readonly fencing: boolean
  readonly serial: boolean
  readonly disturbed?: Disturbance
  /** How many there are in the group; one if not said. */
  readonly addresses?: number
}

const initdeadS = 3
const leaveTimeoutMs = 60_000
const guardianName = 'twinbeat-guardian'
const hungLog = 'hung-log'
/** As many as the configuration allows. */
const groupMembersMax = 100

/** A profile that this build does not know is written out as what it stands for. */
function knowsProfiles(): boolean {
  const table = fileURLToPath(new URL('../../../src/config/twinbeat-cf-table.js', import.meta.url))
  return existsSync(table) && /directive\('profile'/.test(readFileSync(table, 'utf8'))
}

function ownVersion(): string {
  const file = fileURLToPath(new URL('../../../../package.json', import.meta.url))
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function haCf(variant: Variant): string {
  const { keepaliveMs } = variant.profile
  const deadtimeMs = variant.deadtimeMs ?? variant.profile.deadtimeMs
  const written = variant.deadtimeMs !== undefined || !knowsProfiles()
  return [
    `logfile /var/log/${variant.disturbed === 'hung' ? hungLog : 'ha-log'}`,
    ...(written ? [`keepalive ${keepaliveMs}ms`, `deadtime ${deadtimeMs}ms`] : []),
    `initdead ${Math.max(initdeadS, Math.ceil((2 * deadtimeMs) / 1000))}`,
    'udpport 694', 'auto_failback off', 'crm off', 'bcast eth1', 'bcast eth0',
    ...(variant.serial ? ['baud 115200', `serial ${SERIAL_DEVICE}`] : []),
    'node nodea', 'node nodeb', '',
  ].join('\n')
}

function twinbeatCf(variant: Variant): string {
  const written = variant.deadtimeMs !== undefined || !knowsProfiles()
  return [
    'log_format json',
    ...(written ? [] : [`profile ${variant.profile.name}`]),
    ...(variant.fencing ? ['split_brain fence', 'fence_device pretend type=null targets=nodea,nodeb'] : []),
    '',
  ].join('\n')
}

function serviceScript(node: LabNode, responder: string): string {
  return `#!/bin/sh
pid=/run/service.pid
running() { [ -f $pid ] && kill -0 $(cat $pid) 2>/dev/null; }
case $1 in
  start) running && exit 0
    ${responder} answer --netns /proc/self/ns/net --name ${node.name} --port ${answerPort} >/dev/null 2>&1 </dev/null &
    echo $! > $pid;;
  stop) running && kill -KILL $(cat $pid); rm -f $pid;;
  status) running && echo running || echo stopped;;
esac
exit 0
`
}

/** The first is the one that is asked. */
function addressesOf(variant: Variant): string[] {
  return Array.from({ length: variant.addresses ?? 1 }, (_, at) => (at === 0 ? vip : `10.77.${1 + (at >> 7)}.${1 + (at & 127)}`))
}

/** The first group has the address that is asked, and the service. */
function haresources(variant: Variant, group: GroupKind): string {
  const all = addressesOf(variant).map((one) => `IPaddr2::${one}/24/eth0`)
  const lines: string[] = []
  for (let at = 0; at < all.length; at += groupMembersMax) {
    const service = group === 'service' && at === 0 ? ' benchservice' : ''
    lines.push(`nodea ${all.slice(at, at + groupMembersMax).join(' ')}${service}\n`)
  }
  return lines.join('')
}

async function disturb(node: LabNode, daemon: TwinbeatNode | undefined, kind: Disturbance): Promise<void> {
  if (daemon !== undefined) daemon.environment = disturbedEnvironment(kind)
  if (kind !== 'hung') return
  // A reader that has it open and never reads: writes stop when the pipe is full.
  await node.exec(['mkfifo', `/var/log/${hungLog}`])
  node.spawn(['sh', '-c', `exec sleep 100000 <>/var/log/${hungLog}`], { stdio: 'ignore' })
}

class Twinbeat implements Running {
  private readonly daemons: ReadonlyMap<string, TwinbeatNode>
  private readonly controls = new Map<string, Socket>()
  private readonly told = new Map<string, string>()

  private constructor(private readonly stage: Stage, daemons: Map<string, TwinbeatNode>) {
    this.daemons = daemons
  }

  static async open(stage: Stage, variant: Variant, group: GroupKind): Promise<Twinbeat> {
    const responder = await proberProgram()
    const daemons = new Map<string, TwinbeatNode>()
    for (const node of stage.nodes) {
      const daemon = await TwinbeatNode.prepare(node)
      // As an init system starts it: in a session of its own.
      daemon.prefix = ['setsid']
      daemons.set(node.name, daemon)
      const write = (name: string, text: string, mode: number): void => {
        const path = join(node.folders.haD, name)
        writeFileSync(path, text)
        chmodSync(path, mode)
      }
      write('ha.cf', haCf(variant), 0o644)
      write('twinbeat.cf', twinbeatCf(variant), 0o644)
      write('authkeys', 'auth 1\n1 sha1 a-key-of-the-bench\n', 0o600)
      write('haresources', haresources(variant, group), 0o644)
      if (variant.disturbed !== undefined) await disturb(node, daemons.get(node.name), variant.disturbed)
      if (group === 'service') write('resource.d/benchservice', serviceScript(node, responder), 0o755)
    }
    return new Twinbeat(stage, daemons)
  }

  async start(node: LabNode): Promise<void> {
    await this.of(node).start()
    await this.openControl(node)
  }

  isRunning(node: LabNode): boolean {
    return this.crashing(node).length > 0
  }

  crashing(node: LabNode): number[] {
    return this.of(node).pids()
  }

  everything(node: LabNode): number[] {
    return [...pidsNamed(node, [guardianName]), ...this.crashing(node)]
  }

  /** On a connection that is open already: what a supervisor or an operator's tool would have. */
  async leave(node: LabNode): Promise<ProbeMark> {
    const socket = this.controls.get(node.name)
    if (socket === undefined) throw new Error(`no control connection to ${node.name}`)
    const at = process.hrtime.bigint()
    socket.write('{"id":1,"verb":"stop","args":{}}\n')
    return this.stage.prober.mark('graceful', at)
  }

  async left(node: LabNode): Promise<void> {
    if (await until(() => this.everything(node).length === 0, leaveTimeoutMs)) return
    throw new Error(`twinbeatd on ${node.name} does not end`)
  }

  /** What is on its way back is trusted less with each flap, for ten minutes: a new life knows of none. */
  async forget(node: LabNode): Promise<void> {
    await this.leave(node)
    await this.left(node)
    await this.start(node)
  }

  async isReady(owner: LabNode, standby: LabNode): Promise<boolean> {
    const [ours, theirs] = await Promise.all([this.of(owner).status(), this.of(standby).status()])
    if (ours === null || theirs === null || ours.operation !== null || theirs.operation !== null) return false
    const active = (report: typeof ours, name: string): boolean =>
      report.nodes.find((one) => one.name === name)?.status === 'active'
    // In the first seconds of a life, and after a pause of its own, a node asks for more: it is no fair victim.
    const patient = (report: typeof ours): boolean =>
      report.nodes.every((one) => one.self || one.kind !== 'normal' || one.deadtimeMs === report.timing.deadtimeMs)
    if (!patient(ours) || !patient(theirs)) return false
    return active(ours, standby.name) && active(theirs, owner.name) && theirs.guardian !== null
  }

  /** Every number of the newest takeover in the log. */
  stamps(node: LabNode): Record<string, number> | null {
    const line = this.of(node).log().trimEnd().split('\n').findLast((one) => one.includes('"plan.fired"'))
    // The same line again is of a takeover before.
    if (line === undefined || line === this.told.get(node.name)) return null
    this.told.set(node.name, line)
    try {
      const record = JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>
      const numbers = Object.entries(record).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
      return Object.fromEntries(numbers.filter(([name]) => /Us$|Ns$/.test(name)))
    } catch {
      return null
    }
  }

  /** Of the one peer that there is, whichever link brought its heartbeats first. */
  async judgedGaps(node: LabNode): Promise<GapReport | null> {
    const report = await this.of(node).status()
    return report?.gaps.peers.find((one) => one.kind === 'normal')?.gaps ?? null
  }

  async engineHelp(node: LabNode): Promise<EngineHelp | null> {
    return (await this.of(node).status())?.gaps ?? null
  }

  async close(): Promise<void> {
    for (const socket of this.controls.values()) socket.destroy()
  }

  private of(node: LabNode): TwinbeatNode {
    const daemon = this.daemons.get(node.name)
    if (daemon === undefined) throw new Error(`no daemon on ${node.name}`)
    return daemon
  }

  private async openControl(node: LabNode): Promise<void> {
    this.controls.get(node.name)?.destroy()
    const socket = createConnection(`/proc/${node.pid}/root/run/twinbeat/control`)
    socket.on('error', () => undefined)
    socket.on('data', () => undefined)
    await within(new Promise<void>((resolve) => socket.once('connect', resolve)), 10_000, 'opening the control socket')
    this.controls.set(node.name, socket)
  }
}

const everyFault: readonly Fault[] = ['kill', 'killall', 'cut', 'freeze', 'graceful', 'nic', 'link']

function textOf(variant: Variant): string {
  const { keepaliveMs, name } = variant.profile
  const deadtimeMs = variant.deadtimeMs ?? variant.profile.deadtimeMs
  return [
    `profile ${name} (keepalive ${keepaliveMs} ms, deadtime ${deadtimeMs} ms)`, 'two Ethernet links',
    ...(variant.fencing ? ['split_brain fence with a null device'] : []),
    ...(variant.serial ? ['serial line'] : []),
    ...(variant.addresses === undefined ? [] : [`${variant.addresses} addresses in the group`]),
    ...(variant.disturbed === undefined ? [] : [disturbanceTexts[variant.disturbed]]),
  ].join(', ')
}

const isAside = (variant: Variant): boolean => variant.disturbed !== undefined || variant.addresses !== undefined

interface Scope {
  readonly faults: readonly Fault[]
  readonly groups?: readonly GroupKind[]
  readonly tries?: number
}

function twinbeat(key: string, title: string, variant: Variant, { faults, groups = ['address'], tries = 50 }: Scope): System {
  const { keepaliveMs } = variant.profile
  const deadtimeMs = variant.deadtimeMs ?? variant.profile.deadtimeMs
  return {
    key, title, family: 'twinbeat', ...(isAside(variant) ? { aside: true } : {}), fast: true, tries, faults, groups,
    settings: textOf(variant), addresses: addressesOf(variant),
    limitMs: 10_000 + 2 * deadtimeMs, phaseMs: Math.max(50, 4 * keepaliveMs),
    ...(variant.serial ? { serial: { baud: 115_200 } } : {}),
    obstacle: twinbeatObstacle,
    version: async () => ownVersion(),
    open: (stage, group) => Twinbeat.open(stage, variant, group),
  }
}

const fast = profiles.find((one) => one.name === 'fast')!
const lan = profiles.find((one) => one.name === 'lan')!

const fewTries = 12
const plain = { fencing: false, serial: false }

export const twinbeatSystems: readonly System[] = [
  ...profiles.map((profile) => twinbeat(`twinbeat-${profile.name}`, `twinbeat ${profile.name}`, { profile, ...plain },
    { faults: everyFault, groups: profile.name === 'fast' ? ['address', 'service'] : ['address'] })),
  twinbeat('twinbeat-fenced', 'twinbeat fast, null fencing', { profile: fast, fencing: true, serial: false },
    { faults: ['kill', 'cut', 'freeze'] }),
  twinbeat('twinbeat-patient', 'twinbeat, deadtime 30 s', { profile: lan, deadtimeMs: 30_000, ...plain },
    { faults: ['kill', 'graceful'] }),
  twinbeat('twinbeat-serial', 'twinbeat fast, serial last', { profile: fast, fencing: false, serial: true }, { faults: ['serial'] }),
  ...[50, 200].map((addresses) => twinbeat(`twinbeat-${addresses}`, `twinbeat fast, ${addresses} addresses`,
    { profile: fast, ...plain, addresses }, { faults: ['kill', 'cut'], tries: fewTries })),
  ...disturbances.map((disturbed) => twinbeat(`twinbeat-${disturbed}`, `twinbeat fast, ${disturbed}`,
    { profile: fast, ...plain, disturbed }, { faults: ['kill', 'cut'], tries: fewTries })),
]
