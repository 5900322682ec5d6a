// Link dead times and the failover time of each set of links.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announcedDeadtimeUs, failoverTimes, linkTimings } from '../../src/config/timing.js'
import { formatTime } from '../../src/config/values.js'
import { accepted } from './support.js'

function config(...lines: string[]) {
  return accepted({ haCf: [...lines, 'auto_failback on', 'node alpha beta', ''].join('\n') })
}

test('a serial line at 19200 baud beats every 312.5 ms and dies after 1.09 s', () => {
  const { links, timing } = config('keepalive 100ms', 'deadtime 500ms', 'bcast eth0', 'serial /dev/ttyS0')
  const serial = linkTimings(links, timing)[1]
  assert.deepEqual(
    [serial?.heartbeatUs, serial?.intervalUs, serial?.deadUs].map(Number),
    [156_250, 312_500, 1_093_750],
  )
})

test('a fast line does not stretch a long dead time', () => {
  const { links, timing } = config(
    'keepalive 1',
    'deadtime 10',
    'bcast eth0',
    'baud 115200',
    'serial /dev/ttyS0',
  )
  assert.equal(announcedDeadtimeUs(links, timing), 10_000_000)
})

test('the slowest link that is up decides, set by set', () => {
  const { links, timing } = config(
    'keepalive 20ms',
    'deadtime 60ms',
    'bcast eth0 eth1',
    'baud 115200',
    'serial /dev/ttyS0',
    'ping 10.9.9.254',
  )
  const lines = failoverTimes(links, timing).map(
    ({ links: names, us }) => `${names.join('+')}: ${formatTime(us)}`,
  )
  assert.deepEqual(lines, [
    'eth0+eth1+ttyS0@115200: 182.294ms',
    'eth0+eth1: 60ms',
    'eth0+ttyS0@115200: 182.294ms',
    'eth1+ttyS0@115200: 182.294ms',
    'eth0: 60ms',
    'eth1: 60ms',
    'ttyS0@115200: 182.294ms',
  ])
})

test('two links of one interface are told apart', () => {
  const { links, timing } = config('bcast eth0', 'ucast eth0 10.9.9.2')
  assert.deepEqual(failoverTimes(links, timing)[0]?.links, ['bcast:eth0', 'ucast:eth0:10.9.9.2'])
})
