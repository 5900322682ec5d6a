// The coordinator of fencing, alone: what it orders, what it takes for a success, and when it stops.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import { FencingStage, device, restUs } from './fencing-stage.js'

const beta = nodeId('beta')

describe('one device', () => {
  it('a confirmed order is a confirmation of exactly this incarnation and older ones', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    stage.needed()
    assert.deepEqual(stage.orders, ['pdu reboot'])
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    stage.answer('confirmed')
    assert.equal(stage.fencing.confirmed(beta, 100), true)
    assert.equal(stage.fencing.confirmed(beta, 99), true)
    assert.equal(stage.fencing.confirmed(beta, 101), false)
    assert.equal(stage.persisted['boot:fence-confirmed'], '{"target":"beta","generation":100,"by":"pdu"}')
    assert.deepEqual(stage.records, ['reboot confirmed pdu cluster'])
  })

  it('needed in every step is one fencing', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    for (let i = 0; i < 5; i += 1) stage.needed()
    assert.deepEqual(stage.orders, ['pdu reboot'])
    stage.answer('confirmed')
    stage.needed()
    assert.deepEqual(stage.orders, ['pdu reboot'])
  })

  for (const outcome of ['failed', 'timeout'] as const) {
    it(`an order that ${outcome} is tried again, then the round rests; ten rounds are the end`, () => {
      const stage = new FencingStage({ devices: [device('pdu', { tries: 2 })] })
      stage.needed()
      for (let round = 0; round < 10; round += 1) {
        stage.answer(outcome)
        stage.answer(outcome)
        stage.run(restUs)
      }
      assert.equal(stage.orders.length, 20)
      assert.equal(stage.fencing.snapshot.state, 'exhausted')
      assert.equal(stage.fencing.confirmed(beta, 100), false)
      assert.ok(stage.notes.includes('fence.exhausted'))
      stage.run(1000 * restUs)
      assert.equal(stage.orders.length, 20)
    })
  }

  it('an order that is never answered counts as failed', () => {
    const stage = new FencingStage({ devices: [device('pdu', { timeoutUs: 5_000_000, tries: 1 })] })
    stage.needed()
    stage.run(36_000_000)
    assert.ok(stage.notes.includes('fence.failed'))
    assert.equal(stage.fencing.snapshot.state, 'resting')
  })

  it('a late answer to an order that was given up counts for nothing', () => {
    const stage = new FencingStage({ devices: [device('pdu', { tries: 1 }), device('ipmi', { tries: 1 })] })
    stage.needed()
    const late = stage.answer('timeout')
    stage.answerCall(late, 'pdu', 'confirmed')
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    assert.deepEqual(stage.orders, ['pdu reboot', 'ipmi reboot'])
  })

  it('without any device nothing is ordered, and it is said once', () => {
    const stage = new FencingStage({ devices: [] })
    stage.needed()
    stage.needed()
    assert.deepEqual(stage.notes, ['fence.impossible'])
  })
})

describe('topology', () => {
  it('levels in ascending order; the first that succeeds ends it', () => {
    const stage = new FencingStage({
      devices: [device('ipmi', { tries: 1 }), device('pdu', { tries: 1 })],
      levels: [{ target: beta, devices: ['ipmi'] }, { target: beta, devices: ['pdu'] }],
    })
    stage.needed()
    stage.answer('failed')
    stage.answer('confirmed')
    assert.deepEqual(stage.orders, ['ipmi reboot', 'pdu reboot'])
    assert.equal(stage.fencing.confirmed(beta, 100), true)
  })

  it('two supplies: off, off, then on, on; only both off is a success', () => {
    const stage = new FencingStage({ devices: [device('a'), device('b')], levels: [{ target: beta, devices: ['a', 'b'] }] })
    stage.needed()
    stage.answer('confirmed')
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    stage.answer('confirmed')
    assert.equal(stage.fencing.confirmed(beta, 100), true)
    stage.answer('confirmed')
    stage.answer('confirmed')
    assert.deepEqual(stage.orders, ['a off', 'b off', 'a on', 'b on'])
    assert.equal(stage.fencing.snapshot.state, 'idle')
  })

  it('an on that fails after all are off is still a success', () => {
    const stage = new FencingStage({
      devices: [device('a', { tries: 1 }), device('b', { tries: 1 })], levels: [{ target: beta, devices: ['a', 'b'] }],
    })
    stage.needed()
    for (const outcome of ['confirmed', 'confirmed', 'failed', 'confirmed'] as const) stage.answer(outcome)
    assert.equal(stage.fencing.confirmed(beta, 100), true)
    assert.equal(stage.orders.length, 4)
  })

  it('one supply that stays on is a failure of the level', () => {
    const stage = new FencingStage({
      devices: [device('a', { tries: 1 }), device('b', { tries: 1 })], levels: [{ target: beta, devices: ['a', 'b'] }],
    })
    stage.needed()
    stage.answer('confirmed')
    stage.answer('failed')
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    assert.equal(stage.fencing.snapshot.state, 'resting')
  })
})

