// Bytes of native/abi/abi.h -> typed records. The only place that trusts the native side's layout; the hash in
// src/system/addon.ts must equal abi_hash() of the loaded addon.
import { micros } from '../core/base/ids.js'
import type { Micros } from '../core/base/ids.js'
import { guardNames } from './authority-codec.js'
import type { EngineCounters, EngineRecord, Field, FieldType, NodeKind, RejectReason } from './engine.js'

export const rejectReasons: readonly RejectReason[] = [
  'malformed', 'auth', 'weak-auth', 'unknown-node', 'old-generation', 'replay', 'field', 'own-name',
]

/** In the order of `enum class Counter`. */
export const counterNames: readonly (keyof EngineCounters)[] = [
  'cycles', 'stalls', 'latenessMaxUs', 'heartbeatsSent', 'messagesSent', 'messagesReceived', 'duplicates', 'gaps',
  'rexmitRequested', 'rexmitAnswered', 'nakSent', 'nakReceived', 'acksSent', 'acksReceived', 'recordsLost', 'rescues', 'stands',
  'standsHeard',
]

const headerBytes = 64
const flag = { ping: 1, twinbeat: 2, wasDead: 4, open: 8, ok: 16, up: 32, carrier: 64, muted: 128, asking: 8 } as const

interface Raw {
  readonly at: Micros
  readonly flags: number
  readonly generation: number
  readonly previous: number
  readonly valueUs: number
  readonly count: number
  readonly number: number
  readonly node: string
  readonly link: string
  readonly text: string
  readonly extra: string
  readonly body: Buffer
}

/** From the thread that looks at this machine's own network, and nothing that was heard. */
const seenHere: ReadonlySet<string> = new Set(['steps.done', 'address.lost', 'address.conflict', 'interface'])

/** The engine asks whether it is held for dead; a `stall` says how that ended. */
interface Asking { readonly at: Micros; readonly type: 'asking' }

/**
 * The records of one engine, in the order in which they count. What it heard on waking may be from before its pause, and is
 * not acted upon before the pause is known: as long as it asks, everything else waits behind the `stall` to come.
 */
export class RecordStream {
  #behind: EngineRecord[] | null = null

