// In which order the records of an engine count that asks whether it is held for dead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordStream } from '../../src/engine/records.js'

const code = { linkUp: 7, interface: 14, stall: 16, overflow: 18 } as const
const asks = 8
const muted = 128

function record(type: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeUInt8(flags, 6)
  return bytes
}

const typesOf = (stream: RecordStream, ...records: readonly Buffer[]): string[] =>
  stream.decode(Buffer.concat(records)).map((one) => (one.type === 'stall' ? `stall ${one.muted ? 'muted' : 'waited for'}` : one.type))

test('what is heard while it is asked counts after the answer, however the records come', () => {
  for (const [flags, told] of [[muted, 'stall muted'], [0, 'stall waited for']] as const) {
    const stream = new RecordStream()
    assert.deepEqual(typesOf(stream, record(code.linkUp), record(code.stall, asks), record(code.linkUp)), ['link.up'])
    assert.deepEqual(typesOf(stream, record(code.linkUp)), [])
    assert.deepEqual(typesOf(stream, record(code.linkUp), record(code.stall, flags), record(code.linkUp)),
      [told, 'link.up', 'link.up', 'link.up', 'link.up'])
    assert.deepEqual(typesOf(stream, record(code.stall, flags), record(code.linkUp)), [told, 'link.up'])
  }
})

test('an overflow waits with what came before it; what this machine says of its own network waits for nobody', () => {
  const stream = new RecordStream()
  const told = typesOf(stream, record(code.stall, asks), record(code.linkUp), record(code.overflow), record(code.interface))
  assert.deepEqual(told, ['interface'])
  assert.deepEqual(typesOf(stream, record(code.stall)), ['stall waited for', 'link.up', 'overflow'])
})
