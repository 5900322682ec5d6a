// A running pair of real heartbeats is upgraded node by node and rolled back node by node, while a
// client keeps asking: at no moment has an address two owners.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ANSWER_PORT, Client, startAnswering } from '../../lab/client.js'
import { heartbeatObstacle } from '../../lab/heartbeat-node.js'
import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { Pair, type Kind, type PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'

const obstacle = (await labObstacle()) ?? heartbeatObstacle() ?? twinbeatObstacle()
const STEP_TIMEOUT_MS = 60_000
/** A hand-over by scripts takes a second or two on a busy machine; more is an outage. */
const OUTAGE_MS_MAX = 6_000

/** As an administrator does it: stop the one, let the other take over, start the new one. */
async function exchange(pair: Pair, member: PairMember, kind: Kind): Promise<void> {
  const peer = pair.other(member)
  const [own, others] = member === pair.a ? (['none', 'all'] as const) : (['all', 'none'] as const)
  await member.daemon.stop()
  await pair.expect(own, others, STEP_TIMEOUT_MS)
  await pair.replaceDaemon(member, kind)
  await member.daemon.start()
  await pair.joined(member)
  await pair.expect('local', 'local', STEP_TIMEOUT_MS)
  assert.equal(await member.daemon.statusOf(peer.node.name), 'active')
}

test('a real pair is upgraded and rolled back node by node with one owner throughout',
  { skip: obstacle ?? false, timeout: 300_000 }, async () => {
    const pair = await Pair.create({ name: 'upgrade', kinds: ['heartbeat', 'heartbeat'] })
    try {
      for (const { node } of [pair.a, pair.b]) startAnswering(node)
      await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
      await pair.expect('local', 'local', STEP_TIMEOUT_MS)
      const fromMs = epochMs()
      const clients = VIPS.map((address) => Client.start(pair.lab, {
        mode: 'udp', address, port: ANSWER_PORT, everyMs: 20, timeoutMs: 400,
      }))
      for (const kind of ['twinbeat', 'heartbeat'] as const) {
        for (const member of [pair.a, pair.b]) await exchange(pair, member, kind)
      }
      assert.deepEqual(pair.owners.overlaps(fromMs), [])
      for (const client of clients) {
        const report = client.report(fromMs)
        assert.ok(report.asked > 100, `only ${report.asked} requests`)
        assert.ok(report.longestOutageMs < OUTAGE_MS_MAX, `out for ${Math.round(report.longestOutageMs)} ms`)
        assert.deepEqual(Object.keys(report.answeredBy).sort(), ['nodea', 'nodeb'])
        await client.stop()
      }
    } finally {
      const traces = pair.lab.traces()
      await pair.close()
      assertNothingLeft(traces)
    }
  })
