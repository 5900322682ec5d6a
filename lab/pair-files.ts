// The ha.cf, haresources and authkeys of a pair in the lab, as text. Both kinds of node read the
// same files; a real heartbeat must accept every line written here.

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { LabNode } from './node.js'
import { SERIAL_DEVICE } from './serial-line.js'

export type AuthMethod = 'crc' | 'md5' | 'sha1'
export type Medium = 'bcast' | 'ucast' | 'mcast' | 'serial'
export type AutoFailback = 'on' | 'off' | 'legacy'

export interface PairSettings {
  readonly nodes: readonly [string, string]
  readonly auth: AuthMethod
  readonly media: readonly Medium[]
  readonly autoFailback: AutoFailback
  readonly keepalive: string
  readonly warntime: string
  readonly deadtime: string
  readonly initdead: string
  readonly baud: number
  /** Lines appended to ha.cf as they are. */
  readonly extra: readonly string[]
}

export const PAIR_DEFAULTS: PairSettings = {
  nodes: ['nodea', 'nodeb'],
  auth: 'sha1',
  media: ['bcast'],
  autoFailback: 'on',
  keepalive: '200ms',
  warntime: '1500ms',
  deadtime: '3',
  initdead: '8',
  baud: 115_200,
  extra: [],
}

/** One address per node; the group of the first node is VIPS[0]. */
export const VIPS = ['10.77.0.100', '10.77.0.101'] as const

export const LAB_KEY = 'a-key-of-the-lab'
const MCAST_GROUP = '239.77.0.1'
const PORT = 694

export function haCf(settings: PairSettings, peer: LabNode): string {
  const link = (medium: Medium): string[] => {
    switch (medium) {
      case 'bcast': return ['bcast eth1']
      case 'ucast': return [`ucast eth1 ${peer.address('eth1')}`]
      case 'mcast': return [`mcast eth1 ${MCAST_GROUP} ${PORT} 1 0`]
      case 'serial': return [`baud ${settings.baud}`, `serial ${SERIAL_DEVICE}`]
    }
  }
  return [
    'logfile /var/log/ha-log',
    'debugfile /var/log/ha-debug',
    `keepalive ${settings.keepalive}`,
    `warntime ${settings.warntime}`,
    `deadtime ${settings.deadtime}`,
    `initdead ${settings.initdead}`,
    `udpport ${PORT}`,
    `auto_failback ${settings.autoFailback}`,
    'crm off',
    ...settings.media.flatMap(link),
    ...settings.nodes.map((name) => `node ${name}`),
    ...settings.extra,
    '',
  ].join('\n')
}

export function haresources(settings: PairSettings): string {
  return settings.nodes.map((name, index) => `${name} IPaddr2::${VIPS[index]}/24/eth0\n`).join('')
}

export function authkeys(settings: PairSettings): string {
  return `auth 1\n1 ${settings.auth}${settings.auth === 'crc' ? '' : ` ${LAB_KEY}`}\n`
}

export function writePairFiles(settings: PairSettings, node: LabNode, peer: LabNode): void {
  const write = (name: string, text: string, mode: number): void => {
    const path = join(node.folders.haD, name)
    writeFileSync(path, text)
    chmodSync(path, mode)
  }
  write('ha.cf', haCf(settings, peer), 0o644)
  write('haresources', haresources(settings), 0o644)
  write('authkeys', authkeys(settings), 0o600)
}
