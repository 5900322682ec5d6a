// An action that hangs at the moment in which a group is in dispute: the address leaves at once, whatever the agent does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { second, Stage } from './stage.js'

/** alpha starts `httpd` of its own group, and the script never answers. */
function starting(hanging: string): Stage {
  const stage = new Stage()
  stage.hanging.add(hanging)
  stage.joinStable('none')
  return stage
}

const runs = (stage: Stage): string[] =>
  stage.trace.filter((line) => / run | abort /.test(line)).map((line) => line.replace(/^[\d.]+ +/, ''))

test('a start that hangs is ended when a pause makes the group let go, and the address leaves first', () => {
  const stage = starting('start:httpd')
  assert.match(stage.states(), /web=taking/)
  const before = runs(stage).length
  stage.feed({ type: 'stall', us: 30 * second, muted: true })
  stage.run(second)
  const after = runs(stage).slice(before).filter((line) => line.includes('web'))
  assert.deepEqual(after.slice(0, 3), ['abort web/httpd', 'run stop web/ip-web', 'run stop web/httpd'])
  assert.ok(!stage.running.has('ip-web'))
  assert.ok(!stage.notes.includes('start.failed'), 'what was ended on purpose is no failed start')
})

test('the abort of an action is ordered once', () => {
  const stage = starting('start:httpd')
  const abort = (): number => runs(stage).filter((line) => line.startsWith('abort')).length
  stage.feed({ type: 'stall', us: 30 * second, muted: true })
  stage.feed({ type: 'stall', us: 30 * second, muted: true })
  assert.equal(abort(), 1)
})

test('a start that hangs is waited for when nobody else can hold the group', () => {
  const stage = starting('start:httpd')
  stage.operator('stop')
  stage.run(second)
  assert.ok(!runs(stage).some((line) => line.startsWith('abort')))
  assert.ok(stage.running.has('ip-web'))
  stage.release('start:httpd')
  stage.run(second)
  assert.match(stage.states(), /web=stopped/)
})

test('a stop under way is not ended, and the address leaves right after it', () => {
  const stage = new Stage()
  stage.joinStable('none')
  stage.run(20 * second)
  assert.match(stage.states(), /web=held/)
  stage.failing.add('stop:httpd')
  stage.operator('stop')
  stage.run(second / 2)
  assert.match(stage.states(), /web=giving/)
  const before = runs(stage).length
  stage.feed({ type: 'stall', us: 30 * second, muted: true })
  stage.run(second / 4)
  assert.equal(runs(stage)[before], 'run stop web/ip-web')
  assert.ok(!stage.running.has('ip-web'))
})
