// Builders for configuration tests: four texts in, one result out, no file system.

import { createHash } from 'node:crypto'
import { loadConfig } from '../../src/config/load.js'
import type { ClusterConfig, FileResult, HostFacts, LoadResult } from '../../src/config/model.js'

export interface Files {
  haCf: string | null
  authkeys: string | null
  haresources: string | null
  twinbeatCf: string | null
  authkeysMode: number
  twinbeatMode: number
  /** Other files by their path. */
  others: ReadonlyMap<string, readonly [text: string, mode: number]>
  self: string
  acceptWithout: readonly string[]
  host: HostFacts | null
}

export const kGoodHaCf = [
  'logfile /var/log/ha-log', 'keepalive 100ms', 'deadtime 1', 'initdead 12', 'udpport 700',
  'bcast eth1', 'ucast eth0 10.9.9.2', 'auto_failback on', 'node alpha beta', '',
].join('\n')
export const kGoodAuthkeys = 'auth 1\n1 sha1 0123456789abcdef0123\n'
export const kGoodHaresources = 'alpha 10.9.9.9/24/eth0 httpd\nbeta IPaddr2::10.9.9.10/24/eth0\n'

/** Secrets of fence devices, one of them readable by everybody. */
const kOtherFiles: Files['others'] = new Map([
  ['/etc/ha.d/ipmi.secret', ['# of the service processor\nusername=admin\npassword=s3cr3t with blanks\n', 0o600]],
  ['/etc/ha.d/open.secret', ['password=s3cr3t\n', 0o644]],
  ['/etc/ha.d/damaged.secret', ['password\n', 0o600]],
  ['/etc/ha.d/rackpdu.conf', ['# of the plugin\nbeta 10.0.0.9 private AUTO\n', 0o600]],
])

export function load(changed: Partial<Files>): LoadResult {
  const files: Files = {
    haCf: kGoodHaCf, authkeys: kGoodAuthkeys, haresources: kGoodHaresources, twinbeatCf: null,
    authkeysMode: 0o600, twinbeatMode: 0o644, others: kOtherFiles, self: 'alpha', acceptWithout: [], host: null, ...changed,
  }
  const byPath = new Map<string, readonly [string | null, number]>([
    ['/etc/ha.d/ha.cf', [files.haCf, 0o644]],
    ['/etc/ha.d/authkeys', [files.authkeys, files.authkeysMode]],
    ['/etc/ha.d/haresources', [files.haresources, 0o644]],
    ['/etc/ha.d/twinbeat.cf', [files.twinbeatCf, files.twinbeatMode]],
    ...files.others,
  ])
  const readFile = (path: string): FileResult => {
    const [text, mode] = byPath.get(path) ?? [null, 0]
    return text === null ? { ok: false, errorCode: 'ENOENT' } : { ok: true, text, mode, mtimeMs: 0 }
  }
  return loadConfig({
    haDir: '/etc/ha.d', self: files.self, readFile, acceptWithout: files.acceptWithout, servicePort: null,
    host: files.host, hash: (text) => createHash('sha256').update(text).digest('hex'),
  })
}

/** The model of a configuration that must be accepted. */
export function accepted(changed: Partial<Files>): ClusterConfig {
  const { config, diagnostics } = load(changed)
  if (config === null) throw new Error(diagnostics.map((d) => `${d.file}:${d.line} ${d.message}`).join('\n'))
  return config
}

/** The good ha.cf with lines added at its end. */
export const withLines = (...lines: string[]): Partial<Files> => ({ haCf: `${kGoodHaCf}${lines.join('\n')}\n` })

export function findings(changed: Partial<Files>, severity: 'error' | 'warning' | 'info'): string[] {
  return load(changed).diagnostics.filter((d) => d.severity === severity).map((d) => `${d.code} ${d.message}`)
}

const kFencePrograms = ['/usr/lib/stonith/plugins/external/rackpdu', '/usr/sbin/fence_ipmilan', '/usr/sbin/stonith', '/usr/bin/ssh']

export const kLabHost: HostFacts = {
  interfaces: ['lo', 'eth0', 'eth1'],
  deviceKind: (path) => (path === '/dev/null' || path === '/dev/ttyS0' ? 'character' : 'missing'),
  resolve: (name) => (name === 'router' ? '10.9.9.254' : null),
  userExists: (name) => ['root', 'hacluster'].includes(name),
  isExecutable: (path) => ['/bin/true', '/bin/sleep', ...kFencePrograms].includes(path),
}
