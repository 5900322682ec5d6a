// `guardian_kill GROUP`: which groups may end with the daemon, and what is said where that cannot be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diffConfig } from '../../src/config/diff.js'
import type { HostFacts } from '../../src/config/model.js'
import { load } from './support.js'

const web = '10.9.9.9/24/eth0'
const host = (controlGroupProblem: string | null): HostFacts => ({
  interfaces: ['eth0', 'eth1'], deviceKind: () => 'character', resolve: () => null, userExists: () => true,
  isExecutable: () => true, controlGroupProblem,
})
const found = (twinbeatCf: string, more: Parameters<typeof load>[0] = {}): string[] =>
  load({ twinbeatCf, host: host(null), ...more }).diagnostics.filter(({ file }) => file.endsWith('twinbeat.cf'))
    .map(({ severity, message }) => `${severity} ${message}`)
const kill = `guardian_kill ${web}\n`

test('the services of a group end with the daemon, and are not named as unprotected any more', () => {
  const { config, diagnostics } = load({ twinbeatCf: kill, host: host(null) })
  assert.deepEqual(config?.twinbeat.guardianKill, [web])
  assert.ok(!diagnostics.some(({ message }) => /nothing ends the services/.test(message)))
  const plain = load({}).config
  assert.deepEqual(plain?.twinbeat.guardianKill, [])
  assert.equal(config?.groups[0]?.digest, plain?.groups[0]?.digest)
})

test('it changes by a reload', () => {
  const [before, after] = [load({}).config, load({ twinbeatCf: kill }).config]
  assert.ok(before && after)
  assert.deepEqual(diffConfig(before, after).changes.map(({ kind, subject }) => [kind, subject]), [['live', 'guardian_kill']])
})

test('what cannot be meant is refused with its place', () => {
  assert.deepEqual(found('guardian_kill\n'), ['error this is not a guardian_kill line'])
  assert.deepEqual(found(`guardian_kill ${web} all\n`), ['error this is not a guardian_kill line'])
  assert.deepEqual(found('guardian_kill httpd\n'), ["error there is no group 'httpd'"])
  assert.deepEqual(found(kill + kill), [`warning there is a line for '${web}' already`])
  assert.deepEqual(found('guardian_kill IPaddr2::10.9.9.10/24/eth0\n'),
    ["warning group 'IPaddr2::10.9.9.10/24/eth0' has no services: 'guardian_kill' changes nothing"])
})

test('a service that is more than its processes is refused: killing them would prove nothing', () => {
  const haresources = `alpha ${web} Filesystem::/dev/vg/web::/srv::ext4 httpd\n`
  assert.deepEqual(found(kill, { haresources }),
    [`error 'Filesystem::/dev/vg/web::/srv::ext4' of group '${web}' is more than its processes: killing them would not end it`])
  assert.deepEqual(found(`${kill}agent store ocf:heartbeat:LVM-activate vgname=web\n`, { haresources: `alpha ${web} store\n` }),
    [`error 'store' of group '${web}' is more than its processes: killing them would not end it`])
  assert.deepEqual(found(`${kill}address_agent script\n`, { haresources: `alpha ${web} httpd\n` }),
    [`error '${web}' of group '${web}' is more than its processes: killing them would not end it`])
})

test('a machine without control groups is named', () => {
  assert.deepEqual(found(kill, { host: host('no control groups of version 2 are mounted') }),
    ["warning 'guardian_kill' has no effect on this machine: no control groups of version 2 are mounted"])
  assert.deepEqual(found('', { host: host('no control groups of version 2 are mounted') }), [])
})
