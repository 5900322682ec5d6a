// Lines `guardian_kill GROUP` of twinbeat.cf: services that end with the daemon. The other node may start such a group on the
// guardian's word that no process of it is left, so a service that is more than its processes must not be in one.

import type { Reporter } from './diagnostics.js'
import type { DirectiveLine } from './directive-reader.js'
import type { Word } from './lexer.js'
import type { GroupConfig, HostFacts, MemberConfig } from './model.js'
import { groupNamed } from './service-rules.js'

/** What these leave behind is in the kernel, or a process of somebody else, and stays when their processes are killed. */
const kMoreThanProcesses: ReadonlySet<string> = new Set([
  'IPaddr', 'IPaddr2', 'IPv6addr', 'IPsrcaddr', 'Route', 'VIPArip', 'portblock', 'iface-bridge', 'iface-bonding', 'iface-macvlan',
  'iface-vlan', 'ipsec', 'Filesystem', 'exportfs', 'nfsserver', 'nfsnotify', 'LVM', 'LVM-activate', 'lvmlockd', 'clvm', 'Raid1', 'mdraid',
  'drbd', 'drbddisk', 'drbd-attr', 'drbdupper', 'drbdlinks', 'iSCSITarget', 'iSCSILogicalUnit', 'iscsi', 'ServeRAID', 'ICP', 'LinuxSCSI',
  'sg_persist', 'ZFS', 'symlink', 'VirtualDomain', 'Xen', 'lxc', 'lxd-info', 'docker', 'docker-compose', 'podman', 'podman-etcd',
  'systemd', 'Delay',
])

export function readKillLines(lines: readonly DirectiveLine[], report: Reporter): Word[] {
  const groups = new Map<string, Word>()
  for (const line of lines) {
    const [group, extra] = line.blankWords
    if (group === undefined || extra !== undefined) {
      report.error('TB_CONFIG_SYNTAX', extra ?? line.keyword, 'this is not a guardian_kill line',
        "write 'guardian_kill GROUP', a line for each; GROUP is the first resource of its line")
      continue
    }
    if (groups.has(group.text)) {
      report.warning('TB_CONFIG_REPEATED', group, `there is a line for '${group.text}' already`, 'remove one of them')
    }
    groups.set(group.text, group)
  }
  return [...groups.values()]
}

export function checkKillLines(
  words: readonly Word[], groups: readonly GroupConfig[], host: HostFacts | null, report: Reporter,
): void {
  for (const word of words) {
    const group = groupNamed(word, groups, report)
    if (group !== null) checkGroup(word, group, report)
  }
  const problem = host?.controlGroupProblem ?? null
  const [first] = words
  if (problem !== null && first !== undefined) {
    report.warning('TB_CONFIG_GROUP', first, `'guardian_kill' has no effect on this machine: ${problem}`,
      'it needs a writable hierarchy of control groups of version 2')
  }
}

function checkGroup(word: Word, group: GroupConfig, report: Reporter): void {
  const services = group.members.filter((member) => member.by === 'agent')
  if (services.length === 0) {
    report.warning('TB_CONFIG_GROUP', word, `group '${group.key}' has no services: 'guardian_kill' changes nothing`, 'remove the line')
  }
  const more = services.find((member) => kMoreThanProcesses.has(agentOf(member)))
  if (more === undefined) return
  report.error('TB_CONFIG_GROUP', word,
    `'${more.word}' of group '${group.key}' is more than its processes: killing them would not end it`,
    more.address === null ? 'fencing or a watchdog ends such a group' : "let the engine add the address: 'address_agent native'")
}

const agentOf = (member: MemberConfig): string => member.ocf?.type ?? member.name
