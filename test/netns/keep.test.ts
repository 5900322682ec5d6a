// The daemon is replaced while its resources run on: clients lose nothing, the peer notices a restart and no
// death, and no agent is called but probes. TWINBEAT_RESTARTS makes it many restarts.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { Client } from '../../lab/client.js'
import { heartbeatObstacle } from '../../lab/heartbeat-node.js'
import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { Pair, type PairMember, type PairSpec } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { pause, until, type RunResult } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { callsOn, portOf, writeLoggedService } from './logged-service.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const restarts = Number(process.env['TWINBEAT_RESTARTS'] ?? '5')
const SETTLE_MS = 30_000
const LIMIT_MS = 60_000 + restarts * 20_000
const EVERY_MS = 5
/** A busy machine answers late; late is not lost. */
const ANSWER_MS_MAX = 3_000
const ORDINARY_DEADTIME_MS = 2_000
const EXTRA_MS = 30_000
/** Longer than any two announcements of one burst lie apart. */
const BURST_MS = 1_500

interface Scene {
  readonly pair: Pair
  readonly fromMs: number
  readonly logsAt: readonly [number, number]
}

async function withPair(spec: PairSpec, body: (scene: Scene) => Promise<void>): Promise<void> {
  const pair = await Pair.create(spec)
  const traces = pair.lab.traces()
  try {
    writeLoggedService(pair)
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', SETTLE_MS)
    for (const { node } of [pair.a, pair.b]) {
      assert.ok(await until(() => callsOn(node).some((call) => call.endsWith('start')), SETTLE_MS))
    }
    const logsAt = [pair.a.daemon.log().length, pair.b.daemon.log().length] as const
    await body({ pair, fromMs: epochMs(), logsAt })
  } finally {
    await pair.close()
  }
  assertNothingLeft(traces)
}

function daemonOf(member: PairMember): TwinbeatNode {
  assert.ok(member.daemon instanceof TwinbeatNode)
  return member.daemon
}

function restartKeep(member: PairMember): Promise<RunResult> {
  return member.node.exec(daemonOf(member).toolArgv(['restart', '--keep']), { timeoutMs: SETTLE_MS })
}

async function restartedAndSettled(pair: Pair, member: PairMember): Promise<void> {
  const pids = daemonOf(member).pids()
  const result = await restartKeep(member)
  assert.equal(result.rc, 0, `restart --keep: ${result.err}${result.out}`)
  assert.deepEqual(daemonOf(member).pids(), pids, 'the process must stay the same')
  await pair.joined(member)
  await pair.expect('local', 'local', SETTLE_MS)
}

/** What was said since the scene began. */
function since(scene: Scene, member: PairMember): string {
  return member.daemon.log().slice(scene.logsAt[member === scene.pair.a ? 0 : 1])
}

const SILENCE = /no heartbeat for (\d+) ms/g

function silencesOf(scene: Scene): number[] {
  return [scene.pair.a, scene.pair.b]
    .flatMap((member) => [...since(scene, member).matchAll(SILENCE)].map((match) => Number(match[1])))
    .sort((a, b) => a - b)
}

/** Started once each, then only looked at; every address on one node throughout; nobody declared dead. */
function assertUntouched(scene: Scene): void {
  const { pair } = scene
  for (const member of [pair.a, pair.b]) {
    const calls = callsOn(member.node)
    const own = member === pair.a ? 'web' : 'db'
    const changes = calls.filter((call) => !call.endsWith('status'))
    const began = changes.indexOf(`${own} start`)
    assert.ok(began >= 0 && changes.slice(began + 1).length === 0, `${member.node.name}: ${changes.join(', ')}`)
    assert.doesNotMatch(since(scene, member), /peer\.dead|is dead|[Tt]aking over|takeover\.done/)
  }
  for (const [index, vip] of VIPS.entries()) {
    const owner = (index === 0 ? pair.a : pair.b).node.name
    const held = pair.owners.timeline(scene.fromMs).filter((holding) => holding.address === vip)
    assert.deepEqual(held.map(({ node, toMs }) => [node, toMs]), [[owner, null]])
  }
}

function startClients(pair: Pair): Client[] {
  const modes = ['http', 'udp'] as const
  return modes.map((mode, index) => Client.start(pair.lab, {
    mode, address: VIPS[index] ?? '', port: portOf(index), everyMs: EVERY_MS, timeoutMs: ANSWER_MS_MAX,
  }))
}

/** Restarts with clients that ask all the while. */
async function restartUnderTraffic(scene: Scene, order: readonly PairMember[]): Promise<string> {
  const { pair } = scene
  const clients = startClients(pair)
  assert.ok(await until(() => clients.every((client) => client.lastAnswer() !== null), SETTLE_MS))
  for (const member of order) await restartedAndSettled(pair, member)
  const untilMs = epochMs()
  await pause(Math.max(...clients.map((client) => client.settleMs)))
  const reports = clients.map((client) => client.report(scene.fromMs, untilMs))
  for (const client of clients) await client.stop()
  for (const report of reports) {
    assert.equal(report.lost, 0, JSON.stringify(report))
    assert.ok(report.asked > 100, `only ${report.asked} requests`)
  }
  assertUntouched(scene)
  const silences = silencesOf(scene)
  assert.equal(silences.length, order.length)
  const longest = silences.at(-1) ?? Infinity
  assert.ok(longest < (ORDINARY_DEADTIME_MS + EXTRA_MS) / 2, `silent for ${longest} ms`)
  const asked = reports.map((report) => report.asked).join(' + ')
  return `${order.length} restarts, ${asked} requests, 0 lost; without heartbeat: ` +
    `median ${silences[silences.length >> 1]} ms, longest ${longest} ms`
}