describe('delays', () => {
  it('whoever fences the preferred survivor waits; what is heard meanwhile ends it without an order', () => {
    const stage = new FencingStage({ devices: [device('pdu')], delays: [{ target: beta, delayUs: 5_000_000 }] })
    stage.needed()
    stage.run(4_999_999)
    assert.deepEqual(stage.orders, [])
    stage.heard('returned')
    stage.run(60_000_000)
    assert.deepEqual(stage.orders, [])
    assert.equal(stage.fencing.snapshot.state, 'idle')
    stage.dead()
    stage.needed()
    stage.run(5_000_000)
    assert.deepEqual(stage.orders, ['pdu reboot'])
  })

  it('the side whose groups weigh less waits, and only that side', () => {
    const weights = [{ group: groupId('web'), weight: 10 }, { group: groupId('db'), weight: 1 }]
    const delays = [{ target: beta, delayUs: 9_000_000 }]
    const light = new FencingStage({ devices: [device('pdu')], priorityDelayUs: 3_000_000, weights, delays }, { holds: ['db'] })
    light.needed()
    light.run(2_999_999)
    assert.deepEqual(light.orders, [])
    light.run(1)
    assert.deepEqual(light.orders, ['pdu reboot'])
    const heavy = new FencingStage({ devices: [device('pdu')], priorityDelayUs: 3_000_000, weights, delays }, { holds: ['web'] })
    heavy.needed()
    assert.deepEqual(heavy.orders, ['pdu reboot'])
  })

  it('chance is bounded and differs with the seed', () => {
    const delays = new Set<number>()
    for (let seed = 1; seed <= 20; seed += 1) {
      const stage = new FencingStage({ devices: [device('pdu')], randomDelayUs: 2_000_000 }, { seed })
      stage.needed()
      let waited = 0
      for (; stage.orders.length === 0; waited += 1000) stage.run(1000)
      assert.ok(waited <= 2_000_000)
      delays.add(waited)
    }
    assert.ok(delays.size > 10, `only ${delays.size} different delays`)
  })
})

describe('a holder', () => {
  const config = { devices: [device('pdu')] }

  it('shoots a silent peer that was seen, so that a delay can make it the survivor', () => {
    const stage = new FencingStage(config, { holds: ['web'] })
    stage.dead()
    assert.deepEqual(stage.orders, ['pdu reboot'])
  })

  it('shoots nobody that it has not seen since the boot, nobody for groups on hold, and nobody for nothing', () => {
    for (const scene of [{ holds: ['web'], unseen: true }, { holds: ['web'], forbidden: true }, {}]) {
      const stage = new FencingStage(config, scene)
      stage.dead()
      assert.deepEqual(stage.orders, [])
    }
  })
})

describe('the peer during and after a fencing', () => {
  it('a confirmation dies with the first message of a newer incarnation', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    stage.needed()
    stage.answer('confirmed')
    stage.heard('restarted', 101)
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    assert.equal(stage.persisted['boot:fence-confirmed'], null)
    assert.ok(stage.notes.includes('fence.expired'))
  })

  it('the same incarnation heard again: the device lied', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    stage.needed()
    stage.answer('confirmed')
    stage.heard('returned')
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    assert.ok(stage.notes.includes('fence.lied'))
  })

  it('a live node that was fenced and talked on was not fenced', () => {
    const stage = new FencingStage({ devices: [device('pdu')] }, { alive: true })
    stage.order('off')
    stage.answer('confirmed')
    stage.run(3_600_000_000)
    stage.dead(10_000_000)
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    assert.ok(stage.notes.includes('fence.lied'))
  })

  it('a live node that was fenced and fell silent was', () => {
    const stage = new FencingStage({ devices: [device('pdu')] }, { alive: true })
    stage.order('off')
    stage.answer('confirmed')
    stage.run(9_900_000)
    stage.dead(10_000_000)
    assert.equal(stage.fencing.confirmed(beta, 100), true)
  })

  it('a node that came back while the order ran is not confirmed by it', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    stage.needed()
    stage.heard('restarted', 101)
    stage.answer('confirmed')
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    assert.equal(stage.fencing.confirmed(beta, 101), false)
  })

  it('heard again between two levels: no further device is asked', () => {
    const stage = new FencingStage({ devices: [device('a', { tries: 1 }), device('b')] })
    stage.needed()
    stage.heard('returned')
    stage.answer('failed')
    assert.deepEqual(stage.orders, ['a reboot'])
    assert.equal(stage.fencing.snapshot.state, 'idle')
  })

  it('a planned restart believes what its last life wrote down, and no nonsense', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    const keep = '{"until":1005000000,"groups":[]}'
    stage.boot({ keep, 'boot:fence-confirmed': '{"target":"beta","generation":100,"by":"pdu"}' })
    assert.equal(stage.fencing.confirmed(beta, 0), true)
    assert.equal(stage.fencing.confirmed(beta, 101), false)
    for (const text of ['', '{}', 'null', '[]', '{"target":"beta","generation":"100","by":"x"}', '{"target":1,"generation":1,"by":"x"}']) {
      const other = new FencingStage({ devices: [device('pdu')] })
      other.boot({ keep, 'boot:fence-confirmed': text })
      assert.equal(other.fencing.confirmed(beta, 0), false, text)
    }
  })

  it('a life that ended with last words leaves no confirmation: a peer that came up unheard may have acted on them', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    stage.boot({ 'boot:fence-confirmed': '{"target":"beta","generation":0,"by":"pdu"}' })
    assert.equal(stage.fencing.confirmed(beta, 0), false)
    const late = new FencingStage({ devices: [device('pdu')] })
    late.run(6_000_000)
    late.boot({ keep: '{"until":1005000000,"groups":[]}', 'boot:fence-confirmed': '{"target":"beta","generation":0,"by":"pdu"}' })
    assert.equal(late.fencing.confirmed(beta, 0), false)
  })
})

