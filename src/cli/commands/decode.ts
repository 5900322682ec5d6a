// `twinbeat decode`: what a captured message says and whether a node would believe it. One JSON object a line; a
// message that is refused is an answer, not an error of the command.
import { Command } from 'commander'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { CaptureError, type ReadChunk } from '../../capture/byte-source.js'
import { payloadOf, type CapturedPayload } from '../../capture/packet.js'
import { readCapture, type CapturedFrame } from '../../capture/pcap.js'
import { readAuthkeys } from '../../config/authkeys.js'
import { collectFindings } from '../../config/diagnostics.js'
import { Decoder, refused, type DecodedMessage } from '../../engine/decode.js'
import { TwinbeatError, errnoOf, messageOf } from '../../errors.js'

/** Twice the largest UDP payload, and room for blanks around it. */
export const maxHexLineChars = 2 * 65_507 + 64
/** Datagrams whose first fragment was seen; older ones are forgotten. */
const maxFragmented = 256
const chunkBytes = 64 * 1024
const defaultPort = 694

interface DecodeOptions {
  readonly authkeys: string
  readonly hex?: boolean
  readonly stateful?: boolean
  readonly port: string
}

export interface DecodedPacket extends DecodedMessage {
  /** UTC, null where the capture has no times. */
  readonly time: string | null
  readonly source: string
  readonly destination: string
}

type Decode = (bytes: Uint8Array) => DecodedMessage

export function decodeCommand(): Command {
  return new Command('decode')
    .description('show captured messages and whether a node with these keys would believe them')
    .argument('[file]', 'capture file, pcap or pcapng')
    .requiredOption('--authkeys <file>', 'the keys to check with')
    .option('--hex', 'read one message in hexadecimal a line from standard input')
    .option('--stateful', 'also judge by generation and sequence of the messages before')
    .option('--port <number>', 'UDP port of the cluster in a capture file', String(defaultPort))
    .addHelpText('after', '\nExamples:\n  twinbeat decode --authkeys /etc/ha.d/authkeys capture.pcap\n' +
      '  twinbeat decode --authkeys authkeys --hex --stateful < messages.txt')
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const options = command.opts<DecodeOptions>()
      if ((file === undefined) === (options.hex !== true)) {
        throw new TwinbeatError('TB_USAGE', 'decode needs either a capture file or --hex')
      }
      const decode = decoderOf(options)
      if (file === undefined) await decodeHexLines(process.stdin, process.stdout, decode)
      else await decodeCapture(file, process.stdout, decode, readPort(options.port))
    })
}

function decoderOf(options: DecodeOptions): Decode {
  const decoder = new Decoder(readKeys(options.authkeys))
  return options.stateful === true
    ? (bytes) => decoder.decodeInOrder(bytes)
    : (bytes) => decoder.decode(bytes)
}

function readKeys(file: string): ConstructorParameters<typeof Decoder>[0] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new TwinbeatError('TB_CONFIG', `cannot read '${file}': ${messageOf(cause)}`, { cause })
  }
  const findings = collectFindings()
  // The lines themselves are never shown: they hold keys.
  const keys = readAuthkeys(text, findings.reporter(file, () => ''))
  if (keys !== null) return keys
  const problem = findings.list().find(({ severity }) => severity === 'error')
  throw new TwinbeatError('TB_CONFIG', `${file}:${problem?.line ?? 0}: ${problem?.message ?? 'no usable key'}`,
    problem?.hint === undefined || problem.hint === null ? {} : { hint: problem.hint })
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new TwinbeatError('TB_USAGE', `'${text}' is not a port`)
  return port
}

async function writeLine(output: Writable, value: unknown): Promise<void> {
  if (!output.write(`${JSON.stringify(value)}\n`)) await once(output, 'drain')
}

// -------------------------------------------------------------------------------------------------- hex

