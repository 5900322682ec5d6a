// Lease protection as it is written: what is accepted, and what is refused because it would protect nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, findings, kGoodHaCf, load, type Files } from './support.js'

const arbiter = 'arbiter etcd endpoints=http://10.0.0.5:2379'
const addressesOnly = 'alpha 10.9.9.9/24/eth0\nbeta IPaddr2::10.9.9.10/24/eth0\n'

function withLease(lines: readonly string[], changed: Partial<Files> = {}): Partial<Files> {
  return { haresources: addressesOnly, twinbeatCf: ['split_brain lease', ...lines, ''].join('\n'), ...changed }
}

const errors = (lines: readonly string[], changed: Partial<Files> = {}): string[] => findings(withLease(lines, changed), 'error')
const warnings = (lines: readonly string[], changed: Partial<Files> = {}): string[] => findings(withLease(lines, changed), 'warning')

test('one line is enough, with defaults that fit together', () => {
  const { twinbeat } = accepted(withLease([arbiter]))
  assert.equal(twinbeat.splitBrain, 'lease')
  assert.deepEqual(twinbeat.arbiter?.endpoints, ['http://10.0.0.5:2379'])
  assert.equal(twinbeat.arbiter.prefix, '/twinbeat/')
  assert.deepEqual({ ...twinbeat.lease }, {
    ttlUs: 10_000_000, renewUs: 1_500_000, timeoutUs: 1_000_000, driftPpm: 10_000, stopBudgetUs: 1_000_000 })
})

test('several endpoints, IPv6, a prefix without its slash', () => {
  const { twinbeat } = accepted(withLease(['arbiter etcd endpoints=https://10.0.0.5:2379,https://[fd00::5]:2379/ prefix=/pair']))
  assert.deepEqual(twinbeat.arbiter?.endpoints, ['https://10.0.0.5:2379', 'https://[fd00::5]:2379'])
  assert.equal(twinbeat.arbiter.prefix, '/pair/')
})

test('a lease without an arbiter is refused; an arbiter without a lease is told of', () => {
  assert.match(errors([]).join(), /'split_brain lease' needs an arbiter/)
  assert.match(findings({ twinbeatCf: `${arbiter}\n` }, 'warning').join(), /the arbiter is not asked for anything/)
})

test('6 s is the least life with default times', () => {
  assert.deepEqual(errors([arbiter, 'lease_ttl 6s']), [])
  assert.match(errors([arbiter, 'lease_ttl 5s']).join(), /lease_ttl 5s leaves 1\.2s/)
  assert.match(errors([arbiter, 'lease_ttl 6s', 'stop_budget 3s']).join(), /TB_CONFIG_TIMING/)
  assert.match(errors([arbiter, 'lease_ttl 7500ms']).join(), /no number of whole seconds/)
  assert.match(errors([arbiter, 'lease_renew 0']).join(), /must be above 0/)
})

test('a group with services needs a watchdog, and is told when its machine will be reset', () => {
  const services = { haresources: 'alpha 10.9.9.9/24/eth0 httpd\n' }
  assert.match(errors([arbiter], services).join(), /lease protection needs a watchdog/)
  const watched = { ...services, haCf: `${kGoodHaCf}watchdog /dev/watchdog\n`, acceptWithout: ['watchdog'] }
  assert.doesNotMatch(errors([arbiter], watched).join(), /needs a watchdog/)
  assert.match(warnings([arbiter], watched).join(), /a machine that loses its lease will be reset/)
  assert.doesNotMatch(warnings([arbiter, 'lease_ttl 60s', 'stop_budget 30s', 'stop_timeout 30s'], watched).join(), /will be reset/)
})

test('what is wrong in an arbiter line is named, and never repeated where it may be a secret', () => {
  const wrong = (words: string): string => errors([`arbiter ${words}`]).join('\n')
  assert.match(wrong('consul endpoints=http://10.0.0.5:8500'), /no etcd/)
  assert.match(wrong('etcd'), /has no endpoints/)
  assert.match(wrong('etcd endpoints=10.0.0.5:2379'), /no http:\/\/ or https:\/\//)
  assert.match(wrong('etcd endpoints=http://ha:geheim@10.0.0.5:2379'), /no http:\/\/ or https:\/\//)
  assert.match(wrong('etcd endpoints=http://10.0.0.5:2379 user=ha'), /belong together/)
  assert.match(wrong('etcd endpoints=https://10.0.0.5:2379 cert=/c'), /belong together/)
  assert.match(wrong('etcd endpoints=http://10.0.0.5:2379 ca=/c'), /certificates mean nothing/)
  assert.match(wrong('etcd endpoints=https://10.0.0.5:2379 ca=/c'), /'\/c' cannot be read: ENOENT/)
  const secret = wrong('etcd endpoints=http://10.0.0.5:2379 password=geheim')
  assert.match(secret, /no key=value of an arbiter/)
  assert.doesNotMatch(secret + wrong('etcd endpoints=http://ha:geheim@10.0.0.5:2379'), /geheim/)
  const shown = load(withLease(['arbiter etcd endpoints=http://ha:geheim@10.0.0.5:2379 password=geheim'])).diagnostics
  assert.doesNotMatch(JSON.stringify(shown), /geheim/)
  assert.match(warnings(['arbiter etcd endpoints=http://etcd.example:2379']).join(), /is a name/)
  assert.match(errors([arbiter, arbiter]).join(), /there is an arbiter already/)
})
