import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openIdentity, storeGeneration, type IdentityOptions } from '../../src/store/identity.js'

describe('identity', () => {
  let root = ''
  let options: IdentityOptions
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'tb-identity-'))
    mkdirSync(path.join(root, 'state'))
    options = {
      stateDir: path.join(root, 'state'),
      heartbeatDir: path.join(root, 'heartbeat'),
      nodeName: 'alpha',
      uuidFrom: 'file',
      wallSeconds: 1_700_000_000,
    }
  })
  afterEach(() => {
    rmSync(root, { recursive: true })
  })

  it('keeps the uuid and raises the generation at every start', () => {
    const first = openIdentity(options)
    const second = openIdentity(options)
    assert.equal(first.firstStart, true)
    assert.equal(second.firstStart, false)
    assert.deepEqual(second.uuid, first.uuid)
    assert.equal(second.generation, first.generation + 1)
  })

  it("takes uuid and generation over from heartbeat's files and writes the generation back in its form", () => {
    mkdirSync(options.heartbeatDir)
    const uuid = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
    writeFileSync(path.join(options.heartbeatDir, 'hb_uuid'), uuid)
    writeFileSync(path.join(options.heartbeatDir, 'hb_generation'), '     1795336864\n')
    const identity = openIdentity(options)
    assert.deepEqual(Buffer.from(identity.uuid), uuid)
    assert.equal(identity.generation, 1_795_336_865)
    assert.equal(
      readFileSync(path.join(options.heartbeatDir, 'hb_generation'), 'latin1'),
      '     1795336865\n',
    )
  })

  it('follows heartbeat when it ran in between: its generation is the higher one', () => {
    mkdirSync(options.heartbeatDir)
    const before = openIdentity(options)
    writeFileSync(
      path.join(options.heartbeatDir, 'hb_generation'),
      `${String(before.generation + 7).padStart(15)}\n`,
    )
    assert.equal(openIdentity(options).generation, before.generation + 8)
  })

  it('never goes back when the wall clock does', () => {
    const before = openIdentity(options)
    assert.equal(openIdentity({ ...options, wallSeconds: 5 }).generation, before.generation + 1)
  })

  it('a raised generation is stored for both', async () => {
    mkdirSync(options.heartbeatDir)
    openIdentity(options)
    await storeGeneration(options, 1_800_000_000)
    assert.equal(openIdentity(options).generation, 1_800_000_001)
  })

  it('starts with a warning when the state folder cannot be written', () => {
    const identity = openIdentity({ ...options, stateDir: path.join(root, 'absent') })
    assert.equal(identity.generation, options.wallSeconds)
    assert.match(identity.warnings[0] ?? '', /cannot store the generation/)
  })

  it('ignores a damaged generation file', () => {
    writeFileSync(path.join(options.stateDir, 'generation'), 'garbage\n')
    assert.equal(openIdentity(options).generation, options.wallSeconds)
  })
})
