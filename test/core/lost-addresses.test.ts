// An address of ours that somebody removes while its group is not at rest: found by another look as soon as the group
// is held, and nothing that went away meanwhile counts as running.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import { FakeBooks } from './books.js'
import { pairConfig, second, Stage, type StageEvent } from './stage.js'

const lost: StageEvent = { type: 'address.lost', group: groupId('web'), member: 'ip-web' }
const overflow: StageEvent = { type: 'overflow', lost: 3 }

/** Somebody removes the address, and the record of it is read, or lost among others. */
function remove(stage: Stage, record: StageEvent): void {
  stage.running.delete('ip-web')
  stage.feed(record)
}

/** A life that was to keep `web`, and has looked at its address already, not yet at its service. */
function looking(): Stage {
  const before = new Stage()
  before.joinStable('local')
  before.operator('restart-keep')
  before.run(3 * second)
  assert.ok(before.halted)
  const next = new Stage()
  next.now = before.now + second
  for (const member of before.running) next.running.add(member)
  next.hanging.add('probe:httpd')
  next.boot(before.facts)
  assert.equal(next.states(), 'web=unknown db=stopped')
  return next
}

const starts = (stage: Stage): string[] => stage.trace.flatMap((line) => /run (start \S+ by \S+)/.exec(line)?.[1] ?? [])

test('what is to be kept and loses an address behind the look at it is not all of it', () => {
  const stage = looking()
  remove(stage, lost)
  stage.release('probe:httpd')
  stage.run(second)
  assert.equal(stage.states(), 'web=found db=stopped')
  assert.deepEqual(starts(stage), [])
})

test('an address that goes away during the very look at it, which still says that it runs, is lost as well', () => {
  const stage = new Stage()
  stage.running.add('ip-web').add('httpd')
  stage.feed({ type: 'boot', generation: 7, persisted: {
    keep: JSON.stringify({ until: 20 * second, groups: [{ id: 'web', digest: 'web-1', returning: false }] }),
  } })
  remove(stage, lost)
  stage.run(second)
  assert.equal(stage.states(), 'web=found db=stopped')
})

test('when records were lost during the look, what is kept is looked at again at once', () => {
  const stage = looking()
  remove(stage, overflow)
  stage.release('probe:httpd')
  stage.run(second)
  assert.equal(stage.states(), 'web=held db=stopped')
  assert.deepEqual(starts(stage), ['start web/ip-web by held'])
  assert.ok(stage.running.has('ip-web'))
})

for (const [what, record] of [['an address is lost', lost], ['records are lost', overflow]] as const) {
  test(`when ${what} behind the look of a take, the group is looked at again when it is held`, () => {
    const stage = new Stage()
    stage.hanging.add('start:httpd')
    stage.joinStable('local')
    assert.equal(stage.states(), 'web=taking db=stopped')
    assert.ok(stage.running.has('ip-web'))
    remove(stage, record)
    stage.release('start:httpd')
    stage.run(second)
    assert.equal(stage.states(), 'web=held db=stopped')
    assert.ok(stage.running.has('ip-web'))
    assert.deepEqual(starts(stage).slice(-1), ['start web/ip-web by held'])
  })
}

/** Found of an earlier life under a lease that the arbiter has not confirmed yet. */
function foundUnderLease(): { stage: Stage; books: FakeBooks } {
  const books = new FakeBooks()
  books.confirming.add('web')
  const stage = new Stage(pairConfig({ protection: 'lease' }), 20_000, books)
  stage.running.add('ip-web').add('httpd')
  stage.boot()
  stage.feed({ type: 'watchdog.changed', timeoutUs: 5 * second })
  assert.equal(stage.states(), 'web=found db=stopped')
  return { stage, books }
}

function confirm({ stage, books }: ReturnType<typeof foundUnderLease>): void {
  books.confirming.clear()
  books.own('web')
  stage.feed({ type: 'link.up', node: nodeId('beta'), link: 'eth0' })
  stage.run(second)
}

test('what was found complete, and has lost an address since, is not adopted as it is', () => {
  const scene = foundUnderLease()
  remove(scene.stage, lost)
  confirm(scene)
  assert.notEqual(scene.stage.states(), 'web=held db=stopped')
})

test('what was found complete before records were lost is looked at again when it is adopted', () => {
  const scene = foundUnderLease()
  remove(scene.stage, overflow)
  confirm(scene)
  assert.equal(scene.stage.states(), 'web=held db=stopped')
  assert.ok(scene.stage.running.has('ip-web'))
  assert.deepEqual(starts(scene.stage), ['start web/ip-web by lease'])
})
