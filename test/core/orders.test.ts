// Holds, maintenance and the end of a block, as operators order them on one of two nodes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, micros, nodeId } from '../../src/core/base/ids.js'
import { SharedHolds } from '../../src/core/operator/hold.js'
import { Maintenance } from '../../src/core/operator/maintenance.js'
import { Duo } from './duo.js'
import { pairConfig, second, Stage } from './stage.js'

const apart = 'alpha: web=held db=stopped; beta: web=stopped db=held'
const codes = (stage: Stage): string[] => stage.replies.filter((reply) => reply.done).map((reply) => reply.code)
const texts = (stage: Stage): string => stage.replies.map((reply) => reply.text).join(' | ')

test('a hold said on one node is obeyed and written down by both', () => {
  const duo = new Duo().start()
  assert.equal(duo.states, apart)
  duo.alpha.operator('hold', 'db')
  duo.run(second)
  assert.deepEqual(codes(duo.alpha), ['ok'])
  assert.match(texts(duo.alpha), /db on hold on both nodes; 'twinbeat unhold db' ends it/)
  assert.equal(duo.alpha.facts['holds'], duo.beta.facts['holds'])
  duo.beta.operator('standby', 'db')
  duo.run(second)
  assert.deepEqual(codes(duo.beta), ['TB_ON_HOLD'])
  duo.kill(duo.beta)
  duo.run(20 * second)
  assert.match(duo.alpha.states(), /db=stopped/)
  duo.alpha.operator('unhold', 'db')
  duo.run(second)
  assert.match(duo.alpha.states(), /db=held/)
})

test('a hold wins over the peer that asks for the group, and over failback', () => {
  const duo = new Duo({ autoFailback: 'on' }).start()
  duo.alpha.operator('hold', 'web')
  duo.run(second)
  duo.beta.operator('takeover', 'web')
  duo.run(2 * second)
  assert.deepEqual(codes(duo.beta), ['TB_ON_HOLD'])
  assert.equal(duo.states, apart)
})

test('a group that fell back while its home was away stays where a hold keeps it', () => {
  const duo = new Duo({ autoFailback: 'on' }).start()
  duo.kill(duo.beta)
  duo.run(2 * second)
  assert.match(duo.alpha.states(), /db=held/)
  duo.alpha.operator('hold', 'db')
  duo.run(second)
  duo.revive('beta')
  duo.run(30 * second)
  assert.equal(duo.states, 'alpha: web=held db=held; beta: web=stopped db=stopped')
  duo.beta.operator('unhold', 'db')
  duo.run(30 * second)
  assert.equal(duo.states, apart)
})

test('a hold survives the daemon, and what it left running is adopted', () => {
  const duo = new Duo().start()
  duo.beta.operator('hold', 'db')
  duo.run(second)
  const running = duo.beta.running
  duo.kill(duo.beta)
  duo.alpha.run(second)
  duo.revive('beta')
  assert.match(duo.states, /beta: web=stopped db=stopped/, 'it did not run any more, and nobody takes it')
  for (const member of running) duo.beta.running.add(member)
  const again = new Stage(duo.beta.config)
  again.running.add('ip-db')
  again.boot(duo.beta.facts)
  again.feed({ type: 'peer.dead', node: nodeId('alpha'), generation: 0, silentUs: 20 * second, links: [] })
  again.run(5 * second)
  assert.match(again.states(), /db=held/)
})

test('both operators at once: on hold wins, on both nodes', () => {
  const duo = new Duo().start()
  duo.alpha.operator('hold', 'web', '1')
  duo.run(second)
  duo.alpha.operator('unhold', 'web', '2')
  duo.run(second)
  duo.alpha.operator('hold', 'web', '3')
  duo.run(second)
  duo.cut = true
  duo.alpha.operator('unhold', 'web', '4')
  duo.beta.operator('unhold', 'web', '5')
  duo.beta.operator('hold', 'web', '6')
  duo.run(second)
  duo.cut = false
  duo.alpha.operator('hold', 'db', '7')
  duo.beta.operator('hold', 'db', '8')
  duo.run(second)
  const held = (stage: Stage): boolean[] =>
    stage.core.snapshot().groups.map((group) => group.obstacles.includes('on-hold'))
  assert.deepEqual(held(duo.alpha), [true, true])
  assert.deepEqual(held(duo.beta), [true, true])
})

