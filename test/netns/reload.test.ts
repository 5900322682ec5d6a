// A running pair gets new files: what changed is changed live, what did not is not touched, and neither node
// takes the other for dead. Each case tells what the service scripts were called for.

import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { heartbeatObstacle } from '../../lab/heartbeat-node.js'
import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { Pair, type PairMember, type PairSpec } from '../../lab/pair.js'
import { pause, until, type RunResult } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { callsOn, groupLines, lineOf, writeLoggedService } from './logged-service.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const SETTLE_MS = 30_000
const LIMIT_MS = 120_000

async function withPair(spec: PairSpec, body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await Pair.create(spec)
  const traces = pair.lab.traces()
  try {
    writeLoggedService(pair)
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', SETTLE_MS)
    await body(pair)
    // Whatever a case was about: nobody was taken for dead in it.
    for (const member of [pair.a, pair.b]) assert.doesNotMatch(member.daemon.log(), /peer\.dead|: is dead/)
  } finally {
    await pair.close()
  }
  assertNothingLeft(traces)
}

function daemonOf(member: PairMember): TwinbeatNode {
  assert.ok(member.daemon instanceof TwinbeatNode)
  return member.daemon
}

function tryReload(member: PairMember): Promise<RunResult> {
  return member.node.exec(daemonOf(member).toolArgv(['reload']), { timeoutMs: SETTLE_MS })
}

async function reload(...members: PairMember[]): Promise<void> {
  for (const member of members) await daemonOf(member).ask('reload', SETTLE_MS)
}

const fileOf = (member: PairMember, name: string): string => join(member.node.folders.haD, name)

function edit(member: PairMember, name: string, change: (text: string) => string): void {
  const file = fileOf(member, name)
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}

async function becomes(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  assert.ok(await until(ask, SETTLE_MS, 100), `it did not come to pass: ${what}`)
}

/** Dead time of that member as its peer has heard it, in milliseconds. */
async function announcedBy(pair: Pair, member: PairMember): Promise<number | undefined> {
  const status = await daemonOf(pair.other(member)).status()
  return status?.nodes.find((node) => node.name === member.node.name)?.deadtimeMs
}

async function setTiming(member: PairMember, keepalive: string, deadtime: string): Promise<void> {
  edit(member, 'ha.cf', (text) => text
    .replace(/^keepalive .*$/m, `keepalive ${keepalive}`)
    .replace(/^warntime .*$/m, `warntime ${keepalive === '1' ? '2' : '700ms'}`)
    .replace(/^deadtime .*$/m, `deadtime ${deadtime}`))
  await reload(member)
}

/** The engine of that member beats with this pace and no bridge stands any more. */
async function paceIs(member: PairMember, intervalMs: number): Promise<void> {
  await becomes(`${member.node.name} beats every ${intervalMs} ms`, async () =>
    (await daemonOf(member).status())?.links.every((link) => link.intervalMs === intervalMs) === true)
}

const serviceCalls = (member: PairMember): string[] => callsOn(member.node)

