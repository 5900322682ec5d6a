// The shipped example must be a configuration without errors, read from its real files.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../src/config/load.js'
import { failoverTimes } from '../../src/config/timing.js'
import { hashText, readHaFile } from '../../src/store/ha-files.js'

const haDir = fileURLToPath(new URL('../../../examples/pair/ha.d', import.meta.url))

function loadExample() {
  return loadConfig({
    haDir, self: 'alpha', hash: hashText, acceptWithout: [], servicePort: null, host: null,
    // A checkout leaves authkeys readable; whoever uses the example closes it first.
    readFile: (path) => {
      const result = readHaFile(path)
      return result.ok && path.endsWith('authkeys') ? { ...result, mode: 0o600 } : result
    },
  })
}

test('the example is accepted, with only the warnings an example earns', () => {
  const { config, diagnostics } = loadExample()
  assert.ok(config)
  assert.deepEqual(diagnostics.map((d) => `${d.severity} ${d.code}`), [
    'warning TB_CONFIG_SPLIT_BRAIN', 'warning TB_CONFIG_TIMING', 'warning TB_CONFIG_SPLIT_BRAIN',
  ])
})

test('the example has three links, one address by the engine and one service', () => {
  const { config } = loadExample()
  assert.deepEqual(config?.links.map((link) => link.id), ['bcast:eth1', 'bcast:eth0', 'serial:/dev/ttyTB0'])
  assert.deepEqual(config?.groups.map((group) => group.members.map((member) => [member.name, member.by])), [
    [['IPaddr', 'engine'], ['webdemo', 'agent']],
  ])
})

test('no link of the example is slower than its dead time', () => {
  const { config } = loadExample()
  assert.ok(config)
  const times = failoverTimes(config.links, config.timing).map((time) => time.us as number)
  assert.deepEqual(new Set(times), new Set([1_000_000]))
})
