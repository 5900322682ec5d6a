// Services that end with the daemon: `guardian_kill` beside real daemons, in real control groups. The service is two processes
// that left session and parent; its script writes down whether one of any node is alive when it starts.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { Pair, type PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { until } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { controlGroupProblem } from '../../src/system/control-groups.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle() ?? controlGroupProblem()
const SETTLE_MS = 30_000
const LIMIT_MS = 180_000

const group = (index: number): string => `IPaddr2::${VIPS[index]}/24/eth0`

/**
 * twin NAME start|stop|status. The service holds a lock in a folder that both nodes see as long as any process of it lives, so
 * that a second one, on whichever node, is noticed at its start.
 */
const script = (shared: string, node: string): string => `#!/bin/sh
cd "${shared}" || exit 1
free() { flock -n "$1.lock" true; }
mine() { for p in $(cat "$1.${node}.pids" 2>/dev/null); do kill -0 "$p" 2>/dev/null && return 0; done; return 1; }
case $2 in
start)
  mine "$1" && exit 0
  free "$1" || echo "$1 ${node}" >> twice
  setsid sh -c 'flock -n 9; sleep 100000 & echo "$$ $!" > '"$1.${node}.new"'; mv '"$1.${node}.new $1.${node}.pids"'; wait' \
    9>"$1.lock" </dev/null >/dev/null 2>&1 &
  until mine "$1"; do sleep 0.05; done
  echo "$1 ${node} start" >> calls ;;
stop)
  echo "$1 ${node} stop" >> calls
  kill $(cat "$1.${node}.pids" 2>/dev/null) 2>/dev/null
  mine "$1" && until free "$1"; do sleep 0.05; done
  rm -f "$1.${node}.pids" ;;
status)
  if mine "$1"; then echo running; else echo stopped; fi ;;
esac
exit 0
`

class Scene {
  constructor(readonly pair: Pair, private readonly shared: string) {}

  write(settings: readonly string[]): void {
    for (const { node } of [this.pair.a, this.pair.b]) {
      mkdirSync(join(node.folders.haD, 'resource.d'), { recursive: true })
      writeFileSync(join(node.folders.haD, 'resource.d', 'twin'), script(this.shared, node.name))
      chmodSync(join(node.folders.haD, 'resource.d', 'twin'), 0o755)
      writeFileSync(join(node.folders.haD, 'haresources'),
        this.pair.settings.nodes.map((name, index) => `${name} ${group(index)} twin::s${index}\n`).join(''))
      writeFileSync(join(node.folders.haD, 'twinbeat.cf'), `${settings.join('\n')}\n`)
    }
  }

  lines(name: string): string[] {
    const file = join(this.shared, name)
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter((line) => line !== '') : []
  }

  /** Of the newest start on that node, as that node counts them. */
  pids(service: string, member: PairMember): string {
    return this.lines(`${service}.${member.node.name}.pids`).join()
  }

  /** Some process of the service lives, wherever. */
  lives(service: string): boolean {
    return spawnSync('flock', ['-n', join(this.shared, `${service}.lock`), 'true']).status !== 0
  }

  starts(service: string, member: PairMember): number {
    return this.lines('calls').filter((line) => line === `${service} ${member.node.name} start`).length
  }

  async started(service: string, member: PairMember, times: number): Promise<void> {
    const runs = (): boolean => this.starts(service, member) >= times && this.lives(service)
    await this.becomes(`${service} started ${times} times on ${member.node.name}`, runs)
  }

  async becomes(what: string, holds: () => boolean): Promise<void> {
    if (await until(holds, SETTLE_MS)) return
    const { a, b } = this.pair
    const logs = [a, b].map((one) => `${one.node.name}:\n${one.daemon.log().split('\n').slice(-25).join('\n')}`)
    assert.fail(`not so: ${what}\n${this.lines('calls').join('\n')}\n${logs.join('\n')}`)
  }
}

