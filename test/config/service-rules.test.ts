// Lines about how a group serves: the order of its address, tracked interfaces, and what protects its services.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostFacts } from '../../src/config/model.js'
import { tracksOf } from '../../src/daemon/core-config.js'
import { kGoodHaCf, load } from './support.js'

const web = '10.9.9.9/24/eth0'
const host = (executables: readonly string[]): HostFacts => ({
  interfaces: ['eth0', 'eth1'], deviceKind: () => 'character', resolve: () => null, userExists: () => true,
  isExecutable: (path) => executables.includes(path),
})
const found = (twinbeatCf: string, executables: readonly string[] = ['/usr/sbin/nft']): string[] =>
  load({ twinbeatCf, host: host(executables) }).diagnostics.filter(({ file }) => file.endsWith('twinbeat.cf'))
    .map(({ severity, message }) => `${severity} ${message}`)

test('last puts the addresses of a group behind its services, under the same key', () => {
  const { config } = load({ twinbeatCf: `address ${web} last\n` })
  const group = config?.groups[0]
  assert.equal(group?.key, web)
  assert.deepEqual(group?.members.map((member) => member.name), ['httpd', 'IPaddr'])
  assert.notEqual(group?.digest, load({}).config?.groups[0]?.digest)
})

test('first and blocked keep the order of the line, and are no other definition', () => {
  const plain = load({}).config?.groups[0]
  for (const order of ['first', 'blocked'] as const) {
    const group = load({ twinbeatCf: `address ${web} ${order}\n` }).config?.groups[0]
    assert.equal(group?.addressOrder, order)
    assert.equal(group?.digest, plain?.digest)
  }
})

test('what cannot be meant is refused with its place', () => {
  assert.deepEqual(found(`address ${web} middle\n`), ['error this is not an address line'])
  assert.deepEqual(found('address 10.9.9.9 last\n'), ["error there is no group '10.9.9.9'"])
  assert.deepEqual(found(`address ${web} blocked\n`, []), ["error 'address blocked' needs nft, which is not on this machine"])
  assert.deepEqual(found('address IPaddr2::10.9.9.10/24/eth0 last\n'),
    ["warning group 'IPaddr2::10.9.9.10/24/eth0' has nothing but addresses: 'last' changes nothing"])
  assert.deepEqual(found('track eth0\n'), ['error this is not a track line'])
  assert.deepEqual(found('track eth7 on\n'), ["warning there is no interface 'eth7' on this machine"])
})

test('interfaces that carry an address are tracked unless a line says off', () => {
  const tracked = (twinbeatCf: string | null): unknown => {
    const { config } = load({ twinbeatCf })
    assert.ok(config)
    return tracksOf(config, (address) => address.interface).map(({ interfaces, explicit }) => [...interfaces, explicit])
  }
  assert.deepEqual(tracked(null), [['eth0', false], ['eth0', false]])
  assert.deepEqual(tracked('track eth0 on\n'), [['eth0', true], ['eth0', true]])
  assert.deepEqual(tracked('track eth0 off\n'), [])
})

test('services that nothing protects are named at every start, and those with a lease or a fence are not', () => {
  const warned = (haCf: string): boolean =>
    load({ haCf }).diagnostics.some(({ message }) => /nothing ends the services/.test(message))
  assert.equal(warned(kGoodHaCf), true)
  assert.equal(warned(`${kGoodHaCf}watchdog /dev/watchdog\n`), false)
  assert.equal(warned(`${kGoodHaCf}stonith_host alpha external/ssh beta\n`), false)
})
