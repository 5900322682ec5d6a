// An ordered stop is carried out whatever else is under way: who asks for it kills next, and a killed daemon
// leaves its addresses where they are.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../src/core/base/ids.js'
import { pairConfig, second, Stage } from './stage.js'

function held(): Stage {
  const stage = new Stage()
  stage.joinStable('local')
  assert.equal(stage.states(), 'web=held db=stopped')
  return stage
}

test('a stop asked for while the node mends a pause comes right after it', () => {
  const stage = held()
  stage.hanging.add('stop:httpd')
  stage.feed({ type: 'stall', us: 15 * second, muted: true })
  stage.run(second)
  stage.operator('stop')
  stage.run(second)
  stage.release('stop:httpd')
  stage.run(5 * second)
  assert.ok(stage.trace.at(-1)?.includes('HALT stop'), stage.trace.slice(-5).join('\n'))
  assert.equal(stage.running.size, 0)
})

test('a node that sleeps while it looks what an earlier life left still asks the peer what became of a hand-over', () => {
  const stage = new Stage(pairConfig())
  stage.hanging.add('probe:ip-db')
  stage.boot({ 'handover:db': '100.7' })
  stage.feed({ type: 'stall', us: 15 * second, muted: true })
  stage.release('probe:ip-db')
  stage.run(second)
  stage.peerStatus('active', 100, '1')
  stage.feed({ type: 'peer.up', node: nodeId('beta'), generation: 100 })
  stage.run(5 * second)
  const queries = stage.sent('tb_handover').filter((message) => message['tb_op'] === 'query').map((message) => message['tb_group'])
  assert.ok(queries.includes('db'), stage.trace.join('\n'))
})

test('a stop overrules a restart that was to keep the groups', () => {
  const stage = held()
  stage.operator('restart-keep')
  stage.run(second / 10)
  stage.operator('stop')
  stage.run(5 * second)
  assert.ok(stage.trace.at(-1)?.includes('HALT stop'), stage.trace.slice(-5).join('\n'))
  assert.equal(stage.running.size, 0)
  assert.deepEqual(stage.facts, {})
  assert.ok(stage.replies.some(({ id, done, ok }) => id === 'restart-keep' && done && !ok))
})

test('many open requests do not keep a stop out', () => {
  const stage = held()
  for (let index = 0; index < 40; index += 1) stage.operator('takeover', 'db', `t${index}`)
  stage.operator('stop')
  stage.run(5 * second)
  assert.ok(stage.trace.at(-1)?.includes('HALT stop'), stage.trace.slice(-5).join('\n'))
})
