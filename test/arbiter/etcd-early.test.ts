// An etcd that revokes a lease before its time: the other node waits, the owner puts its key back, and a key that
// ended or was given back in order is taken as ever.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EtcdArbiter } from '../../src/arbiter/etcd.js'
import { hasty, noticesOf } from '../../src/arbiter/etcd-version.js'
import { times } from './arbiter.contract.js'
import { acquired, ask, fact as anyFact, type Bench } from './etcd-bench.js'

const everyUs = 250_000
/** A lease on a clock that is as fast as it may be. */
const wholeUs = times.ttlUs * 1.01

const fact = (name: string, members: number, body: (bench: Bench) => Promise<void>): void => { anyFact(name, members, body, 'still') }

/** The lease of the only owner goes, as if its time were over. */
function revokeAll({ cluster }: Bench): void {
  for (const id of [...cluster.leases.keys()]) cluster.revoke(id)
}

/**
 * Asks as often as a waiting node does, and only looks as long as it is bound; how long it took by the clock of the bench, and
 * the last answer before.
 */
async function wait(bench: Bench, arbiter: EtcdArbiter, forUs: number, boundUs = 0): Promise<{ tookUs: number; last: string }> {
  const begun = bench.now()
  let last = ''
  while (bench.now() - begun <= forUs) {
    const answer = await ask(arbiter, bench.now() - begun < boundUs ? 'look' : 'acquire')
    if (answer.outcome === 'held') return { tookUs: bench.now() - begun, last }
    last = answer.text
    bench.skippedUs += everyUs
  }
  throw new Error(`not acquired: ${last}`)
}

fact('a key that goes before its time is taken a whole lease later', 1, async (bench) => {
  const a = bench.arbiter('a')
  const b = bench.arbiter('b')
  const token = await acquired(a)
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
  bench.skippedUs += 1_000_000
  revokeAll(bench)
  const answer = await ask(b, 'acquire')
  assert.deepEqual([answer.outcome, answer.holder, answer.token], ['other', 'a', token])
  assert.match(answer.text, /held by a: its key is gone before its time/)
  const { tookUs } = await wait(bench, b, 2 * times.ttlUs)
  assert.ok(tookUs >= wholeUs - everyUs && tookUs < wholeUs + 2 * everyUs, `${tookUs} us`)
  assert.deepEqual(bench.warnings.length, 1, 'said once')
})

fact('so is one that was renewed since it was last looked at, whatever was left then', 1, async (bench) => {
  const a = bench.arbiter('a')
  const b = bench.arbiter('b')
  const token = await acquired(a)
  bench.skippedUs += 4_500_000
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
  assert.equal((await ask(a, 'renew', token)).outcome, 'held')
  bench.skippedUs += 2_500_000
  revokeAll(bench)
  const { tookUs } = await wait(bench, b, 2 * times.ttlUs)
  assert.ok(tookUs >= wholeUs, `${tookUs} us`)
})

for (const renewedTimes of [0, 1, 4]) {
  fact(`a key that ends by itself after ${renewedTimes} renewals is taken at once`, 1, async (bench) => {
    const a = bench.arbiter('a')
    const b = bench.arbiter('b')
    const token = await acquired(a)
    for (let i = 0; i < renewedTimes; i += 1) {
      for (let step = 0; step < 6; step += 1) {
        bench.skippedUs += everyUs
        assert.equal((await ask(b, 'acquire')).outcome, 'other')
      }
      assert.equal((await ask(a, 'renew', token)).outcome, 'held')
    }
    const { tookUs } = await wait(bench, b, 2 * times.ttlUs)
    assert.ok(tookUs <= times.ttlUs + 2 * everyUs, `${tookUs} us`)
    assert.deepEqual(bench.warnings, [])
  })
}

