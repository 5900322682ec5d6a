// One machine of the lab: power, commands, freezing, and its cables.

import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { join } from 'node:path'

import { NODE_INIT } from './init-script.js'
import { LAB_ENV, Namespace } from './namespace.js'
import { must, pause, processState, processesIn, signalProcess, spawnChild } from './processes.js'
import type { RunOptions, RunResult } from './processes.js'
import type { SerialLine } from './serial-line.js'

export type LinkId = 'eth0' | 'eth1'
/** Seen from the node: 'in' is what it would receive, 'out' what it would send. */
export type Direction = 'in' | 'out' | 'both'

export interface NodeSpec {
  readonly name: string
  readonly index: number
  readonly dir: string
  readonly hub: Namespace
  readonly serial: SerialLine | null
  readonly side: number
  /** The serial line's file inside the node. */
  readonly device: string
}

const FREEZE_ROUNDS_MAX = 50

export function linkName(node: string | number, link: number, generation: number): string {
  return typeof node === 'string' ? `${node}.${link}` : `n${node}e${link}g${generation}`
}

export interface NodeEvents {
  on: []
  /** The machine went off: by power cut, reboot(2) inside, or the end of the lab. */
  off: []
}

export class LabNode extends EventEmitter<NodeEvents> {
  readonly name: string
  readonly dir: string
  readonly folders: { readonly log: string, readonly lib: string, readonly state: string, readonly haD: string }
  /** One for each time it was switched on. */
  readonly spaces: Namespace[] = []
  private readonly spec: NodeSpec
  private space: Namespace | null = null
  private generation = 0
  private forgotten = false

  constructor(spec: NodeSpec) {
    super()
    this.spec = spec
    this.name = spec.name
    this.dir = spec.dir
    this.folders = {
      log: join(spec.dir, 'log'), lib: join(spec.dir, 'lib'),
      state: join(spec.dir, 'state'), haD: join(spec.dir, 'ha.d'),
    }
  }

  get isOn(): boolean {
    return this.space?.isOpen === true
  }

  /** PID 1 of the node as this process sees it. */
  get pid(): number {
    return this.running().pid
  }

  /** Address on a network; the node of index 0 is .1. */
  address(link: LinkId): string {
    return `${link === 'eth0' ? '10.77.0' : '10.78.0'}.${this.spec.index + 1}`
  }

  async powerOn(): Promise<void> {
    if (this.isOn) throw new Error(`node '${this.name}' is on already`)
    this.generation += 1
    this.releaseSerial()
    const space = await Namespace.open({
      flags: ['--net', '--uts', '--ipc'], script: NODE_INIT, args: [this.dir, this.name, this.spec.device],
      inside: this.spec.hub,
    })
    this.space = space
    this.spaces.push(space)
    void space.ended.then(() => {
      if (!this.forgotten) this.emit('off')
    })
    await this.plugIn(space)
    this.emit('on')
  }

  /** To be called when no daemon has the serial line open. */
  releaseSerial(): void {
    this.spec.serial?.release(this.spec.side)
  }

  /** As a power cut: every process and interface of the node is gone at once, files stay. */
  async powerOff(): Promise<void> {
    await this.space?.kill()
  }

  exec(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.running().exec(argv, options)
  }

  /** A long-lived process inside the node; it is frozen and dies with it. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return this.running().spawn(argv, options)
  }

  /** A process that only sees the network of the node: it observes, frozen node or not. */
  spawnObserver(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawnChild([...this.running().enterNetwork(), ...argv], { env: LAB_ENV, ...options })
  }

  /** Pids, as this process sees them, of everything that runs in the node, PID 1 included. */
  processes(): number[] {
    return this.space === null ? [] : processesIn(this.space.pidNamespace, 'pid')
  }

  /** Kills processes of this node, given by their pids outside, all at once; refuses any other. */
  kill(targets: readonly number[], signal: NodeJS.Signals = 'SIGKILL'): void {
    const own = this.processes()
    const foreign = targets.filter((pid) => !own.includes(pid))
    if (foreign.length > 0) throw new Error(`not processes of '${this.name}': ${foreign.join(' ')}`)
    targets.forEach((pid) => signalProcess(pid, signal))
  }

  /** Stops every process; repeated, because a process may fork while the list is walked. */
  async freeze(): Promise<void> {
    for (let round = 0; round < FREEZE_ROUNDS_MAX; round++) {
      const awake = this.processes().filter((pid) => !'TtZX'.includes(processState(pid) ?? 'X'))
      if (awake.length === 0) return
      awake.forEach((pid) => signalProcess(pid, 'SIGSTOP'))
      await pause(1)
    }
    throw new Error(`node '${this.name}' does not come to rest`)
  }

  thaw(): void {
    this.processes().forEach((pid) => signalProcess(pid, 'SIGCONT'))
    this.space?.resumeWaiters()
  }

