// The chain of times that `check` prints.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatChain, timeChain } from '../../src/cli/format/chain.js'
import type { ClusterConfig } from '../../src/config/model.js'
import { kGoodHaCf, load } from '../config/support.js'

const second = 1_000_000
function configOf(change: { haCf?: string; twinbeatCf?: string } = {}): ClusterConfig {
  const { config, diagnostics } = load(change)
  assert.ok(config, JSON.stringify(diagnostics))
  return config
}
const watched = (config: ClusterConfig, timeoutS: number): ClusterConfig =>
  ({ ...config, watchdog: timeoutS === 0 ? null : { device: '/dev/watchdog', timeoutS } })
const rowOf = (config: ClusterConfig, name: string, timeoutS = 0): number | undefined =>
  timeChain(watched(config, timeoutS)).rows.find((row) => row.name === name)?.us

test('the limits follow from the dead time, the slow line from its speed', () => {
  const config = configOf({ haCf: `${kGoodHaCf}baud 19200\nserial /dev/ttyS0\n` })
  assert.equal(rowOf(config, 'no takes'), 2 * second)
  assert.equal(rowOf(config, 'release'), 10 * second)
  assert.equal(rowOf(config, 'reset'), undefined)
  assert.equal(rowOf(config, 'reset', 10), 20 * second)
  const text = formatChain(timeChain(config))
  assert.match(text, /a death is noticed after .*eth1.*ttyS0@19200: 1\.\d+s; .*: 1s/)
  assert.match(text, /heartbeat on \/dev\/ttyS0 +312\.5ms/)
})

test('a watchdog that bites sooner than a heartbeat comes is a contradiction', () => {
  const config = configOf({ haCf: kGoodHaCf.replace('keepalive 100ms', 'keepalive 1').replace('deadtime 1', 'deadtime 10') })
  assert.deepEqual(timeChain(watched(config, 10)).contradictions, [])
  assert.equal(timeChain(watched(config, 2)).contradictions.length, 1)
  assert.match(formatChain(timeChain(watched(config, 2))), /error: the watchdog bites after 2s/)
})

test('a lease that the watchdog leaves no time to renew is a contradiction for services only', () => {
  const base = configOf()
  const leased: ClusterConfig = { ...base, twinbeat: { ...base.twinbeat, splitBrain: 'lease' } }
  const chain = timeChain(watched(leased, 5))
  assert.ok(chain.rows.some((row) => row.name === 'last petting'))
  const { lease } = leased.twinbeat
  assert.equal(chain.rows.find((row) => row.name === 'deadline')?.us,
    Math.floor(lease.ttlUs * (1 - lease.driftPpm / 1_000_000)) - lease.stopBudgetUs)
  assert.match(timeChain(watched(leased, lease.ttlUs / second)).contradictions[0] ?? '', /raise lease_ttl/)
  const addressesOnly = { ...leased, groups: leased.groups.filter((group) => group.members.every((member) => member.by === 'engine')) }
  assert.deepEqual(timeChain(watched(addressesOnly, lease.ttlUs / second)).contradictions, [])
})
