import assert from 'node:assert/strict'
import { it } from 'node:test'
import { age, colours, formatStatus, noColours } from '../../src/cli/format/status.js'
import { parseDurationMs } from '../../src/cli/output.js'
import { report } from './report.js'

it('ages read as people say them', () => {
  assert.deepEqual([null, 0, 40, 999, 4000, 119_000, 180_000].map((ms) => age(ms)),
    ['never', '0 ms', '40 ms', '999 ms', '4.0 s', '119.0 s', '3 min'])
})

it('the page names holder, nodes, the reason of a closed link, what was refused, and the warnings', () => {
  const text = formatStatus(report, noColours)
  assert.match(text, /^nodea {2}holds local {2}active {2}twinbeatd 0\.1\.0 pid 77/)
  assert.match(text, /web +on nodea +held +home nodea +held/)
  assert.match(text, /nodec +dead/)
  assert.match(text, /nodeb.* eth1 down/)
  assert.doesNotMatch(text, /ttyS0 never/)
  assert.match(text, /10\.0\.0\.1 +active +ping node/)
  assert.match(text, /eth1 +bcast +closed: ENODEV: there is no such interface or device now +in 0 out 3 +refused: auth 2$/m)
  assert.match(text, /\n! runs without stonith$/)
})

it('colours change nothing but colours', () => {
  // eslint-disable-next-line no-control-regex
  const bare = formatStatus(report, colours).replace(/\u001b\[\d+m/g, '')
  assert.equal(bare, formatStatus(report, noColours))
})

it('a pair without groups says so, also with nobody heard', () => {
  const text = formatStatus({ ...report, groups: [], links: [], nodes: [], warnings: [] }, noColours)
  assert.match(text, /Groups\n {2}none: haresources names no group/)
  assert.doesNotMatch(text, /undefined|NaN/)
})

it('durations are read with their unit, seconds without', () => {
  assert.deepEqual(['10', '1.5s', '250ms', '2m', '1h'].map((text) => parseDurationMs(text)), [10_000, 1500, 250, 120_000, 3_600_000])
  for (const wrong of ['', 's', '-1', '1 s', '1d', 'soon']) assert.throws(() => parseDurationMs(wrong), /is not a duration/)
})

it('status says what protects the pair, whether it is fresh, and what is on hold or in maintenance', () => {
  const group = { ...report.groups[0]!, onHold: true }
  const text = formatStatus({ ...report, groups: [group], maintenanceLeftMs: 90_000 }, noColours)
  assert.match(text, /MAINTENANCE for another 90\.0 s: nothing is taken/)
  assert.match(text, /web .* on hold /)
  assert.match(text, /split brain +accept \(a node that hears nothing takes over\)/)
  assert.match(text, /guardian +guarding \(pid 78\), saw the engine 3 ms before it was asked {2}memory not locked/)
  assert.match(text, /watchdog +starving, petted 4\.2 s before it was asked, bites after 10\.0 s, cannot be ended/)
  assert.match(formatStatus({ ...report, guardian: null }, noColours), /guardian +none: nothing is taken here/)
})
