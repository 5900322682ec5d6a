// The native engine's address steps and events, inside a network namespace of the test's own.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const module = fileURLToPath(new URL('../../src/engine/native.js', import.meta.url))
const permitted = spawnSync('unshare', ['-n', 'true']).status === 0
const skip = permitted ? false : 'no permission for network namespaces'

/** What the body collects in `seen`; `next(type)` waits at most five seconds for such a record. */
function play(body: string): Record<string, unknown> {
  const code = `import { execSync } from 'node:child_process'
import { createEngine } from '${module}'
let records = []
let waiting = null
const engine = createEngine({ wake: () => { records.push(...engine.drain()); waiting?.() } })
const next = async (type) => {
  const deadline = Date.now() + 5000
  for (;;) {
    const at = records.findIndex((record) => record.type === type)
    if (at >= 0) return records.splice(at, 1)[0]
    if (Date.now() > deadline) throw new Error('no ' + type + ' in ' + JSON.stringify(records))
    await new Promise((resolve) => { waiting = resolve; setTimeout(resolve, 100) })
  }
}
const address = (text, over = {}) => ({ family: text.includes(':') ? 6 : 4, address: text,
  prefix: 24, interface: 'tb0', label: null, broadcast: null, ...over })
const has = (text) => execSync('ip addr show dev tb0').toString().includes(' ' + text + '/')
const run = async (...steps) => { engine.runSteps(7, steps); return next('steps.done') }
const add = (text, over) => ({ type: 'add', address: address(text, over), checkDuplicate: false })
const seen = {}
${body}
console.log(JSON.stringify(seen))
process.exit(0)`
  const script = `set -e
ip link add tb0 type veth peer name tb1; ip link set tb0 up; ip link set tb1 up
exec "$0" --input-type=module -e "$1"`
  return JSON.parse(execFileSync('unshare', ['-n', 'sh', '-c', script, process.execPath, code],
    { encoding: 'utf8', timeout: 30_000 })) as Record<string, unknown>
}

test('addresses come and go by steps, each step answered by its errno', { skip }, () => {
  const seen = play(`
const five = address('192.0.2.5')
const six = address('fd00::5')
seen.added = await run(add('192.0.2.5', { label: 'tb0:0' }), add('fd00::5'),
  add('192.0.2.6', { interface: 'gone9' }))
seen.there = [has('192.0.2.5'), has('fd00::5')]
seen.probed = await run({ type: 'probe', address: five },
  { type: 'probe', address: address('192.0.2.9') })
seen.removed = await run({ type: 'remove', address: five }, { type: 'remove', address: six })
seen.gone = [has('192.0.2.5'), has('fd00::5')]`)
  const errnos = (record: unknown): number[] =>
    (record as { results: { errno: number }[] }).results.map((result) => result.errno)
  assert.deepEqual(errnos(seen['added']), [0, 0, 19])
  assert.deepEqual(seen['there'], [true, true])
  assert.deepEqual(errnos(seen['probed']), [0, 99])
  assert.deepEqual(errnos(seen['removed']), [0, 0])
  assert.deepEqual(seen['gone'], [false, false])
})

test('an address that another removes and an interface going down are records', { skip }, () => {
  const seen = play(`
await run(add('192.0.2.5'))
for (let i = 0; i < 20; i++) engine.watchAddresses([address('192.0.2.5')])
execSync('ip addr del 192.0.2.5/24 dev tb0')
seen.lost = await next('address.lost')
records = records.filter((record) => record.type !== 'interface')
execSync('ip link set tb0 down')
seen.interface = await next('interface')`)
  const lost = seen['lost'] as { address: string; interface: string }
  assert.equal(lost.address, '192.0.2.5')
  assert.equal(lost.interface, 'tb0')
  const changed = seen['interface'] as { name: string; up: boolean }
  assert.equal(changed.name, 'tb0')
  assert.equal(changed.up, false)
})
