// Our digests against those of node:crypto, and the codec against itself, over random input.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Decoder } from '../../src/engine/decode.js'
import { bytes, text } from '../../src/engine/engine.js'
import type { AuthMethod, Field } from '../../src/engine/engine.js'
import { TwinbeatError } from '../../src/errors.js'

const decoderWith = (method: AuthMethod, key: string | null): Decoder =>
  new Decoder({ signIndex: 3, keys: [{ index: 3, method, key }] })

const keyText = fc.oneof(fc.string({ minLength: 1, maxLength: 20 }), fc.string({ minLength: 60, maxLength: 300 }))

for (const method of ['md5', 'sha1', 'sha256'] as const) {
  test(`HMAC-${method} is that of node:crypto`, () => {
    fc.assert(fc.property(keyText, fc.uint8Array({ maxLength: 1000 }), (key, data) => {
      assert.equal(decoderWith(method, key).sign(data), createHmac(method, key).update(data).digest('hex'))
    }), { numRuns: 500 })
  })
}

test('crc is that of the definition, bit by bit', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
    let crc = 0
    for (const byte of data) {
      crc ^= byte << 24
      for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? crc << 1 ^ 0x04c11db7 : crc << 1
    }
    assert.equal(decoderWith('crc', null).sign(data), (~crc >>> 0).toString(16))
  }), { numRuns: 500 })
})

const name = fc.stringMatching(/^[a-z_][A-Za-z0-9_-]{0,20}$/).filter((each) => each !== 'auth')
// Byte 0x13 stands for a line feed in the classic encoding and NUL ends a text.
const printable = fc.uint8Array({ maxLength: 60 })
  .map((data) => Buffer.from(data.filter((byte) => byte !== 0 && byte !== 0x13)).toString('latin1'))
const field: fc.Arbitrary<Field> = fc.oneof(
  fc.tuple(name, printable).map(([key, value]) => text(key, value)),
  fc.tuple(name, fc.uint8Array({ maxLength: 60 })).map(([key, value]) => bytes(key, value)),
)
const needed = [text('t', 'x'), text('src', 'a'), text('seq', '1'), text('hg', '1'), text('ts', '1')]

for (const encoding of ['netstring', 'classic'] as const) {
  test(`what is encoded as ${encoding} is decoded to the same fields`, () => {
    const decoder = decoderWith('md5', 'secret')
    fc.assert(fc.property(fc.array(field, { maxLength: 20 }), fc.boolean(), (extra, innerAuth) => {
      const fields = [...needed, ...extra]
      const encoded = decoder.encode(fields, { encoding, innerAuth })
      assert.ok(encoded)
      const decoded = decoder.decode(encoded)
      assert.equal(decoded.reason, null)
      const seen = decoded.fields.filter((each) => each.name !== 'auth')
      assert.deepEqual(seen, fields.map(({ name: key, type, value }) =>
        ({ name: key, type, value: typeof value === 'string' ? value : Buffer.from(value).toString('hex') })))
    }), { numRuns: 500 })
  })
}

test('what cannot travel is not encoded', () => {
  const decoder = decoderWith('md5', 'secret')
  const options = { encoding: 'netstring', innerAuth: true } as const
  const refuse = (fields: readonly Field[]): void => { assert.equal(decoder.encode(fields, options), null) }
  refuse([text('auth', '1 ab')])
  refuse([text('', 'x')])
  refuse([text('a b', 'x')])
  refuse([text('a', 'x\0y')])
  refuse([text('a', 'x'.repeat(70_000))])
  refuse(Array.from({ length: 65 }, () => text('a', 'b')))
  refuse([text('a', 'x'.repeat(40_000)), text('b', 'x'.repeat(40_000))])
})

test('keys that cannot be used are refused without showing them', () => {
  const isRefused = (error: unknown): boolean =>
    error instanceof TwinbeatError && error.code === 'TB_CONFIG' && !error.message.includes('secret')
  assert.throws(() => decoderWith('md5', null), isRefused)
  assert.throws(() => decoderWith('crc', 'secret'), isRefused)
  assert.throws(() => decoderWith('md5', 'secret'.repeat(1000)), isRefused)
  assert.throws(() => new Decoder({ signIndex: 2, keys: [{ index: 1, method: 'md5', key: 'secret' }] }), isRefused)
  assert.throws(() => new Decoder({ signIndex: 16, keys: [{ index: 16, method: 'md5', key: 'secret' }] }), isRefused)
})

test('every argument that is no byte array is a TypeError', () => {
  const decoder = decoderWith('md5', 'secret')
  for (const wrong of [undefined, null, 1, 'text', {}, [1, 2], new Uint16Array(4), new ArrayBuffer(4)]) {
    assert.throws(() => decoder.decode(wrong as Uint8Array), TypeError)
  }
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  assert.equal(decoder.decode(detached).valid, false)
})