test('a hold that is said again is not ended by what the other operator said of the one before', () => {
  const duo = new Duo().start()
  duo.alpha.operator('hold', 'web', '1')
  duo.run(second)
  duo.cut = true
  duo.beta.operator('unhold', 'web', '2')
  duo.run(second)
  duo.alpha.operator('hold', 'web', '3')
  duo.run(second)
  duo.cut = false
  duo.alpha.operator('hold', 'db', '4')
  duo.run(second)
  for (const stage of [duo.alpha, duo.beta]) {
    assert.ok(stage.core.snapshot().groups.every((group) => group.obstacles.includes('on-hold')))
  }
})

test('an offer that the peer has not answered is taken back when the group is put on hold', () => {
  const duo = new Duo().start()
  duo.cut = true
  duo.alpha.operator('standby', 'web')
  duo.alpha.operator('hold', 'web')
  duo.cut = false
  duo.run(2 * second)
  assert.equal(duo.states, apart)
})

test('in maintenance nothing is taken on either node, and everything is when its time is over', () => {
  const duo = new Duo({ monitors: [] }).start()
  duo.alpha.operator('maintenance', 'on 60')
  duo.run(second)
  assert.match(texts(duo.alpha), /maintenance for 60 s on both nodes; 'twinbeat maintenance off' ends it earlier/)
  duo.beta.operator('standby', 'all')
  duo.alpha.operator('takeover', 'all')
  duo.run(second)
  assert.deepEqual(codes(duo.beta), ['TB_MAINTENANCE'])
  assert.deepEqual(codes(duo.alpha), ['ok', 'TB_MAINTENANCE'])
  duo.kill(duo.alpha)
  duo.run(30 * second)
  assert.equal(duo.beta.states(), 'web=stopped db=held')
  assert.equal(duo.beta.core.snapshot().maintenanceLeftUs !== null, true)
  duo.run(30 * second)
  assert.equal(duo.beta.states(), 'web=held db=held')
  assert.ok(duo.beta.notes.includes('maintenance.ended'))
})

test('an address that vanishes in maintenance is put back when it ends, not before', () => {
  const duo = new Duo().start()
  duo.alpha.operator('maintenance', 'on 3600')
  duo.run(second)
  duo.alpha.running.delete('ip-web')
  duo.alpha.feed({ type: 'address.lost', group: duo.alpha.config.groups[0]!.id, member: 'ip-web' })
  duo.run(10 * second)
  assert.ok(!duo.alpha.running.has('ip-web'))
  duo.beta.operator('maintenance', 'off')
  duo.run(2 * second)
  assert.ok(duo.alpha.running.has('ip-web'))
  assert.equal(duo.states, apart)
})

test('maintenance survives the daemon for the time that is left', () => {
  const stage = new Stage()
  stage.boot()
  stage.operator('maintenance', 'on 100')
  stage.run(50 * second)
  const next = new Stage()
  next.now = stage.now
  next.boot(stage.facts)
  const left = next.core.snapshot().maintenanceLeftUs ?? 0
  assert.ok(left > 49 * second - second && left <= 50 * second, `${left}`)
})

test('a bounded time is asked for, and no other words are understood', () => {
  const stage = new Stage()
  stage.boot()
  for (const [index, what] of ['on', 'on 0', 'on 86401', 'on x', 'maybe', ''].entries()) stage.operator('maintenance', what, `${index}`)
  stage.run(second)
  assert.deepEqual(codes(stage), Array<string>(6).fill('TB_USAGE'))
})

test('a blocked group is free again once nothing of it runs, and not before', () => {
  const stage = new Stage(pairConfig({ stopFailure: 'block', stopRetryMax: 1 }))
  stage.joinStable('none')
  stage.run(20 * second)
  stage.failing.add('stop:httpd')
  stage.failing.add('probe:httpd')
  stage.operator('stop')
  stage.run(5 * second)
  assert.match(stage.states(), /web=blocked/)
  stage.operator('unblock', 'web', 'u1')
  stage.run(second)
  assert.match(stage.states(), /web=blocked/)
  assert.match(texts(stage), /web stays blocked: ip-web running, httpd failed \(exit 1\)/)
  stage.failing.clear()
  stage.running.delete('httpd')
  stage.running.delete('ip-web')
  stage.operator('unblock', 'web', 'u2')
  stage.operator('unblock', 'db', 'u3')
  stage.operator('unblock', 'nothing', 'u4')
  stage.run(second / 20)
  assert.ok(codes(stage).includes('TB_NOT_BLOCKED'))
  assert.ok(codes(stage).includes('TB_UNKNOWN_GROUP'))
  stage.run(second)
  assert.match(texts(stage), /web is stopped here and free again/)
})

