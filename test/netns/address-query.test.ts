// What the kernel has configured and where addresses would go, asked inside a network namespace of
// the test's own.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ConfiguredAddress, RouteToAddress } from '../../src/engine/address-query.js'

const module = fileURLToPath(new URL('../../src/engine/address-query.js', import.meta.url))
const permitted = spawnSync('unshare', ['-n', 'true']).status === 0
const skip = permitted ? false : 'no permission for network namespaces'

/** The JSON that the expression gives in a fresh namespace after the shell commands. */
function ask(setUp: string, expression: string): unknown {
  const code = `import { configuredAddresses, routeTo } from '${module}'
const attempt = (f) => { try { return f() } catch (error) { return error.code } }
console.log(JSON.stringify(${expression}))`
  const script = `set -e
ip link add tb0 type veth peer name tb1; ip link set tb0 up; ip link set tb1 up; ${setUp}
exec "$0" --input-type=module -e "$1"`
  const out = execFileSync('unshare', ['-n', 'sh', '-c', script, process.execPath, code],
    { encoding: 'utf8', timeout: 20_000 })
  return JSON.parse(out)
}

test('an address is told with interface, prefix, label, broadcast and lifetime', { skip }, () => {
  const setUp = [
    'ip addr add 192.0.2.5/24 brd + dev tb0 label tb0:3', 'ip addr add 192.0.2.6/24 dev tb0',
    'ip -6 addr add fd00::5/64 dev tb0 nodad valid_lft 500 preferred_lft 400',
  ].join('; ')
  const list = ask(setUp, 'configuredAddresses()') as ConfiguredAddress[]
  const find = (address: string): ConfiguredAddress | undefined =>
    list.find((entry) => entry.address === address)
  assert.deepEqual(find('192.0.2.5'), {
    family: 4, address: '192.0.2.5', prefix: 24, interface: 'tb0', label: 'tb0:3',
    broadcast: '192.0.2.255', secondary: false, tentative: false, validSeconds: null,
  })
  assert.equal(find('192.0.2.6')?.secondary, true)
  const six = find('fd00::5')
  assert.equal(six?.prefix, 64)
  assert.ok(six.validSeconds !== null && six.validSeconds > 490 && six.validSeconds <= 500)
})

test('the route names the interface and the length that haresources leaves out', { skip }, () => {
  const routes = ask('ip addr add 192.0.2.1/25 dev tb0; ip route add default via 192.0.2.126',
    "['192.0.2.9', '192.0.2.1', '198.51.100.1', 'fd77::1'].map(routeTo)",
  ) as (RouteToAddress | null)[]
  assert.deepEqual(routes, [
    { interface: 'tb0', prefix: 25, gateway: false, local: false },
    { interface: 'tb0', prefix: 25, gateway: false, local: true },
    { interface: 'tb0', prefix: 0, gateway: true, local: false },
    null,
  ])
})

test('what is no address is refused by a TwinbeatError', { skip }, () => {
  assert.equal(ask('true', "attempt(() => routeTo('example'))"), 'TB_ADDRESS_QUERY')
})
