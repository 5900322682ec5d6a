// The parts of the harness that can be tried without a machine.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { archive } from './boot-files.js'
import { emulatorArgs, type MachineShape } from './emulator.js'
import { encodeFrame, FrameReader, frameType } from './frames.js'
import { arpRequest, claimOf } from './observer.js'
import { formatPage } from './page.js'
import { parseMonitorLine } from './qmp.js'
import { SpanBook } from './spans.js'

const shape: MachineShape = {
  id: 2, name: 'nodeb', memoryMb: 512, dir: '/d', share: '/d/nodeb', hardwareWatchdog: true, segments: 2, serialLine: true,
  management: false, panicS: 0,
}
const files = { kernel: '/k', initrd: '/i' }

describe('frames between host and machine', () => {
  it('come out as they went in, however they are cut', () => {
    const bytes = Buffer.concat([encodeFrame(frameType.out, 7, 'text'), encodeFrame(frameType.exit, 7, Buffer.from([1, 0, 0, 0]))])
    const reader = new FrameReader()
    const frames = [...bytes].flatMap((byte) => reader.push(Buffer.from([byte])))
    assert.deepEqual(frames.map(({ type, id, payload }) => [type, id, payload.toString('latin1')]),
      [[frameType.out, 7, 'text'], [frameType.exit, 7, '\x01\0\0\0']])
  })

  it('a machine that was reset in the middle of one is heard from its next greeting on', () => {
    const half = encodeFrame(frameType.out, 7, 'x'.repeat(1000)).subarray(0, 500)
    const frames = new FrameReader().push(Buffer.concat([half, encodeFrame(frameType.hello, 0, '{}')]))
    assert.deepEqual(frames.map(({ type }) => type), [frameType.hello])
  })

  it('noise between frames is skipped', () => {
    const frames = new FrameReader().push(Buffer.concat([Buffer.from('noise TV noise'), encodeFrame(frameType.pong, 3, '{}')]))
    assert.deepEqual(frames.map(({ id }) => id), [3])
  })
})

describe('the command line of the emulator', () => {
  it('needs no virtualisation, and the root of the host is read-only', () => {
    const line = emulatorArgs(shape, files).join(' ')
    assert.match(line, /-accel tcg/)
    assert.match(line, /local,id=root,path=\/,security_model=none,readonly=on/)
    assert.doesNotMatch(line, /kvm|tap|bridge/)
  })

  it('has what the shape says, and nothing else', () => {
    const count = (args: readonly string[], pattern: RegExp): number => args.filter((word) => pattern.test(word)).length
    const full = emulatorArgs(shape, files)
    const bare = emulatorArgs({ ...shape, hardwareWatchdog: false, segments: 1, serialLine: false }, files)
    assert.deepEqual([count(full, /^i6300esb$/), count(full, /^virtio-net/), count(full, /index=1$/)], [1, 2, 1])
    assert.deepEqual([count(bare, /^i6300esb$/), count(bare, /^virtio-net/), count(bare, /index=1$/)], [0, 1, 0])
    assert.equal(count(emulatorArgs({ ...shape, management: true }, files), /^user,/), 1)
  })
})

describe('the monitor of the emulator', () => {
  it('a reset is an event with its time', () => {
    const line = '{"timestamp": {"seconds": 10, "microseconds": 250000}, "event": "RESET", ' +
      '"data": {"guest": true, "reason": "guest-reset"}}'
    assert.deepEqual(parseMonitorLine(line), {
      kind: 'event', event: { atMs: 10_250, name: 'RESET', data: { guest: true, reason: 'guest-reset' } },
    })
  })

  it('an error is the answer to its question', () => {
    assert.deepEqual(parseMonitorLine('{"id": 4, "error": {"class": "GenericError", "desc": "no"}}'),
      { kind: 'answer', id: 4, value: undefined, problem: 'no' })
    assert.deepEqual(parseMonitorLine('{"QMP": {}}'), { kind: 'greeting' })
    assert.equal(parseMonitorLine('  '), null)
  })
})

describe('what an outsider sees', () => {
  it('an answer to its question proves an address; a question of others proves nothing', () => {
    const question = arpRequest('10.77.0.100', '10.77.0.254')
    assert.equal(question.length, 42)
    assert.equal(claimOf(question), null)
    const answer = Buffer.from(question)
    question.copy(answer, 0, 6, 12)
    answer.writeUInt16BE(2, 20)
    Buffer.from([10, 77, 0, 100]).copy(answer, 28)
    assert.equal(claimOf(answer), '10.77.0.100')
  })

  it('a service is heard by its word', () => {
    const frame = Buffer.concat([Buffer.alloc(42), Buffer.from('web')])
    frame.writeUInt16BE(0x0800, 12)
    frame[14] = 0x45
    frame[23] = 17
    frame.writeUInt16BE(7777, 36)
    frame.writeUInt16BE(11, 38)
    assert.equal(claimOf(frame), 'service:web')
  })

  it('two that answer by turns are two owners, one after the other is none', () => {
    const book = new SpanBook()
    for (const atMs of [0, 100, 200, 300]) book.see('vip', 'a', atMs)
    for (const atMs of [250, 350, 450]) book.see('vip', 'b', atMs)
    assert.deepEqual(book.overlaps(0), [{ what: 'vip', by: ['a', 'b'], fromMs: 250, ms: 50 }])
    assert.deepEqual(book.overlaps(300), [])
  })

  it('the longest time without an owner counts from the beginning and to the end', () => {
    const book = new SpanBook()
    for (const atMs of [1000, 1100, 1200]) book.see('vip', 'a', atMs)
    for (const atMs of [4000, 4100]) book.see('vip', 'b', atMs)
    assert.equal(book.longestGapMs('vip', 1000, 4100), 2800)
    assert.equal(book.longestGapMs('vip', 0, 4100), 2800)
    assert.equal(book.longestGapMs('vip', 4000, 9000), 4900)
  })
})

it('the first file system is an archive that ends as such', () => {
  const bytes = archive([{ name: 'init', mode: 0o100755, data: Buffer.from('#!') }])
  assert.equal(bytes.subarray(0, 6).toString(), '070701')
  assert.match(bytes.toString('latin1'), /init\0.*#!/s)
  assert.match(bytes.subarray(-16).toString('latin1'), /TRAILER!!!/)
  assert.equal(bytes.length % 4, 0)
})

it('the page names what does not hold', () => {
  const fact = { play: 'one', text: 'it boots', note: '3 s', seconds: 3.21, problem: null }
  const page = formatPage([{ name: 'one', what: 'a play' }], [fact, { ...fact, text: 'it | runs', problem: 'it does not' }], 7)
  assert.match(page, /1 of 2 facts held, in 7 s/)
  assert.match(page, /\| it boots \| 3 s \| 3\.2 s \|/)
  assert.match(page, /\| it \\\| runs \| \*\*does not hold: it does not\*\* \|/)
})
