// Two nodes of the lab with a cluster daemon each, real or ours, reading the same files.

import type { Daemon, Holding } from './daemon.js'
import { HeartbeatNode } from './heartbeat-node.js'
import { Lab } from './lab.js'
import type { LabNode } from './node.js'
import { Owners } from './owners.js'
import { PAIR_DEFAULTS, VIPS, writePairFiles, type PairSettings } from './pair-files.js'
import { until } from './processes.js'
import { TwinbeatNode } from './twinbeat-node.js'

export type Kind = Daemon['kind']

export interface PairSpec {
  readonly name: string
  readonly kinds: readonly [Kind, Kind]
  readonly settings?: Partial<PairSettings>
}

export interface PairMember {
  readonly node: LabNode
  daemon: Daemon
}

export class Pair {
  readonly lab: Lab
  readonly settings: PairSettings
  readonly owners: Owners
  readonly a: PairMember
  readonly b: PairMember

  private constructor(lab: Lab, settings: PairSettings, owners: Owners, members: [PairMember, PairMember]) {
    this.lab = lab
    this.settings = settings
    this.owners = owners
    this.a = members[0]
    this.b = members[1]
  }

  static async create(spec: PairSpec): Promise<Pair> {
    const settings = { ...PAIR_DEFAULTS, ...spec.settings }
    const [first, second] = settings.nodes
    const lab = await Lab.create({
      name: spec.name, nodes: settings.nodes,
      ...(settings.media.includes('serial') ? { serial: { baud: settings.baud } } : {}),
    })
    try {
      const a = lab.node(first)
      const b = lab.node(second)
      const daemonA = await prepareDaemon(spec.kinds[0], a)
      const daemonB = await prepareDaemon(spec.kinds[1], b)
      writePairFiles(settings, a, b)
      writePairFiles(settings, b, a)
      for (const node of [a, b]) {
        node.on('on', () => void node.watchRequests().catch(() => undefined))
        await node.watchRequests()
      }
      const owners = await Owners.watch(lab, VIPS)
      return new Pair(lab, settings, owners, [{ node: a, daemon: daemonA }, { node: b, daemon: daemonB }])
    } catch (error) {
      await lab.cleanup()
      throw error
    }
  }

  other(member: PairMember): PairMember {
    return member === this.a ? this.b : this.a
  }

  /** True when both addresses are where the holdings say, and both daemons say so too. */
  async settled(a: Holding, b: Holding): Promise<boolean> {
    const wanted = VIPS.map((_vip, index) => [
      ...(holds(a, index === 0) ? [this.a.node.name] : []),
      ...(holds(b, index === 1) ? [this.b.node.name] : []),
    ].join())
    if (!VIPS.every((vip, index) => this.owners.now(vip).sort().join() === wanted[index])) return false
    if (this.settings.autoFailback === 'legacy') return true
    return (await this.says(this.a)) === a && (await this.says(this.b)) === b
  }

  /** Waits for that; the error says what was seen instead. */
  async expect(a: Holding, b: Holding, timeoutMs: number): Promise<void> {
    if (await until(() => this.settled(a, b), timeoutMs, 250)) return
    throw new Error(`expected ${a}/${b} within ${timeoutMs} ms, there is ${await this.describe()}`)
  }

  async describe(): Promise<string> {
    const says = await Promise.all([this.a, this.b].map(async (member) =>
      `${member.node.name} ${member.node.isOn ? `says ${await member.daemon.holding()}` : 'is off'}`))
    const vips = VIPS.map((vip) => `${vip} on ${this.owners.now(vip).join('+') || 'nobody'}`)
    return [...says, ...vips].join(', ')
  }

  /** Waits until the peer of this member calls it active. */
  async joined(member: PairMember, timeoutMs = 30_000): Promise<void> {
    const peer = this.other(member)
    const name = member.node.name
    const active = await until(async () => (await peer.daemon.statusOf(name)) === 'active', timeoutMs, 250)
    if (!active) throw new Error(`${peer.node.name} does not see ${name} active within ${timeoutMs} ms`)
  }

  /** Waits until the node has every address, whoever else has one. */
  async holdsAll(member: PairMember, timeoutMs: number): Promise<void> {
    const name = member.node.name
    if (await until(() => VIPS.every((vip) => this.owners.now(vip).includes(name)), timeoutMs)) return
    throw new Error(`${name} did not take everything, there is ${await this.describe()}`)
  }

  /** Waits until no address is on two nodes; on none is allowed. */
  async oneOwnerEach(timeoutMs: number): Promise<void> {
    if (await until(() => VIPS.every((vip) => this.owners.now(vip).length <= 1), timeoutMs, 20)) return
    throw new Error(`two owners ${timeoutMs} ms after the links came back: ${await this.describe()}`)
  }

  /** Ends the hearing of one node, or of both; mend gives it back. */
  async sever(deaf: 'a' | 'b' | 'both'): Promise<void> {
    if (this.usesEthernet) {
      if (deaf === 'both') await this.a.node.cut('eth1', 'both')
      else await this[deaf].node.cut('eth1', 'in')
    }
    this.cutSerial(deaf, true)
  }

  async mend(deaf: 'a' | 'b' | 'both'): Promise<void> {
    if (this.usesEthernet) {
      if (deaf === 'both') await this.a.node.heal('eth1', 'both')
      else await this[deaf].node.heal('eth1', 'in')
    }
    this.cutSerial(deaf, false)
  }

  /** Loses that share of what arrives, at both nodes and on every medium. */
  async loseShare(percent: number): Promise<void> {
    for (const { node } of [this.a, this.b]) await node.lose('eth1', percent)
    this.lab.serial?.fault({ from: 0, losePercent: percent })
    this.lab.serial?.fault({ from: 1, losePercent: percent })
  }

  /** Time after which no honest retransmission is under way any more. */
  get retransmitSettleMs(): number {
    return 1_000
  }

  private get usesEthernet(): boolean {
    return this.settings.media.some((medium) => medium !== 'serial')
  }

  /** The deaf side is reached by what the other side sends. */
  private cutSerial(deaf: 'a' | 'b' | 'both', cut: boolean): void {
    if (deaf !== 'a') this.lab.serial?.fault({ from: 0, cut })
    if (deaf !== 'b') this.lab.serial?.fault({ from: 1, cut })
  }

  async replaceDaemon(member: PairMember, kind: Kind): Promise<void> {
    member.daemon = kind === 'heartbeat' ? HeartbeatNode.adopt(member.node) : new TwinbeatNode(member.node)
  }

  async close(): Promise<void> {
    await this.owners.close()
    await this.lab.cleanup()
  }

  private async says(member: PairMember): Promise<Holding> {
    return member.node.isOn ? ((await member.daemon.holding()) ?? 'none') : 'none'
  }
}

function holds(holding: Holding, own: boolean): boolean {
  return holding === 'all' || holding === (own ? 'local' : 'foreign')
}

async function prepareDaemon(kind: Kind, node: LabNode): Promise<Daemon> {
  return kind === 'heartbeat' ? HeartbeatNode.prepare(node) : TwinbeatNode.prepare(node)
}
