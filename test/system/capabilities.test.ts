import assert from 'node:assert/strict'
import { it } from 'node:test'
import { missingCapabilities, privilegeWarnings, type Capability, type Wanted } from '../../src/system/capabilities.js'

const everything: Wanted = { addresses: true, pings: true, lowestPort: 694, reboots: true, realtime: true }
const all: ReadonlySet<Capability> = new Set(['netAdmin', 'netBindService', 'netRaw', 'sysBoot', 'sysNice'])

it('missing capabilities are read from the effective set of the kernel', () => {
  assert.deepEqual([...missingCapabilities('CapEff:\t000001fffeffffff\n')], [])
  assert.deepEqual([...missingCapabilities('CapEff:\t0000000000000000\n')].sort(), [...all].sort())
  const noRaw = (0x1ff_fffffffen & ~(1n << 13n)).toString(16)
  assert.deepEqual([...missingCapabilities(`CapEff:\t${noRaw}\n`)], ['netRaw'])
  assert.deepEqual([...missingCapabilities('nothing known')], [])
})

it('each missing privilege that is used costs one sentence with its next step', () => {
  const warnings = privilegeWarnings(everything, all)
  assert.equal(warnings.length, 6)
  for (const warning of warnings) assert.match(warning, /\(CAP_[A-Z_]+\): .+; /)
})

it('what is not used is not missed', () => {
  const nothing: Wanted = { addresses: false, pings: false, lowestPort: 1694, reboots: false, realtime: false }
  assert.deepEqual(privilegeWarnings(nothing, all), [])
  assert.deepEqual(privilegeWarnings(everything, new Set()), [])
})
