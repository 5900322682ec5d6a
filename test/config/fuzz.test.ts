// Any text may stand in the files: nothing throws, every finding has a place, and a model comes out exactly
// when there is no error.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { diffConfig } from '../../src/config/diff.js'
import { editDistance, formatDiagnostics, suggest } from '../../src/config/diagnostics.js'
import { HA_CF } from '../../src/config/ha-cf-table.js'
import type { Diagnostic } from '../../src/config/model.js'
import { renderHaCfReference, renderTwinbeatCfReference } from '../../src/config/reference.js'
import { TWINBEAT_CF } from '../../src/config/twinbeat-cf-table.js'
import {
  canonicalIpv6,
  formatIpv4,
  readIpv4,
  readLongTimeUs,
  readTimeUs,
  writeTime,
} from '../../src/config/values.js'
import { accepted, kGoodAuthkeys, kGoodHaCf, kGoodHaresources, load } from './support.js'

const kRuns = { numRuns: 400 }
const names = [...HA_CF, ...TWINBEAT_CF].map((entry) => entry.name)

/** Text that gets far into the readers: directives, likely values, separators, and anything at all. */
const word = fc.oneof(
  fc.constantFrom(...names),
  fc.constantFrom(
    'alpha',
    'beta',
    'eth0',
    '10.9.9.9',
    '10.9.9.9/24/eth0',
    'IPaddr2::10.0.0.1',
    'on',
    'off',
    '1',
    '500ms',
    '/dev/ttyS0',
    'every',
    'failures',
    'ocf:heartbeat:Dummy',
    'a=b',
    'uid=root',
    'auth',
    'sha1',
    'crc',
    '\\',
    '#',
    '::',
  ),
  fc.string({ maxLength: 12, unit: 'binary' }),
  fc.integer().map(String),
)
const separator = fc.constantFrom(' ', '\t', ',', '\n', '\n', '\r\n', ' \\\n', '  ')
const text = fc.oneof(
  fc.array(fc.tuple(word, separator), { maxLength: 40 }).map((pairs) => pairs.flat().join('')),
  fc.string({ maxLength: 300, unit: 'binary' }),
)

function checkPlaces(found: readonly Diagnostic[], texts: ReadonlyMap<string, string>): void {
  for (const d of found) {
    if (d.line === 0) {
      assert.equal(d.column, 0)
      continue
    }
    const line = texts.get(d.file)?.split('\n')[d.line - 1]
    assert.ok(line !== undefined, `${d.file}:${d.line} ${d.message}`)
    assert.ok(d.column >= 1 && d.column <= line.length + 1, `${d.file}:${d.line}:${d.column} ${d.message}`)
  }
}

test('arbitrary files never throw, and findings stand where they point', () => {
  fc.assert(
    fc.property(text, text, text, text, fc.boolean(), (haCf, authkeys, haresources, twinbeatCf, good) => {
      const files = {
        haCf: good ? `${kGoodHaCf}${haCf}` : haCf,
        authkeys: good ? `${kGoodAuthkeys}${authkeys}` : authkeys,
        haresources: good ? `${kGoodHaresources}${haresources}` : haresources,
        twinbeatCf,
      }
      const { config, diagnostics } = load(files)
      assert.equal(
        config === null,
        diagnostics.some((d) => d.severity === 'error'),
      )
      checkPlaces(
        diagnostics,
        new Map([
          ['/etc/ha.d/ha.cf', files.haCf],
          ['/etc/ha.d/authkeys', files.authkeys],
          ['/etc/ha.d/haresources', files.haresources],
          ['/etc/ha.d/twinbeat.cf', files.twinbeatCf],
        ]),
      )
      // eslint-disable-next-line no-control-regex
      assert.doesNotMatch(formatDiagnostics(diagnostics), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
      if (config !== null) assert.deepEqual(diffConfig(config, config).changes, [])
    }),
    kRuns,
  )
})

test('one good line added to a good file is accepted or explained', () => {
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      const { config, diagnostics } = load({ haCf: `${kGoodHaCf}${a} ${b} ${c}\n` })
      assert.equal(
        config === null,
        diagnostics.some((d) => d.severity === 'error'),
      )
    }),
    kRuns,
  )
})

test('a time that is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 14 }), (us) => {
      assert.equal(readTimeUs(writeTime(us)), us)
      assert.equal(readLongTimeUs(writeTime(us)), us)
    }),
    kRuns,
  )
})

test('an IPv4 address that is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
      assert.equal(readIpv4(formatIpv4(value)), value)
    }),
    kRuns,
  )
})

test('the short form of an IPv6 address is its own short form', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const short = canonicalIpv6(address)
      assert.ok(short !== null, address)
      assert.equal(canonicalIpv6(short), short)
      assert.equal(new URL(`http://[${address}]/`).hostname, new URL(`http://[${short}]/`).hostname)
    }),
    kRuns,
  )
})

test('an address of haresources comes back as its parts', () => {
  const host = fc.integer({ min: 2, max: 250 })
  fc.assert(
    fc.property(
      host,
      fc.integer({ min: 8, max: 24 }),
      fc.option(fc.integer({ min: 0, max: 99 })),
      fc.boolean(),
      (last, prefix, label, broadcast) => {
        const device = label === null ? 'eth0' : `eth0:${label}`
        const word = `10.1.2.${last}/${prefix}/${device}${broadcast ? '/10.255.255.255' : ''}`
        const [member] = accepted({ haresources: `alpha ${word}\n` }).groups[0]?.members ?? []
        assert.deepEqual(member?.address, {
          family: 4,
          address: `10.1.2.${last}`,
          prefix,
          interface: 'eth0',
          label: label === null ? null : device,
          broadcast: broadcast ? '10.255.255.255' : null,
        })
      },
    ),
    kRuns,
  )
})

test('edit distance is a distance, and a suggestion is a candidate', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (a, b) => {
      assert.equal(editDistance(a, a), 0)
      assert.equal(editDistance(a, b), editDistance(b, a))
      const found = suggest(a, names)
      assert.ok(found === null || names.includes(found))
    }),
    kRuns,
  )
})

test('the reference pages name every directive', () => {
  for (const entry of HA_CF) assert.ok(renderHaCfReference().includes(`\n## ${entry.name}\n`), entry.name)
  for (const entry of TWINBEAT_CF)
    assert.ok(renderTwinbeatCfReference().includes(`\n## ${entry.name}\n`), entry.name)
})
