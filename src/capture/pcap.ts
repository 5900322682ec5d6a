// Reader of packet captures: pcap (both byte orders, micro- and nanoseconds) and pcapng. Bounded: one record in memory,
// and a length that no capture program writes is an error, never an allocation.
import { ByteSource, CaptureError, type ReadChunk } from './byte-source.js'

export interface CapturedFrame {
  /** Nanoseconds since 1970; null where the format carries no time (simple packet block). */
  readonly timeNs: bigint | null
  readonly linkType: number
  readonly data: Uint8Array
  /** Length on the wire; above data.length when the capture cut it. */
  readonly wireBytes: number
}

/** The snapshot limit of today's capture programs is 262 144 bytes; the rest is room for block headers and options. */
export const maxRecordBytes = 512 * 1024
/** A capture on "any" of a big router stays below it. */
export const maxInterfaces = 4096

const nsPerSecond = 1_000_000_000n

export function* readCapture(read: ReadChunk): Generator<CapturedFrame, void, undefined> {
  const source = new ByteSource(read)
  const head = source.take(4, 'the file header')
  if (head === null) throw new CaptureError('the file is empty', 0)
  const magic = head.getUint32(0)
  if (magic === sectionHeader) {
    yield* readPcapng(source)
    return
  }
  const format = pcapFormats.get(magic)
  if (format === undefined) throw new CaptureError('neither pcap nor pcapng', 0)
  yield* readPcap(source, format)
}

// ------------------------------------------------------------------------------------------------- pcap

interface PcapFormat {
  readonly little: boolean
  readonly nsPerTick: bigint
}

/** By the first four bytes, read with the high byte first. */
const pcapFormats = new Map<number, PcapFormat>([
  [0xa1b2c3d4, { little: false, nsPerTick: 1000n }],
  [0xd4c3b2a1, { little: true, nsPerTick: 1000n }],
  [0xa1b23c4d, { little: false, nsPerTick: 1n }],
  [0x4d3cb2a1, { little: true, nsPerTick: 1n }],
])

function* readPcap(source: ByteSource, { little, nsPerTick }: PcapFormat): Generator<CapturedFrame, void, undefined> {
  const header = must(source.take(20, 'the file header'), source)
  if (header.getUint16(0, little) !== 2) throw new CaptureError('a pcap version other than 2', 4)
  // The upper bits tell about frame check sequences, which the length of a packet covers.
  const linkType = header.getUint32(16, little) & 0x0fffffff
  for (;;) {
    const at = source.offset
    const record = source.take(16, 'a packet header')
    if (record === null) return
    const kept = record.getUint32(8, little)
    if (kept > maxRecordBytes) throw new CaptureError(`a packet of ${kept} bytes`, at)
    const data = kept === 0 ? new DataView(new ArrayBuffer(0)) : must(source.take(kept, 'a packet'), source)
    yield {
      timeNs: BigInt(record.getUint32(0, little)) * nsPerSecond + BigInt(record.getUint32(4, little)) * nsPerTick,
      linkType,
      data: bytesOf(data, 0, kept),
      wireBytes: Math.max(kept, record.getUint32(12, little)),
    }
  }
}

// ----------------------------------------------------------------------------------------------- pcapng

/** Reads the same in both byte orders. */
const sectionHeader = 0x0a0d0d0a
const interfaceDescription = 1
const oldPacket = 2
const simplePacket = 3
const enhancedPacket = 6

const optionEnd = 0
const optionTimeResolution = 9
const optionTimeOffset = 14

interface CaptureInterface {
  readonly linkType: number
  readonly snapBytes: number
  readonly ticksPerSecond: bigint
  readonly offsetSeconds: bigint
}

interface Section {
  readonly little: boolean
  readonly interfaces: CaptureInterface[]
}

