// Hand-over between two twinbeat nodes when something else happens in the middle of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second, Stage } from './stage.js'

test('a group on its way to the peer is not taken again by a reload', () => {
  const pair = new Pair()
  assert.equal(pair.states(), 'web=held db=stopped')
  pair.operator('standby', 'web')
  const x = pair.sent('tb_handover').at(-1)?.['tb_x'] ?? ''
  pair.tell('accept', x)
  // Before the mark is on the disk.
  const before = pair.starts().length
  const groups = pair.config.groups.map((group) => ({ ...group, digest: `${group.digest}-new` }))
  pair.feed({ type: 'config.changed', config: { ...pair.config, groups } }, 'reload')
  pair.run(2 * second)
  assert.ok(pair.ops().includes('released web'))
  assert.deepEqual(pair.starts().slice(before), [])
})

test('a giver that restarts during the take hears that the group is held, not that it was refused', () => {
  const pair = new Pair()
  pair.tell('offer', '100.1', 'db')
  pair.hanging.add('start:ip-db')
  pair.tell('released', '100.1', 'db')
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=taking')
  pair.peerStatus('up', 101, '1')
  pair.release('start:ip-db')
  pair.run(second)
  pair.messages.length = 0
  pair.tell('query', '100.1', 'db', 101)
  assert.deepEqual(pair.ops(), ['held db'])
})

test('a late copy of an offer is answered by what is true, and accepted no more', () => {
  const pair = new Pair()
  pair.tell('offer', '100.1', 'db')
  pair.tell('released', '100.1', 'db')
  pair.run(second)
  assert.equal(pair.states(), 'web=held db=held')
  pair.messages.length = 0
  pair.tell('offer', '100.1', 'db')
  assert.deepEqual(pair.ops(), ['held db'])
})

test('an offer that was refused is not accepted when a copy of it comes late; a newer one is', () => {
  const pair = new Pair()
  pair.operator('hold', 'db')
  pair.run(second)
  pair.messages.length = 0
  pair.tell('offer', '100.1', 'db')
  pair.operator('unhold', 'db')
  pair.run(second)
  pair.tell('offer', '100.1', 'db')
  pair.tell('offer', '100.2', 'db')
  assert.deepEqual(pair.ops(), ['refused db', 'refused db', 'accept db'])
})

test('a group that is looked at when the giver releases it is taken once that is done', () => {
  const pair = new Pair()
  pair.tell('offer', '100.1', 'db')
  pair.hanging.add('probe:ip-db')
  const groups = pair.config.groups.map((group) => (group.id === 'db' ? { ...group, digest: 'db-2' } : group))
  pair.feed({ type: 'config.changed', config: { ...pair.config, groups } }, 'reload')
  pair.tell('released', '100.1', 'db')
  pair.release('probe:ip-db')
  pair.run(second)
  pair.tell('query', '100.1', 'db')
  pair.run(second)
  assert.equal(pair.core.snapshot().groups.find((group) => group.id === 'db')?.state, 'held')
})

test('a hand-over is not lost in a monitor that fails meanwhile', () => {
  const pair = new Pair(pairConfig({ monitors: [{ group: groupId('web'), everyUs: second, failuresMax: 3 }] }))
  pair.hanging.add('monitor:ip-web')
  pair.run(2 * second)
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.run(second / 10)
  pair.running.delete('ip-web')
  pair.release('monitor:ip-web')
  pair.run(second)
  assert.ok(pair.ops().includes('released web'), pair.ops().join(', '))
  assert.equal(pair.core.snapshot().groups.find((group) => group.id === 'web')?.state, 'stopped')
})

test('a restart in place between accept and mark becomes the release', () => {
  const pair = new Pair(pairConfig({ monitors: [{ group: groupId('web'), everyUs: second, failuresMax: 3 }] }))
  pair.hanging.add('stop:httpd')
  pair.operator('standby', 'web')
  pair.tell('accept', pair.sent('tb_handover').at(-1)?.['tb_x'] ?? '')
  pair.running.delete('ip-web')
  pair.feed({ type: 'timer', key: 'monitor:web' })
  pair.run(second)
  pair.release('stop:httpd')
  pair.run(second)
  assert.ok(pair.ops().includes('released web'), pair.ops().join(', '))
})

test('a real peer that reports the group between the probe and the start keeps it', () => {
  const stage = new Stage()
  stage.boot()
  stage.peerStatus('active')
  stage.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  stage.hanging.add('probe:ip-web')
  stage.say({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1', seq: '5' })
  stage.run(second)
  assert.equal(stage.states(), 'web=taking db=stopped', stage.trace.join('\n'))
  stage.say({ t: 'resource', rsc_hold: 'all', rtype: 'full', isstable: '1', seq: '6' })
  stage.release('probe:ip-web')
  stage.run(second)
  assert.deepEqual(stage.trace.filter((line) => line.includes('run start')), [])
})

test('after a heal the addresses of the loser go first, the services after them', () => {
  const pair = new Pair()
  pair.feed({ type: 'peer.dead', node: nodeId('beta'), generation: 100, silentUs: 1, links: [] })
  pair.run(second)
  pair.peerStatus('active', 100, '1')
  pair.hanging.add('stop:httpd')
  pair.trace.length = 0
  pair.claim('s1:web h1:db')
  pair.run(second)
  assert.ok(!pair.running.has('ip-web'), pair.trace.join('\n'))
  assert.ok(pair.running.has('httpd'))
})

test('who asks for a group on a node that would refuse it is told so at once, also when that begins in between', () => {
  const books = new FakeBooks()
  books.own('web')
  const pair = new Pair(pairConfig({ protection: 'lease' }), { books })
  const answers = (): string[] => pair.replies.filter(({ done }) => done).map(({ code }) => code)
  books.silent = true
  pair.operator('takeover', 'db', 'first')
  assert.deepEqual(answers(), ['TB_NOT_FIT'])
  assert.match(pair.replies.at(-1)?.text ?? '', /db: arbiter-silent/)
  books.silent = false
  pair.operator('takeover', 'db', 'second')
  assert.deepEqual(answers(), ['TB_NOT_FIT'], 'it may come')
  books.silent = true
  pair.tell('offer', '100.1', 'db')
  assert.deepEqual(answers(), ['TB_NOT_FIT', 'TB_NOT_FIT'])
})