async function withScene(name: string, settings: readonly string[], body: (scene: Scene) => Promise<void>): Promise<void> {
  const shared = mkdtempSync(join(tmpdir(), 'twinbeat-kill-'))
  const pair = await Pair.create({ name, kinds: ['twinbeat', 'twinbeat'] })
  const traces = pair.lab.traces()
  const scene = new Scene(pair, shared)
  try {
    scene.write(settings)
    for (const { node } of [pair.a, pair.b]) {
      const mounted = await node.exec(['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'], { timeoutMs: SETTLE_MS })
      assert.equal(mounted.rc, 0, mounted.err)
    }
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', SETTLE_MS)
    await scene.started('s0', pair.a, 1)
    await scene.started('s1', pair.b, 1)
    await body(scene)
    assert.deepEqual(scene.lines('twice'), [], 'a service on both nodes')
  } finally {
    await pair.close()
    rmSync(shared, { recursive: true, force: true })
  }
  assertNothingLeft(traces)
}

function daemonOf(member: PairMember): TwinbeatNode {
  assert.ok(member.daemon instanceof TwinbeatNode)
  return member.daemon
}

/** The guardian can end the group, and everything of it is where it can. */
async function ready(scene: Scene): Promise<void> {
  for (const member of [scene.pair.a, scene.pair.b]) {
    const calm = await until(async () => {
      const status = await daemonOf(member).status()
      return status?.groups.every((one) => one.members.every(({ state }) => state === 'running' || one.state !== 'held')) === true
    }, SETTLE_MS)
    assert.ok(calm)
    assert.doesNotMatch(member.daemon.log(), /guardian\.unconfined|guardian_kill has no effect/)
  }
}

const kills = [`guardian_kill ${group(0)}`, `guardian_kill ${group(1)}`]

describe('services that end with the daemon', { skip: obstacle ?? false, concurrency: 2, timeout: LIMIT_MS }, () => {
  test('with fencing: a killed daemon takes its services along, and no fence is waited for', { timeout: LIMIT_MS }, async () => {
    const settings = [...kills, 'split_brain fence', 'fence_device hand type=meatware targets=nodea,nodeb']
    await withScene('killfence', settings, async (scene) => {
      const { pair } = scene
      await ready(scene)
      const killed = epochMs()
      pair.a.node.kill(daemonOf(pair.a).pids())
      await scene.started('s0', pair.b, 1)
      assert.deepEqual(pair.owners.overlaps(killed), [])
      assert.match(pair.b.daemon.log(), /gasp\.heard/)
      assert.doesNotMatch(pair.b.daemon.log(), /fence-not-confirmed/)
      await pair.a.daemon.start()
      await pair.joined(pair.a)
      await scene.started('s0', pair.a, 2)
      // The folder of the group that it did not hold may be gone already: nothing ran there.
      assert.match(pair.a.daemon.log(), /guardian\.acted: .*services of [12] groups ended, last words of 1 groups/)
    })
  })

  test('restart --keep ends nothing, and an orderly stop is one of the script', { timeout: LIMIT_MS }, async () => {
    await withScene('killkeep', kills, async (scene) => {
      const { pair } = scene
      await ready(scene)
      const before = scene.pids('s0', pair.a)
      const kept = await pair.a.node.exec(daemonOf(pair.a).toolArgv(['restart', '--keep']), { timeoutMs: SETTLE_MS })
      assert.equal(kept.rc, 0, kept.err)
      await pair.joined(pair.a)
      await pair.expect('local', 'local', SETTLE_MS)
      assert.ok(scene.lives('s0'))
      assert.equal(scene.pids('s0', pair.a), before)
      await daemonOf(pair.a).stop()
      await scene.started('s0', pair.b, 1)
      assert.equal(scene.lines('calls').filter((line) => line === 's0 nodea stop').length, 1)
    })
  })
})
