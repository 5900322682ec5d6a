// Lease protection with a real etcd, long form: `npm run test:lease`. Every row on a fresh lab with one member and
// with three, TWINBEAT_LEASE_TRIES times (10), TWINBEAT_LEASE_JOBS rows side by side (2); TWINBEAT_LEASE_ROW is a regular
// expression for the rows to play. Never two owners, at any
// moment, and service goes on while the nodes hear each other, or hear the arbiter.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { etcdObstacle } from '../../lab/etcd.js'
import { labObstacle } from '../../lab/lab.js'
import { VIPS } from '../../lab/pair-files.js'
import { pause, until } from '../../lab/processes.js'
import { twinbeatObstacle, type TwinbeatNode } from '../../lab/twinbeat-node.js'
import {
  assertOneOwner, assertServiceGoesOn, cutFromEtcd, goneFromAll, ownedBySomebody, reachEtcdAgain, statusOf, TAKEN_MS, TTL_MS,
  withLeasePair, type Scene,
} from './lease-support.js'

const obstacle = (await labObstacle()) ?? etcdObstacle() ?? twinbeatObstacle()
const tries = Number(process.env['TWINBEAT_LEASE_TRIES'] ?? '10')
const goneMs = Number(process.env['TWINBEAT_LEASE_GONE_MS'] ?? '180000')
const jobs = Number(process.env['TWINBEAT_LEASE_JOBS'] ?? '2')
const only = new RegExp(process.env['TWINBEAT_LEASE_ROW'] ?? '')
const LIMIT_MS = 300_000 + goneMs
const LONGER_MS = 2 * TTL_MS

interface Row {
  readonly name: string
  readonly members?: 3
  readonly body: (scene: Scene) => Promise<void>
}

const partition = (deaf: 'a' | 'b' | 'both') => async (scene: Scene): Promise<void> => {
  await scene.pair.sever(deaf)
  await assertServiceGoesOn(scene, LONGER_MS)
  await scene.pair.mend(deaf)
  await assertServiceGoesOn(scene, TTL_MS)
}

const allOn = ({ pair }: Scene, node: string): boolean => VIPS.every((vip) => pair.owners.now(vip).join() === node)

async function whole(scene: Scene): Promise<void> {
  await scene.etcd.ready()
  await assertServiceGoesOn(scene, LONGER_MS)
  assert.ok(await until(async () => (await statusOf(scene.pair.a)).groups.every((group) => group.lease?.byPromise !== true), TAKEN_MS))
}

