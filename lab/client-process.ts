// client-process.js OPTIONS: asks for ever, one JSON line per finished request on standard output.
// Ends when its standard input ends.

import { createSocket } from 'node:dgram'
import { get } from 'node:http'

import type { ClientOptions, Request } from './client.js'

/** Resolves with the name of the answering node, or null when the answer did not come in time. */
type Ask = (timeoutMs: number) => Promise<{ readonly by: string | null } | null>

const nowMs = (): number => performance.timeOrigin + performance.now()

function askHttp(address: string, port: number): Ask {
  return (timeoutMs) => new Promise((resolve) => {
    let body = ''
    const request = get({ host: address, port, path: '/', agent: false, timeout: timeoutMs }, (response) => {
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => { body += chunk })
      response.on('end', () => {
        const by = body.trim().split(/\s+/).at(-1) ?? null
        resolve(response.statusCode === 200 ? { by } : null)
      })
      response.on('error', () => resolve(null))
    })
    request.on('error', () => resolve(null))
    const timer = setTimeout(() => {
      resolve(null)
      request.destroy()
    }, timeoutMs)
    request.on('close', () => clearTimeout(timer))
  })
}

function askUdp(address: string, port: number): Ask {
  const socket = createSocket('udp4')
  const waiting = new Map<string, (by: string) => void>()
  let number = 0
  socket.on('error', () => undefined)
  socket.on('message', (message) => {
    const [id = '', by = ''] = message.toString('latin1').split(' ')
    waiting.get(id)?.(by)
  })
  return (timeoutMs) => new Promise((resolve) => {
    const id = String(number++)
    const done = (answer: { by: string } | null): void => {
      clearTimeout(timer)
      waiting.delete(id)
      resolve(answer)
    }
    const timer = setTimeout(() => done(null), timeoutMs)
    waiting.set(id, (by) => done({ by }))
    socket.send(id, port, address, () => undefined)
  })
}

/** Type 8 code 0, identifier, sequence; answered by the kernel of whoever has the address. */
async function askIcmp(address: string): Promise<Ask> {
  const raw = await import('raw-socket')
  const socket = raw.default.createSocket({ protocol: raw.default.Protocol.ICMP })
  const identifier = process.pid & 0xffff
  const waiting = new Map<number, () => void>()
  let sequence = 0
  socket.on('error', () => undefined)
  socket.on('message', (packet: Buffer) => {
    const at = (packet.readUInt8(0) & 15) * 4
    if (packet.length < at + 8 || packet.readUInt8(at) !== 0 || packet.readUInt16BE(at + 4) !== identifier) return
    waiting.get(packet.readUInt16BE(at + 6))?.()
  })
  return (timeoutMs) => new Promise((resolve) => {
    sequence = (sequence + 1) & 0xffff
    const mine = sequence
    const done = (answer: { by: null } | null): void => {
      clearTimeout(timer)
      waiting.delete(mine)
      resolve(answer)
    }
    const timer = setTimeout(() => done(null), timeoutMs)
    waiting.set(mine, () => done({ by: null }))
    const packet = Buffer.alloc(16)
    packet.writeUInt8(8, 0)
    packet.writeUInt16BE(identifier, 4)
    packet.writeUInt16BE(mine, 6)
    raw.default.writeChecksum(packet, 2, raw.default.createChecksum(packet))
    socket.send(packet, 0, packet.length, address, () => undefined)
  })
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '') as ClientOptions
  const ask = options.mode === 'http' ? askHttp(options.address, options.port)
    : options.mode === 'udp' ? askUdp(options.address, options.port) : await askIcmp(options.address)
  process.stdin.resume()
  process.stdin.once('end', () => process.exit(0))
  setInterval(() => {
    const sentMs = nowMs()
    void ask(options.timeoutMs).then((answer) => {
      const request: Request = { sentMs, answeredMs: answer === null ? null : nowMs(), by: answer?.by ?? null }
      process.stdout.write(`${JSON.stringify(request)}\n`)
    })
  }, options.everyMs)
}

await main()