function* readPcapng(source: ByteSource): Generator<CapturedFrame, void, undefined> {
  let section = readSectionHeader(source)
  for (;;) {
    const at = source.offset
    const type = source.take(4, 'a block header')
    if (type === null) return
    if (type.getUint32(0) === sectionHeader) {
      section = readSectionHeader(source)
      continue
    }
    const { little } = section
    const total = must(source.take(4, 'a block header'), source).getUint32(0, little)
    if (total < 12 || total % 4 !== 0) throw new CaptureError(`a block length of ${total}`, at)
    const kind = type.getUint32(0, little)
    if (![interfaceDescription, oldPacket, simplePacket, enhancedPacket].includes(kind)) {
      source.skip(total - 8, 'a block')
      continue
    }
    if (total > maxRecordBytes) throw new CaptureError(`a block of ${total} bytes`, at)
    const block = must(source.take(total - 8, 'a block'), source)
    const body = new DataView(block.buffer, 0, total - 12) // without the length that is repeated at its end
    if (kind === interfaceDescription) {
      if (section.interfaces.length === maxInterfaces) throw new CaptureError('too many interfaces', at)
      section.interfaces.push(readInterface(body, little, at))
    } else {
      yield readPacket(kind, body, section, at)
    }
  }
}

/** The four bytes of the block type are read already. */
function readSectionHeader(source: ByteSource): Section {
  const at = source.offset - 4
  const head = must(source.take(8, 'a section header'), source)
  const little = head.getUint32(4) === 0x4d3c2b1a
  if (!little && head.getUint32(4) !== 0x1a2b3c4d) throw new CaptureError('a section without byte order mark', at)
  const total = head.getUint32(0, little)
  if (total < 28 || total % 4 !== 0) throw new CaptureError(`a section header of ${total} bytes`, at)
  source.skip(total - 12, 'a section header')
  return { little, interfaces: [] }
}

function readInterface(body: DataView, little: boolean, at: number): CaptureInterface {
  if (body.byteLength < 8) throw new CaptureError('an interface block that is too short', at)
  let ticksPerSecond = 1_000_000n
  let offsetSeconds = 0n
  for (let option = 8; option + 4 <= body.byteLength;) {
    const code = body.getUint16(option, little)
    const length = body.getUint16(option + 2, little)
    const value = option + 4
    if (code === optionEnd || value + length > body.byteLength) break
    if (code === optionTimeResolution && length >= 1) ticksPerSecond = resolution(body.getUint8(value))
    if (code === optionTimeOffset && length >= 8) offsetSeconds = body.getBigInt64(value, little)
    option = value + Math.ceil(length / 4) * 4
  }
  return { linkType: body.getUint16(0, little), snapBytes: body.getUint32(4, little), ticksPerSecond, offsetSeconds }
}

/** The highest bit chooses between powers of ten and of two. */
function resolution(code: number): bigint {
  const exponent = BigInt(code & 0x7f)
  return (code & 0x80) === 0 ? 10n ** exponent : 2n ** exponent
}

function readPacket(kind: number, body: DataView, section: Section, at: number): CapturedFrame {
  const headBytes = kind === simplePacket ? 4 : 20
  if (body.byteLength < headBytes) throw new CaptureError('a packet block that is too short', at)
  const { little } = section
  const index = kind === simplePacket ? 0
    : kind === enhancedPacket ? body.getUint32(0, little) : body.getUint16(0, little)
  const port = section.interfaces[index]
  if (port === undefined) throw new CaptureError(`a packet of interface ${index}, which is not described`, at)
  const room = body.byteLength - headBytes
  if (kind === simplePacket) {
    const wireBytes = body.getUint32(0, little)
    const kept = Math.min(wireBytes, port.snapBytes === 0 ? wireBytes : port.snapBytes, room)
    return { timeNs: null, linkType: port.linkType, data: bytesOf(body, headBytes, kept), wireBytes }
  }
  const kept = body.getUint32(12, little)
  if (kept > room) throw new CaptureError(`a packet of ${kept} bytes in a block with room for ${room}`, at)
  const ticks = BigInt(body.getUint32(4, little)) << 32n | BigInt(body.getUint32(8, little))
  return {
    timeNs: ticks * nsPerSecond / port.ticksPerSecond + port.offsetSeconds * nsPerSecond,
    linkType: port.linkType,
    data: bytesOf(body, headBytes, kept),
    wireBytes: Math.max(kept, body.getUint32(16, little)),
  }
}

// ---------------------------------------------------------------------------------------------- helpers

function bytesOf(view: DataView, start: number, count: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + start, count)
}

function must(view: DataView | null, source: ByteSource): DataView {
  if (view === null) throw new CaptureError('the file ends inside a record', source.offset)
  return view
}
