// Debian's agents, with parameters for a private namespace that has eth0 (192.0.2.1/24,
// 2001:db8::1/64) and a writable folder DIR. DIR is replaced when the row runs.

import type { AgentAction } from '../../src/lrm/types.js'

export interface AgentRow {
  readonly name: string
  readonly provider: string
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
  /** Programs the agent calls; the row is skipped without them. */
  readonly needs?: readonly string[]
  /** Shell line that is true exactly while the resource runs. */
  readonly witness?: string
  /** Shell lines before and after; a failing `before` skips the row. */
  readonly before?: string
  readonly after?: string
  readonly env?: Readonly<Record<string, string>>
  /** Where an agent is known to bend the contract: action index -> exit code. */
  readonly bends?: Partial<Record<Moment, number>>
  readonly slow?: boolean
  /** Another order than the usual one. */
  readonly moments?: readonly (readonly [moment: string, action: AgentAction, exitCode: number])[]
}

/** The order of an acceptance run, and what a conforming agent answers. */
export const MOMENTS = [
  ['meta-data', 'meta-data', 0],
  ['validate', 'validate-all', 0],
  ['first probe', 'probe', 7],
  ['start', 'start', 0],
  ['monitor', 'monitor', 0],
  ['second start', 'start', 0],
  ['stop', 'stop', 0],
  ['last probe', 'probe', 7],
  ['second stop', 'stop', 0],
  ['unknown action', 'recover', 3],
] as const

export type Moment = (typeof MOMENTS)[number][0]

const has = (address: string): string => `ip -o addr show | grep -qF ' ${address}/'`
const mounted = (dir: string): string => `grep -qF ' ${dir} ' /proc/self/mounts`

export const AGENT_ROWS: readonly AgentRow[] = [
  {
    name: 'Dummy',
    provider: 'heartbeat',
    type: 'Dummy',
    parameters: { state: 'DIR/dummy' },
    witness: 'test -e DIR/dummy',
  },
  {
    name: 'Dummy of pacemaker',
    provider: 'pacemaker',
    type: 'Dummy',
    parameters: { state: 'DIR/pdummy', op_sleep: '0' },
    witness: 'test -e DIR/pdummy',
  },
  {
    name: 'Dummy in Python',
    provider: 'heartbeat',
    type: 'dummypy',
    parameters: { state: 'DIR/dummypy' },
    needs: ['python3'],
  },
  {
    name: 'Delay',
    provider: 'heartbeat',
    type: 'Delay',
    parameters: { startdelay: '1', stopdelay: '1', mondelay: '0' },
    bends: { 'unknown action': 2 },
  },
  {
    name: 'IPaddr2',
    provider: 'heartbeat',
    type: 'IPaddr2',
    parameters: { ip: '192.0.2.100', cidr_netmask: '24', nic: 'eth0', arp_count: '2' },
    witness: has('192.0.2.100'),
  },
  {
    name: 'IPaddr2 with IPv6',
    provider: 'heartbeat',
    type: 'IPaddr2',
    parameters: { ip: '2001:db8::100', cidr_netmask: '64', nic: 'eth0' },
    witness: has('2001:db8::100'),
    slow: true,
  },
  {
    name: 'IPv6addr',
    provider: 'heartbeat',
    type: 'IPv6addr',
    parameters: { ipv6addr: '2001:db8::101', cidr_netmask: '64', nic: 'eth0' },
    witness: has('2001:db8::101'),
    slow: true,
  },
  {
    name: 'IPaddr',
    provider: 'heartbeat',
    type: 'IPaddr',
    parameters: { ip: '192.0.2.101', cidr_netmask: '24', nic: 'eth0' },
    needs: ['ifconfig'],
    witness: has('192.0.2.101'),
  },
  {
    name: 'IPsrcaddr, whose second stop fails',
    provider: 'heartbeat',
    type: 'IPsrcaddr',
    parameters: { ipaddress: '192.0.2.110', cidr_netmask: '24' },
    before: 'ip addr add 192.0.2.110/24 dev eth0 && ip route add default via 192.0.2.254',
    after: 'ip route del default; ip addr del 192.0.2.110/24 dev eth0',
    bends: { 'second stop': 1 },
  },
  {
    name: 'Route',
    provider: 'heartbeat',
    type: 'Route',
    parameters: { destination: '198.51.100.0/24', device: 'eth0', gateway: '192.0.2.254' },
    witness: 'ip route show 198.51.100.0/24 | grep -q 192.0.2.254',
  },
  {
    name: 'SendArp',
    provider: 'heartbeat',
    type: 'SendArp',
    parameters: { ip: '192.0.2.102', nic: 'eth0' },
  },
  {
    name: 'Filesystem with tmpfs',
    provider: 'heartbeat',
    type: 'Filesystem',
    parameters: { device: 'tmpfs', directory: 'DIR/tmpfs', fstype: 'tmpfs' },
    before: 'mkdir -p DIR/tmpfs',
    witness: mounted('DIR/tmpfs'),
  },
  {
    name: 'Filesystem with a bind mount',
    provider: 'heartbeat',
    type: 'Filesystem',
    parameters: { device: 'DIR/source', directory: 'DIR/bind', fstype: 'none', options: 'bind' },
    before: 'mkdir -p DIR/source DIR/bind',
    witness: mounted('DIR/bind'),
  },
  {
    name: 'Filesystem with ext4 on a loop device',
    provider: 'heartbeat',
    type: 'Filesystem',
    parameters: { device: 'DIR/loop', directory: 'DIR/ext4', fstype: 'ext4', options: 'noatime' },
    needs: ['mkfs.ext4', 'losetup'],
    before:
      'mkdir -p DIR/ext4 && truncate -s 4M DIR/disk && mkfs.ext4 -q DIR/disk && ' +
      'ln -sf $(losetup -f --show DIR/disk) DIR/loop',
    after: 'losetup -d $(readlink DIR/loop)',
    witness: mounted('DIR/ext4'),
  },
  {
    name: 'symlink',
    provider: 'heartbeat',
    type: 'symlink',
    parameters: { link: 'DIR/link', target: 'DIR/target' },
    before: ': > DIR/target',
    witness: 'test -L DIR/link',
  },
  {
    name: 'anything, whose daemon survives the agent',
    provider: 'heartbeat',
    type: 'anything',
    parameters: { binfile: '/bin/sleep', cmdline_options: '300', pidfile: 'DIR/anything.pid' },
    witness: 'kill -0 $(cat DIR/anything.pid)',
  },
  {
    name: 'MailTo with a mail command of ours',
    provider: 'heartbeat',
    type: 'MailTo',
    parameters: { email: 'root@localhost', subject: 'takeover' },
    env: { MAILCMD: 'DIR/mail' },
    before: "printf '#!/bin/sh\\ncat >> DIR/mailbox\\n' > DIR/mail && chmod 755 DIR/mail",
    after: 'test -s DIR/mailbox',
  },
  {
    name: 'Stateful of pacemaker',
    provider: 'pacemaker',
    type: 'Stateful',
    parameters: { state: 'DIR/stateful' },
    moments: [
      ['meta-data', 'meta-data', 0],
      ['first probe', 'probe', 7],
      ['start', 'start', 0],
      ['monitor', 'monitor', 0],
      ['promote', 'promote', 0],
      ['monitor promoted', 'monitor', 8],
      ['demote', 'demote', 0],
      ['monitor demoted', 'monitor', 0],
      ['stop', 'stop', 0],
      ['last probe', 'probe', 7],
    ],
  },
  {
    name: 'AudibleAlarm',
    provider: 'heartbeat',
    type: 'AudibleAlarm',
    parameters: { nodelist: 'other' },
    bends: { 'unknown action': 2 },
  },
  {
    name: 'portblock',
    provider: 'heartbeat',
    type: 'portblock',
    parameters: { protocol: 'tcp', portno: '8080', action: 'block', ip: '192.0.2.1' },
    needs: ['iptables'],
    // No witness: `iptables -n` of this release prints protocols as numbers, by which the agent
    // does not know its own rule again and leaves it behind.
    before: 'iptables -n -L INPUT',
  },
]

