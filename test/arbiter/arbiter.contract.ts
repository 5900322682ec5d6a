// What every arbiter must do, whatever stands behind it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Arbiter, ArbiterAction, ArbiterAnswer, LeaseTimes } from '../../src/arbiter/arbiter.js'

export const times: LeaseTimes = { ttlUs: 6_000_000, driftPpm: 10_000, stopBudgetUs: 1_000_000, timeoutUs: 900_000 }

export interface Bench {
  arbiterOf(node: string): Arbiter
  /** Time of the machines and of the arbiter alike. */
  now(): number
  advance(us: number): void
  silence(how: 'none' | 'silent' | 'answer-lost'): void
  close(): Promise<void>
}

const group = '10.0.0.1/24'

async function ask(arbiter: Arbiter, action: ArbiterAction, token: number | null = null): Promise<ArbiterAnswer> {
  return await arbiter.run({ action, group, token })
}

async function held(
  arbiter: Arbiter, action: ArbiterAction = 'acquire', token: number | null = null,
): Promise<{ token: number; deadlineAt: number }> {
  const answer = await ask(arbiter, action, token)
  assert.equal(answer.outcome, 'held', answer.text)
  assert.ok(answer.token !== null && answer.deadlineAt !== null)
  return { token: answer.token, deadlineAt: answer.deadlineAt }
}

/** TTL without drift and stop budget, from before the request; the requests of a bench take next to no time. */
function assertFrom(beforeUs: number, deadlineAt: number): void {
  const lateUs = deadlineAt - (beforeUs + 5_940_000 - times.stopBudgetUs)
  assert.ok(lateUs >= 0 && lateUs < 1_000_000, `${lateUs} us`)
}

export function arbiterContract(name: string, open: () => Promise<Bench>): void {
  const fact = (what: string, body: (bench: Bench) => Promise<void>): void => {
    test(what, async () => {
      const bench = await open()
      try {
        await body(bench)
      } finally {
        await bench.close()
      }
    })
  }

  describe(`an arbiter: ${name}`, () => {
    fact('grants a group to one node, until before its own limit by drift and stop budget', async (bench) => {
      const before = bench.now()
      const { token, deadlineAt } = await held(bench.arbiterOf('a'))
      assert.ok(token > 0)
      assertFrom(before, deadlineAt)
      const other = await ask(bench.arbiterOf('b'), 'acquire')
      assert.deepEqual([other.outcome, other.holder, other.token, other.deadlineAt], ['other', 'a', token, null])
    })

    fact('a look tells whose the group is, and makes nothing', async (bench) => {
      const b = bench.arbiterOf('b')
      for (let i = 0; i < 2; i += 1) {
        const none = await ask(b, 'look')
        assert.deepEqual([none.outcome, none.token, none.deadlineAt, none.holder], ['released', null, null, null])
      }
      const { token } = await held(bench.arbiterOf('a'))
      const other = await ask(b, 'look')
      assert.deepEqual([other.outcome, other.holder, other.token, other.deadlineAt], ['other', 'a', token, null])
      bench.silence('silent')
      assert.equal((await ask(b, 'look')).outcome, 'unknown')
    })

    fact('renews for the owner only, and counts from before the request', async (bench) => {
      const a = bench.arbiterOf('a')
      const { token } = await held(a)
      bench.advance(3_000_000)
      const before = bench.now()
      assertFrom(before, (await held(a, 'renew', token)).deadlineAt)
      bench.advance(5_000_000)
      assert.equal((await ask(bench.arbiterOf('b'), 'acquire')).outcome, 'other')
      assert.equal((await ask(a, 'renew', token + 1)).outcome, 'other')
    })

    fact('lets an ownership end that is not renewed, and gives the next owner a higher token', async (bench) => {
      const a = bench.arbiterOf('a')
      const first = await held(a)
      bench.advance(times.ttlUs + 1)
      const second = await held(bench.arbiterOf('b'))
      assert.ok(second.token > first.token)
      assert.equal((await ask(a, 'renew', first.token)).outcome, 'other')
      bench.advance(times.ttlUs + 1)
      assert.equal((await ask(a, 'renew', first.token)).outcome, 'released')
    })

    fact('lets go at once when released, and an old token takes nothing from a new owner', async (bench) => {
      const a = bench.arbiterOf('a')
      const b = bench.arbiterOf('b')
      const first = await held(a)
      assert.equal((await ask(a, 'release', first.token)).outcome, 'released')
      const second = await held(b)
      assert.ok(second.token > first.token)
      assert.equal((await ask(a, 'release', first.token)).outcome, 'released')
      await held(b, 'renew', second.token)
    })

    fact('confirms to a new life what an earlier one owns, by its token', async (bench) => {
      const { token } = await held(bench.arbiterOf('a'))
      const next = bench.arbiterOf('a')
      assert.equal((await held(next, 'confirm', token)).token, token)
      assert.equal((await ask(next, 'confirm', token + 7)).outcome, 'other')
      bench.advance(times.ttlUs + 1)
      assert.equal((await ask(next, 'confirm', token)).outcome, 'released')
    })

    fact('says unknown within its time limit when nobody answers', async (bench) => {
      const a = bench.arbiterOf('a')
      const { token } = await held(a)
      bench.silence('silent')
      const begun = performance.now()
      for (const [action, of] of [['renew', token], ['confirm', token], ['release', token], ['acquire', null]] as const) {
        const answer = await ask(a, action, of)
        assert.equal(answer.outcome, 'unknown')
        assert.equal(answer.deadlineAt, null)
      }
      assert.ok(performance.now() - begun < 4 * (times.timeoutUs / 1000 + 250))
      assert.equal(a.health().reachable, false)
      bench.silence('none')
      await held(a, 'renew', token)
      assert.equal(a.health().reachable, true)
    })

    fact('ends what an acquire of unknown outcome may have left, before anything else', async (bench) => {
      const a = bench.arbiterOf('a')
      bench.silence('answer-lost')
      assert.equal((await ask(a, 'acquire')).outcome, 'unknown')
      assert.notEqual((await ask(a, 'release')).outcome, 'held')
      bench.silence('none')
      assert.equal((await ask(a, 'release')).outcome, 'released')
      await held(bench.arbiterOf('b'))
    })

    fact('acquires after an answer was lost', async (bench) => {
      const a = bench.arbiterOf('a')
      bench.silence('answer-lost')
      assert.equal((await ask(a, 'acquire')).outcome, 'unknown')
      bench.silence('none')
      await held(a)
      assert.equal((await ask(bench.arbiterOf('b'), 'acquire')).outcome, 'other')
    })
  })
}
