// Linux-HA messages from and to bytes without an engine: what `twinbeat decode` and the tests of the wire format use.
// The codec and the rules are the engine's own (native/core/wire); this file gives them types.
import { TwinbeatError } from '../errors.js'
import { loadAddon } from '../system/addon.js'
import type { AuthMethod, Field, FieldType } from './engine.js'

export type Encoding = 'netstring' | 'classic'

export type ReasonCode =
  | 'auth-mismatch' | 'truncated' | 'unterminated' | 'no-auth' | 'unknown-auth-number' | 'no-seq'
  | 'replay' | 'old-generation' | 'malformed'

/** A field as it is printed: text as text (one character per byte, latin1), every other type as lower-case hex. */
export interface DecodedField {
  readonly name: string
  readonly type: FieldType
  readonly value: string
}

export interface DecodedMessage {
  readonly valid: boolean
  /** `code: text`, null for a valid message. */
  readonly reason: string | null
  readonly encoding: Encoding | null
  /** The key line that the message names; null when it names none or one that is not configured. */
  readonly auth: { readonly method: AuthMethod; readonly index: number } | null
  /** In received order; of an invalid message as far as it could be read. */
  readonly fields: readonly DecodedField[]
}

/** The lines of authkeys; `key` is the text of the file, null for `crc`. */
export interface DecoderKeys {
  readonly signIndex: number
  readonly keys: readonly { readonly index: number; readonly method: AuthMethod; readonly key: string | null }[]
}

export interface EncodeOptions {
  readonly encoding: Encoding
  /** The second, unchecked signature that real nodes send inside netstring messages. */
  readonly innerAuth: boolean
}

interface NativeAnswer {
  readonly code: ReasonCode | null
  readonly text: string | null
  readonly encoding: Encoding | null
  readonly method: AuthMethod | null
  readonly index: number | null
  readonly fields: readonly DecodedField[]
}

interface NativeCodec {
  setKey(index: number, method: string, key: Uint8Array): boolean
  setSigning(index: number): boolean
  decode(bytes: Uint8Array, inOrder: boolean): NativeAnswer
  encode(packedFields: Uint8Array, classic: boolean, innerAuth: boolean): Uint8Array | null
  sign(bytes: Uint8Array): string | null
}

interface CodecAddon {
  readonly Codec: new () => NativeCodec
}

/** A message that was refused before it could be looked at. */
export function refused(code: ReasonCode, text: string): DecodedMessage {
  return { valid: false, reason: `${code}: ${text}`, encoding: null, auth: null, fields: [] }
}

export class Decoder {
  readonly #codec: NativeCodec

  constructor(keys: DecoderKeys) {
    this.#codec = new (loadAddon<CodecAddon>().Codec)()
    for (const { index, method, key } of keys.keys) {
      if (!this.#codec.setKey(index, method, Buffer.from(key ?? '', 'utf8'))) {
        throw new TwinbeatError('TB_CONFIG', `authkeys line ${index} ('${method}') cannot be used`, {
          hint: 'numbers go from 0 to 15; crc takes no key, the other methods need one of at most 4096 bytes',
        })
      }
    }
    if (!this.#codec.setSigning(keys.signIndex)) {
      throw new TwinbeatError('TB_CONFIG', `authkeys names key ${keys.signIndex} in 'auth', but has no such line`)
    }
  }

  /** The message by itself. */
  decode(bytes: Uint8Array): DecodedMessage {
    return toDecoded(this.#codec.decode(bytes, false))
  }

  /** Also by generation and sequence of the messages of the same sender that this decoder saw before. */
  decodeInOrder(bytes: Uint8Array): DecodedMessage {
    return toDecoded(this.#codec.decode(bytes, true))
  }

  /** Signed bytes of these fields, null if they cannot be encoded (too long, a field `auth`, a bad name). */
  encode(fields: readonly Field[], options: EncodeOptions): Uint8Array | null {
    const packed = packFields(fields)
    return packed === null ? null : this.#codec.encode(packed, options.encoding === 'classic', options.innerAuth)
  }

  /** The digest of bytes by the signing line, as it is written in messages. */
  sign(bytes: Uint8Array): string {
    return this.#codec.sign(bytes) ?? ''
  }
}

function toDecoded(answer: NativeAnswer): DecodedMessage {
  const auth = answer.method === null || answer.index === null ? null : { method: answer.method, index: answer.index }
  return {
    valid: answer.code === null,
    reason: answer.code === null ? null : `${answer.code}: ${answer.text ?? ''}`,
    encoding: answer.encoding,
    auth,
    fields: answer.fields,
  }
}

/** The form that native/addon/decode.cc reads: type, length of name, length of value (2 bytes), name, value. */
function packFields(fields: readonly Field[]): Uint8Array | null {
  const parts: Uint8Array[] = []
  for (const field of fields) {
    const name = Buffer.from(field.name, 'latin1')
    const value = typeof field.value === 'string' ? Buffer.from(field.value, 'latin1') : field.value
    if (name.length > 0xff || value.length > 0xffff) return null
    parts.push(Uint8Array.of(field.type, name.length, value.length & 0xff, value.length >> 8), name, value)
  }
  return Buffer.concat(parts)
}
