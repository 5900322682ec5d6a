// A processor that stands while the engine runs on it, as when a host withholds it: here a program of a higher priority
// has it for a moment, and the engine may run nowhere else. The other node is asked to wait, and waits.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { availableParallelism } from 'node:os'
import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { Pair, type PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { pause, until } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import type { StatusReport } from '../../src/control/report.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle() ??
  (availableParallelism() < 2 ? 'one processor: there is nobody who could ask' : null)
const LIMIT_MS = 120_000
/** Several dead times, and less than anybody waits for a broken processor. */
const STANDS_MS = 150
const TURNS = 3
const timing = { keepalive: '8ms', warntime: '24ms', deadtime: '40ms', initdead: '2' }

async function statusOf({ daemon }: PairMember): Promise<StatusReport> {
  assert.ok(daemon instanceof TwinbeatNode)
  const report = await daemon.status()
  assert.ok(report !== null)
  return report
}

/** The engine's thread runs on that processor only. */
async function pin({ node }: PairMember, cpu: number): Promise<void> {
  const done = await node.exec(['sh', '-c', `for comm in /proc/[0-9]*/task/*/comm; do
    [ "$(cat "$comm" 2>/dev/null)" = twinbeat-engine ] || continue
    thread=\${comm%/comm}
    taskset -cp ${cpu} "\${thread##*/}"
  done`])
  assert.equal(done.rc, 0, done.err)
}

/** Nothing below the highest priorities runs on that processor for so long. */
async function stand({ node }: PairMember, cpu: number): Promise<void> {
  const busy = `end=$(( \${EPOCHREALTIME/./} + ${STANDS_MS * 1000} )); while (( \${EPOCHREALTIME/./} < end )); do :; done`
  const done = await node.exec(['taskset', '-c', `${cpu}`, 'chrt', '-f', '90', 'bash', '-c', busy])
  assert.equal(done.rc, 0, done.err)
}

describe('a processor that stands', { skip: obstacle ?? false, timeout: LIMIT_MS }, () => {
  test('the other node is asked to wait, takes nothing, and the one that stood goes on', { timeout: LIMIT_MS }, async () => {
    const settings = { ...timing, autoFailback: 'off', media: ['bcast', 'ucast'] } as const
    const pair = await Pair.create({ name: 'standing', kinds: ['twinbeat', 'twinbeat'], settings })
    const traces = pair.lab.traces()
    try {
      await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
      await pair.expect('local', 'local', 30_000)
      await Promise.all([pin(pair.a, 0), pin(pair.b, 1)])
      // In its first seconds a node announces a longer dead time.
      await pause(6_000)
      const fromMs = epochMs()
      for (let turn = 0; turn < TURNS; turn += 1) {
        await stand(pair.a, 0)
        await pause(500)
      }
      const a = await statusOf(pair.a)
      assert.ok(a.gaps.stands >= TURNS, `asked ${a.gaps.stands} times`)
      assert.ok(a.gaps.lateness.maxUs > (STANDS_MS / 2) * 1000, `late by ${a.gaps.lateness.maxUs} us`)
      assert.deepEqual(VIPS.map((vip) => pair.owners.timeline(fromMs).filter(({ address }) => address === vip).length), [1, 1])
      assert.doesNotMatch(pair.b.daemon.log(), /peer\.dead/)
      assert.doesNotMatch(pair.a.daemon.log(), /node\.paused/)
      // Who is gone asks for nothing.
      await pair.a.node.powerOff()
      assert.ok(await until(() => pair.owners.now(VIPS[0]).join() === pair.b.node.name, 10_000), await pair.describe())
    } catch (error) {
      for (const { node, daemon } of [pair.a, pair.b]) console.error(`-- ${node.name}\n${daemon.log().slice(-4000)}`)
      throw error
    } finally {
      await pair.close()
    }
    assertNothingLeft(traces)
  })
})
