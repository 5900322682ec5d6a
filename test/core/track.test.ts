// A group leaves a node whose interface for it is down, when the other node's is up, and does not bounce.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId } from '../../src/core/base/ids.js'
import { Duo } from './duo.js'
import { pairConfig, second, Stage } from './stage.js'

const tracks = (explicit: boolean) => ['web', 'db'].map((id) => ({ group: groupId(id), interfaces: ['eth0'], explicit }))
const link = (stage: Stage, up: boolean, name = 'eth0'): void => {
  stage.feed({ type: 'interface', name, up: true, carrier: up })
}
const apart = 'alpha: web=held db=stopped; beta: web=stopped db=held'

function pair(change: Partial<ReturnType<typeof pairConfig>> = {}): Duo {
  const duo = new Duo({ tracks: tracks(false), ...change }).start()
  link(duo.alpha, true)
  link(duo.beta, true)
  duo.run(second)
  assert.equal(duo.states, apart)
  return duo
}

test('an interface that stays down hands its group to a peer whose interface is up', () => {
  const duo = pair()
  link(duo.alpha, false)
  duo.run(second / 2)
  assert.equal(duo.states, apart, 'half a second may be a cable in another port')
  duo.run(2 * second)
  assert.equal(duo.states, 'alpha: web=stopped db=stopped; beta: web=held db=held')
  assert.equal(duo.alpha.notes.filter((event) => event === 'track.lost').length, 1, 'said once: it is handed over')
})

for (const [group, deadtimeUs, tooSoonUs, surelyUs] of [
  ['web', 5_000, 15_000, 60_000], ['web', 100_000, 190_000, 260_000], ['db', 100_000, 90_000, 160_000],
] as const) {
  const services = group === 'web'
  test(`${services ? 'with' : 'without'} services and a dead time of ${deadtimeUs / 1000} ms it leaves after ${tooSoonUs} us`, () => {
    const timing = { ...pairConfig().timing, keepaliveUs: 1000, deadtimeUs }
    const duo = pair({ timing })
    const owner = services ? duo.alpha : duo.beta
    link(owner, false)
    duo.run(tooSoonUs)
    assert.equal(owner.notes.includes('track.lost'), false)
    duo.run(surelyUs - tooSoonUs)
    assert.ok(owner.notes.includes('track.lost'))
    duo.run(second)
    const [here, there] = ['web=held db=held', 'web=stopped db=stopped']
    assert.equal(duo.states, services ? `alpha: ${there}; beta: ${here}` : `alpha: ${here}; beta: ${there}`)
  })
}

test('the mark is written while it is still to be seen whether the interface stays down, and taken back if it does not', () => {
  const duo = pair()
  link(duo.alpha, false)
  assert.deepEqual(Object.keys(duo.alpha.facts), ['handover:web'])
  duo.run(second / 2)
  link(duo.alpha, true)
  assert.deepEqual(Object.keys(duo.alpha.facts), [])
  duo.run(5 * second)
  assert.equal(duo.states, apart)
  link(duo.alpha, false)
  duo.run(2 * second)
  assert.equal(duo.states, 'alpha: web=stopped db=stopped; beta: web=held db=held')
  assert.deepEqual(Object.keys(duo.alpha.facts), [])
})

test('nothing is let go that could not be marked, also when the mark was tried early', () => {
  const duo = pair()
  duo.alpha.diskFails = true
  link(duo.alpha, false)
  duo.run(5 * second)
  assert.equal(duo.states, apart)
  assert.deepEqual([...duo.alpha.running].sort(), ['httpd', 'ip-web'])
})

test('a life that ended with an early mark has its group back', () => {
  const duo = pair()
  link(duo.alpha, false)
  duo.run(second / 2)
  assert.deepEqual(Object.keys(duo.alpha.facts), ['handover:web'])
  duo.kill(duo.alpha)
  duo.run(second)
  assert.equal(duo.beta.states(), 'web=held db=held', 'taken by the death, whatever the mark says')
})

