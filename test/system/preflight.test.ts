import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { it } from 'node:test'
import { findConfiguredAddresses, findRivals } from '../../src/system/preflight.js'

function proc(processes: readonly (readonly [pid: string, name: string, net: string])[]): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-proc-'))
  for (const [pid, name, net] of [['self', 'x', 'net:[1]'], ...processes] as const) {
    mkdirSync(path.join(dir, pid, 'ns'), { recursive: true })
    writeFileSync(path.join(dir, pid, 'comm'), `${name}\n`)
    symlinkSync(net, path.join(dir, pid, 'ns/net'))
  }
  return dir
}

it('a rival is a manager of addresses in the same network namespace that is not ourselves', () => {
  const dir = proc([
    ['10', 'heartbeat', 'net:[1]'], ['11', 'heartbeat', 'net:[2]'], ['12', 'keepalived', 'net:[1]'],
    ['13', 'bash', 'net:[1]'], ['14', 'twinbeatd', 'net:[1]'], ['15', 'twinbeatd', 'net:[1]'],
  ])
  try {
    const rivals = findRivals(dir, 14).sort((a, b) => a.pid - b.pid)
    assert.deepEqual(rivals, [
      { name: 'heartbeat', pid: 10 }, { name: 'keepalived', pid: 12 }, { name: 'twinbeatd', pid: 15 },
    ])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('without a word about namespaces nobody is called a rival', () => {
  const dir = proc([])
  try {
    rmSync(path.join(dir, 'self/ns/net'))
    mkdirSync(path.join(dir, '10'))
    writeFileSync(path.join(dir, '10/comm'), 'heartbeat\n')
    assert.deepEqual(findRivals(dir), [])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('an address in a network file is found with its place, not in a comment, not as gateway or name server', () => {
  const files: Readonly<Record<string, string>> = {
    '/etc/network/interfaces': '# address 10.0.0.100\niface eth0 inet static\n  address 10.0.0.100/24\n' +
      '  gateway 10.0.0.1\n  up ip addr add 10.0.0.1/24 dev eth0\n',
    '/etc/netplan/50.yaml': 'eth0:\n  nameservers:\n    addresses: [10.0.0.100]\n  addresses:\n    - 10.0.0.100/24\n',
    '/etc/systemd/network/vip.network': '[Network]\nDNS=10.0.0.100\nAddress=2001:DB8::1/64\n',
  }
  const found = findConfiguredAddresses(['10.0.0.100', '10.0.0.1', '2001:db8::1'],
    (file) => files[file] ?? null, (dir) => (dir === '/etc/systemd/network' ? ['vip.network'] : dir === '/etc/netplan' ? ['50.yaml'] : []))
  assert.deepEqual(found, [
    { address: '10.0.0.100', file: '/etc/network/interfaces', line: 3 },
    { address: '10.0.0.1', file: '/etc/network/interfaces', line: 5 },
    { address: '2001:db8::1', file: '/etc/systemd/network/vip.network', line: 3 },
    { address: '10.0.0.100', file: '/etc/netplan/50.yaml', line: 5 },
  ])
})
