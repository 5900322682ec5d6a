import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { advisedTimeoutMs, parseMetadata, parseTimeMs } from '../../src/lrm/metadata.js'
import { listScripts } from '../../src/lrm/places.js'

const sample = `Warning: something on stdout before
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="web" version="0.9">
<version>1.1</version>
<!-- a comment -->
<longdesc lang="en">Größe &lt;x&gt;</longdesc>
<shortdesc lang="en">A web server</shortdesc>
<parameters>
<parameter name="port" required="1" unique="0"><content type="integer" default="80" /></parameter>
<parameter name="dir" unique-group="d"><longdesc/><content type="string"/></parameter>
</parameters>
<actions>
<action name="start" timeout="60" />
<action name="monitor" depth="0" timeout="20s" interval="10" role="Promoted" extra="x"/>
<action name="monitor" depth="10" timeout="1min" interval="60"/>
<action name="meta-data" timeout="soon" />
</actions>
</resource-agent>
`

test('meta-data with all its liberties is read', () => {
  const metadata = parseMetadata(sample)
  assert.ok(metadata !== null)
  assert.equal(metadata.shortdesc, 'A web server')
  assert.deepEqual(metadata.parameters, [
    { name: 'port', required: true, unique: false, type: 'integer', default: '80', shortdesc: '' },
    { name: 'dir', required: false, unique: true, type: 'string', default: null, shortdesc: '' },
  ])
  assert.equal(advisedTimeoutMs(metadata, 'start'), 60_000)
  assert.equal(advisedTimeoutMs(metadata, 'monitor'), 60_000)
  assert.equal(advisedTimeoutMs(metadata, 'meta-data'), null)
  assert.equal(advisedTimeoutMs(metadata, 'stop'), null)
  assert.equal(metadata.actions[1]?.role, 'Promoted')
})

test('times come with and without unit', () => {
  const times = ['20', '20s', ' 2 min', '500ms', '1h', '', 's', '1.5s', '-1', '20x'].map(
    parseTimeMs,
  )
  assert.deepEqual(times, [20e3, 20e3, 120e3, 500, 3.6e6, null, null, null, null, null])
})

test('text that is no meta-data gives none, and nothing breaks the reader', () => {
  assert.equal(parseMetadata(''), null)
  assert.equal(parseMetadata('<resource-agent name="x">'), null)
  const cut = fc.tuple(fc.nat(sample.length), fc.nat(sample.length), fc.string())
  fc.assert(
    fc.property(cut, ([a, b, noise]) => {
      const broken = sample.slice(0, Math.min(a, b)) + noise + sample.slice(Math.max(a, b))
      const metadata = parseMetadata(broken)
      if (metadata !== null) assert.ok(Array.isArray(metadata.parameters))
    }),
    { numRuns: 300 },
  )
  const hostile = '<resource-agent><parameters>__proto__</parameters><actions/></resource-agent>'
  assert.deepEqual(parseMetadata(hostile)?.parameters, [])
})

test('the meta-data of installed agents is read, names and actions at least', (t) => {
  const dir = '/usr/lib/ocf/resource.d/heartbeat'
  if (!existsSync(dir)) {
    t.skip('no OCF agents are installed')
    return
  }
  const env = { OCF_ROOT: '/usr/lib/ocf', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
  // Every fifth: the whole set takes half a minute.
  const chosen = listScripts(dir).filter((_, i) => i % 5 === 0)
  for (const name of chosen) {
    const run = spawnSync(join(dir, name), ['meta-data'], {
      env,
      encoding: 'utf8',
      timeout: 10_000,
    })
    if (run.status !== 0) continue
    const metadata = parseMetadata(run.stdout)
    assert.ok(metadata !== null, name)
    assert.notEqual(metadata.name, '', name)
    assert.notEqual(advisedTimeoutMs(metadata, 'start'), null, name)
  }
})
