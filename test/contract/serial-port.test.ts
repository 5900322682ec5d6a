// Serial lines: opened by serialport, carried by the engine; a pair of pseudo-terminals with a pump between them stands
// in for the cable.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EngineRecord, LinkConfig } from '../../src/engine/engine.js'
import { text, textOf } from '../../src/engine/engine.js'
import { NativeEngine } from '../../src/engine/native.js'
import { openSerialLine } from '../../src/engine/serial-port.js'
import type { SerialLineOptions } from '../../src/engine/serial-port.js'
import { TwinbeatError } from '../../src/errors.js'
import { begin, configOf } from './engine.contract.js'

interface Cable {
  readonly folder: string
  readonly ends: readonly [string, string]
  readonly cut: () => void
}

async function until(what: string, condition: () => boolean, limitMs = 8000): Promise<void> {
  const limit = Date.now() + limitMs
  while (!condition()) {
    assert.ok(Date.now() < limit, `not in ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const noSocat = spawnSync('socat', ['-V']).error === undefined ? false : 'socat is not installed'

async function withCable(body: (cable: Cable) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'twinbeat-serial-'))
  const ends = [join(folder, 'ttyA'), join(folder, 'ttyB')] as const
  const pump = spawn('socat', [`pty,raw,echo=0,link=${ends[0]}`, `pty,raw,echo=0,link=${ends[1]}`], { stdio: 'ignore' })
  try {
    await until('the cable is there', () => ends.every((end) => existsSync(end)))
    await body({ folder, ends, cut: () => pump.kill('SIGKILL') })
  } finally {
    pump.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
}

const slow = (path: string, lockFolder: string): SerialLineOptions => ({ path, baud: 19_200, lock: true, lockFolder })

const isLineError = (pattern: RegExp) => (error: unknown): boolean =>
  error instanceof TwinbeatError && error.code === 'TB_SERIAL_LINE' && pattern.test(error.message)

test('two engines beat and talk over a serial line', { skip: noSocat, timeout: 30_000 }, async () => {
  await withCable(async ({ ends, folder, cut }) => {
    const open = (path: string) => openSerialLine({ path, baud: 115_200, lock: true, lockFolder: folder })
    const lines = await Promise.all(ends.map(open))
    const nodes = (['left', 'right'] as const).map((name, at) => {
      const records: EngineRecord[] = []
      const engine: NativeEngine = new NativeEngine({ wake: () => records.push(...engine.drain()) })
      const link: LinkConfig = { type: 'serial', name: ends[at]!, fd: lines[at]!.fd, baud: 115_200 }
      begin(engine, configOf(name, [link]), 10 + at)
      return { engine, records }
    })
    const [left, right] = nodes as [typeof nodes[0], typeof nodes[0]]
    try {
      await until('both are up', () => nodes.every((node) => node.records.some((one) => one.type === 'peer.up')))
      const long = 'x'.repeat(1500) // three pieces on the line
      left.engine.send([text('t', 'note'), text('info', long)])
      await until('it arrived', () => right.records.some((one) => one.type === 'message'))
      const message = right.records.find((one) => one.type === 'message')
      assert.equal(message?.type === 'message' && textOf(message.fields, 'info'), long)
      const [snapshot] = left.engine.snapshot().links
      assert.equal(snapshot?.rejected.malformed, 0)
      assert.equal(snapshot.rejected.auth, 0)
      cut()
      await until('the other is dead', () => left.records.some((one) => one.type === 'peer.dead'))
      await until('the line is closed', () => left.records.some((one) => one.type === 'link.state' && !one.open))
      // A dead line wakes nobody: its engines run above everything else on the machine.
      const before = process.cpuUsage()
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const { user, system } = process.cpuUsage(before)
      assert.ok(user + system < 500_000, `two engines used ${(user + system) / 1000} ms of one second`)
    } finally {
      for (const node of nodes) node.engine.stop({ farewell: false })
      for (const line of lines) line.close()
    }
  })
})

test('a line in use is refused by flock and by the UUCP lock, and free again after close', { skip: noSocat }, async () => {
  await withCable(async ({ ends: [path], folder }) => {
    const first = await openSerialLine(slow(path, folder))
    const lockFile = join(folder, 'LCK..ttyA')
    assert.equal(readFileSync(lockFile, 'latin1'), `${String(process.pid).padStart(10)}\n`)
    await assert.rejects(openSerialLine(slow(path, folder)), isLineError(/locked by/))
    const elsewhere = mkdtempSync(join(folder, 'other-'))
    await assert.rejects(openSerialLine(slow(path, elsewhere)), isLineError(/lock/i))
    first.close()
    assert.equal(existsSync(lockFile), false)
    const second = await openSerialLine(slow(path, folder))
    second.close()
  })
})

test('the lock of a dead process is removed, that of a living one is not', { skip: noSocat }, async () => {
  await withCable(async ({ ends: [path], folder }) => {
    const lockFile = join(folder, 'LCK..ttyA')
    const dead = spawnSync('true').pid
    writeFileSync(lockFile, `${String(dead).padStart(10)}\n`)
    const line = await openSerialLine(slow(path, folder))
    line.close()
    writeFileSync(lockFile, `${String(process.ppid).padStart(10)}\n`)
    await assert.rejects(openSerialLine(slow(path, folder)),
      isLineError(new RegExp(`locked by process ${process.ppid}`)))
    assert.equal(existsSync(lockFile), true)
  })
})

test('what is not a serial device is named', async () => {
  await assert.rejects(openSerialLine({ path: '/nowhere/ttyS9', baud: 19_200, lock: false }), isLineError(/nowhere/))
})
