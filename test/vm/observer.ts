// Sees from outside who holds what: asks on the clients' network ten times a second whose each address is, and hears
// the services speak. Nothing in the machines works for it, and what they believe of themselves is not asked.
import { epochMs } from '../../lab/owners.js'
import type { Segment } from './cables.js'
import { SpanBook } from './spans.js'

export const BEACON_PORT = 7777
const ASK_EVERY_MS = 100
/** Emulated machines answer late now and then. */
const RECENT_MS = 400
const OWN_ADDRESS = '10.77.0.254'
const OWN_MAC = Buffer.from('5254007700fe', 'hex')
const ARP = 0x0806
const IPV4 = 0x0800

const bytesOf = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

/** Who has `address`? */
export function arpRequest(address: string, from: string): Buffer {
  const packet = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1])
  return Buffer.concat([
    Buffer.alloc(6, 0xff), OWN_MAC, Buffer.from([ARP >> 8, ARP & 0xff]), packet, OWN_MAC, bytesOf(from), Buffer.alloc(6), bytesOf(address),
  ])
}

/** What a frame proves its sender to hold: an address it answers for, or `service:WORD`. */
export function claimOf(frame: Buffer): string | null {
  if (frame.length < 42) return null
  const kind = frame.readUInt16BE(12)
  if (kind === ARP) {
    const isAnswer = frame.readUInt16BE(20) === 2 && frame.subarray(0, 6).equals(OWN_MAC)
    return isAnswer ? [...frame.subarray(28, 32)].join('.') : null
  }
  if (kind !== IPV4 || frame[23] !== 17) return null
  const udp = 14 + 4 * ((frame[14] ?? 0) & 0xf)
  if (frame.length < udp + 8 || frame.readUInt16BE(udp + 2) !== BEACON_PORT) return null
  return `service:${frame.subarray(udp + 8, udp + frame.readUInt16BE(udp + 4)).toString('latin1')}`
}

export class Observer extends SpanBook {
  readonly #timer: NodeJS.Timeout

  constructor(segment: Segment, nameOf: (machine: number) => string, addresses: readonly string[]) {
    super()
    segment.listen((machine, frame) => {
      const what = claimOf(frame)
      if (what !== null) this.see(what, nameOf(machine), epochMs())
    })
    this.#timer = setInterval(() => {
      for (const address of addresses) segment.inject(arpRequest(address, OWN_ADDRESS))
    }, ASK_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Who was seen to hold it a moment ago. */
  holders(what: string): string[] {
    return [...new Set(this.spans(what, epochMs() - RECENT_MS).map(({ by }) => by))].sort()
  }
}