const alternating = ({ a, b }: Pair): PairMember[] => Array.from({ length: restarts }, (_, i) => (i % 2 === 0 ? a : b))

describe('a planned restart keeps what runs', { skip: obstacle ?? false, concurrency: 4, timeout: LIMIT_MS }, () => {
  test('between two twinbeat nodes, with failback on', { timeout: LIMIT_MS }, async (t) => {
    await withPair({ name: 'keep', kinds: ['twinbeat', 'twinbeat'] }, async (scene) => {
      t.diagnostic(await restartUnderTraffic(scene, alternating(scene.pair)))
    })
  })

  const beside = heartbeatObstacle()
  test('beside a real heartbeat, with failback off', { skip: beside ?? false, timeout: LIMIT_MS }, async (t) => {
    const settings = { autoFailback: 'off' } as const
    await withPair({ name: 'keepreal', kinds: ['heartbeat', 'twinbeat'], settings }, async (scene) => {
      const order = Array.from({ length: Math.max(2, restarts >> 1) }, () => scene.pair.b)
      t.diagnostic(await restartUnderTraffic(scene, order))
    })
  })

  test('a successor slower than the ordinary dead time is not declared dead', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'keepslow', kinds: ['twinbeat', 'twinbeat'] }, async (scene) => {
      const { a } = scene.pair
      // The successor alone waits before it does anything.
      const file = join(a.node.folders.state, 'slow.cjs')
      writeFileSync(file, `if (process.env.TWINBEAT_SILENT_SINCE)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ORDINARY_DEADTIME_MS + 1_000})`)
      await daemonOf(a).stop()
      await scene.pair.expect('none', 'all', SETTLE_MS)
      daemonOf(a).environment = { NODE_OPTIONS: `--require=${file}` }
      await a.daemon.start()
      await scene.pair.expect('local', 'local', SETTLE_MS)
      const logsAt = [a.daemon.log().length, scene.pair.b.daemon.log().length] as const
      const again: Scene = { ...scene, fromMs: epochMs(), logsAt }
      const calls = callsOn(a.node).length
      await restartedAndSettled(scene.pair, a)
      assert.ok((silencesOf(again)[0] ?? 0) > ORDINARY_DEADTIME_MS)
      assert.doesNotMatch(since(again, scene.pair.b), /peer\.dead|takeover\.done/)
      assert.ok(callsOn(a.node).slice(calls).every((call) => call.endsWith('status')))
    })
  })

  test('refused with a broken file, and a second one during the first harms nothing', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'keepno', kinds: ['twinbeat', 'twinbeat'] }, async (scene) => {
      const { a } = scene.pair
      const file = join(a.node.folders.haD, 'ha.cf')
      const good = readFileSync(file, 'utf8')
      writeFileSync(file, `${good}keepalive soon\n`)
      const broken = await restartKeep(a)
      assert.equal(broken.rc, 1)
      assert.match(broken.err, /TB_CONFIG/)
      writeFileSync(file, good)
      const twice = await Promise.all([restartKeep(a), restartKeep(a)])
      assert.ok(twice.some((result) => result.rc === 0), JSON.stringify(twice))
      await scene.pair.expect('local', 'local', SETTLE_MS)
      assertUntouched(scene)
    })
  })

  test('adopted addresses are announced again, and watched', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'keepwatch', kinds: ['twinbeat', 'twinbeat'] }, async ({ pair }) => {
      const { a } = pair
      const vip = VIPS[0]
      const mac = (await a.node.exec(['cat', '/sys/class/net/eth0/address'])).out.trim()
      const known = async (): Promise<string> => (await pair.lab.client.exec(['ip', 'neigh', 'show', vip])).out
      const wrong = '02:00:00:00:00:99'
      const forget = ['ip', 'neigh', 'replace', vip, 'lladdr', wrong, 'dev', 'eth0', 'nud', 'stale']
      // The announcements of the first start go on for a moment; the wrong entry stays when they have ended.
      assert.ok(await until(async () => {
        await pair.lab.client.exec(forget)
        await pause(BURST_MS)
        return (await known()).includes(wrong)
      }, SETTLE_MS))
      await restartedAndSettled(pair, a)
      assert.ok(await until(async () => (await known()).includes(mac), SETTLE_MS), `${await known()}, not ${mac}`)
      const removed = epochMs()
      assert.equal((await a.node.exec(['ip', 'addr', 'del', `${vip}/24`, 'dev', 'eth0'])).rc, 0)
      assert.ok(await until(() => pair.owners.takenAt(vip, a.node.name, removed) !== null, SETTLE_MS))
    })
  })

  for (const peer of ['twinbeat', 'heartbeat'] as const) {
    const missing = peer === 'heartbeat' ? beside : null
    test(`a daemon that was killed adopts what it left, beside a ${peer}`, { skip: missing ?? false, timeout: LIMIT_MS }, async () => {
      const settings = { deadtime: '15', initdead: '30', warntime: '8' }
      await withPair({ name: `adopt${peer}`, kinds: [peer, 'twinbeat'], settings }, async (scene) => {
        const { a, b } = scene.pair
        await b.daemon.kill()
        await b.daemon.start()
        await scene.pair.joined(b)
        await scene.pair.expect('local', 'local', SETTLE_MS)
        assert.doesNotMatch(since(scene, a), /peer\.dead|is dead|takeover\.done/)
        const changes = callsOn(b.node).filter((call) => !call.endsWith('status'))
        assert.deepEqual(changes, ['db start'])
      })
    })
  }
})
