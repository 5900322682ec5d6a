// Lease protection with a real etcd, short form: the cases that everything else rests on. The long form is
// `npm run test:lease`.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { etcdObstacle } from '../../lab/etcd.js'
import { labObstacle } from '../../lab/lab.js'
import { VIPS } from '../../lab/pair-files.js'
import { until } from '../../lab/processes.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'
import {
  assertOneOwner, assertServiceGoesOn, cutFromEtcd, goneFromAll, ownedBySomebody, statusOf, TAKEN_MS, TTL_MS, withLeasePair,
} from './lease-support.js'

const obstacle = (await labObstacle()) ?? etcdObstacle() ?? twinbeatObstacle()
const LIMIT_MS = 180_000

describe('lease protection', { skip: obstacle ?? false, concurrency: 2, timeout: LIMIT_MS }, () => {
  test('an etcd that is gone stops nobody while the nodes hear each other, and both when they do not', { timeout: LIMIT_MS }, async () => {
    await withLeasePair('leaseone', 1, async (scene) => {
      const { pair, etcd } = scene
      assert.equal((await statusOf(pair.a)).groups[0]?.lease?.state, 'owned')
      await etcd.kill(0)
      await assertServiceGoesOn(scene, TTL_MS + 2_000)
      assert.equal((await statusOf(pair.a)).groups[0]?.lease?.byPromise, true)
      await pair.sever('both')
      for (const vip of VIPS) await goneFromAll(scene, vip, TTL_MS + 1_000)
      await etcd.launch(0)
      await etcd.ready()
      await ownedBySomebody(scene, TAKEN_MS)
      await pair.mend('both')
      await assertOneOwner(scene)
    })
  })

  test('a partition alone moves nothing; a node that dies is followed when its lease has ended', { timeout: LIMIT_MS }, async () => {
    await withLeasePair('leasethree', 3, async (scene) => {
      const { pair, etcd } = scene
      await pair.sever('both')
      etcd.pause(await etcd.leader())
      await assertServiceGoesOn(scene, TTL_MS + 2_000)
      const dead = performance.now()
      await pair.a.node.powerOff()
      assert.ok(await until(() => VIPS.every((vip) => pair.owners.now(vip).join() === pair.b.node.name), TAKEN_MS), await pair.describe())
      assert.ok(performance.now() - dead > TTL_MS / 2, 'taken before the lease had ended')
      await assertOneOwner(scene)
    })
  })

  test('a node that has just started follows one that dies when its lease has ended', { timeout: LIMIT_MS }, async () => {
    await withLeasePair('leaseyoung', 1, async (scene) => {
      const { pair } = scene
      await pair.a.node.powerOff()
      const all = (): boolean => VIPS.every((vip) => pair.owners.now(vip).join() === pair.b.node.name)
      assert.ok(await until(all, TAKEN_MS), await pair.describe())
      assert.ok(!pair.b.daemon.log().includes('lease.vanished'), 'its end was seen')
      await assertOneOwner(scene)
    })
  })

  test('leases that are revoked before their time move nothing, and make no second owner', { timeout: LIMIT_MS }, async () => {
    await withLeasePair('leaserevoked', 1, async (scene) => {
      const { pair, etcd } = scene
      const revoke = async (): Promise<void> => { assert.ok(await etcd.revokeLeases() > 0, 'there were leases') }
      await revoke()
      await assertServiceGoesOn(scene, TTL_MS)
      await pair.sever('both')
      for (const { daemon } of [pair.a, pair.b]) {
        assert.ok(await until(() => daemon.log().includes('lease.waiting'), TAKEN_MS), 'each looks for the group of the other')
      }
      await revoke()
      await assertServiceGoesOn(scene, 2 * TTL_MS)
      // An owner that never hears of it holds its group until its deadline.
      await cutFromEtcd(scene, 'a')
      await revoke()
      const all = (): boolean => VIPS.every((vip) => pair.owners.now(vip).join() === pair.b.node.name)
      assert.ok(await until(all, TTL_MS + TAKEN_MS), await pair.describe())
      await assertOneOwner(scene)
    })
  })
})
