// Builders of capture files and packets for the tests.

export interface PcapOptions {
  readonly little?: boolean
  readonly ns?: boolean
  readonly linkType?: number
}

export const bytes = (...parts: readonly (Uint8Array | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => Uint8Array.from(part)))

export function u16(value: number, little = false): Buffer {
  const out = Buffer.alloc(2)
  if (little) out.writeUInt16LE(value)
  else out.writeUInt16BE(value)
  return out
}

export function u32(value: number, little = false): Buffer {
  const out = Buffer.alloc(4)
  if (little) out.writeUInt32LE(value)
  else out.writeUInt32BE(value)
  return out
}

export interface Record {
  readonly data: Uint8Array
  readonly seconds?: number
  readonly fraction?: number
  readonly wireBytes?: number
}

export function pcap(records: readonly Record[], options: PcapOptions = {}): Buffer {
  const { little = true, ns = false, linkType = 1 } = options
  const head = [u32(ns ? 0xa1b23c4d : 0xa1b2c3d4, little), u16(2, little), u16(4, little),
    u32(0, little), u32(0, little), u32(262_144, little), u32(linkType, little)]
  const body = records.map(({ data, seconds = 1, fraction = 2, wireBytes = data.length }) => bytes(
    u32(seconds, little), u32(fraction, little), u32(data.length, little), u32(wireBytes, little), data))
  return bytes(...head, ...body)
}

const padded = (data: Uint8Array): Buffer => bytes(data, new Uint8Array((4 - data.length % 4) % 4))

export function block(kind: number, body: Uint8Array, little: boolean): Buffer {
  const total = 12 + padded(body).length
  return bytes(u32(kind, little), u32(total, little), padded(body), u32(total, little))
}

export const sectionBlock = (little: boolean): Buffer => block(0x0a0d0d0a,
  bytes(u32(0x1a2b3c4d, little), u16(1, little), u16(0, little), new Uint8Array(8).fill(0xff)), little)

/** `resolution` is the exponent of the time unit as if_tsresol writes it. */
export function interfaceBlock(linkType: number, little: boolean, resolution?: number): Buffer {
  const options = resolution === undefined ? [] : [
    ...u16(2, little), ...u16(3, little), 1, 2, 3, 0, // a name of odd length before it
    ...u16(9, little), ...u16(1, little), resolution, 0, 0, 0, ...u32(0, little)]
  return block(1, bytes(u16(linkType, little), u16(0, little), u32(0, little), options), little)
}

export const packetBlock = (port: number, ticks: bigint, data: Uint8Array, little: boolean): Buffer => block(6, bytes(
  u32(port, little), u32(Number(ticks >> 32n), little), u32(Number(ticks & 0xffffffffn), little),
  u32(data.length, little), u32(data.length, little), padded(data)), little)

// ---------------------------------------------------------------------------------------------- packets

export const udp = (payload: Uint8Array, port = 694): Buffer =>
  bytes(u16(40_000), u16(port), u16(8 + payload.length), u16(0), payload)

export const echo = (payload: Uint8Array, type = 8): Buffer => bytes([type, 0, 0, 0, 1, 2, 0, 3], payload)

export interface Ipv4Options {
  readonly protocol?: number
  /** Flags and offset field as they stand in the header. */
  readonly fragment?: number
  readonly id?: number
}

export function ipv4(body: Uint8Array, { protocol = 17, fragment = 0x4000, id = 7 }: Ipv4Options = {}): Buffer {
  return bytes([0x45, 0], u16(20 + body.length), u16(id), u16(fragment), [64, protocol, 0, 0],
    [10, 77, 0, 1], [10, 77, 0, 2], body)
}

export function ipv6(body: Uint8Array, next = 17, extension: Uint8Array = new Uint8Array(0)): Buffer {
  return bytes([0x60, 0, 0, 0], u16(extension.length + body.length), [next, 64],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    extension, body)
}

const macs = new Uint8Array(12).fill(0x0a)
export const ethernet = (packet: Uint8Array, type = 0x0800): Buffer => bytes(macs, u16(type), packet)
export const vlan = (packet: Uint8Array, type = 0x0800): Buffer =>
  bytes(macs, u16(0x88a8), u16(5), u16(0x8100), u16(6), u16(type), packet)

/** A source that gives the file in pieces of `size` bytes. */
export function chunks(file: Uint8Array, size: number): () => Uint8Array | null {
  let at = 0
  return () => {
    if (at >= file.length) return null
    const piece = file.subarray(at, at + size)
    at += size
    return piece
  }
}
