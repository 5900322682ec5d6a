// A new configuration under running groups: what changed is restarted in place, the rest is not touched.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig, GroupConfig } from '../../src/core/types.js'
import { FakeBooks } from './books.js'
import { Pair } from './pair.js'
import { pairConfig, second, Stage } from './stage.js'

const mail: GroupConfig = {
  id: groupId('mail'), home: nodeId('alpha'), digest: 'mail-1', members: [{ id: 'ip-mail', kind: 'address' }],
}

function held(): Stage {
  const stage = new Stage()
  stage.joinStable('local')
  stage.trace.length = 0
  return stage
}

function reload(stage: Stage, change: (groups: readonly GroupConfig[]) => readonly GroupConfig[]): void {
  const config: CoreConfig = { ...stage.config, groups: change(pairConfig().groups) }
  stage.feed({ type: 'config.changed', config }, 'reload')
}

const orders = (stage: Stage): string[] =>
  stage.trace.flatMap((line) => /run ((?:start|stop) .+)$/.exec(line)?.[1] ?? [])

test('an equal configuration touches nothing', () => {
  const stage = held()
  reload(stage, (groups) => groups)
  stage.run(second)
  assert.deepEqual(orders(stage), [])
})

test('a changed group is stopped and taken again in place, and nothing else moves', () => {
  const stage = held()
  reload(stage, ([web, ...rest]) => [{ ...(web ?? mail), digest: 'web-2' }, ...rest])
  stage.run(second)
  assert.deepEqual(orders(stage), [
    'stop web/httpd', 'stop web/ip-web', 'start web/ip-web by held', 'start web/httpd by held',
  ])
  assert.equal(stage.states(), 'db=stopped web=held')
})

test('a group that was added starts at its home', () => {
  const stage = held()
  reload(stage, (groups) => [...groups, mail])
  stage.run(second)
  assert.deepEqual(orders(stage), ['start mail/ip-mail by agreed'])
})

test('a group that was added and is at home elsewhere does not start here', () => {
  const stage = held()
  reload(stage, (groups) => [...groups, { ...mail, home: nodeId('beta') }])
  stage.run(second)
  assert.deepEqual(orders(stage), [])
})

test('a group that was removed is stopped and forgotten', () => {
  const stage = held()
  reload(stage, (groups) => groups.filter((group) => group.id !== 'web'))
  stage.run(second)
  assert.deepEqual(orders(stage), ['stop web/httpd', 'stop web/ip-web'])
  assert.equal(stage.states(), 'db=stopped')
})

test('a new group waits for the one whose address it takes over', () => {
  const stage = held()
  reload(stage, ([web, ...rest]) => [...rest, { ...(web ?? mail), id: groupId('site'), digest: 'site-1' }])
  stage.run(second)
  assert.deepEqual(orders(stage), [
    'stop web/httpd', 'stop web/ip-web', 'start site/ip-web by agreed', 'start site/httpd by agreed',
  ])
})

test('the old definition is stopped under its own digest', () => {
  const stage = held()
  const digests: string[] = []
  const watch = (effects: ReturnType<Stage['feed']>): void => {
    for (const effect of effects) if (effect.type === 'member.run') digests.push(`${effect.action} ${effect.digest}`)
  }
  const config: CoreConfig = {
    ...stage.config, groups: pairConfig().groups.map((group) => ({ ...group, digest: `${group.id}-2` })),
  }
  watch(stage.feed({ type: 'config.changed', config }))
  assert.ok(digests.includes('stop web-1'))
  assert.ok(!digests.includes('stop web-2'))
})

test('two reloads in a row end with the second', () => {
  const stage = held()
  reload(stage, ([web, ...rest]) => [{ ...(web ?? mail), digest: 'web-2' }, ...rest])
  reload(stage, (groups) => groups)
  stage.run(second)
  assert.equal(stage.core.snapshot().groups.find((group) => group.id === 'web')?.digest, 'web-1')
  assert.equal(stage.states(), 'db=stopped web=held')
})

// The restart in place asks for the ownership only; beside a dead peer the group is asked for as any other is, too, and
// that asker minds the hold. Machines that contradict each other in every round would end the daemon.
test('a changed group may have to wait for two reasons at once, and each is said once', () => {
  const books = new FakeBooks()
  books.own('web')
  const pair = new Pair(pairConfig({ protection: 'lease' }), { books })
  pair.dead()
  books.held.set('web', 'on-hold')
  books.lose('web')
  reload(pair, ([web, ...rest]) => [{ ...(web ?? mail), digest: 'web-2' }, ...rest])
  pair.run(5 * second)
  assert.equal(pair.group('web').state, 'stopped')
  const reasons = pair.trace.flatMap((line) => /web is not taken yet: (.+)$/.exec(line)?.[1] ?? [])
  assert.deepEqual(reasons, ['lease-not-held', 'on-hold'])
})

for (const protection of ['accept', 'fence', 'lease'] as const) {
  for (const order of ['on-hold', 'maintenance'] as const) {
    test(`a changed group that is held goes on although nobody may take it: ${order}, ${protection}`, () => {
      const books = new FakeBooks()
      if (protection === 'lease') books.own('web')
      const pair = new Pair(pairConfig({ protection }), { books })
      assert.equal(pair.group('web').state, 'held')
      books.held.set('web', order)
      reload(pair, ([web, ...rest]) => [{ ...(web ?? mail), digest: 'web-2' }, ...rest])
      pair.run(5 * second)
      assert.equal(pair.group('web').state, 'held')
      assert.ok(pair.trace.some((line) => line.includes('start web/ip-web')))
    })
  }
}
