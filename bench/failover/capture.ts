// What passed on the lab's wires, with the kernel's own stamps: heartbeats and other messages of the pair on
// one bridge, gratuitous ARP on the other.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { payloadOf } from '../../src/capture/packet.js'
import { readCapture, type CapturedFrame } from '../../src/capture/pcap.js'
import { Decoder, type DecoderKeys } from '../../src/engine/decode.js'
import type { Lab } from '../../lab/lab.js'
import { exited, until } from '../../lab/processes.js'

export interface WireMessage {
  readonly atMs: number
  readonly from: string
  readonly type: string
}

export interface ArpAnnouncement {
  readonly atMs: number
  readonly mac: string
  readonly address: string
}

const etherTypeArp = 0x0806
const arpFrameBytes = 42

function framesOf(file: string): CapturedFrame[] {
  // Not there yet: tcpdump is still starting.
  if (!existsSync(file)) return []
  let bytes: Uint8Array | null = readFileSync(file)
  const frames: CapturedFrame[] = []
  const read = (): Uint8Array | null => {
    const chunk = bytes
    bytes = null
    return chunk
  }
  // The last record may be cut off: the capture is read while it is still being written.
  try {
    for (const frame of readCapture(read)) frames.push(frame)
  } catch {
    return frames
  }
  return frames
}

const msOf = (frame: CapturedFrame): number => Number((frame.timeNs ?? 0n) / 1000n) / 1000

export class WireTap {
  private constructor(
    private readonly files: { readonly arp: string; readonly messages: string },
    private readonly stopAll: () => Promise<void>,
  ) {}

  static async open(lab: Lab): Promise<WireTap> {
    const files = {
      arp: path.join(lab.dir, 'arp.pcap'),
      messages: path.join(lab.dir, 'messages.pcap'),
    }
    const tap = (
      bridge: string,
      file: string,
      filter: string,
    ): ReturnType<Lab['switch']['spawn']> =>
      lab.switch.spawn(
        [
          'tcpdump',
          '-i',
          bridge,
          '--immediate-mode',
          '-U',
          '-n',
          '-Z',
          'root',
          '--time-stamp-precision=nano',
          '-w',
          file,
          filter,
        ],
        { stdio: 'ignore' },
      )
    const children = [tap('br0', files.arp, 'arp'), tap('br1', files.messages, 'udp')]
    const stopAll = async (): Promise<void> => {
      for (const child of children) child.kill('SIGTERM')
      await Promise.all(children.map(exited))
    }
    const wrapped = new WireTap(files, stopAll)
    if (!(await until(() => framesOf(files.messages).length > 0, 30_000, 100))) {
      await stopAll()
      throw new Error('no heartbeat was captured within 30 s: is tcpdump installed?')
    }
    return wrapped
  }

  messages(keys: DecoderKeys): WireMessage[] {
    const decoder = new Decoder(keys)
    const found: WireMessage[] = []
    for (const frame of framesOf(this.files.messages)) {
      const packet = payloadOf(frame)
      if (packet === null || packet.fragment !== null) continue
      const message = decoder.decode(packet.payload)
      const field = (name: string): string =>
        String(message.fields.find((f) => f.name === name)?.value ?? '')
      if (message.valid) found.push({ atMs: msOf(frame), from: field('src'), type: field('t') })
    }
    return found
  }

  /** Gratuitous ARP of either form: sender and target address are the same. */
  announcements(): ArpAnnouncement[] {
    return framesOf(this.files.arp).flatMap((frame) => {
      const bytes = Buffer.from(frame.data)
      if (bytes.length < arpFrameBytes || bytes.readUInt16BE(12) !== etherTypeArp) return []
      const sender = [...bytes.subarray(28, 32)].join('.')
      if (sender !== [...bytes.subarray(38, 42)].join('.')) return []
      return [{ atMs: msOf(frame), mac: bytes.subarray(22, 28).toString('hex'), address: sender }]
    })
  }

  async close(): Promise<void> {
    await this.stopAll()
  }
}