  /** Copied-out records, back to back. Throws when they do not fit the layout, which the ABI hash should prevent. */
  decode(bytes: Uint8Array): EngineRecord[] {
    const records: EngineRecord[] = []
    for (const record of decodeRecords(bytes)) {
      if (record.type === 'asking') {
        this.#behind ??= []
      } else if (this.#behind === null) {
        records.push(record)
      } else if (record.type === 'stall') {
        records.push(record, ...this.#behind)
        this.#behind = null
      } else if (seenHere.has(record.type)) {
        records.push(record)
      } else {
        this.#behind.push(record)
      }
    }
    return records
  }
}

function decodeRecords(bytes: Uint8Array): (EngineRecord | Asking)[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: (EngineRecord | Asking)[] = []
  let at = 0
  while (at < buffer.length) {
    if (at + headerBytes > buffer.length) throw new RangeError('record header is cut short')
    const size = buffer.readUInt32LE(at)
    if (size < headerBytes || at + size > buffer.length) throw new RangeError('record is cut short')
    records.push(decodeRecord(buffer.readUInt16LE(at + 4), decodeRaw(buffer.subarray(at, at + size))))
    at += size
  }
  return records
}

function decodeRaw(record: Buffer): Raw {
  let at = headerBytes
  const part = (count: number): Buffer => {
    if (at + count > record.length) throw new RangeError('record part is cut short')
    at += count
    return record.subarray(at - count, at)
  }
  const textPart = (offset: number): string => part(record.readUInt16LE(offset)).toString('latin1')
  return {
    at: micros(Number(record.readBigInt64LE(8))),
    flags: record.readUInt8(6),
    generation: Number(record.readBigUInt64LE(16)),
    previous: Number(record.readBigUInt64LE(24)),
    valueUs: Number(record.readBigInt64LE(32)),
    count: record.readUInt32LE(40),
    number: record.readInt32LE(44),
    node: textPart(48),
    link: textPart(50),
    text: textPart(52),
    extra: textPart(54),
    body: part(record.readUInt32LE(56)),
  }
}

const has = (raw: Raw, bit: number): boolean => (raw.flags & bit) !== 0
const kindOf = (raw: Raw): NodeKind => (has(raw, flag.ping) ? 'ping' : 'normal')

function decodeRecord(type: number, raw: Raw): EngineRecord | Asking {
  const { at, node, link, generation, valueUs } = raw
  switch (type) {
    case 1:
      return {
        at, type: 'peer.status', node, kind: kindOf(raw), status: raw.text, generation, deadtimeUs: valueUs,
        twinbeat: has(raw, flag.twinbeat) ? raw.extra : null, uuid: raw.body.toString('hex'),
      }
    case 2: return { at, type: 'peer.up', node, kind: kindOf(raw), generation }
    case 3: return { at, type: 'peer.late', node, kind: kindOf(raw), silentUs: valueUs }
    case 4:
      return {
        at, type: 'peer.dead', node, kind: kindOf(raw), generation, silentUs: valueUs, links: silences(raw.body),
      }
    case 5: return { at, type: 'peer.returned', node, kind: kindOf(raw), generation }
    case 6:
      return {
        at, type: 'peer.restarted', node, generation, previousGeneration: raw.previous,
        wasDead: has(raw, flag.wasDead),
      }
    case 7: return { at, type: 'link.up', node, link }
    case 8: return { at, type: 'link.down', node, link, silentUs: valueUs }
    case 9: return { at, type: 'link.state', link, open: has(raw, flag.open), errno: raw.number }
    case 10: return { at, type: 'message', from: node, link, fields: decodeFields(raw.body) }
    default: return decodeRest(type, raw)
  }
}

function decodeRest(type: number, raw: Raw): EngineRecord | Asking {
  const { at, link } = raw
  switch (type) {
    case 11: {
      const results = stepResults(raw.body)
      return { at, type: 'steps.done', token: raw.previous, ok: has(raw, flag.ok), results }
    }
    case 12: return { at, type: 'address.lost', address: raw.text, interface: link }
    case 13: {
      const mac = [...raw.body].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
      return { at, type: 'address.conflict', address: raw.text, interface: link, mac }
    }
    case 14: return { at, type: 'interface', name: link, up: has(raw, flag.up), carrier: has(raw, flag.carrier) }
    case 15:
      return { at, type: 'auth.rejected', link, reason: rejectReasons[raw.number] ?? 'malformed', count: raw.count }
    case 16: return has(raw, flag.asking) ? { at, type: 'asking' } : { at, type: 'stall', us: raw.valueUs, muted: has(raw, flag.muted) }
    case 17: return { at, type: 'send.history-full', unacknowledged: raw.count }
    case 18: return { at, type: 'overflow', lost: raw.previous }
    default: return decodeAuthority(type, raw)
  }
}

const stages = ['withhold', 'release', 'reset'] as const
const moment = (value: bigint): Micros | null => (value === 0n ? null : micros(Number(value)))

function decodeAuthority(type: number, raw: Raw): EngineRecord {
  const { at } = raw
  switch (type) {
    case 19:
      return {
        at, type: 'plan.fired', slot: raw.count, epoch: raw.previous, detectedAt: micros(raw.valueUs),
        firstAddressAt: moment(raw.body.readBigInt64LE(0)), firstAnnounceAt: moment(raw.body.readBigInt64LE(8)),
        results: stepResults(raw.body.subarray(16)),
      }
    case 20:
      return {
        at, type: 'plan.withheld', slot: raw.count, epoch: raw.previous, guard: guardNames[raw.number - 1] ?? 'voided',
      }
    case 21: return { at, type: 'controller.lapsed', stage: stages[raw.number] ?? 'release', lateUs: raw.valueUs }
    case 22:
      return { at, type: 'group.released', slot: raw.count, claimEpoch: raw.previous, ok: has(raw, flag.ok) }
    case 23: return { at, type: 'ownership.expired', slot: raw.count }
    case 24:
      return {
        at, type: 'gasp', node: raw.node, generation: raw.generation, group: raw.text, claimEpoch: raw.previous,
        digest: raw.extra,
      }
    case 25: return { at, type: 'guardian.ready', revision: raw.previous }
    case 26: return { at, type: 'guardian.lost' }
    default: throw new RangeError(`record type ${type} is unknown`)
  }
}

function silences(body: Buffer): { name: string; silentUs: number }[] {
  const list: { name: string; silentUs: number }[] = []
  for (let at = 0; at < body.length;) {
    const count = body.readUInt8(at)
    const name = body.toString('latin1', at + 1, at + 1 + count)
    list.push({ name, silentUs: Number(body.readBigInt64LE(at + 1 + count)) })
    at += 9 + count
  }
  return list
}

function stepResults(body: Buffer): { index: number; errno: number }[] {
  const list: { index: number; errno: number }[] = []
  for (let at = 0; at + 8 <= body.length; at += 8) {
    list.push({ index: body.readUInt32LE(at), errno: body.readInt32LE(at + 4) })
  }
  return list
}

/** The field encoding shared by both directions: u8 name length, u8 type, u32 value length, name, value. */
export function decodeFields(body: Buffer): Field[] {
  const fields: Field[] = []
  for (let at = 0; at < body.length;) {
    const nameBytes = body.readUInt8(at)
    const type = body.readUInt8(at + 1) as FieldType
    const valueBytes = body.readUInt32LE(at + 2)
    const nameAt = at + 6
    const valueAt = nameAt + nameBytes
    at = valueAt + valueBytes
    if (at > body.length) throw new RangeError('field is cut short')
    const value = type === 1 ? Uint8Array.from(body.subarray(valueAt, at)) : body.toString('latin1', valueAt, at)
    fields.push({ name: body.toString('latin1', nameAt, valueAt), type, value })
  }
  return fields
}