  /** Drops frames at the switch; the node keeps its carrier. 'both' needs no netfilter. */
  async cut(link: LinkId, direction: Direction): Promise<void> {
    if (direction === 'both') return this.bridgePort(link, ['state', '0'])
    const port = this.port(link)
    const hook = direction === 'out' ? 'ingress' : 'egress'
    await this.nft(this.spec.hub, [
      `add table netdev cut_${port}_${hook}`,
      `add chain netdev cut_${port}_${hook} c { type filter hook ${hook} device "${port}" priority 0; policy drop; }`,
    ])
  }

  async heal(link: LinkId, direction: Direction): Promise<void> {
    if (direction === 'both') return this.bridgePort(link, ['state', '3'])
    await this.nft(this.spec.hub, [
      `delete table netdev cut_${this.port(link)}_${direction === 'out' ? 'ingress' : 'egress'}`,
    ])
  }

  /** The number of the switch's interface at the other end of a link, in the switch's namespace. */
  async portIndex(link: LinkId): Promise<number> {
    const out = await must([...this.spec.hub.enterNetwork(), 'ip', '-o', 'link', 'show', 'dev', this.port(link)])
    return Number.parseInt(out, 10)
  }

  /** Pulls or plugs the cable: the node loses its carrier. */
  async cable(link: LinkId, state: 'down' | 'up'): Promise<void> {
    await this.spec.hub.ip([`link set ${this.port(link)} ${state}`])
  }

  /** An isolated port reaches the client and the switch, but no other isolated port. */
  async isolate(link: LinkId, state: 'on' | 'off'): Promise<void> {
    await this.bridgePort(link, ['isolated', state])
  }

  /** Loses that share of what arrives on the link, in the node's own input hook; 0 ends it. */
  async lose(link: LinkId, percent: number): Promise<void> {
    const space = this.running()
    await this.nft(space, [`add table inet loss_${link}`, `delete table inet loss_${link}`])
    if (percent === 0) return
    await this.nft(space, [
      `add table inet loss_${link}`,
      `add chain inet loss_${link} c { type filter hook input priority -300; }`,
      `add rule inet loss_${link} c iifname "${link}" numgen random mod 100 < ${percent} drop`,
    ])
  }

  /** How many requests to resend a lost message have arrived by UDP since the node was switched on. */
  async countRequests(): Promise<number> {
    const out = await must([...this.running().enterNetwork(), 'nft', 'list', 'table', 'inet', 'requests'])
    return Number(/packets (\d+)/.exec(out)?.[1] ?? 0)
  }

  /** Begins that count: the first field of such a message is its type. */
  async watchRequests(): Promise<void> {
    const type = Buffer.from('14:(0)t=NS_rexmi').toString('hex')
    await this.nft(this.running(), [
      'add table inet requests',
      'add chain inet requests c { type filter hook input priority -400; }',
      `add rule inet requests c meta l4proto udp @th,96,128 0x${type} counter`,
    ])
  }

  /** The administrator's `ip link set IF down|up` inside the node. */
  async setInterface(link: LinkId, state: 'down' | 'up'): Promise<void> {
    await this.running().ip([`link set ${link} ${state}`])
  }

  /** The interface is deleted and there again under its name, with the node's own address: another one for the kernel. */
  async recreateInterface(link: LinkId): Promise<void> {
    const space = this.running()
    await space.ip([`link del ${link}`])
    const bridge = link === 'eth0' ? 'br0' : 'br1'
    await this.spec.hub.ip([
      `link add ${this.port(link)} type veth peer name ${link} netns ${space.pid}`, `link set ${this.port(link)} master ${bridge} up`,
    ])
    await space.ip([`addr add ${this.address(link)}/24 brd + dev ${link}`, `link set ${link} up`])
  }

  /** Ends the node without a word: the lab itself is being taken down. */
  async forget(): Promise<void> {
    this.forgotten = true
    if (this.isOn) await this.space?.kill()
  }

  private running(): Namespace {
    if (this.space === null || !this.space.isOpen) throw new Error(`node '${this.name}' is off`)
    return this.space
  }

  private port(link: LinkId): string {
    return linkName(this.spec.index, link === 'eth0' ? 0 : 1, this.generation)
  }

  private async plugIn(space: Namespace): Promise<void> {
    const links: LinkId[] = ['eth0', 'eth1']
    await this.spec.hub.ip(links.flatMap((link, bridge) => [
      `link add ${this.port(link)} type veth peer name ${link} netns ${space.pid}`,
      `link set ${this.port(link)} master br${bridge} up`,
    ]))
    await space.ip([
      ...links.flatMap((link) => [
        `addr add ${this.address(link)}/24 brd + dev ${link}`, `link set ${link} up`,
      ]),
      'route add 224.0.0.0/4 dev eth1',
    ])
  }

  private async bridgePort(link: LinkId, setting: readonly string[]): Promise<void> {
    await must([...this.spec.hub.enterNetwork(), 'bridge', 'link', 'set', 'dev', this.port(link), ...setting])
  }

  private async nft(space: Namespace, lines: readonly string[]): Promise<void> {
    await must([...space.enterNetwork(), 'nft', '-f', '-'], { input: `${lines.join('\n')}\n` })
  }
}
