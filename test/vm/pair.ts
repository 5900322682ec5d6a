// Two emulated nodes with their daemons: configuration, start, and what is asked of them.
import assert from 'node:assert/strict'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { epochMs } from '../../lab/owners.js'
import { until } from '../../lab/processes.js'
import type { StatusReport } from '../../src/control/report.js'
import { Machines } from './machines.js'
import type { Machine } from './machine.js'
import { Observer } from './observer.js'

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url))
const DAEMON = join(PROJECT, 'bin/twinbeatd.mjs')
const TOOL = join(PROJECT, 'bin/twinbeat.mjs')
const RUN_DIR = '/run/twinbeat'
export const NODES = ['nodea', 'nodeb'] as const
export const VIPS = ['10.77.0.100', '10.77.0.101'] as const
export const SERVICE = 'service:web'
export const DEADTIME_MS = 8_000
/** Less than the dead time: a machine that hangs is reset before the other node takes what it held. */
export const WATCHDOG_MS = 5_000
/** An interpreter that starts under emulation, on a busy machine. */
const START_MS = 240_000
export const SETTLE_MS = 90_000

export interface PairSetup {
  readonly haCf: readonly string[]
  readonly twinbeatCf: readonly string[]
  /** The group of the first node has a service beside its address. */
  readonly service: boolean
}

const plain: PairSetup = { haCf: [], twinbeatCf: [], service: false }

/** heartbeat's way of calling: NAME start|stop|status. */
const SERVICE_SCRIPT = `#!/bin/sh
pid=$(cat "/run/beacon-$1.pid" 2>/dev/null)
alive() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
case $2 in
start)
  alive && exit 0
  setsid /run/vm/agent beacon "$1" </dev/null >/dev/null 2>&1 &
  echo $! > "/run/beacon-$1.pid" ;;
stop)
  alive && kill "$pid"
  rm -f "/run/beacon-$1.pid" ;;
status)
  if alive; then echo running; else echo stopped; fi ;;
esac
exit 0
`

export class VmNode {
  readonly machine: Machine
  readonly name: string
  /** Done inside before each start of the daemon, as a boot would do it. */
  prepare: readonly string[] = []

  constructor(machine: Machine) {
    this.machine = machine
    this.name = machine.name
  }

  /** Written on the host's side of the folder that survives a reset. */
  configure(setup: PairSetup): void {
    const haD = this.machine.file('ha.d')
    mkdirSync(join(haD, 'resource.d'), { recursive: true })
    if (existsSync('/etc/ha.d')) cpSync('/etc/ha.d', haD, { recursive: true, verbatimSymlinks: true, force: true })
    const write = (name: string, text: string, mode: number): void => {
      writeFileSync(join(haD, name), text)
      chmodSync(join(haD, name), mode)
    }
    write('ha.cf', [
      'logfile /mnt/vm/ha-log', 'keepalive 250ms', 'warntime 2', `deadtime ${DEADTIME_MS / 1000}`, 'initdead 90', 'udpport 694',
      'auto_failback off', 'crm off', 'bcast eth1', 'baud 115200', 'serial /dev/ttyS1', ...NODES.map((node) => `node ${node}`),
      ...setup.haCf, '',
    ].join('\n'), 0o644)
    write('authkeys', 'auth 1\n1 sha1 a-key-of-the-machines\n', 0o600)
    write('haresources', NODES.map((node, index) =>
      `${node} IPaddr2::${VIPS[index]}/24/eth0${setup.service && index === 0 ? ' beacon::web' : ''}\n`).join(''), 0o644)
    write('twinbeat.cf', ['announce_refresh 0', ...setup.twinbeatCf, ''].join('\n'), 0o644)
    write('resource.d/beacon', SERVICE_SCRIPT, 0o755)
  }

  async start(): Promise<void> {
    await this.launch()
    await this.answers()
  }

  /** Returns at once. */
  async launch(): Promise<void> {
    for (const command of this.prepare) await this.machine.sh(command)
    await this.machine.sh('mkdir -p /mnt/vm/state /mnt/vm/heartbeat; cd /; ' +
      `setsid ${process.execPath} ${DAEMON} --ha-dir /mnt/vm/ha.d --state-dir /mnt/vm/state --run-dir ${RUN_DIR} ` +
      `--heartbeat-dir /mnt/vm/heartbeat --name ${this.name} >>/mnt/vm/out 2>&1 </dev/null & echo $! >/run/daemon.pid`)
  }

  async answers(): Promise<void> {
    const up = await until(async () => (await this.status()) !== null || !(await this.isRunning()), START_MS, 500)
    if (up && await this.isRunning()) return
    const said = `${this.output().slice(-1500)}${this.log().slice(-1500)}`
    throw new Error(`twinbeatd on ${this.name} did not start (its machine: ${this.machine.history()}): ${said}`)
  }

  async isRunning(): Promise<boolean> {
    return (await this.machine.exec('kill -0 $(cat /run/daemon.pid)')).rc === 0
  }

  /** Ends in order. */
  async stop(): Promise<void> {
    await this.machine.sh('p=$(cat /run/daemon.pid); kill -TERM $p; while kill -0 $p 2>/dev/null; do sleep 0.2; done', START_MS)
  }

  async status(): Promise<StatusReport | null> {
    const request = JSON.stringify({ id: 1, verb: 'status', args: {} })
    const { rc, out } = await this.machine.exec(`echo '${request}' | /run/vm/agent ask ${RUN_DIR}/control`, 15_000)
    if (rc !== 0) return null
    const reply = JSON.parse(out) as { ok: boolean; result: StatusReport }
    return reply.ok ? reply.result : null
  }

  async mustStatus(): Promise<StatusReport> {
    const report = await this.status()
    if (report === null) throw new Error(`${this.name} does not answer`)
    return report
  }