test('a peer whose interface went down with ours is given nothing, however late that is heard', () => {
  const duo = pair()
  link(duo.alpha, false)
  const waiting = duo.alpha.messages.length
  for (let ms = 0; ms < 1500 && !duo.alpha.messages.slice(waiting).some((said) => said['tb_op'] === 'offer'); ms += 1) duo.alpha.run(1000)
  // Its word about its interface comes before its answer to the offer.
  link(duo.beta, false)
  duo.run(20 * second)
  assert.equal(duo.states, apart)
  assert.equal(duo.alpha.sent('tb_handover').filter((said) => said['tb_op'] === 'released').length, 0)
})

test('a peer that refuses is not asked without end', () => {
  const duo = pair()
  duo.beta.failing.add('start:httpd')
  link(duo.alpha, false)
  duo.run(60 * second)
  const offers = duo.alpha.sent('tb_handover').filter((said) => said['tb_op'] === 'offer').length
  assert.ok(offers <= 8, `${offers} offers in a minute`)
  assert.match(duo.alpha.states(), /web=held/)
})

test('an interface that is back within a second moves nothing', () => {
  const duo = pair()
  for (let flap = 0; flap < 5; flap += 1) {
    link(duo.alpha, false)
    duo.run(second / 2)
    link(duo.alpha, true)
    duo.run(second / 2)
  }
  duo.run(10 * second)
  assert.equal(duo.states, apart)
})

test('both interfaces down: nothing moves, until one of them is back', () => {
  const duo = pair()
  link(duo.alpha, false)
  link(duo.beta, false)
  duo.run(60 * second)
  assert.equal(duo.states, apart)
  link(duo.beta, true)
  duo.run(30 * second)
  assert.equal(duo.states, 'alpha: web=stopped db=stopped; beta: web=held db=held')
})

test('with failback the group goes home once the interface has been good for longer than before each flap', () => {
  const duo = pair({ autoFailback: 'on' })
  link(duo.alpha, false)
  duo.run(3 * second)
  assert.match(duo.states, /beta: web=held/)
  link(duo.alpha, true)
  duo.run(3 * second)
  assert.match(duo.states, /beta: web=held/, 'it has only just come back')
  duo.run(10 * second)
  assert.equal(duo.states, apart)
  link(duo.alpha, false)
  duo.run(3 * second)
  link(duo.alpha, true)
  duo.run(8 * second)
  assert.match(duo.states, /beta: web=held/, 'the second flap takes twice as long')
  duo.run(20 * second)
  assert.equal(duo.states, apart)
})

test('a hold and a maintenance keep the group where its interface is down', () => {
  const duo = pair()
  duo.alpha.operator('hold', 'web')
  duo.run(second)
  link(duo.alpha, false)
  duo.run(20 * second)
  assert.equal(duo.states, apart)
  duo.alpha.operator('unhold', 'web')
  duo.run(15 * second)
  assert.match(duo.states, /beta: web=held/)
})

test('a peer that says nothing of its interfaces is given nothing', () => {
  const duo = pair()
  duo.cut = true
  link(duo.alpha, false)
  duo.run(30 * second)
  assert.match(duo.alpha.states(), /web=(held|giving)/)
})

/** alpha beside a real heartbeat; its own group is held here. */
function besideReal(explicit: boolean): Stage {
  const stage = new Stage(pairConfig({ tracks: tracks(explicit) }))
  stage.joinStable('none')
  stage.run(20 * second)
  stage.say({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1' })
  link(stage, true)
  stage.run(second)
  assert.match(stage.states(), /web=held/)
  return stage
}

test('beside a real heartbeat a lost interface is a warning, unless the operator wrote the line', () => {
  const quiet = besideReal(false)
  link(quiet, false)
  quiet.run(5 * second)
  assert.ok(quiet.notes.includes('track.lost'))
  assert.equal(quiet.sent('ask_resources').length, 0)
  const told = besideReal(true)
  link(told, false)
  told.run(5 * second)
  assert.deepEqual(told.sent('ask_resources').map((message) => message['rsc_hold']), ['local'])
})
