// Heartbeat times by name: what follows from them, and what of ha.cf comes before them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { profileHeld, profiles } from '../../src/config/profiles.js'
import { announcedDeadtimeUs, linkTimings } from '../../src/config/timing.js'
import { accepted, load } from './support.js'

const ha = (...lines: string[]): string =>
  [...lines, 'initdead 12', 'bcast eth0', 'serial /dev/ttyS0', 'auto_failback on', 'node alpha beta', ''].join('\n')

function paced(profile: string, ...lines: string[]) {
  return accepted({ haCf: ha(...lines), twinbeatCf: `profile ${profile}\n` })
}
function said(profile: string, ...lines: string[]): string[] {
  return load({ haCf: ha(...lines), twinbeatCf: `profile ${profile}\n` }).diagnostics
    .filter(({ file }) => file.endsWith('twinbeat.cf')).map(({ severity, message }) => `${severity}: ${message}`)
}

test('each profile gives keepalive and deadtime, and what follows from them', () => {
  const times = (profile: string) => {
    const { keepaliveUs, deadtimeUs, warntimeUs, deadpingUs, initdeadUs } = paced(profile).timing
    return [keepaliveUs, deadtimeUs, warntimeUs, deadpingUs, initdeadUs].map((us) => us / 1000)
  }
  assert.deepEqual(times('extreme'), [1, 3, 2.4, 1000, 12_000])
  assert.deepEqual(times('fast'), [1, 5, 4, 1000, 12_000])
  assert.deepEqual(times('safe'), [2, 10, 8, 1000, 12_000])
  assert.deepEqual(times('lan'), [50, 200, 160, 1000, 12_000])
})

test('without the line the times of heartbeat count', () => {
  const { timing, twinbeat } = accepted({ haCf: ha().replace('initdead 12\n', ''), twinbeatCf: '' })
  assert.deepEqual([timing.keepaliveUs, timing.deadtimeUs, twinbeat.profile], [1_000_000, 30_000_000, null])
})

test('what ha.cf says comes first, and the rest of the profile is said to be lost', () => {
  const both = paced('fast', 'keepalive 100ms', 'deadtime 1')
  assert.deepEqual([both.timing.keepaliveUs, both.timing.deadtimeUs, both.timing.warntimeUs], [100_000, 1_000_000, 500_000])
  assert.match(said('fast', 'keepalive 100ms', 'deadtime 1').join('\n'), /warning: 'profile fast' changes nothing/)
  assert.match(said('lan', 'deadtime 1').join('\n'), /warning: ha\.cf sets deadtime: only half of 'profile lan' counts/)
})

test('half a profile that makes no sense is refused like any other timing', () => {
  const { config, diagnostics } = load({ haCf: ha('keepalive 100ms'), twinbeatCf: 'profile fast\n' })
  assert.equal(config, null)
  assert.ok(diagnostics.some(({ severity, code }) => severity === 'error' && code === 'TB_CONFIG_TIMING'))
})

test('a profile of milliseconds without real-time scheduling is warned of', () => {
  assert.match(said('fast', 'realtime off').join('\n'), /needs real-time scheduling/)
  assert.deepEqual(said('lan', 'realtime off'), [])
  assert.deepEqual(said('fast'), [])
})

test('a serial line keeps the times that its speed allows', () => {
  const { links, timing } = paced('extreme')
  const [ethernet, serial] = linkTimings(links, timing)
  assert.deepEqual([ethernet?.deadUs, serial?.intervalUs].map(Number), [3000, 312_500])
  assert.ok(announcedDeadtimeUs(links, timing) > 900_000)
})

test('an unknown name is a diagnostic', () => {
  const { diagnostics } = load({ haCf: ha(), twinbeatCf: 'profile fastest\n' })
  assert.ok(diagnostics.some(({ severity, file }) => severity === 'error' && file.endsWith('twinbeat.cf')))
})

test('scripts are told the times in force', () => {
  const directives = new Map(paced('fast').directives)
  assert.deepEqual([directives.get('keepalive'), directives.get('deadtime')], ['1ms', '5ms'])
})

test('what a lateness leaves of the profiles', () => {
  assert.deepEqual([900, 1100, 3100, 7000, 120_000].map((us) => profileHeld(us)?.name ?? null), ['extreme', 'fast', 'safe', 'lan', null])
  assert.equal(profiles.length, 4)
})
