// The one line that an administrator looks for afterwards: what was taken, why, and how fast.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NoteEffect } from '../../src/core/effects.js'
import { second, Stage } from './stage.js'

class Listener extends Stage {
  readonly done: NoteEffect[] = []
  override feed(...args: Parameters<Stage['feed']>): ReturnType<Stage['feed']> {
    const effects = super.feed(...args)
    for (const effect of effects) if (effect.type === 'note' && effect.event === 'takeover.done') this.done.push(effect)
    return effects
  }
}

test('a takeover after a death names the silence on each link, the authority and both durations', () => {
  const stage = new Listener()
  stage.joinStable('local')
  stage.done.length = 0
  stage.peerDead()
  stage.run(second)
  assert.equal(stage.done.length, 1)
  assert.deepEqual(stage.done[0]?.details, {
    trigger: 'peer-dead', authority: 'accept', held: 'db', missed: '', lastHeard: 'eth0 10000 ms, ttyS0 11000 ms',
    sinceDecisionMs: 40, sinceHeartbeatMs: 10_040, sinceDeathMs: 40,
  })
})

test('all groups of one death make one line', () => {
  const stage = new Listener()
  stage.boot()
  stage.run(20 * second)
  stage.peerDead(0)
  stage.run(second)
  assert.deepEqual(stage.done.map((note) => [note.details['held'], note.details['lastHeard']]), [['web db', 'never']])
})

test('a takeover in which a group does not start is a warning that names it', () => {
  const stage = new Listener()
  stage.joinStable('local')
  stage.done.length = 0
  stage.failing.add('start:ip-db')
  stage.peerDead()
  stage.run(second)
  assert.deepEqual(stage.done.map((note) => [note.level, note.details['held'], note.details['missed']]), [['warn', '', 'db']])
})

test('a hand-over says so and names no silence', () => {
  const stage = new Listener()
  stage.joinStable('local')
  stage.done.length = 0
  stage.say({ t: 'ask_resources', rsc_hold: 'local', info: 'me' })
  stage.run(second / 10)
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'standby' })
  stage.say({ t: 'ask_resources', rsc_hold: 'local', info: 'done' })
  stage.run(second)
  assert.deepEqual(stage.done.map(({ details }) => [details['trigger'], details['authority'], details['sinceHeartbeatMs']]),
    [['standby', 'handover', null]])
})
