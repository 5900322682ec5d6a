// The guardian beside real daemons: what happens to the addresses when a daemon is killed, stands still, or ends, and
// when the guardian itself is killed. Owners are watched by the kernel's own notices.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { Pair, type PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { until } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const tries = Number(process.env['TWINBEAT_KILLS'] ?? '3')
const SETTLE_MS = 60_000
const LIMIT_MS = 120_000 + tries * 60_000
/** Generous: a busy machine wakes even a real-time process late. What is usual stands in the test's output. */
const GONE_MS_MAX = 3_000

async function withPair(name: string, body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await Pair.create({ name, kinds: ['twinbeat', 'twinbeat'] })
  const traces = pair.lab.traces()
  try {
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', SETTLE_MS)
    await body(pair)
  } finally {
    await pair.close()
  }
  assertNothingLeft(traces)
}

function daemonOf(member: PairMember): TwinbeatNode {
  assert.ok(member.daemon instanceof TwinbeatNode)
  return member.daemon
}

function guardiansOf(member: PairMember): number[] {
  return member.node.processes().filter((pid) => {
    try {
      // The kernel keeps 15 characters; a zombie guards nothing.
      const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1')
      return stat.includes('(twinbeat-guardi)') && !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
    } catch {
      return false
    }
  })
}

/** When the address left that node, counted from then; waits for it. */
async function goneAfterMs(pair: Pair, member: PairMember, vip: string, sinceMs: number): Promise<number> {
  const end = (): number | null => pair.owners.timeline(sinceMs)
    .filter((one) => one.address === vip && one.node === member.node.name && one.fromMs <= sinceMs)
    .map((one) => one.toMs)[0] ?? null
  assert.ok(await until(() => end() !== null, SETTLE_MS), `${vip} stays on ${member.node.name}`)
  return (end() ?? Infinity) - sinceMs
}

async function backAgain(pair: Pair, member: PairMember): Promise<void> {
  await member.daemon.start()
  await pair.joined(member)
  await pair.expect('local', 'local', SETTLE_MS)
}

const vipOfA = VIPS[0]

describe('a guardian beside the daemon', { skip: obstacle ?? false, concurrency: 2, timeout: LIMIT_MS }, () => {
  test("a killed daemon's address is gone before the peer takes it, and the next daemon tells", { timeout: LIMIT_MS }, async (t) => {
    await withPair('guardkill', async (pair) => {
      const gone: number[] = []
      for (let i = 0; i < tries; i += 1) {
        const signal = i % 3 === 2 ? 'SIGABRT' : 'SIGKILL'
        const killed = epochMs()
        pair.a.node.kill(daemonOf(pair.a).pids(), signal)
        gone.push(await goneAfterMs(pair, pair.a, vipOfA, killed))
        assert.ok(await until(() => pair.owners.now(vipOfA).includes(pair.b.node.name), SETTLE_MS))
        assert.deepEqual(pair.owners.overlaps(killed), [], 'two owners')
        assert.ok(await until(() => guardiansOf(pair.a).length === 0, SETTLE_MS), 'the guardian has nothing left to guard')
        await backAgain(pair, pair.a)
        assert.match(pair.a.daemon.log(), /guardian\.report: .*guardian\.acted: the daemon died.*1 addresses removed/)
      }
      gone.sort((a, b) => a - b)
      t.diagnostic(`SIGKILL or SIGABRT to gone, as the kernel's notices tell: median ${gone[gone.length >> 1]?.toFixed(1)} ms, ` +
        `longest ${gone.at(-1)?.toFixed(1)} ms of ${gone.length}`)
      assert.ok((gone.at(-1) ?? Infinity) < GONE_MS_MAX)
    })
  })

  test('another guardian follows a killed one; without any the peer takes at its dead time', { timeout: LIMIT_MS }, async () => {
    await withPair('guardguard', async (pair) => {
      const since = epochMs()
      const [first] = guardiansOf(pair.a)
      assert.ok(first !== undefined)
      pair.a.node.kill([first])
      assert.ok(await until(() => guardiansOf(pair.a).some((pid) => pid !== first), SETTLE_MS))
      assert.ok(await until(() => /guardian\.started/.test(pair.a.daemon.log()), SETTLE_MS))
      assert.deepEqual(pair.owners.now(vipOfA), [pair.a.node.name])
      assert.deepEqual(pair.owners.timeline(since).filter((one) => one.fromMs > since), [], 'nothing may move')
      // The second one guards as well as the first.
      const killed = epochMs()
      pair.a.node.kill(daemonOf(pair.a).pids())
      await goneAfterMs(pair, pair.a, vipOfA, killed)
      await backAgain(pair, pair.a)
      pair.a.node.kill([...guardiansOf(pair.a), ...daemonOf(pair.a).pids()])
      assert.ok(await until(() => pair.owners.now(vipOfA).includes(pair.b.node.name), SETTLE_MS))
    })
  })

  test('a daemon that stands still is killed when its peer is ready, and its address taken', { timeout: LIMIT_MS }, async (t) => {
    await withPair('guardstop', async (pair) => {
      const stopped = epochMs()
      pair.a.node.kill(daemonOf(pair.a).pids(), 'SIGSTOP')
      t.diagnostic(`SIGSTOP to gone: ${(await goneAfterMs(pair, pair.a, vipOfA, stopped)).toFixed(0)} ms`)
      assert.ok(await until(() => pair.owners.now(vipOfA).includes(pair.b.node.name), SETTLE_MS))
      assert.ok(await until(() => daemonOf(pair.a).pids().length === 0, SETTLE_MS), 'it must not wake up again')
      await backAgain(pair, pair.a)
      assert.match(pair.a.daemon.log(), /guardian\.acted: the daemon made no progress/)
    })
  })

  test('an orderly stop leaves no guardian, and restart --keep leaves one', { timeout: LIMIT_MS }, async () => {
    await withPair('guardstill', async (pair) => {
      const since = epochMs()
      const [before] = guardiansOf(pair.a)
      const kept = await pair.a.node.exec(daemonOf(pair.a).toolArgv(['restart', '--keep']), { timeoutMs: SETTLE_MS })
      assert.equal(kept.rc, 0, kept.err)
      await pair.joined(pair.a)
      await pair.expect('local', 'local', SETTLE_MS)
      assert.ok(await until(() => guardiansOf(pair.a).length === 1, SETTLE_MS), `guardians: ${guardiansOf(pair.a).join(' ')}`)
      assert.notEqual(guardiansOf(pair.a)[0], before)
      assert.match(pair.a.daemon.log(), /guardian\.relieved/)
      assert.deepEqual(pair.owners.timeline(since).filter((one) => one.fromMs > since), [], 'nothing may move')
      await pair.a.daemon.stop()
      assert.deepEqual(guardiansOf(pair.a), [])
      assert.doesNotMatch(pair.a.daemon.log(), /guardian\.held/)
    })
  })

  test('a new daemon waits for the guardian of the one before', { timeout: LIMIT_MS }, async () => {
    await withPair('guardwait', async (pair) => {
      // Held up in its tracks, as a machine would that is short of everything.
      const [guardian] = guardiansOf(pair.a)
      assert.ok(guardian !== undefined)
      pair.a.node.kill([guardian], 'SIGSTOP')
      pair.a.node.kill(daemonOf(pair.a).pids())
      const started = pair.a.daemon.start().catch((error: unknown) => error)
      setTimeout(() => { pair.a.node.kill([guardian], 'SIGCONT') }, 300)
      assert.equal(await started, undefined)
      await pair.joined(pair.a)
      await pair.expect('local', 'local', SETTLE_MS)
    })
  })
})
