// keepalived, as its manual sets it up for speed, and as it comes. Its adverts have a network of their own; the client's
// side is tracked.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { LabNode } from '../../../lab/node.js'
import { pause, run } from '../../../lab/processes.js'
import { proberProgram } from '../../../lab/prober.js'
import type { GroupKind } from '../samples.js'
import { answerPort, vip, type Stage } from '../stage.js'
import { ProcessSystem, type Running, type System } from './system.js'

const program = '/usr/sbin/keepalived'

interface Settings {
  readonly version: 2 | 3
  readonly advertS: number
  readonly priority: number
  readonly downTimerAdverts?: number
  readonly realtime: boolean
}

function configOf(settings: Settings, group: GroupKind, dir: string): string {
  // Without a limit of its own the kernel kills a real-time process that ran for 10 ms without a pause.
  const realtime = ['vrrp_rt_priority 50', 'vrrp_no_swap', 'vrrp_rlimit_rttime 2000000']
  const service = group === 'address' ? []
    : ['master', 'backup', 'fault', 'stop'].map((state) => `notify_${state} "${dir}/service.sh ${state}"`)
  return [
    'global_defs {',
    `vrrp_version ${settings.version}`,
    ...(group === 'service' ? ['script_user root', 'enable_script_security'] : []),
    ...(settings.realtime ? realtime : []),
    '}',
    'vrrp_instance pair {',
    'state BACKUP', 'nopreempt', 'interface eth1', 'virtual_router_id 51',
    `priority ${settings.priority}`, `advert_int ${settings.advertS}`,
    ...(settings.downTimerAdverts === undefined ? [] : [`down_timer_adverts ${settings.downTimerAdverts}`]),
    'track_interface {', 'eth0', '}',
    'virtual_ipaddress {', `${vip}/24 dev eth0`, '}',
    ...service,
    '}', '',
  ].join('\n')
}

/** keepalived has no services: its notify scripts start and end one. */
function serviceScript(node: LabNode, responder: string): string {
  return `#!/bin/sh
pid=/run/service.pid
if [ "$1" = master ]; then
  ${responder} answer --netns /proc/self/ns/net --name ${node.name} --port ${answerPort} >/dev/null 2>&1 </dev/null &
  echo $! > $pid
elif [ -f $pid ]; then
  kill -KILL $(cat $pid); rm -f $pid
fi
`
}

class Keepalived extends ProcessSystem {
  private readonly startedAt = new Map<string, number>()

  constructor(stage: Stage, private readonly settings: Settings, private readonly group: GroupKind) {
    super(stage, ['keepalived'])
  }

  async start(node: LabNode): Promise<void> {
    if (this.group === 'service') {
      writeFileSync(join(node.dir, 'service.sh'), serviceScript(node, await proberProgram()), { mode: 0o700 })
    }
    const file = join(node.dir, 'keepalived.conf')
    writeFileSync(file, configOf(this.settings, this.group, node.dir), { mode: 0o600 })
    // -G: without a syslog it would write to the console, 150 us a line, on its way to the takeover.
    const command = `exec ${program} -n -l -G -f ${file} -p /run/ka.pid -r /run/ka_vrrp.pid >>/run/ka.log 2>&1`
    const child = node.spawn(['sh', '-c', command], { stdio: 'ignore' })
    child.once('error', () => undefined)
    this.startedAt.set(node.name, performance.now())
    await pause(100)
    if (child.exitCode !== null) {
      throw new Error(`keepalived did not start: ${(await node.exec(['tail', '/run/ka.log'])).out}`)
    }
  }

  /** It cannot be asked in a hurry; after a few adverts a backup is one. */
  override async isReady(_owner: LabNode, standby: LabNode): Promise<boolean> {
    const age = performance.now() - (this.startedAt.get(standby.name) ?? 0)
    return this.crashing(standby).length >= 2 && age > 500 + this.settings.advertS * 4000
  }
}

const facts = {
  family: 'keepalived' as const,
  faults: ['kill', 'cut', 'freeze', 'graceful', 'nic'] as const,
  obstacle: () => (existsSync(program) ? null : 'the Debian package keepalived is not installed'),
  version: async () => /v(\d\S*)/.exec((await run([program, '--version'])).err)?.[1] ?? 'unknown',
}

function keepalived(parts: {
  key: string, title: string, text: string, fast: boolean, tries: number, groups: System['groups'], settings: Settings
}): System {
  const { key, title, text, fast, tries, groups, settings } = parts
  const open = async (stage: Stage, group: GroupKind): Promise<Running> => new Keepalived(stage, settings, group)
  const phaseMs = settings.advertS * 4000
  return { ...facts, key, title, settings: text, fast, tries, groups, limitMs: fast ? 3_000 : 15_000, phaseMs, open }
}

export const keepalivedSystems: readonly System[] = [
  keepalived({
    key: 'k3', title: 'keepalived VRRPv3 10 ms x 3', fast: true, tries: 50, groups: ['address', 'service'],
    text: 'vrrp_version 3, advert_int 0.01, priority 254 on both, nopreempt, vrrp_rt_priority 50, vrrp_no_swap, track_interface',
    settings: { version: 3, advertS: 0.01, priority: 254, realtime: true },
  }),
  keepalived({
    key: 'k1', title: 'keepalived VRRPv3 10 ms x 1', fast: true, tries: 50, groups: ['address'],
    text: 'as k3 with down_timer_adverts 1 (outside the RFC) and priority 100 on both',
    settings: { version: 3, advertS: 0.01, priority: 100, downTimerAdverts: 1, realtime: true },
  }),
  keepalived({
    key: 'ka', title: 'keepalived defaults', fast: false, tries: 12, groups: ['address'],
    text: 'VRRPv2, advert_int 1, priority 100 on both, nopreempt, track_interface',
    settings: { version: 2, advertS: 1, priority: 100, realtime: false },
  }),
]
