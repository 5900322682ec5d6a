// What only etcd can do to a lease: elections, members that hang or lie, authentication, TLS, full disks.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseReply } from '../../src/arbiter/etcd-gateway.js'
import { times } from './arbiter.contract.js'
import { acquired, ask, Bench, fact } from './etcd-bench.js'
import { FakeMember, type Behaviour } from './fake-etcd.js'

const refusals: readonly Behaviour[] = ['silent', 'reset', 'nonsense', 'html', 'no-header', 'unavailable', 'no-space', 'denied',
  'answer-lost']
for (const behaviour of refusals) {
  fact(`an etcd that is '${behaviour}' renews nothing, acquires nothing, and says so`, 1, async (bench) => {
    const a = bench.arbiter('a')
    const token = await acquired(a)
    bench.member(0).behaviour = behaviour
    for (const action of ['renew', 'confirm', 'release'] as const) {
      const answer = await ask(a, action, token)
      assert.deepEqual([answer.outcome, answer.deadlineAt], ['unknown', null])
      assert.notEqual(answer.text, '')
    }
    const other = await ask(bench.arbiter('b'), 'acquire')
    assert.equal(other.outcome, 'unknown')
    assert.notEqual(a.health().problem, null)
  })
}

fact('a member that hangs costs half of the time, and is asked last afterwards', 2, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  bench.member(0).behaviour = 'silent'
  const first = performance.now()
  assert.equal((await ask(a, 'renew', token)).outcome, 'held')
  assert.ok(performance.now() - first < times.timeoutUs / 1000)
  const second = performance.now()
  assert.equal((await ask(a, 'renew', token)).outcome, 'held')
  assert.ok(performance.now() - second < times.timeoutUs / 2000)
})

fact('a keepalive of a deposed leader is no renewal', 2, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  // The member that is asked first answers keepalives by itself; then it learns of the election.
  bench.member(0).behaviour = 'deposed'
  bench.member(0).only = '/v3/lease/keepalive'
  bench.cluster.term += 1
  const before = bench.member(0).asked.length
  const answer = await ask(a, 'renew', token)
  assert.equal(answer.outcome, 'held')
  const keepalives = bench.member(0).asked.slice(before).filter((path) => path === '/v3/lease/keepalive')
  assert.equal(keepalives.length, 2, 'asked again in the new term')
})

fact('elections at every renewal end in unknown', 1, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  const range = bench.cluster.expire.bind(bench.cluster)
  bench.cluster.expire = () => {
    bench.cluster.term += 1
    range()
  }
  const answer = await ask(a, 'renew', token)
  assert.deepEqual([answer.outcome, answer.deadlineAt], ['unknown', null])
})

fact('a lease that is gone while the key stands is no proof of anything', 1, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  bench.cluster.leases.clear()
  assert.equal((await ask(a, 'renew', token)).outcome, 'unknown')
  bench.cluster.keys.clear()
  bench.skippedUs += times.ttlUs
  assert.equal((await ask(a, 'renew', token)).outcome, 'released', 'its own deadline is over as well')
})

fact('a create that one member hides and another refuses stays open until its lease is gone', 2, async (bench) => {
  const b = bench.arbiter('b')
  const other = await acquired(b)
  const a = bench.arbiter('a')
  bench.member(0).behaviour = 'silent'
  bench.member(0).only = '/v3/kv/txn'
  assert.equal((await ask(a, 'acquire')).outcome, 'other')
  assert.equal(bench.cluster.leases.size, 1, 'the lease of the loser is given back')
  assert.equal((await ask(b, 'renew', other)).outcome, 'held')
})

fact('a cluster with another identity is no answer of ours', 1, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  bench.cluster.id = '88'
  assert.equal((await ask(a, 'renew', token)).outcome, 'unknown')
})

fact('a token of authentication that was forgotten is renewed, a wrong password is an error without it', 1, async (bench) => {
  bench.cluster.user = { name: 'ha', password: 'geheim' }
  bench.files.set('/secret', 'geheim\n')
  const a = bench.arbiter('a', { user: 'ha', passwordFile: '/secret' })
  const token = await acquired(a)
  bench.cluster.tokens.clear()
  assert.equal((await ask(a, 'renew', token)).outcome, 'held')
  bench.cluster.user = { name: 'ha', password: 'changed' }
  bench.cluster.tokens.clear()
  const refused = await ask(a, 'renew', token)
  assert.equal(refused.outcome, 'unknown')
  assert.match(refused.text, /authentication failed/)
  assert.doesNotMatch(JSON.stringify([refused, a.health()]), /geheim|token-/)
  bench.files.set('/secret', 'changed')
  assert.equal((await ask(a, 'renew', token)).outcome, 'held')
})

fact('the probe tries everything on a key of its own, and tells what fails', 1, async (bench) => {
  const a = bench.arbiter('a')
  assert.deepEqual((await a.probe()).map((line) => line.ok), [true, true, true])
  assert.equal(bench.cluster.keys.size, 0)
  bench.member(0).behaviour = 'denied'
  const lines = await a.probe()
  assert.equal(lines.at(-1)?.ok, false)
  assert.match(lines.at(-1)?.text ?? '', /permission denied/)
})

test('TLS with a certificate of our own authority on both sides', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'twinbeat-tls-'))
  const file = (name: string): string => join(dir, name)
  const openssl = (...args: string[]): void => { execFileSync('openssl', args, { stdio: 'ignore', cwd: dir }) }
  const bench = new Bench()
  try {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.pem')
    for (const name of ['server', 'client']) {
      openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`,
        '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', `${name}.key`, '-out', `${name}.csr`)
      openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
        '-copy_extensions', 'copyall', '-out', `${name}.pem`)
    }
    const text = (name: string): string => readFileSync(file(name), 'utf8')
    const tls = { key: text('server.key'), cert: text('server.pem'), ca: text('ca.pem') }
    bench.members = [await new FakeMember(bench.cluster, '1').listen(tls)]
    const known = bench.arbiter('a', { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') })
    // The first handshake on a busy machine takes longer than these tests wait for an answer.
    let first = await ask(known, 'acquire')
    for (let left = 10; first.outcome !== 'held' && left > 0; left -= 1) first = await ask(known, 'acquire')
    assert.equal(first.outcome, 'held', first.text)
    for (const stranger of [bench.arbiter('b'), bench.arbiter('b', { ca: file('ca.pem') }), bench.arbiter('b', { ca: file('none.pem') })]) {
      assert.equal((await ask(stranger, 'acquire')).outcome, 'unknown')
    }
  } finally {
    await bench.close()
    rmSync(dir, { recursive: true, force: true })
  }
})

test('answers of the gateway are read as they are, or not at all', () => {
  const kind = (status: number, text: string): string => parseReply({ status, text }).kind
  const header = '"header":{"cluster_id":"1","member_id":"2","revision":"3","raft_term":"4"}'
  assert.equal(kind(200, `{${header}}`), 'answer')
  assert.equal(kind(200, `{"result":{${header},"ID":"1","TTL":"5"}}\n`), 'answer')
  assert.equal(kind(404, '{"error":"etcdserver: requested lease not found","code":5}'), 'refused')
  assert.equal(kind(200, '{"error":{"grpc_code":14,"http_code":503,"message":"no leader"}}'), 'refused')
  assert.equal(kind(502, '<html>'), 'silence')
  assert.equal(kind(200, '[]'), 'silence')
  assert.equal(kind(200, ''), 'silence')
  assert.equal(kind(200, '{"header":{"cluster_id":"1","member_id":"2","revision":"99999999999999999999"}}'), 'silence')
})