  /** Daemon and guardian; when that was. The guardian stands still first: it would act between the two signals. */
  async signalBoth(signal: 'KILL' | 'STOP'): Promise<number> {
    const { pid, guardian } = await this.mustStatus()
    assert.ok(guardian !== null)
    const atMs = epochMs()
    await this.machine.sh(`kill -STOP ${guardian.pid}; kill -${signal} ${pid} ${guardian.pid}`)
    return atMs
  }

  async when(what: string, holds: (report: StatusReport) => boolean, timeoutMs = SETTLE_MS): Promise<StatusReport> {
    let last: StatusReport | null = null
    const found = await until(async () => {
      last = await this.status()
      return last !== null && holds(last)
    }, timeoutMs, 400)
    if (found && last !== null) return last
    throw new Error(`${this.name} is not seen in this state: ${what}; ${summary(last)}\n${this.log().slice(-3000)}`)
  }

  /** The command line of an operator, which takes seconds to start here. */
  async tool(words: string): Promise<string> {
    const { rc, out, err, why } = await this.machine.exec(`${process.execPath} ${TOOL} --run-dir ${RUN_DIR} ${words}`, START_MS)
    if (rc === null) throw new Error(`twinbeat ${words}: ${why}`)
    return `${out}${err}`
  }

  log(): string {
    return this.#read('ha-log')
  }

  /** What the daemon printed, as opposed to what it logged. */
  output(): string {
    return this.#read('out')
  }

  #read(name: string): string {
    const file = this.machine.file(name)
    return existsSync(file) ? readFileSync(file, 'latin1') : ''
  }
}

function summary(report: StatusReport | null): string {
  if (report === null) return 'it does not answer'
  return JSON.stringify({
    groups: report.groups.map(({ id, state, holder, authority, reason, lease }) => ({ id, state, holder, authority, reason, lease })),
    nodes: report.nodes.map(({ name, state, status }) => `${name} ${state} ${status}`), warnings: report.warnings,
    fencing: report.fencing.state, guardian: report.guardian,
  })
}

export interface PairOptions {
  readonly setup?: Partial<PairSetup>
  readonly arbiter?: boolean
  readonly management?: boolean
  readonly nice: number
}

export class VmPair {
  readonly machines: Machines
  readonly observer: Observer
  readonly a: VmNode
  readonly b: VmNode
  readonly both: readonly VmNode[]
  /** Only what was seen since then counts. */
  readonly fromMs = epochMs()

  private constructor(machines: Machines) {
    this.machines = machines
    const [a, b] = machines.all
    if (a === undefined || b === undefined) throw new Error('a pair has two nodes')
    this.a = new VmNode(a)
    this.b = new VmNode(b)
    this.both = [this.a, this.b]
    const segment = machines.segments[0]
    if (segment === undefined) throw new Error('no network')
    this.observer = new Observer(segment, (id) => machines.all[id - 1]?.name ?? '?', VIPS)
  }

  /** Machines are up and configured; no daemon runs. */
  static async boot(options: PairOptions): Promise<VmPair> {
    const machines = await Machines.boot({
      nodes: NODES, arbiter: options.arbiter === true, management: options.management === true, nice: options.nice,
    })
    const pair = new VmPair(machines)
    pair.configure(options.setup ?? {})
    return pair
  }

  configure(setup: Partial<PairSetup>): void {
    for (const node of this.both) node.configure({ ...plain, ...setup })
  }

  /** Both daemons; each node holds its own group then. */
  async start(): Promise<void> {
    await Promise.all(this.both.map((node) => node.start()))
    await this.holds('nodea', 'nodeb')
    const areActive = ({ nodes }: StatusReport): boolean => nodes.every(({ status }) => status === 'active')
    await Promise.all(this.both.map((node) => node.when('both are active', areActive)))
  }

  /** Until an outsider sees each of the two addresses where it should be. */
  async holds(first: string, second: string, timeoutMs = SETTLE_MS): Promise<void> {
    const isSo = (): boolean => [first, second].every((name, index) => this.observer.holders(VIPS[index] ?? '').join() === name)
    if (await until(isSo, timeoutMs, 50)) return
    const seen = VIPS.map((vip) => `${vip} on ${this.observer.holders(vip).join(' and ') || 'none'}`).join(', ')
    throw new Error(`expected ${first} and ${second}, seen: ${seen}\n${await this.describe()}`)
  }

  /** Until an outsider sees it on that node, and only there. */
  async seen(what: string, by: string, timeoutMs = SETTLE_MS): Promise<void> {
    if (await until(() => this.observer.holders(what).join() === by, timeoutMs, 50)) return
    throw new Error(`expected ${what} on ${by}, seen on ${this.observer.holders(what).join(' and ') || 'none'}\n${await this.describe()}`)
  }

  async describe(): Promise<string> {
    const told = this.both.map(async (node) => `-- ${node.name} ${summary(await node.status())}\n${node.log().slice(-2500)}`)
    return (await Promise.all(told)).join('\n')
  }

  /** No address and no service was seen on two nodes for longer than that. */
  assertOneOwner(sinceMs = this.fromMs, toleratedMs = 0): void {
    assert.deepEqual(this.observer.overlaps(sinceMs).filter(({ ms }) => ms > toleratedMs), [])
  }

  /** Every way on which the nodes hear each other; clients and the arbiter reach both. */
  cutLinks(): void {
    this.machines.segments[1]?.cutBoth(1, 2)
    this.machines.nullModem.cut()
  }

  healLinks(): void {
    this.machines.segments[1]?.heal()
    this.machines.nullModem.heal()
  }

  async close(): Promise<void> {
    this.observer.stop()
    await this.machines.close()
  }
}
