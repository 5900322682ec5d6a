// 272 messages of two real Linux-HA nodes (and damaged copies of them): all must be judged as recorded, and what is
// valid must come out of our encoder byte by byte as it came from theirs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Decoder } from '../../src/engine/decode.js'
import type { ReasonCode } from '../../src/engine/decode.js'
import type { AuthMethod, Field, FieldType } from '../../src/engine/engine.js'

interface Vector {
  readonly name: string
  readonly medium: string
  readonly format: 'netstring' | 'string'
  readonly bytes_hex: string
  readonly auth_method: AuthMethod
  readonly key: string | null
  readonly auth_number?: number
  readonly has_inner_auth?: boolean
  readonly fields?: readonly { readonly name: string; readonly type: FieldType; readonly value: string }[]
  readonly valid: boolean
  readonly reason?: string
  readonly prior?: readonly string[]
  readonly authentic?: boolean
}

const file = new URL('../../../test/golden/linux-ha-vectors.json', import.meta.url)
const vectors = (JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] }).vectors
const byName = new Map(vectors.map((vector) => [vector.name, vector]))

/** Every reason text of the file and the code that answers it. */
const codes: readonly (readonly [text: string, code: ReasonCode])[] = [
  ['auth-mismatch: one bit of the src value flipped', 'auth-mismatch'],
  ['auth-mismatch: last digest character changed', 'auth-mismatch'],
  ['auth-mismatch: signed with another key', 'auth-mismatch'],
  ['auth-mismatch: digest must be lower-case hex', 'auth-mismatch'],
  ['truncated inside the message body', 'truncated'],
  ['unterminated: trailing auth netstring cut short', 'unterminated'],
  ['unterminated: end marker missing', 'unterminated'],
  ['no trailing auth netstring', 'no-auth'],
  ['auth number 7 is not configured', 'unknown-auth-number'],
  ['replayed sequence number: well-formed and authentic, must be ignored when it was already seen', 'replay'],
  ['generation (hg) lower than the last one seen: replay attack, must be ignored', 'old-generation'],
  ['sequence number missing on a message type that needs one', 'no-seq'],
]

const bytesOf = (vector: Vector): Buffer => Buffer.from(vector.bytes_hex, 'hex')
const encodingOf = (vector: Vector): 'netstring' | 'classic' => vector.format === 'string' ? 'classic' : 'netstring'

function decoderFor(vector: Vector): Decoder {
  const index = vector.auth_number ?? 1
  return new Decoder({ signIndex: index, keys: [{ index, method: vector.auth_method, key: vector.key }] })
}

function codeOf(vector: Vector): ReasonCode {
  const row = codes.find(([text]) => text === vector.reason)
  assert.ok(row, `no code for '${vector.reason}'`)
  return row[1]
}

test('the file holds all 272 messages', () => {
  assert.equal(vectors.length, 272)
  assert.equal(vectors.filter((vector) => vector.valid).length, 228)
  assert.equal(byName.size, 272)
})

for (const vector of vectors.filter((each) => each.valid)) {
  test(`valid: ${vector.name}`, () => {
    const decoder = decoderFor(vector)
    for (const decoded of [decoder.decode(bytesOf(vector)), decoder.decodeInOrder(bytesOf(vector))]) {
      assert.deepEqual(decoded, {
        valid: true,
        reason: null,
        encoding: encodingOf(vector),
        auth: { method: vector.auth_method, index: vector.auth_number },
        fields: vector.fields,
      })
    }
  })

  test(`same bytes again: ${vector.name}`, () => {
    const fields: Field[] = (vector.fields ?? []).filter(({ name }) => name !== 'auth').map(({ name, type, value }) =>
      ({ name, type, value: type === 0 ? value : Buffer.from(value, 'hex') }))
    const options = { encoding: encodingOf(vector), innerAuth: vector.has_inner_auth === true }
    const encoded = decoderFor(vector).encode(fields, options)
    assert.ok(encoded)
    assert.equal(Buffer.from(encoded).toString('latin1'), bytesOf(vector).toString('latin1'))
  })
}

for (const vector of vectors.filter((each) => !each.valid)) {
  test(`invalid: ${vector.name}`, () => {
    const decoder = decoderFor(vector)
    for (const name of vector.prior ?? []) {
      const prior = byName.get(name)
      assert.ok(prior, `prior message '${name}' is not in the file`)
      assert.equal(decoder.decodeInOrder(bytesOf(prior)).reason, null)
    }
    const bytes = bytesOf(vector)
    const decoded = vector.prior === undefined ? decoder.decode(bytes) : decoder.decodeInOrder(bytes)
    assert.equal(decoded.valid, false)
    assert.equal(decoded.reason?.split(':')[0], codeOf(vector))
    assert.equal(decoded.encoding, encodingOf(vector))
    if (vector.prior !== undefined) {
      assert.equal(vector.authentic, true)
      assert.equal(decoderFor(vector).decode(bytesOf(vector)).valid, true, 'by itself it is valid')
    }
  })
}
