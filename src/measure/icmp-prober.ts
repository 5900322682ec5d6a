// Echo requests, answered by the kernel of whoever has the address: no service is needed. Node has no such socket, so
// the optional dependency raw-socket is loaded when it is asked for; nothing else needs it.
import { isIPv6 } from 'node:net'
import type rawSocket from 'raw-socket'
import type { RawSocket } from 'raw-socket'
import { TwinbeatError, messageOf } from '../errors.js'
import type { Prober, ProbeSink } from './prober.js'

const openMax = 4096
const headerBytes = 8
const packetBytes = 16
/** Of the sequence number in the packet; `openMax` stays far below it. */
const wrap = 0x10000

interface EchoTypes {
  readonly request: number
  readonly reply: number
  /** The kernel hands IPv4 packets over with their header. */
  readonly withIpHeader: boolean
}
const types4: EchoTypes = { request: 8, reply: 0, withIpHeader: true }
const types6: EchoTypes = { request: 128, reply: 129, withIpHeader: false }

export async function openIcmpProber(
  address: string, sink: ProbeSink, load: () => Promise<RawSocketModule> = importRawSocket,
): Promise<Prober> {
  const raw = await loaded(load)
  const six = isIPv6(address)
  const types = six ? types6 : types4
  const socket = openSocket(raw, six)
  const identifier = process.pid & 0xffff
  let highest = 0
  socket.on('error', () => undefined)
  socket.on('message', (packet) => {
    const sequence = echoSequence(packet, types, identifier)
    // The last number with these sixteen bits.
    if (sequence !== null) sink.answered(highest - (((highest - sequence) % wrap) + wrap) % wrap, null)
  })
  return {
    openMax,
    send: (number) => {
      highest = number
      const packet = echoRequest(types, identifier, number % wrap)
      // The kernel adds the checksum of ICMPv6, which covers addresses that only it knows.
      if (!six) raw.writeChecksum(packet, 2, raw.createChecksum(packet))
      socket.send(packet, 0, packet.length, address, (error) => {
        if (error !== null && /ENOBUFS|EPERM|EACCES|not permitted|buffer space/i.test(error.message)) {
          sink.unsent(number, error.message)
        }
      })
    },
    giveUp: () => undefined,
    close: () => socket.close(),
  }
}

type RawSocketModule = typeof rawSocket

const importRawSocket = async (): Promise<RawSocketModule> => (await import('raw-socket')).default

async function loaded(load: () => Promise<RawSocketModule>): Promise<RawSocketModule> {
  try {
    return await load()
  } catch (error) {
    throw new TwinbeatError('TB_MEASURE_ICMP', `the package 'raw-socket' is not there: ${firstLine(messageOf(error))}`, { cause: error })
  }
}

function openSocket(raw: RawSocketModule, six: boolean): RawSocket {
  try {
    return raw.createSocket(six
      ? { protocol: raw.Protocol.ICMPv6, addressFamily: raw.AddressFamily.IPv6 }
      : { protocol: raw.Protocol.ICMP })
  } catch (error) {
    throw new TwinbeatError('TB_MEASURE_SOCKET', `no raw socket: ${messageOf(error)}`, { cause: error })
  }
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''

function echoRequest(types: EchoTypes, identifier: number, sequence: number): Buffer {
  const packet = Buffer.alloc(packetBytes)
  packet.writeUInt8(types.request, 0)
  packet.writeUInt16BE(identifier, 4)
  packet.writeUInt16BE(sequence, 6)
  return packet
}

/** The sequence number of an answer to us, null for anything else that arrives. */
export function echoSequence(packet: Buffer, types: EchoTypes, identifier: number): number | null {
  const at = types.withIpHeader && packet.length > 0 ? (packet.readUInt8(0) & 15) * 4 : 0
  if (packet.length < at + headerBytes || packet.readUInt8(at) !== types.reply) return null
  return packet.readUInt16BE(at + 4) === identifier ? packet.readUInt16BE(at + 6) : null
}
