// What a reload changes, and how.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diffConfig } from '../../src/config/diff.js'
import { accepted, kGoodHaCf, kGoodHaresources, withLines, type Files } from './support.js'

function changes(after: Partial<Files>, before: Partial<Files> = {}): string[] {
  return diffConfig(accepted(before), accepted(after)).changes.map(
    (c) => `${c.kind} ${c.subject} ${c.change}`,
  )
}

test('comments, blanks and the order of lines that do not depend on each other change nothing', () => {
  const moved = kGoodHaCf
    .replace('auto_failback on\n', '')
    .replace('keepalive', 'auto_failback on # moved\nkeepalive')
  const diff = diffConfig(accepted({}), accepted({ haCf: moved }))
  assert.deepEqual(diff, { changes: [], groups: [], kind: null })
})

test('times are live', () => {
  assert.deepEqual(changes(withLines('warntime 300ms', 'keepalive 200ms')), [
    'live timing.keepalive changed',
    'live timing.warntime changed',
  ])
})

test('a link that is added or removed is rolling, a ping node live', () => {
  assert.deepEqual(changes(withLines('serial /dev/ttyS0', 'ping 10.9.9.254')), [
    'rolling link serial:/dev/ttyS0 added',
    'live link ping:10.9.9.254 added',
  ])
  assert.deepEqual(changes({}, withLines('serial /dev/ttyS0')), ['rolling link serial:/dev/ttyS0 removed'])
})

test('another port changes the links that use it', () => {
  assert.deepEqual(changes({ haCf: kGoodHaCf.replace('700', '701') }), [
    'rolling link bcast:eth1 changed',
    'rolling link ucast:eth0:10.9.9.2 changed',
  ])
})

test('keys are rolling and never shown', () => {
  const diff = diffConfig(
    accepted({}),
    accepted({ authkeys: 'auth 2\n1 sha1 0123456789abcdef0123\n2 sha1 other-secret-0123\n' }),
  )
  assert.deepEqual(
    diff.changes.map((c) => `${c.kind} ${c.subject} ${c.change}`),
    ['rolling auth changed', 'rolling key 2 added'],
  )
  assert.ok(!JSON.stringify(diff).includes('other-secret'))
})

test('on and off of auto_failback is rolling, legacy needs a restart', () => {
  const failback = (value: string) =>
    changes({ haCf: kGoodHaCf.replace('auto_failback on', `auto_failback ${value}`) })
  assert.deepEqual(failback('off'), ['rolling auto_failback changed'])
  assert.deepEqual(failback('legacy'), ['restart auto_failback changed'])
})

test('only the group that changed is named', () => {
  const after = accepted({ haresources: kGoodHaresources.replace('httpd', 'httpd extra') })
  assert.deepEqual(diffConfig(accepted({}), after).groups, [{ key: '10.9.9.9/24/eth0', change: 'changed' }])
})

test('groups come and go', () => {
  const after = accepted({ haresources: 'alpha 10.9.9.9/24/eth0 httpd\nalpha other\n' })
  assert.deepEqual(diffConfig(accepted({}), after).groups, [
    { key: 'other', change: 'added' },
    { key: 'IPaddr2::10.9.9.10/24/eth0', change: 'removed' },
  ])
})

test('other parameters of an agent change its group', () => {
  const files = (port: number) => ({
    haresources: 'alpha web\n',
    twinbeatCf: `agent web ocf:heartbeat:nginx port=${port}\n`,
  })
  const diff = diffConfig(accepted(files(80)), accepted(files(81)))
  assert.deepEqual([diff.groups, diff.kind], [[{ key: 'web', change: 'changed' }], 'rolling'])
})

test('another interval of a monitor moves nothing', () => {
  const files = (every: string) => ({
    haresources: 'alpha web\n',
    twinbeatCf: `monitor web every ${every} failures 3\n`,
  })
  const diff = diffConfig(accepted(files('10s')), accepted(files('20s')))
  assert.deepEqual([diff.groups, diff.kind], [[{ key: 'web', change: 'monitor' }], 'live'])
})
