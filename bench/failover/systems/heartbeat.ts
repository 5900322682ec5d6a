// The real Linux-HA heartbeat, at the smallest settings that stay up.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { heartbeatObstacle, HeartbeatNode, heartbeatVersion } from '../../../lab/heartbeat-node.js'
import type { LabNode } from '../../../lab/node.js'
import { commandLine } from '../../../lab/processes.js'
import { vip, type Stage } from '../stage.js'
import { ProcessSystem, type System } from './system.js'

const haCf = [
  'logfile /var/log/ha-log', 'keepalive 100ms', 'deadtime 210ms', 'warntime 150ms', 'initdead 5', 'udpport 694',
  'auto_failback off', 'crm off', 'bcast eth1 eth0', 'node nodea', 'node nodeb', '',
].join('\n')

class Heartbeat extends ProcessSystem {
  private constructor(stage: Stage, private readonly daemons: ReadonlyMap<string, HeartbeatNode>) {
    super(stage, [])
  }

  static async open(stage: Stage): Promise<Heartbeat> {
    const daemons = new Map<string, HeartbeatNode>()
    for (const node of stage.nodes) {
      daemons.set(node.name, await HeartbeatNode.prepare(node))
      const write = (name: string, text: string, mode: number): void => {
        const path = join(node.folders.haD, name)
        writeFileSync(path, text)
        chmodSync(path, mode)
      }
      write('ha.cf', haCf, 0o644)
      write('authkeys', 'auth 1\n1 sha1 a-key-of-the-bench\n', 0o600)
      write('haresources', `nodea IPaddr2::${vip}/24/eth0\n`, 0o644)
    }
    return new Heartbeat(stage, daemons)
  }

  async start(node: LabNode): Promise<void> {
    await this.daemons.get(node.name)?.start()
  }

  override crashing(node: LabNode): number[] {
    return node.processes().filter((pid) => {
      const name = commandLine(pid)[0] ?? ''
      return name.startsWith('heartbeat:') || name.startsWith('/usr/libexec/heartbeat/')
    })
  }

  override async isReady(owner: LabNode, standby: LabNode): Promise<boolean> {
    const [a, b] = [this.daemons.get(owner.name), this.daemons.get(standby.name)]
    if (a === undefined || b === undefined) return false
    const states = await Promise.all([a.statusOf(standby.name), b.statusOf(owner.name), a.holding(), b.holding()])
    return states[0] === 'active' && states[1] === 'active' && states[2] !== 'transition' && states[3] !== 'transition'
  }
}

export const heartbeatSystem: System = {
  key: 'heartbeat', title: 'heartbeat 3.0.6', family: 'other', fast: false, tries: 12,
  settings: 'keepalive 100 ms, deadtime 210 ms: the least that stays up; two links, IPaddr2',
  faults: ['kill', 'cut', 'freeze', 'graceful'], groups: ['address'],
  limitMs: 30_000, phaseMs: 500,
  obstacle: heartbeatObstacle,
  version: heartbeatVersion,
  open: (stage) => Heartbeat.open(stage),
}
