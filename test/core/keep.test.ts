// The planned restart as the next life sees it: what is adopted without a start, what is not, and what a
// restart refuses.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig } from '../../src/core/types.js'
import { pairConfig, second, Stage } from './stage.js'

/** Beside a real node: alpha holds `web` and has been asked to restart. */
function restarted(config: CoreConfig = pairConfig()): Stage {
  const stage = new Stage(config)
  stage.joinStable('local')
  stage.operator('restart-keep')
  stage.run(3 * second)
  assert.ok(stage.halted)
  return stage
}

function successorOf(stage: Stage, change: { config?: CoreConfig, laterUs?: number } = {}): Stage {
  const next = new Stage(change.config ?? stage.config)
  next.now = stage.now + (change.laterUs ?? second)
  for (const member of stage.running) next.running.add(member)
  next.boot(stage.facts)
  return next
}

const calls = (stage: Stage): string[] =>
  stage.trace.flatMap((line) => /run ((?:start|stop) \S+)/.exec(line)?.[1] ?? [])

test('the longer dead time is announced several times before the daemon ends', () => {
  const stage = restarted()
  assert.equal(stage.trace.filter((line) => line.endsWith('status active longer')).length, 4)
  assert.ok(stage.trace.at(-1)?.includes('HALT restart'))
})

test('what was kept is held at once and no agent is called but probes', () => {
  const next = successorOf(restarted())
  assert.equal(next.states(), 'web=held db=stopped')
  assert.deepEqual(calls(next), [])
})

test('a permission that has run out is dropped', () => {
  const next = successorOf(restarted(), { laterUs: 31 * second })
  assert.equal(next.states(), 'web=found db=stopped')
})

test('a permission from a clock that has begun again is dropped', () => {
  const stage = restarted()
  const next = new Stage()
  for (const member of stage.running) next.running.add(member)
  next.boot({ keep: JSON.stringify({ until: 10_000 * second, groups: [{ id: 'web', digest: 'web-1', returning: false }] }) })
  assert.equal(next.states(), 'web=found db=stopped')
})

test('a group that is defined otherwise now is not adopted', () => {
  const config = pairConfig()
  const groups = config.groups.map((group) => ({ ...group, digest: `${group.digest}-new` }))
  const next = successorOf(restarted(), { config: { ...config, groups } })
  assert.equal(next.states(), 'web=found db=stopped')
})

test('a kept group of which a member died is not held before the peer has spoken', () => {
  const stage = restarted()
  stage.running.delete('httpd')
  assert.equal(successorOf(stage).states(), 'web=found db=stopped')
})

for (const damage of ['', 'null', '[]', '{"until":5}', '{"until":1e15,"groups":[]}', '{"until":9e6,"groups":[3,null]}']) {
  test(`a damaged permission means none: ${damage}`, () => {
    const next = new Stage()
    next.running.add('ip-web').add('httpd')
    next.boot({ keep: damage })
    assert.equal(next.states(), 'web=found db=stopped')
    assert.equal(next.facts['keep'], undefined)
  })
}

test('the permission serves one start only', () => {
  const stage = restarted()
  const next = successorOf(stage)
  assert.equal(next.facts['keep'], undefined)
  assert.ok(next.trace.includes('4.000   persist keep nothing') || next.trace.some((line) => line.endsWith('persist keep nothing')))
})

test('a second restart during the first is refused and the first goes on', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.operator('restart-keep', '', 'first')
  stage.operator('restart-keep', '', 'second')
  assert.deepEqual(stage.replies.map(({ id, ok, code }) => [id, ok, code]), [['second', false, 'TB_BUSY']])
  stage.run(3 * second)
  assert.deepEqual(stage.replies.map(({ id, ok }) => [id, ok]), [['second', false], ['first', true]])
  assert.ok(stage.halted)
})

test('a restart is refused while a hand-over to a real node runs', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.operator('standby', 'local')
  stage.operator('restart-keep')
  assert.equal(stage.replies.find((reply) => reply.id === 'restart-keep')?.code, 'TB_BUSY')
  assert.ok(!stage.halted)
})

test('a restart is refused before the node has joined', () => {
  const stage = new Stage()
  stage.boot()
  stage.operator('restart-keep')
  assert.equal(stage.replies.at(-1)?.code, 'TB_BUSY')
})

test('an intent that cannot be written ends the restart and the normal dead time is announced again', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.diskFails = true
  stage.operator('restart-keep')
  stage.run(3 * second)
  assert.equal(stage.replies.at(-1)?.code, 'TB_STATE_WRITE')
  assert.equal(stage.trace.filter((line) => line.includes('status active')).at(-1)?.endsWith('status active'), true)
  assert.ok(!stage.halted)
  assert.equal(stage.states(), 'web=held db=stopped')
})

test('groups taken from a dead peer still go home after a restart, with failback on', () => {
  const stage = new Stage(pairConfig({ autoFailback: 'on' }))
  stage.joinStable('local')
  stage.peerDead()
  stage.run(second)
  stage.operator('restart-keep')
  stage.run(3 * second)
  const next = successorOf(stage)
  next.peerDead(0)
  next.run(second)
  assert.equal(next.states(), 'web=held db=held')
  next.peerStatus('up', 101)
  next.peerStatus('active', 101)
  next.say({ t: 'starting' })
  next.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '1' })
  next.run(2 * second)
  assert.deepEqual(next.sent('ask_resources').map((words) => [words['rsc_hold'], words['info']]), [['foreign', 'me']])
  assert.deepEqual(calls(next), [])
})

test('a kept group that the peer took all the same is given up', () => {
  const next = successorOf(restarted())
  next.peerStatus('active')
  next.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  next.say({ t: 'resource', rsc_hold: 'all', rtype: 'full', isstable: '1' })
  next.run(second)
  assert.equal(next.states(), 'web=stopped db=stopped')
  assert.equal(next.core.snapshot().self, nodeId('alpha'))
})
