// corosync with pacemaker: two rings, one address, no stonith. Each node gets its own /dev/shm and state folders, since both
// live on one machine here.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { LabNode } from '../../../lab/node.js'
import { until } from '../../../lab/processes.js'
import type { ProbeMark } from '../../../lab/prober.js'
import { vip, type Stage } from '../stage.js'
import { packageVersion } from './debian.js'
import { pidsNamed, ProcessSystem, type System } from './system.js'

const corosync = '/usr/sbin/corosync'
const pacemakerd = '/usr/sbin/pacemakerd'
const daemons = ['corosync', 'pacemakerd', 'pacemaker-based', 'pacemaker-fenced', 'pacemaker-execd', 'pacemaker-attrd',
  'pacemaker-schedulerd', 'pacemaker-controld']
const startTimeoutMs = 90_000

const privateFolders = `
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
for d in /var/lib/corosync /var/lib/pacemaker /etc/corosync; do
  mkdir -p "$1$d" && mount --bind "$1$d" "$d"
done
mkdir -p /var/lib/pacemaker/cib /var/lib/pacemaker/pengine /var/lib/pacemaker/cores /var/lib/pacemaker/blackbox
mkdir -p /var/log/pacemaker /var/log/corosync /run/crm /run/corosync
chown -R hacluster:haclient /var/lib/pacemaker /var/log/pacemaker /run/crm
`

function configOf(totem: readonly string[]): string {
  const node = (name: string, id: number): string[] =>
    ['node {', `name: ${name}`, `nodeid: ${id}`, `ring0_addr: 10.78.0.${id}`, `ring1_addr: 10.77.0.${id}`, '}']
  return [
    'totem {', 'version: 2', 'cluster_name: bench', 'transport: knet', 'crypto_cipher: none', 'crypto_hash: none', ...totem, '}',
    'nodelist {', ...node('nodea', 1), ...node('nodeb', 2), '}',
    'quorum {', 'provider: corosync_votequorum', 'two_node: 1', 'wait_for_all: 0', '}',
    'logging {', 'to_logfile: yes', 'logfile: /var/log/corosync/corosync.log', 'to_syslog: no', 'to_stderr: no', '}', '',
  ].join('\n')
}

const options = [['stonith-enabled', 'false'], ['no-quorum-policy', 'ignore'], ['cluster-recheck-interval', '0']]
const resource = `<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="vip-i">
<nvpair id="vip-ip" name="ip" value="${vip}"/><nvpair id="vip-m" name="cidr_netmask" value="24"/>
<nvpair id="vip-n" name="nic" value="eth0"/><nvpair id="vip-c" name="arp_count" value="1"/>
<nvpair id="vip-a" name="arp_interval" value="10"/></instance_attributes>
<meta_attributes id="vip-s"><nvpair id="vip-st" name="resource-stickiness" value="100"/></meta_attributes></primitive>`

class Pacemaker extends ProcessSystem {
  private configured = false
  private readonly prepared = new Set<string>()

  constructor(stage: Stage, private readonly totem: readonly string[]) {
    super(stage, daemons)
  }

  async start(node: LabNode): Promise<void> {
    if (!this.prepared.has(node.name)) {
      this.prepared.add(node.name)
      mkdirSync(join(node.dir, 'etc/corosync'), { recursive: true })
      writeFileSync(join(node.dir, 'etc/corosync/corosync.conf'), configOf(this.totem))
      const { rc, err } = await node.exec(['sh', '-ec', privateFolders, 'sh', node.dir])
      if (rc !== 0) throw new Error(`folders of ${node.name}: ${err}`)
    }
    // What a killed daemon left in shared memory belongs to nobody.
    await node.exec(['sh', '-c', 'rm -rf /dev/shm/qb-*'])
    node.spawn([corosync, '-f'], { stdio: 'ignore' }).once('error', () => undefined)
    const joined = await until(async () => (await node.exec(['corosync-cfgtool', '-s'])).rc === 0, startTimeoutMs, 200)
    if (!joined) throw new Error(`corosync on ${node.name} does not start`)
    node.spawn([pacemakerd, '-f'], { stdio: 'ignore' }).once('error', () => undefined)
    if (!this.configured && this.prepared.size === 2) await this.configure(node)
  }

  override isRunning(node: LabNode): boolean {
    return pidsNamed(node, ['pacemakerd']).length > 0 && pidsNamed(node, ['corosync']).length > 0
  }

  /** pacemakerd stops everything in order, then itself; corosync after it. */
  override leave(node: LabNode): Promise<ProbeMark> {
    return this.stage.prober.order({ term: pidsNamed(node, ['pacemakerd']) })
  }

  override async left(node: LabNode): Promise<void> {
    if (!(await until(() => pidsNamed(node, ['pacemakerd']).length === 0, 120_000))) throw new Error('pacemaker does not end')
    await this.stage.prober.order({ term: pidsNamed(node, ['corosync']) })
    await super.left(node)
  }

  override async isReady(_owner: LabNode, standby: LabNode): Promise<boolean> {
    const { out } = await standby.exec(['crm_mon', '-1', '-n'], { timeoutMs: 10_000 })
    if (!/Node nodea: online/.test(out) || !/Node nodeb: online/.test(out) || !/IPaddr2.*Started/.test(out)) return false
    const { rc } = await standby.exec(['crm_resource', '--wait', '--timeout=5'], { timeoutMs: 10_000 })
    return rc === 0
  }

  private async configure(node: LabNode): Promise<void> {
    const set = async (): Promise<boolean> => {
      for (const [name = '', value = ''] of options) {
        const { rc } = await node.exec(['crm_attribute', '-n', name, '-v', value], { timeoutMs: 20_000 })
        if (rc !== 0) return false
      }
      return (await node.exec(['cibadmin', '--create', '-o', 'resources', '-X', resource], { timeoutMs: 20_000 })).rc === 0
    }
    if (!(await until(set, startTimeoutMs, 500))) throw new Error('pacemaker cannot be configured')
    this.configured = true
  }
}

function pacemaker(key: string, title: string, settings: string, totem: readonly string[]): System {
  return {
    key, title, family: 'other', settings, fast: false, tries: 12,
    faults: ['kill', 'cut', 'freeze', 'graceful'], groups: ['address'], limitMs: 60_000, phaseMs: 1_000,
    obstacle: () => (existsSync(corosync) && existsSync(pacemakerd) ? null
      : 'the Debian packages corosync and pacemaker are not installed'),
    version: async () => `${await packageVersion('corosync')} + ${await packageVersion('pacemaker')}`,
    open: async (stage) => new Pacemaker(stage, totem),
  }
}

export const pacemakerSystems: readonly System[] = [
  pacemaker('pacemaker', 'corosync + pacemaker', 'defaults (token 3000 ms), two rings, stonith off, IPaddr2 arp_count=1', []),
  pacemaker('pacemaker-t100', 'corosync + pacemaker, token 100', 'token 100, token_retransmits_before_loss_const 1, join 30',
    ['token: 100', 'token_retransmits_before_loss_const: 1', 'join: 30']),
]
