// A pair under lease protection with a real etcd beside it, and what is asked of it while things break.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EtcdCluster } from '../../lab/etcd.js'
import { assertNothingLeft } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { Pair, type PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { must, pause, until } from '../../lab/processes.js'
import { TwinbeatNode } from '../../lab/twinbeat-node.js'
import type { StatusReport } from '../../src/control/report.js'

export const TTL_MS = 6_000
/** A dead owner's key lives for its TTL; then it is looked for every quarter of a second, by a busy machine. */
export const TAKEN_MS = TTL_MS + 6_000
export const SETTLE_MS = 45_000
const EVERY_MS = 100

export interface Scene {
  readonly pair: Pair
  readonly etcd: EtcdCluster
  readonly fromMs: number
}

export async function withLeasePair(name: string, members: 1 | 3, body: (scene: Scene) => Promise<void>): Promise<void> {
  const settings = { deadtime: '2', warntime: '1', initdead: '4', autoFailback: 'off' } as const
  const pair = await Pair.create({ name, kinds: ['twinbeat', 'twinbeat'], settings })
  let etcd: EtcdCluster | null = null
  const traces = pair.lab.traces()
  try {
    etcd = await EtcdCluster.start(pair.lab, members)
    for (const { node } of [pair.a, pair.b]) {
      writeFileSync(join(node.folders.haD, 'twinbeat.cf'), [
        'split_brain lease', etcd.arbiterLine, `lease_ttl ${TTL_MS / 1000}s`, 'announce_refresh 0', '',
      ].join('\n'))
    }
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', SETTLE_MS)
    await body({ pair, etcd, fromMs: epochMs() })
  } catch (error) {
    for (const { node, daemon } of [pair.a, pair.b]) console.error(`-- ${node.name}\n${daemon.log().slice(-4000)}`)
    throw error
  } finally {
    await etcd?.close()
    await pair.close()
  }
  assertNothingLeft(traces)
}

export async function statusOf(member: PairMember): Promise<StatusReport> {
  assert.ok(member.daemon instanceof TwinbeatNode)
  const report = await member.daemon.status()
  assert.ok(report !== null, `${member.node.name} does not answer`)
  return report
}

/** At every moment since the scene began no address was on both nodes, as the kernels told and as they say now. */
export async function assertOneOwner({ pair, fromMs }: Scene): Promise<void> {
  assert.deepEqual(pair.owners.overlaps(fromMs), [])
  for (const vip of VIPS) {
    const dumps = await Promise.all([pair.a, pair.b].map(async ({ node }) =>
      node.isOn && (await node.exec(['ip', '-o', 'addr', 'show'])).out.includes(` ${vip}/`) ? [node.name] : []))
    assert.ok(dumps.flat().length <= 1, `${vip} on ${dumps.flat().join(' and ')}`)
  }
}

/** Nobody lets go of anything for that long. */
export async function assertServiceGoesOn(scene: Scene, forMs: number): Promise<void> {
  const { owners } = scene.pair
  const before = VIPS.map((vip) => owners.now(vip).join())
  const beganMs = epochMs()
  await pause(forMs)
  assert.deepEqual(VIPS.map((vip) => owners.now(vip).join()), before, await scene.pair.describe())
  const gaps = owners.timeline(beganMs).filter((holding) => holding.toMs !== null || holding.fromMs > beganMs)
  assert.deepEqual(gaps, [], 'an address went away for a moment')
}

/** The address is on nobody; how long that took. */
export async function goneFromAll(scene: Scene, vip: string, timeoutMs: number): Promise<number> {
  const beganMs = epochMs()
  assert.ok(await until(() => scene.pair.owners.now(vip).length === 0, timeoutMs, EVERY_MS), await scene.pair.describe())
  return epochMs() - beganMs
}

export async function ownedBySomebody(scene: Scene, timeoutMs: number): Promise<void> {
  const all = (): boolean => VIPS.every((vip) => scene.pair.owners.now(vip).length === 1)
  assert.ok(await until(all, timeoutMs, EVERY_MS), await scene.pair.describe())
}

/** Cuts one node off from every member; the pair still hears itself on the other network. */
export async function cutFromEtcd({ pair }: Scene, which: 'a' | 'b'): Promise<void> {
  const { node } = pair[which]
  await must(['nsenter', '-t', String(node.pid), '-n', 'nft', '-f', '-'], { input: [
    'add table inet no_etcd', 'add chain inet no_etcd c { type filter hook output priority 0; }',
    'add rule inet no_etcd c tcp dport 2379 drop', ''].join('\n') })
}

export async function reachEtcdAgain({ pair }: Scene, which: 'a' | 'b'): Promise<void> {
  await must(['nsenter', '-t', String(pair[which].node.pid), '-n', 'nft', 'delete', 'table', 'inet', 'no_etcd'])
}
