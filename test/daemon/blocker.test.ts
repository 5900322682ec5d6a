// Which addresses are closed to new connections, and when: the blocker is told what the core tells the log.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { GroupConfig } from '../../src/config/model.js'
import { AddressBlocker, rulesOf } from '../../src/daemon/effects/blocker.js'

let folder = ''
let scripts: string[] = []
let answer: string | null = null
let logged: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'blocker-'))
  scripts = []
  logged = []
  answer = null
})
afterEach(() => { rmSync(folder, { recursive: true }) })

const log = {
  error: (_: unknown, text?: string) => { logged.push(text ?? '') },
  info: (_: unknown, text?: string) => { logged.push(text ?? '') },
}
const blocker = (): AddressBlocker => new AddressBlocker({
  run: (script) => {
    scripts.push(script)
    return Promise.resolve(answer)
  },
  log, marker: join(folder, 'marker'),
})

function group(key: string, order: GroupConfig['addressOrder'], address = '192.0.2.7'): GroupConfig {
  const members = [{ id: key, address: { address } }, { id: 'httpd', address: null }]
  return { key, addressOrder: order, members } as unknown as GroupConfig
}
const note = (event: string, from = '', id = 'web') => ({ event, details: { group: id, from } })
const closed = (): boolean => /192\.0\.2\.7/.test(scripts.at(-1) ?? '')

test('a group is open only while it is held, or found running', async () => {
  const one = blocker()
  await one.begin([group('web', 'blocked')])
  assert.equal(closed(), false, 'nothing is known of it yet')
  const steps: readonly (readonly [string, string, boolean])[] = [
    ['group.stopped', 'unknown', true], ['group.taking', 'stopped', true], ['group.held', 'taking', false],
    ['group.taking', 'held', false], ['group.held', 'taking', false], ['group.giving', 'held', true], ['group.stopped', 'giving', true],
    ['group.found', 'unknown', false], ['group.taking', 'found', false],
  ]
  for (const [event, from, expected] of steps) {
    one.onNote(note(event, from))
    await one.close('web')
    assert.equal(closed(), expected, `${event} from ${from}`)
  }
})

test('an address waits for its rule, and does not come without it', async () => {
  const one = blocker()
  await one.begin([group('web', 'blocked')])
  one.onNote(note('group.stopped'))
  assert.equal(await one.close('web'), null)
  assert.ok(closed())
  one.onNote(note('group.held'))
  await one.configure([group('web', 'blocked')])
  assert.equal(closed(), false)
  answer = 'no such module'
  one.onNote(note('group.giving', 'held'))
  one.onNote(note('group.stopped', 'giving'))
  assert.equal(await one.close('web'), 'no such module')
  assert.match(one.problem ?? '', /no such module/)
  assert.equal(logged.length, 1)
})

test('who has no such group never runs nft, and what an earlier life left is removed', async () => {
  const none = blocker()
  await none.begin([group('web', 'first')])
  none.onNote(note('group.stopped'))
  await none.end()
  assert.deepEqual(scripts, [])
  await blocker().begin([group('web', 'blocked')])
  assert.ok(existsSync(join(folder, 'marker')))
  const later = blocker()
  await later.begin([group('web', 'last')])
  assert.equal(scripts.at(-1), rulesOf([], { remove: true }))
  assert.ok(!existsSync(join(folder, 'marker')))
})

test('a group that a reload makes blocked while it is held stays open', async () => {
  const one = blocker()
  await one.begin([group('web', 'first')])
  one.onNote(note('group.held'))
  await one.configure([group('web', 'blocked')])
  assert.equal(closed(), false)
  one.onNote(note('group.giving', 'held'))
  await one.close('web')
  assert.ok(closed())
})

test('both families, in one transaction', () => {
  const text = rulesOf(['192.0.2.7', '2001:db8::7'], { remove: false })
  assert.match(text, /ip daddr \{ 192\.0\.2\.7 \} ct state new drop\n {4}ip6 daddr \{ 2001:db8::7 \} ct state new drop/)
  assert.match(text, /^table inet twinbeat \{\}\ndelete table inet twinbeat\n/)
})
