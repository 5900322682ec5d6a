// File access and facts of the machine: every call answers, whatever stands at the path.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { haClusterPort, hostFacts, loadInputFromMachine, ownNodeName, readHaFile } from '../../src/store/ha-files.js'

const folder = mkdtempSync(join(tmpdir(), 'ha-files-'))
after(() => rmSync(folder, { recursive: true }))
const path = (name: string) => join(folder, name)

test('a file comes with text, mode and time', () => {
  writeFileSync(path('plain'), 'keepalive 1\n')
  chmodSync(path('plain'), 0o640)
  const result = readHaFile(path('plain'))
  assert.ok(result.ok)
  assert.deepEqual([result.text, result.mode, result.mtimeMs > 0], ['keepalive 1\n', 0o640, true])
})

test('bytes above 127 keep their value', () => {
  writeFileSync(path('bytes'), Buffer.from([0x6b, 0xe4, 0xff]))
  const result = readHaFile(path('bytes'))
  assert.deepEqual(result.ok && [...result.text].map((char) => char.charCodeAt(0)), [0x6b, 0xe4, 0xff])
})

test('a missing file, a folder and a fifo without writer are answered at once', () => {
  assert.equal(spawnSync('mkfifo', [path('fifo')]).status, 0)
  const codes = ['missing', '.', 'fifo'].map((name) => readHaFile(path(name)))
  assert.deepEqual(codes, [
    { ok: false, errorCode: 'ENOENT' },
    { ok: false, errorCode: 'not a regular file' },
    { ok: false, errorCode: 'not a regular file' },
  ])
})

test('the node is named by option, by nodeinfo, by the machine', () => {
  assert.notEqual(ownNodeName(folder, null), '')
  writeFileSync(path('nodeinfo'), ' Gamma \n')
  assert.equal(ownNodeName(folder, null), 'gamma')
  assert.equal(ownNodeName(folder, 'Delta'), 'delta')
})

test('the port comes from the services database, udp only', () => {
  writeFileSync(path('services'), 'ha-cluster\t695/tcp\n#ha-cluster 1/udp\nha-cluster\t696/udp # Heartbeat\n')
  assert.equal(haClusterPort(path('services')), 696)
  assert.equal(haClusterPort(path('missing')), null)
})

test('facts of this machine', () => {
  const facts = hostFacts()
  assert.ok(facts.interfaces.includes('lo'))
  assert.deepEqual(['/dev/null', '/', '/nowhere'].map((name) => facts.deviceKind(name)), ['character', 'other', 'missing'])
  assert.deepEqual([facts.userExists('root'), facts.userExists('no-such-user'), facts.userExists('-x')], [true, false, false])
  assert.deepEqual([facts.isExecutable('/bin/sh'), facts.isExecutable('/')], [true, false])
})

test('files of another machine are checked without this one', () => {
  assert.equal(loadInputFromMachine({ haDir: folder, name: null, acceptWithout: [], checkHost: false }).host, null)
})