test('a start without the peer is for a peer that is not there', () => {
  const duo = new Duo().start()
  duo.alpha.operator('start-alone')
  duo.run(second)
  assert.deepEqual(codes(duo.alpha), ['TB_PEER_SEEN'])
  const stage = new Stage()
  stage.boot()
  stage.operator('start-alone')
  assert.deepEqual(codes(stage), ['ok'])
  assert.equal(stage.core.snapshot().startAlone, true)
})

test('what was said while the peer was not heard is not ended by what that one said without knowing of it', () => {
  const web = groupId('web')
  const holds = new SharedHolds(() => true)
  holds.set(web, true)
  assert.deepEqual(holds.merge('7-:web', false), [])
  assert.equal(holds.text, '8+:web')
  assert.deepEqual(holds.merge('9-:web', true), [web], 'said in knowledge of it')
  const maintenance = new Maintenance()
  const now = micros(0)
  maintenance.begin(now, 60 * second)
  assert.equal(maintenance.merge('5:0', now, false), false)
  assert.equal(maintenance.said(now), '6:60000')
  assert.equal(maintenance.merge('7:0', now, true), true)
  assert.equal(maintenance.until(now), null)
})

test('nor does it end earlier because the other one had begun a shorter one before', () => {
  const maintenance = new Maintenance()
  const now = micros(0)
  maintenance.begin(now, 60 * second)
  assert.equal(maintenance.merge('5:59000', now, false), false)
  assert.equal(maintenance.said(now), '6:60000')
  // Said in knowledge of ours: the operator there wants it so.
  assert.equal(maintenance.merge('7:30000', now, true), true)
  assert.equal(maintenance.said(now), '7:30000')
})

test('of two that began while neither was heard the later end holds', () => {
  const [one, other] = [new Maintenance(), new Maintenance()]
  const now = micros(0)
  one.begin(now, 60 * second)
  other.begin(now, 20 * second)
  const [first, second_] = [one.said(now), other.said(now)]
  assert.equal(one.merge(second_, now, false), false)
  assert.equal(other.merge(first, now, false), false)
  assert.equal(other.merge(one.said(now), now, false), true)
  assert.equal(other.said(now), one.said(now))
})

test('so it does when the one that ends earlier has the higher version', () => {
  const [one, other] = [new Maintenance(), new Maintenance()]
  const now = micros(0)
  one.begin(now, 60 * second)
  other.begin(now, 40 * second)
  other.begin(now, 20 * second)
  const [first, second_] = [one.said(now), other.said(now)]
  assert.equal(other.merge(first, now, false), true)
  assert.equal(one.merge(second_, now, false), false)
  assert.equal(other.said(now), '3:60000')
  assert.equal(one.said(now), '3:60000')
})

test('an answer that is the first word of the peer does not end what began unheard: its version is of another time', () => {
  const maintenance = new Maintenance()
  const now = micros(0)
  maintenance.begin(now, 60 * second)
  assert.equal(maintenance.merge('2:0', now, true), false)
  assert.equal(maintenance.said(now), '3:60000')
  assert.equal(maintenance.merge('2:0', now, true), false)
  assert.equal(maintenance.merge('4:0', now, true), true)
  const holds = new SharedHolds(() => true)
  holds.set(groupId('web'), true)
  assert.deepEqual(holds.merge('5-:web', true), [])
  assert.equal(holds.text, '6+:web')
  assert.deepEqual(holds.merge('5-:web', true), [])
  assert.deepEqual(holds.merge('7-:web', true), ['web'])
})

test('what the peer said before it knew of ours may come in pieces, and none of it ends ours', () => {
  const maintenance = new Maintenance()
  const now = micros(0)
  maintenance.begin(now, 60 * second)
  assert.equal(maintenance.merge('0:0', now, false), false)
  assert.equal(maintenance.merge('2:8000', now, false), false)
  assert.equal(maintenance.said(now), '3:60000')
  assert.equal(maintenance.merge('4:8000', now, true), true)
  const holds = new SharedHolds(() => true)
  holds.set(groupId('web'), true)
  assert.deepEqual(holds.merge('', false), [])
  assert.deepEqual(holds.merge('5-:web', false), [])
  assert.equal(holds.has(groupId('web')), true)
  assert.deepEqual(holds.merge('7-:web', true), ['web'])
})
