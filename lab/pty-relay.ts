// The process in the middle of a serial line: pty-relay.js BAUD DEVICE-A DEVICE-B.
// Node cannot open a pseudo-terminal, socat can: one socat per end keeps the pty and speaks to the
// relay. Towards the relay over a stream with a small buffer, so that a sender blocks as on a real
// line; towards the pty by datagrams with a small buffer, so that a listener that does not read
// loses bytes instead of finding them all later. It ends when its standard input ends.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createSocket, type Socket as Datagram } from 'node:dgram'
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

import { LinePace } from './line-pace.js'
import { pause } from './processes.js'
import type { RelayCommand } from './serial-line.js'

const TICK_MS = 3
/** Towards the relay: little, so that a writer soon waits as it does for a real line. */
const SEND_BUFFER_BYTES = 4608
/** Towards a pty: what a busy machine may delay socat, some hundred datagrams of a few bytes each. */
const RECEIVE_BUFFER_BYTES = 131_072
const PORT_BASE = 7001

interface End {
  readonly tty: number
  readonly socat: ChildProcess
  readonly stream: Socket
  readonly port: number
}

async function openEnd(device: string, port: number): Promise<End> {
  const path = `${device}.sock`
  const connected = new Promise<Socket>((resolve) => {
    const server = createServer((socket) => {
      server.close()
      resolve(socket)
    }).listen(path)
  })
  await pause(0)
  const socat = spawn('socat', [
    `PTY,raw,echo=0,mode=666,link=${device}`,
    `UDP4-RECV:${port},bind=127.0.0.1,rcvbuf=${RECEIVE_BUFFER_BYTES}!!UNIX-CONNECT:${path},sndbuf=${SEND_BUFFER_BYTES}`,
  ], { stdio: ['ignore', 'ignore', 'inherit'] })
  socat.once('exit', () => process.exit(1))
  const stream = await connected
  for (let round = 0; round < 400 && !existsSync(device); round++) await pause(5)
  // Held open for good: when the last holder of a pty closes it, the other side reads an error.
  const tty = openSync(device, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  return { tty, socat, stream, port }
}

/** ioctl that ends the exclusive use of a tty. */
const TIOCNXCL = '0x540D'

/**
 * What the last close of a real line does: nothing waits any more and nobody has it for himself. The
 * relay's own hold keeps this pty open, and with it what a killed daemon has set.
 */
function release(end: End): void {
  spawnSync('socat', ['-u', 'OPEN:/dev/null', `FD:3,ioctl-void=${TIOCNXCL}`], {
    stdio: ['ignore', 'ignore', 'ignore', end.tty],
  })
  const sink = Buffer.alloc(4096)
  try {
    while (readSync(end.tty, sink) > 0);
  } catch {
    // EAGAIN: nothing is waiting any more.
  }
}

function relay(from: End, to: End, baud: number, udp: Datagram): LinePace {
  const pace = new LinePace(baud, performance.now(), Math.random)
  from.stream.on('data', (bytes: Buffer) => {
    if (pace.isIdle) pace.pull(performance.now())
    pace.push(bytes)
    if (pace.isFull) from.stream.pause()
  })
  setInterval(() => {
    if (pace.isIdle) return
    const out = pace.pull(performance.now())
    if (out.length > 0) udp.send(out, to.port, '127.0.0.1')
    if (!pace.isFull && from.stream.isPaused()) from.stream.resume()
  }, TICK_MS)
  return pace
}

function obey(command: RelayCommand, ends: readonly End[], paces: readonly LinePace[]): void {
  if (command.type === 'release') {
    const end = ends[command.side]
    if (end !== undefined) release(end)
    return
  }
  const fault = paces[command.from]?.fault
  if (fault === undefined) return
  fault.cut = command.cut ?? fault.cut
  fault.losePercent = command.losePercent ?? fault.losePercent
  fault.flipPerMillion = command.flipPerMillion ?? fault.flipPerMillion
}

async function main(): Promise<void> {
  const [baud, first, second] = process.argv.slice(2)
  if (baud === undefined || first === undefined || second === undefined) {
    throw new Error('usage: pty-relay.js BAUD DEVICE-A DEVICE-B')
  }
  const a = await openEnd(first, PORT_BASE)
  const b = await openEnd(second, PORT_BASE + 1)
  const udp = createSocket('udp4')
  const paces = [relay(a, b, Number(baud), udp), relay(b, a, Number(baud), udp)]
  const commands = createInterface({ input: process.stdin })
  commands.on('line', (line) => obey(JSON.parse(line) as RelayCommand, [a, b], paces))
  commands.once('close', () => {
    for (const end of [a, b]) {
      end.socat.removeAllListeners('exit')
      end.socat.kill('SIGKILL')
      closeSync(end.tty)
    }
    process.exit(0)
  })
  process.stdout.write('ready\n')
}

await main()