for (const boundUs of [5_500_000, 5_700_000, 8_000_000]) {
  fact(`a node that was bound for ${boundUs / 1e6} s has looked meanwhile: it takes at once what ended by itself`, 1, async (bench) => {
    await acquired(bench.arbiter('a'))
    const { tookUs } = await wait(bench, bench.arbiter('b'), 2 * times.ttlUs, boundUs)
    assert.ok(tookUs <= Math.max(times.ttlUs, boundUs) + 2 * everyUs, `${tookUs} us`)
    assert.deepEqual(bench.warnings, [])
  })
}

fact('a look begins the wait for a key that went before its time', 1, async (bench) => {
  await acquired(bench.arbiter('a'))
  const b = bench.arbiter('b')
  assert.equal((await ask(b, 'look')).outcome, 'other')
  bench.skippedUs += 1_000_000
  revokeAll(bench)
  assert.equal((await ask(b, 'look')).outcome, 'other')
  const { tookUs } = await wait(bench, b, 2 * times.ttlUs, times.ttlUs)
  assert.ok(tookUs >= wholeUs - everyUs && tookUs < wholeUs + 2 * everyUs, `${tookUs} us`)
})

fact('a key that was given back is taken at once, by its mark', 1, async (bench) => {
  const a = bench.arbiter('a')
  const b = bench.arbiter('b')
  for (const [from, to] of [[a, b], [b, a], [a, b]] as const) {
    const held = await ask(from, 'acquire')
    assert.equal(held.outcome, 'held', held.text)
    assert.equal((await ask(to, 'acquire')).outcome, 'other')
    assert.equal((await ask(from, 'release', held.token)).outcome, 'released')
    const next = await ask(to, 'acquire')
    assert.equal(next.outcome, 'held', next.text)
    assert.equal(bench.cluster.keys.size, 1, 'a create takes the mark away')
    assert.equal((await ask(to, 'release', next.token)).outcome, 'released')
  }
})

fact('a node of an older version gives back without a mark: that costs a lease', 1, async (bench) => {
  const a = bench.arbiter('a')
  const b = bench.arbiter('b')
  await acquired(a)
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
  bench.cluster.keys.clear()
  const { tookUs } = await wait(bench, b, 2 * times.ttlUs)
  assert.ok(tookUs >= wholeUs, `${tookUs} us`)
})

fact('a mark of an earlier owner says nothing of a later one', 1, async (bench) => {
  const a = bench.arbiter('a')
  const b = bench.arbiter('b')
  const first = await acquired(a)
  assert.equal((await ask(a, 'release', first)).outcome, 'released')
  const mark = [...bench.cluster.keys]
  await acquired(a)
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
  revokeAll(bench)
  for (const [name, key] of mark) bench.cluster.keys.set(name, key)
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
})

for (const behaviour of ['silent', 'denied', 'restless', 'nonsense'] as const) {
  fact(`a time left that is '${behaviour}' is none: a key that goes is taken a whole lease later`, 1, async (bench) => {
    const a = bench.arbiter('a')
    const b = bench.arbiter('b')
    await acquired(a)
    bench.member(0).behaviour = behaviour
    bench.member(0).only = '/v3/lease/timetolive'
    bench.skippedUs += 4_800_000
    assert.equal((await ask(b, 'acquire')).outcome, 'other')
    bench.skippedUs += 1_300_000
    const { tookUs } = await wait(bench, b, 2 * times.ttlUs)
    assert.ok(tookUs >= wholeUs, `${tookUs} us`)
  })
}

fact('a full disk takes no mark, and lets the key go all the same', 1, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  bench.member(0).behaviour = 'full'
  assert.equal((await ask(a, 'release', token)).outcome, 'released')
  assert.equal(bench.cluster.keys.size, 0)
})