/** One line of output for each line of input, in bounded memory whatever the lines are. */
export async function decodeHexLines(
  input: AsyncIterable<Uint8Array | string>, output: Writable, decode: Decode,
): Promise<void> {
  let line = ''
  let dropped = 0
  const flush = async (): Promise<void> => {
    await writeLine(output, dropped > 0 ? refusedLength(maxHexLineChars + dropped) : decodeHexLine(line, decode))
    line = ''
    dropped = 0
  }
  const append = (part: string): void => {
    const room = maxHexLineChars - line.length
    line += part.slice(0, room)
    dropped += Math.max(0, part.length - room)
  }
  for await (const chunk of input) {
    const parts = (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1')).split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      append(part)
      await flush()
    }
    append(last)
  }
  if (line !== '' || dropped > 0) await flush()
}

const refusedLength = (chars: number): DecodedMessage =>
  refused('malformed', `a line of ${chars} characters, more than any message needs`)

export function decodeHexLine(line: string, decode: Decode): DecodedMessage {
  const text = line.trim()
  if (text === '') return refused('malformed', 'an empty line')
  const wrong = text.search(/[^0-9a-fA-F]/)
  if (wrong >= 0) return refused('malformed', `character ${wrong + 1} is not a hexadecimal digit`)
  if (text.length % 2 !== 0) return refused('malformed', 'an odd number of hexadecimal digits')
  return decode(Buffer.from(text, 'hex'))
}

// ---------------------------------------------------------------------------------------------- capture

async function decodeCapture(file: string, output: Writable, decode: Decode, port: number): Promise<void> {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (cause) {
    throw new TwinbeatError('TB_CAPTURE', `cannot read '${file}': ${messageOf(cause)}`, { cause })
  }
  try {
    for (const packet of decodePackets(chunksOf(fd), decode, port)) await writeLine(output, packet)
  } catch (cause) {
    if (!(cause instanceof CaptureError) && errnoOf(cause) === null) throw cause
    throw new TwinbeatError('TB_CAPTURE', `'${file}': ${messageOf(cause)}`, { cause })
  } finally {
    closeSync(fd)
  }
}

function chunksOf(fd: number): ReadChunk {
  const buffer = Buffer.alloc(chunkBytes)
  return () => {
    const count = readSync(fd, buffer)
    return count === 0 ? null : buffer.subarray(0, count)
  }
}

/** The messages of a capture: what goes to `port`, and what looks like a message on any other or in an ICMP echo. */
export function* decodePackets(
  read: ReadChunk, decode: Decode, port: number,
): Generator<DecodedPacket, void, undefined> {
  const fragmented = new Set<string>()
  for (const frame of readCapture(read)) {
    const packet = payloadOf(frame)
    if (packet === null || !concernsUs(packet, port, fragmented)) continue
    const decoded = packet.fragment === null ? decode(packet.payload) : refusedFragment(packet, fragmented)
    yield { time: timeOf(frame), source: packet.source, destination: packet.destination, ...decoded }
  }
}

function concernsUs(packet: CapturedPayload, port: number, fragmented: ReadonlySet<string>): boolean {
  if (packet.fragment !== null && packet.fragment.offset > 0) return fragmented.has(packet.fragment.key)
  const start = Buffer.from(packet.payload.subarray(0, 4)).toString('latin1')
  return packet.destinationPort === port || start === '###\n' || start === '>>>\n'
}

function refusedFragment(packet: CapturedPayload, fragmented: Set<string>): DecodedMessage {
  const { key, offset } = packet.fragment ?? { key: '', offset: 0 }
  if (!fragmented.has(key) && fragmented.size === maxFragmented) {
    const [oldest] = fragmented
    if (oldest !== undefined) fragmented.delete(oldest)
  }
  fragmented.add(key)
  return refused('truncated', `IP fragment at offset ${offset}; fragments are not put together`)
}

/** `2024-05-06T07:08:09.123456Z`; nanoseconds only where there are any. */
function timeOf(frame: CapturedFrame): string | null {
  if (frame.timeNs === null) return null
  const ns = frame.timeNs
  const second = ns / 1_000_000_000n - (ns % 1_000_000_000n < 0n ? 1n : 0n)
  const fraction = (ns - second * 1_000_000_000n).toString().padStart(9, '0')
  const whole = new Date(Number(second) * 1000)
  if (Number.isNaN(whole.getTime())) return null
  return `${whole.toISOString().slice(0, -5)}.${fraction.endsWith('000') ? fraction.slice(0, 6) : fraction}Z`
}