describe('people', () => {
  it('meatware waits for confirm-fenced, which names who did it', () => {
    const stage = new FencingStage({ devices: [device('hand')] })
    stage.needed()
    stage.answer('manual')
    assert.equal(stage.fencing.snapshot.state, 'waiting')
    stage.run(3_600_000_000)
    assert.equal(stage.fencing.confirmed(beta, 100), false)
    stage.order('confirm')
    assert.equal(stage.fencing.confirmed(beta, 100), true)
    assert.deepEqual(stage.records, ['confirm confirmed  root'])
    assert.deepEqual(stage.replies, ['true ok'])
  })

  it('a node that is heard cannot be confirmed to be off', () => {
    const stage = new FencingStage({ devices: [device('hand')] }, { alive: true })
    stage.order('confirm')
    assert.deepEqual(stage.replies, ['false TB_FENCE_ALIVE'])
    assert.equal(stage.fencing.confirmed(beta, 100), false)
  })

  it('an operator waits for no delay, and two equal requests are one fencing', () => {
    const stage = new FencingStage({ devices: [device('pdu')], delays: [{ target: beta, delayUs: 60_000_000 }] })
    stage.needed()
    stage.order('reboot')
    stage.order('reboot')
    assert.deepEqual(stage.orders, ['pdu reboot'])
    stage.answer('confirmed')
    assert.deepEqual(stage.replies, ['true ok', 'true ok'])
    assert.deepEqual(stage.orders, ['pdu reboot'])
  })

  it('reboot under way satisfies reboot, not off', () => {
    const stage = new FencingStage({ devices: [device('pdu')] })
    stage.needed()
    stage.order('off')
    stage.answer('confirmed')
    assert.deepEqual(stage.replies, [])
    assert.deepEqual(stage.orders, ['pdu reboot', 'pdu off'])
    stage.answer('confirmed')
    assert.deepEqual(stage.replies, ['true ok'])
  })

  it('this node, a stranger and a node without device are refused', () => {
    const stage = new FencingStage({ devices: [] })
    stage.order('off', 'alpha')
    stage.order('off', 'gamma')
    stage.order('off', 'beta')
    assert.deepEqual(stage.replies, ['false TB_FENCE_TARGET', 'false TB_FENCE_TARGET', 'false TB_FENCE_NO_DEVICE'])
  })
})

describe('tests of the devices', () => {
  it('a device that fails twice in a row alarms, and says when it works again', () => {
    const stage = new FencingStage({ devices: [device('pdu', { testEveryUs: 60_000_000 })] })
    stage.boot()
    stage.run(1_000_000)
    assert.deepEqual(stage.orders, ['pdu status'])
    stage.answer('failed')
    assert.deepEqual(stage.notes, [])
    stage.run(10_000_000)
    stage.answer('failed')
    assert.deepEqual(stage.notes, ['fence.device-failed'])
    assert.equal(stage.fencing.snapshot.devices[0]?.lastGoodAt, null)
    stage.run(60_000_000)
    stage.answer('confirmed')
    assert.deepEqual(stage.notes, ['fence.device-failed', 'fence.device-ready'])
    assert.equal(stage.fencing.snapshot.devices[0]?.problem, null)
  })

  it('what was given up begins again when a device works again', () => {
    const stage = new FencingStage({ devices: [device('pdu', { tries: 1, testEveryUs: 3_600_000_000 })] })
    stage.boot()
    stage.run(1_000_000)
    stage.answer('failed')
    stage.run(10_000_000)
    stage.answer('failed')
    stage.needed()
    for (let round = 0; round < 10; round += 1) {
      stage.answer('failed')
      stage.run(restUs)
    }
    assert.equal(stage.fencing.snapshot.state, 'exhausted')
    stage.run(3_600_000_000)
    stage.answer('confirmed')
    assert.equal(stage.orders.at(-1), 'pdu reboot')
  })
})