fact('an owner whose lease went before its time creates its key anew, with a higher token', 1, async (bench) => {
  const a = bench.arbiter('a')
  const b = bench.arbiter('b')
  const token = await acquired(a)
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
  bench.skippedUs += 1_500_000
  revokeAll(bench)
  assert.equal((await ask(b, 'acquire')).outcome, 'other')
  const before = bench.now()
  const again = await ask(a, 'renew', token)
  assert.equal(again.outcome, 'held', again.text)
  assert.ok((again.token ?? 0) > token)
  const deadlineAt = again.deadlineAt ?? 0
  assert.ok(deadlineAt >= before + 4_940_000 && deadlineAt < before + 5_940_000, 'counted from before the request')
  assert.equal((await ask(a, 'renew', again.token)).outcome, 'held')
  const other = await ask(b, 'acquire')
  assert.deepEqual([other.outcome, other.token, other.text], ['other', again.token, 'held by a'])
  assert.ok(bench.warnings.some((text) => /created anew/.test(text)))
})

fact('not if somebody else was faster', 1, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  revokeAll(bench)
  const other = await acquired(bench.arbiter('b'))
  const answer = await ask(a, 'renew', token)
  assert.deepEqual([answer.outcome, answer.holder, answer.token], ['other', 'b', other])
  assert.equal(bench.cluster.leases.size, 1)
})

fact('not after its own deadline, nor in a life that knows none', 1, async (bench) => {
  const a = bench.arbiter('a')
  const token = await acquired(a)
  revokeAll(bench)
  assert.equal((await ask(bench.arbiter('a'), 'confirm', token)).outcome, 'released')
  bench.skippedUs += times.ttlUs - times.stopBudgetUs
  assert.equal((await ask(a, 'renew', token)).outcome, 'released')
  assert.equal(bench.cluster.keys.size, 0)
})

for (const behaviour of ['silent', 'answer-lost'] as const) {
  fact(`a key created anew whose answer is '${behaviour}' is unknown, and put right by the next renewal`, 1, async (bench) => {
    const a = bench.arbiter('a')
    const token = await acquired(a)
    revokeAll(bench)
    bench.member(0).behaviour = behaviour
    bench.member(0).only = '/v3/kv/txn'
    assert.equal((await ask(a, 'renew', token)).outcome, 'unknown')
    bench.member(0).behaviour = 'ok'
    const again = await ask(a, 'renew', token)
    assert.equal(again.outcome, 'held', again.text)
    assert.ok((again.token ?? 0) > token)
    assert.equal(bench.cluster.leases.size, 1, 'the lease of unknown use is gone')
  })
}

fact('a release in the middle of it leaves no key, whichever is first', 1, async (bench) => {
  const a = bench.arbiter('a')
  for (let delayed = 0; delayed < 8; delayed += 1) {
    const token = await acquired(a)
    revokeAll(bench)
    const renewal = ask(a, 'renew', token)
    for (let turn = 0; turn < delayed; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await ask(a, 'release', token)).outcome, 'released')
    await renewal
    const next = await ask(bench.arbiter('b'), 'acquire')
    assert.equal(next.outcome, 'held', `after ${delayed} turns: ${next.text}`)
    bench.cluster.keys.clear()
    bench.cluster.leases.clear()
  }
})

test('versions that revoke before the time are known', () => {
  for (const version of ['3.4.23', '3.4.30', '3.5.0', '3.5.12', '3.3.27', '3.4.30+git']) assert.equal(hasty(version), true, version)
  for (const version of ['3.4.31', '3.5.13', '3.6.0', '4.0.0', 'unknown', '']) assert.equal(hasty(version), false, version)
  assert.deepEqual(noticesOf([{ endpoint: 'http://x', version: '3.5.13' }]), [])
  assert.match(noticesOf([{ endpoint: 'http://x', version: '3.4.23' }]).join(), /3\.4\.23 at http:\/\/x/)
})

fact('it is said of the members that answer, and of none that does not', 2, async (bench) => {
  const a = bench.arbiter('a')
  assert.deepEqual(await a.notices(), [])
  bench.member(1).version = '3.4.23'
  bench.member(0).behaviour = 'silent'
  const [notice, ...more] = await a.notices() ?? []
  assert.match(notice ?? '', /3\.4\.23/)
  assert.deepEqual(more, [])
  bench.member(1).behaviour = 'html'
  assert.equal(await a.notices(), null)
})