export interface ScriptRow {
  readonly name: string
  readonly args: readonly string[]
  readonly needs?: readonly string[]
  readonly witness?: string
  readonly before?: string
  readonly after?: string
  readonly env?: Readonly<Record<string, string>>
  readonly slow?: boolean
}

/** The positional wrappers that the heartbeat package installs in /etc/ha.d/resource.d. */
export const SCRIPT_ROWS: readonly ScriptRow[] = [
  {
    name: 'IPaddr',
    args: ['192.0.2.120/24/eth0'],
    needs: ['ifconfig'],
    witness: has('192.0.2.120'),
  },
  { name: 'IPaddr2', args: ['192.0.2.121/24/eth0'], witness: has('192.0.2.121') },
  {
    name: 'IPv6addr',
    args: ['2001:db8::121/64/eth0'],
    witness: has('2001:db8::121'),
    slow: true,
  },
  {
    name: 'Filesystem',
    args: ['tmpfs', 'DIR/wrapped', 'tmpfs'],
    before: 'mkdir -p DIR/wrapped',
    witness: mounted('DIR/wrapped'),
  },
  { name: 'AudibleAlarm', args: ['other'] },
  {
    name: 'MailTo',
    args: ['root@localhost', 'takeover'],
    env: { MAILCMD: 'DIR/mail2' },
    before: "printf '#!/bin/sh\\ncat >> DIR/mailbox2\\n' > DIR/mail2 && chmod 755 DIR/mail2",
    after: 'test -s DIR/mailbox2',
  },
  { name: 'SendArp', args: ['192.0.2.122/eth0'] },
  {
    name: 'portblock',
    args: ['tcp', '8081', 'block'],
    needs: ['iptables'],
    before: 'iptables -n -L INPUT',
  },
]