describe('a reload', { skip: obstacle ?? false, concurrency: 3, timeout: LIMIT_MS }, () => {
  test('slows down and speeds up the heartbeats of one node', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'rtiming', kinds: ['twinbeat', 'twinbeat'] }, async (pair) => {
      const { a, b } = pair
      await setTiming(a, '1', '6')
      await becomes('the longer dead time is heard', async () => (await announcedBy(pair, a)) === 6_000)
      await paceIs(a, 1_000)
      await setTiming(a, '100ms', '1500ms')
      await becomes('the shorter dead time is heard', async () => (await announcedBy(pair, a)) === 1_500)
      await paceIs(a, 100)
      await setTiming(b, '100ms', '1500ms')
      await becomes('the shorter dead time is heard', async () => (await announcedBy(pair, b)) === 1_500)
      await pair.expect('local', 'local', SETTLE_MS)
    })
  })

  const beside = heartbeatObstacle()
  test('changes the pace beside a real heartbeat', { skip: beside ?? false, timeout: LIMIT_MS }, async () => {
    const settings = { autoFailback: 'off' } as const
    await withPair({ name: 'rreal', kinds: ['heartbeat', 'twinbeat'], settings }, async (pair) => {
      const { b } = pair
      await setTiming(b, '1', '6')
      await paceIs(b, 1_000)
      await pause(3_000)
      await setTiming(b, '100ms', '1500ms')
      await paceIs(b, 100)
      await pause(2_000)
      await pair.expect('local', 'local', SETTLE_MS)
    })
  })

  test('starts what is new, restarts what is changed, stops what is gone, touches nothing else', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'rgroups', kinds: ['twinbeat', 'twinbeat'] }, async (pair) => {
      const { a, b } = pair
      const [first = '', second = ''] = groupLines(pair)
      const files = (...lines: string[]): void => {
        for (const member of [a, b]) writeFileSync(fileOf(member, 'haresources'), lines.join(''))
      }
      const extra = 'nodeb logged::extra::7790\n'
      const before = [serviceCalls(a), serviceCalls(b)] as const

      files(first, second, extra)
      await reload(a, b)
      await becomes('the new group runs at its home', () => serviceCalls(b).includes('extra start'))
      assert.ok(!serviceCalls(a).includes('extra start'), 'a node that is not its home must not start it')

      files(first, second, 'nodeb logged::extra::7791\n')
      await reload(a, b)
      await becomes('the changed group was stopped and started again', () =>
        serviceCalls(b).filter((call) => call.startsWith('extra') && !call.endsWith('status')).join()
          === 'extra start,extra stop,extra start')

      files(first, second)
      await reload(a, b)
      await becomes('the removed group is stopped', () => serviceCalls(b).filter((call) => call === 'extra stop').length === 2)
      assert.ok(!serviceCalls(a).some((call) => call === 'extra start'))
      const others = (member: PairMember): string[] => serviceCalls(member).filter((call) => !call.startsWith('extra'))
      assert.deepEqual([others(a), others(b)], before, 'groups that did not change must not be touched')

      files(lineOf('nodea', 0, 'shop'), second)
      await reload(a, b)
      await becomes('an address stays in its renewed group', async () =>
        serviceCalls(a).includes('shop start') && (await pair.settled('local', 'local')))
      assert.ok(serviceCalls(a).includes('web stop'), 'the old service is stopped under its old name')
    })
  })

  test('with a broken file keeps everything, by command and by signal', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'rbroken', kinds: ['twinbeat', 'twinbeat'] }, async (pair) => {
      const { a } = pair
      const calls = serviceCalls(a)
      const good = readFileSync(fileOf(a, 'ha.cf'), 'utf8')
      appendFileSync(fileOf(a, 'ha.cf'), 'keepalive soon\nnonsense\n')
      const refused = await tryReload(a)
      assert.equal(refused.rc, 1)
      assert.match(refused.err, /TB_CONFIG/)
      a.node.kill(daemonOf(a).pids(), 'SIGHUP')
      await becomes('the refusal of the signal is in the log', () =>
        a.daemon.log().split('reload.refused').length === 3)
      writeFileSync(fileOf(a, 'ha.cf'), good)
      a.node.kill(daemonOf(a).pids(), 'SIGHUP')
      assert.equal((await tryReload(a)).rc, 0)
      await pair.expect('local', 'local', SETTLE_MS)
      assert.deepEqual(serviceCalls(a), calls)
    })
  })

  test('rotates the key and moves the heartbeats to another network', { timeout: LIMIT_MS }, async () => {
    await withPair({ name: 'rkeys', kinds: ['twinbeat', 'twinbeat'] }, async (pair) => {
      const { a, b } = pair
      const keys = async (text: string): Promise<void> => {
        for (const member of [a, b]) {
          writeFileSync(fileOf(member, 'authkeys'), text)
          chmodSync(fileOf(member, 'authkeys'), 0o600)
          await reload(member)
        }
      }
      await keys('auth 1\n1 sha1 a-key-of-the-lab\n2 sha1 another-key\n')
      await keys('auth 2\n1 sha1 a-key-of-the-lab\n2 sha1 another-key\n')
      await keys('auth 2\n2 sha1 another-key\n')
      const rejected = async (member: PairMember): Promise<number> =>
        (await daemonOf(member).status())?.links.reduce((sum, link) =>
          sum + Object.values(link.rejected).reduce((all, count) => all + count, 0), 0) ?? NaN
      assert.deepEqual([await rejected(a), await rejected(b)], [0, 0])

      for (const member of [a, b]) {
        appendFileSync(fileOf(member, 'ha.cf'), 'bcast eth0\n')
        await reload(member)
      }
      const linksUp = async (member: PairMember, peer: PairMember, names: string): Promise<boolean> =>
        (await daemonOf(member).status())?.nodes.find((node) => node.name === peer.node.name)?.links
          .filter((link) => link.state === 'up').map((link) => link.name).sort().join() === names
      await becomes('both networks carry', async () =>
        (await linksUp(a, b, 'eth0,eth1')) && (await linksUp(b, a, 'eth0,eth1')))
      for (const member of [a, b]) {
        edit(member, 'ha.cf', (text) => text.replace('bcast eth1\n', ''))
        await reload(member)
      }
      await becomes('the new network alone carries', async () => (await linksUp(a, b, 'eth0')) && (await linksUp(b, a, 'eth0')))
      await a.node.cut('eth1', 'both')
      await pause(3_000)
      await pair.expect('local', 'local', SETTLE_MS)
    })
  })
})
