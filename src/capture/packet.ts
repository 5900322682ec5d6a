// From a captured frame to what a node would have read from its socket: the data of a UDP datagram or of an ICMP echo.
// IP fragments are named as such and not put together; everything else on the wire is passed over.
import type { CapturedFrame } from './pcap.js'

export type PacketKind = 'udp' | 'icmp-echo' | 'fragment'

export interface CapturedPayload {
  readonly kind: PacketKind
  /** `address:port`, `[address]:port`, or the address alone for ICMP and for fragments behind the first. */
  readonly source: string
  readonly destination: string
  readonly destinationPort: number | null
  readonly payload: Uint8Array
  /** Says which datagram a fragment belongs to; null for whole packets. */
  readonly fragment: { readonly key: string; readonly offset: number } | null
}

/** Tags and extension headers that may follow each other; more is an attack on the reader. */
const maxNesting = 8

const etherIpv4 = 0x0800
const etherIpv6 = 0x86dd
const vlanTags: readonly number[] = [0x8100, 0x88a8, 0x9100]

const protocolIcmp = 1
const protocolUdp = 17
const protocolFragment = 44
const protocolIcmp6 = 58
/** Hop-by-hop options, routing, destination options. */
const extensionHeaders: readonly number[] = [0, 43, 60]

/** Null: not IP, not UDP or echo, or cut before its addresses. */
export function payloadOf(frame: CapturedFrame): CapturedPayload | null {
  const { data } = frame
  switch (frame.linkType) {
    case 1: return fromEther(data, 12) // Ethernet
    case 113: return fromEther(data, 14) // Linux cooked, version 1
    case 276: return fromType(data.subarray(20), uint16(data, 0)) // Linux cooked, version 2
    case 0: case 108: return fromIp(data.subarray(4)) // BSD loopback
    case 12: case 14: case 101: case 228: case 229: return fromIp(data) // raw IP
    default: return null
  }
}

export const knownLinkTypes: readonly number[] = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276]

/** The protocol number stands at `at`, the packet or a VLAN tag behind it. */
function fromEther(data: Uint8Array, at: number): CapturedPayload | null {
  return fromType(data.subarray(at + 2), uint16(data, at))
}

function fromType(data: Uint8Array, type: number | null): CapturedPayload | null {
  let rest = data
  let inner = type
  for (let tags = 0; inner !== null && vlanTags.includes(inner); tags++) {
    if (tags === maxNesting) return null
    inner = uint16(rest, 2)
    rest = rest.subarray(4)
  }
  return inner === etherIpv4 || inner === etherIpv6 ? fromIp(rest) : null
}

function fromIp(data: Uint8Array): CapturedPayload | null {
  const version = (data[0] ?? 0) >> 4
  if (version === 4) return fromIpv4(data)
  return version === 6 ? fromIpv6(data) : null
}

function fromIpv4(data: Uint8Array): CapturedPayload | null {
  const headBytes = ((data[0] ?? 0) & 0x0f) * 4
  if (headBytes < 20 || data.length < headBytes) return null
  const total = uint16(data, 2) ?? 0
  const protocol = data[9] ?? 0
  const source = ipv4Text(data, 12)
  const destination = ipv4Text(data, 16)
  // The end of the packet, not of the frame: short frames are padded. A length of 0 is left to the network card.
  const body = data.subarray(headBytes, total >= headBytes ? total : data.length)
  const flags = uint16(data, 6) ?? 0
  const offset = (flags & 0x1fff) * 8
  const isFragment = offset > 0 || (flags & 0x2000) !== 0
  const key = isFragment ? `${source} ${destination} ${protocol} ${uint16(data, 4)}` : null
  return fromTransport({ protocol, source, destination, body, key, offset })
}

function fromIpv6(data: Uint8Array): CapturedPayload | null {
  if (data.length < 40) return null
  const length = uint16(data, 4) ?? 0
  const source = ipv6Text(data, 8)
  const destination = ipv6Text(data, 24)
  let protocol = data[6] ?? 0
  let body = data.subarray(40, length === 0 ? data.length : 40 + length)
  let key: string | null = null
  let offset = 0
  for (let headers = 0; headers < maxNesting; headers++) {
    if (protocol === protocolFragment && body.length >= 8) {
      const field = uint16(body, 2) ?? 0
      // A fragment header around a whole packet is allowed and is no fragment.
      if ((field & 0xfff9) !== 0) key = `${source} ${destination} ${uint16(body, 4)}.${uint16(body, 6)}`
      offset = field & 0xfff8
      protocol = body[0] ?? 0
      body = body.subarray(8)
      if (offset > 0) break
    } else if (extensionHeaders.includes(protocol) && body.length >= 8) {
      protocol = body[0] ?? 0
      body = body.subarray(((body[1] ?? 0) + 1) * 8)
    } else {
      break
    }
  }
  return fromTransport({ protocol, source, destination, body, key, offset })
}

interface Datagram {
  readonly protocol: number
  readonly source: string
  readonly destination: string
  readonly body: Uint8Array
  readonly key: string | null
  readonly offset: number
}

function fromTransport(datagram: Datagram): CapturedPayload | null {
  const { protocol, source, destination, body, key, offset } = datagram
  const fragment = key === null ? null : { key, offset }
  if (![protocolUdp, protocolIcmp, protocolIcmp6].includes(protocol)) return null
  if (offset > 0) return { kind: 'fragment', source, destination, destinationPort: null, payload: body, fragment }
  if (body.length < 8) return null
  if (protocol === protocolUdp) {
    const port = uint16(body, 2) ?? 0
    const length = uint16(body, 4) ?? 0
    return {
      kind: fragment === null ? 'udp' : 'fragment',
      source: withPort(source, uint16(body, 0) ?? 0),
      destination: withPort(destination, port),
      destinationPort: port,
      payload: body.subarray(8, length >= 8 ? length : body.length),
      fragment,
    }
  }
  const echoes = protocol === protocolIcmp ? [8, 0] : [128, 129]
  if (!echoes.includes(body[0] ?? -1)) return null
  const kind = fragment === null ? 'icmp-echo' : 'fragment'
  return { kind, source, destination, destinationPort: null, payload: body.subarray(8), fragment }
}

// ---------------------------------------------------------------------------------------------- helpers

function uint16(data: Uint8Array, at: number): number | null {
  const high = data[at]
  const low = data[at + 1]
  return high === undefined || low === undefined ? null : high << 8 | low
}

const withPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

const ipv4Text = (data: Uint8Array, at: number): string => data.subarray(at, at + 4).join('.')

/** As RFC 5952 writes it: the longest run of two or more zero groups is left out, the first of equals. */
function ipv6Text(data: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => uint16(data, at + 2 * index) ?? 0)
  let best = { start: 0, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.length < 2) return hex.join(':')
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`
}