const rows: readonly Row[] = [
  { name: 'full partition', body: partition('both') },
  { name: 'one-way partition, the first is deaf', body: partition('a') },
  { name: 'one-way partition, the second is deaf', body: partition('b') },
  { name: 'member killed, and back', body: async (scene) => {
    await scene.etcd.kill(0)
    await assertServiceGoesOn(scene, LONGER_MS)
    await scene.etcd.launch(0)
    await whole(scene)
  } },
  { name: 'leader killed', members: 3, body: async (scene) => {
    const leader = await scene.etcd.leader()
    await scene.etcd.kill(leader)
    await assertServiceGoesOn(scene, LONGER_MS)
    await scene.etcd.launch(leader)
    await whole(scene)
  } },
  { name: 'leader moved three times', members: 3, body: async (scene) => {
    for (let i = 0; i < 3; i += 1) {
      await scene.etcd.moveLeader()
      await assertServiceGoesOn(scene, TTL_MS / 2)
    }
    await whole(scene)
  } },
  { name: 'leader paused longer than the lease', body: async (scene) => {
    const leader = await scene.etcd.leader()
    scene.etcd.pause(leader)
    await assertServiceGoesOn(scene, LONGER_MS)
    scene.etcd.resume(leader)
    await whole(scene)
  } },
  { name: 'leader paused during a partition', members: 3, body: async (scene) => {
    await scene.pair.sever('both')
    const leader = await scene.etcd.leader()
    scene.etcd.pause(leader)
    await assertServiceGoesOn(scene, LONGER_MS)
    scene.etcd.resume(leader)
    await scene.pair.mend('both')
    await whole(scene)
  } },
  // What it believes to have ended it revokes, if it is old enough, although its successor renewed it.
  { name: 'leader paused and goes on during a partition', members: 3, body: async (scene) => {
    await scene.pair.sever('both')
    const leader = await scene.etcd.leader()
    scene.etcd.pause(leader)
    await assertServiceGoesOn(scene, LONGER_MS)
    scene.etcd.resume(leader)
    await assertServiceGoesOn(scene, LONGER_MS)
    await scene.pair.mend('both')
    await whole(scene)
  } },
  { name: 'data folder full', body: async (scene) => {
    assert.ok(await scene.etcd.fillDisk(0), 'etcd took everything')
    await assertServiceGoesOn(scene, LONGER_MS)
    await scene.etcd.freeDisk(0)
    if (!scene.etcd.isRunning(0)) await scene.etcd.launch(0)
    await assertServiceGoesOn(scene, TTL_MS)
  } },
  { name: 'etcd gone for long', body: async (scene) => {
    for (let i = 0; i < scene.etcd.size; i += 1) await scene.etcd.kill(i)
    await assertServiceGoesOn(scene, goneMs)
    for (let i = 0; i < scene.etcd.size; i += 1) await scene.etcd.launch(i)
    await whole(scene)
  } },
  { name: 'one node cut off from etcd longer than its lease', body: async (scene) => {
    await cutFromEtcd(scene, 'a')
    await assertServiceGoesOn(scene, 2 * LONGER_MS)
    await reachEtcdAgain(scene, 'a')
    await whole(scene)
  } },
  { name: 'one node cut off from etcd and from the other', body: async (scene) => {
    const { pair } = scene
    await Promise.all([cutFromEtcd(scene, 'a'), pair.sever('both')])
    assert.ok(await until(() => allOn(scene, pair.b.node.name), TTL_MS + TAKEN_MS), await pair.describe())
    await reachEtcdAgain(scene, 'a')
    await pair.mend('both')
    await assertServiceGoesOn(scene, TTL_MS)
  } },
  { name: 'etcd gone, then a partition', body: async (scene) => {
    for (let i = 0; i < scene.etcd.size; i += 1) await scene.etcd.kill(i)
    await assertServiceGoesOn(scene, LONGER_MS)
    await scene.pair.sever('both')
    for (const vip of VIPS) await goneFromAll(scene, vip, TTL_MS + 1_000)
    for (let i = 0; i < scene.etcd.size; i += 1) await scene.etcd.launch(i)
    await scene.etcd.ready()
    await ownedBySomebody(scene, TAKEN_MS)
    await scene.pair.mend('both')
    await pause(TTL_MS)
    await ownedBySomebody(scene, TTL_MS)
  } },
  { name: 'a node loses its power', body: async (scene) => {
    const { pair } = scene
    await pair.a.node.powerOff()
    assert.ok(await until(() => allOn(scene, pair.b.node.name), TAKEN_MS), await pair.describe())
  } },
  { name: 'hand-over both ways', body: async (scene) => {
    const { pair } = scene
    for (const [from, wanted] of [[pair.a, ['none', 'all']], [pair.b, ['all', 'none']]] as const) {
      await from.daemon.standby('all')
      assert.ok(await until(() => pair.settled(wanted[0], wanted[1]), TAKEN_MS, 100), await pair.describe())
    }
  } },
  { name: 'restart --keep, refused while etcd is silent', body: async (scene) => {
    const { pair, etcd } = scene
    const words = (pair.a.daemon as TwinbeatNode).toolArgv(['restart', '--keep'])
    const kept = await pair.a.node.exec(words, { timeoutMs: TAKEN_MS })
    assert.equal(kept.rc, 0, kept.err)
    await pair.joined(pair.a)
    await assertServiceGoesOn(scene, LONGER_MS)
    for (let i = 0; i < etcd.size; i += 1) await etcd.kill(i)
    await assertServiceGoesOn(scene, TTL_MS)
    const refused = await pair.a.node.exec(words, { timeoutMs: TAKEN_MS })
    assert.match(refused.err, /TB_ARBITER_SILENT/)
    await assertServiceGoesOn(scene, TTL_MS)
  } },
  { name: 'daemon killed and started again at once', body: async (scene) => {
    const { pair } = scene
    await pair.a.daemon.kill()
    await pair.a.daemon.start()
    await ownedBySomebody(scene, 2 * TAKEN_MS)
    await pair.joined(pair.a)
    await assertServiceGoesOn(scene, TTL_MS)
  } },
]

describe('lease protection, long form', { skip: obstacle ?? false, concurrency: jobs }, () => {
  for (const members of [1, 3] as const) {
    for (const row of rows) {
      const title = `${row.name}, etcd of ${members}`
      if ((row.members ?? members) !== members || !only.test(title)) continue
      test(`${title}, ${tries} times`, { timeout: tries * LIMIT_MS }, async () => {
        for (let turn = 0; turn < tries; turn += 1) {
          await withLeasePair(`lease${members}`, members, async (scene) => {
            await row.body(scene)
            await assertOneOwner(scene)
          })
        }
      })
    }
  }
})
