// What operators order on a running pair, and what an interface does to it: maintenance and holds on both nodes, a
// cable that is pulled from the interface of an address, an address that is closed until its service runs.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { ANSWER_PORT } from '../../lab/client.js'
import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { LAB_ENV } from '../../lab/namespace.js'
import { Pair, type PairMember, type PairSpec } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { pause, run, until, type RunResult } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { lineOf, writeLoggedService } from './logged-service.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const SETTLE_MS = 30_000
const LIMIT_MS = 120_000
const keyOf = (index: number): string => `IPaddr2::${VIPS[index] ?? ''}/24/eth0`

async function withPair(
  spec: Omit<PairSpec, 'kinds'>, prepare: (pair: Pair) => void, body: (pair: Pair) => Promise<void>,
): Promise<void> {
  const pair = await Pair.create({ ...spec, kinds: ['twinbeat', 'twinbeat'] })
  const traces = pair.lab.traces()
  try {
    prepare(pair)
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

const order = (member: PairMember, ...words: string[]): Promise<RunResult> =>
  member.node.exec(daemonOf(member).toolArgv(words), { timeoutMs: SETTLE_MS })

async function maintenanceMs(member: PairMember): Promise<number | null> {
  return (await daemonOf(member).status())?.maintenanceLeftMs ?? null
}

/** A service whose start takes its time, in front of the one that answers. */
const SLOW = '#!/bin/sh\ncase $1 in\nstart) sleep 3; touch /run/slow ;;\nstop) rm -f /run/slow ;;\n'
  + 'status) if [ -e /run/slow ]; then echo running; else echo stopped; fi ;;\nesac\n'

function writeBlockedGroup(pair: Pair): void {
  writeLoggedService(pair)
  for (const { node } of [pair.a, pair.b]) {
    const folder = join(node.folders.haD, 'resource.d')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'slow'), SLOW)
    chmodSync(join(folder, 'slow'), 0o755)
    const [a = '', b = ''] = pair.settings.nodes
    writeFileSync(join(node.folders.haD, 'haresources'),
      `${a} ${keyOf(0)} slow logged::web::${String(ANSWER_PORT)}\n${lineOf(b, 1, 'db')}`)
    writeFileSync(join(node.folders.haD, 'twinbeat.cf'), `address ${keyOf(0)} blocked\n`)
  }
}

/** What a client gets that opens a connection: connected, refused, or nothing for half a second. */
async function connect(pair: Pair): Promise<string> {
  const script = `const s=require('net').connect(${String(ANSWER_PORT)},'${VIPS[0]}')
    const end=(w)=>{process.stdout.write(w);process.exit(0)}
    s.on('connect',()=>end('connected')); s.on('error',(e)=>end(e.code)); setTimeout(()=>end('nothing'),500)`
  const result = await run([...pair.lab.client.enter(), process.execPath, '-e', script], { timeoutMs: 10_000, env: LAB_ENV })
  return result.out
}

/** The service's script ends before the service listens. */
async function connects(pair: Pair): Promise<void> {
  assert.ok(await until(async () => (await connect(pair)) === 'connected', SETTLE_MS, 100))
}

async function closedOn(member: PairMember): Promise<boolean> {
  const { out } = await member.node.exec(['nft', 'list', 'table', 'inet', 'twinbeat'], { timeoutMs: 10_000 })
  return out.includes(VIPS[0])
}

describe('orders on a running pair', { skip: obstacle ?? false, concurrency: 1 }, () => {
  test('a cable pulled from the interface of an address moves its group, and failback waits', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'track' }, () => undefined, async (pair) => {
      const pulledAt = performance.now()
      await pair.a.node.cable('eth0', 'down')
      await pair.expect('none', 'all', SETTLE_MS)
      const movedMs = performance.now() - pulledAt
      assert.ok(movedMs > 900, `it moved after ${movedMs.toFixed(0)} ms: that is no damping`)
      assert.match(daemonOf(pair.a).log(), /track\.lost: .*eth0 is down: handing it over/)
      await pair.b.node.cable('eth0', 'down')
      await pause(3_000)
      assert.equal((await daemonOf(pair.b).status())?.resources, 'all', 'both down: nothing moves')
      await pair.b.node.cable('eth0', 'up')
      await pair.a.node.cable('eth0', 'up')
      await pair.expect('local', 'local', SETTLE_MS)
      for (const member of [pair.a, pair.b]) assert.doesNotMatch(member.daemon.log(), /peer\.dead|owners\.two/)
    })
  })

  test('maintenance and a hold said on one node keep the other from taking over', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'upkeep' }, () => undefined, async (pair) => {
      const begun = await order(pair.a, 'maintenance', 'on', '--for', '10m')
      assert.equal(begun.rc, 0, begun.err)
      assert.match(begun.out, /maintenance for 600 s on both nodes; 'twinbeat maintenance off' ends it earlier/)
      for (const member of [pair.a, pair.b]) assert.ok(((await maintenanceMs(member)) ?? 0) > 500_000)
      const refused = await order(pair.b, 'standby', '--json')
      assert.equal(refused.rc, 6)
      assert.match(refused.out, /TB_MAINTENANCE/)
      assert.match((await order(pair.b, 'status')).out, /MAINTENANCE for another/)

      await pair.a.node.powerOff()
      assert.ok(await until(async () => (await daemonOf(pair.b).statusOf(pair.a.node.name)) === 'dead', SETTLE_MS, 100))
      await pause(1_500)
      assert.equal((await daemonOf(pair.b).status())?.resources, 'local')
      const held = await order(pair.b, 'hold', keyOf(0))
      assert.match(held.out, /on hold here; nodea is not there and learns it when it is back/)
      assert.equal((await order(pair.b, 'maintenance', 'off')).rc, 0)
      await pause(1_500)
      assert.equal((await daemonOf(pair.b).status())?.resources, 'local', 'the hold is left')
      assert.equal((await order(pair.b, 'unhold', keyOf(0))).rc, 0)
      await pair.holdsAll(pair.b, SETTLE_MS)
    })
  })

  test('an address that is blocked is there and closed until its service runs', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'blocked', settings: { autoFailback: 'off' } }, writeBlockedGroup, async (pair) => {
      await connects(pair)
      assert.equal(await closedOn(pair.a), false)
      assert.equal(await closedOn(pair.b), true, 'where the group is not, its address is closed beforehand')
      const moved = order(pair.b, 'takeover', keyOf(0))
      assert.ok(await until(() => pair.owners.now(VIPS[0]).includes(pair.b.node.name), SETTLE_MS, 20))
      const early = await connect(pair)
      assert.equal(early, 'nothing', 'dropped, not refused')
      assert.equal((await moved).rc, 0)
      assert.ok(await until(async () => !(await closedOn(pair.b)), SETTLE_MS, 100))
      await connects(pair)
      assert.equal(await closedOn(pair.a), true)
      await pair.a.daemon.stop()
      const { rc } = await pair.a.node.exec(['nft', 'list', 'table', 'inet', 'twinbeat'], { timeoutMs: 10_000 })
      assert.notEqual(rc, 0, 'the table is gone with the daemon')
    })
  })
})
