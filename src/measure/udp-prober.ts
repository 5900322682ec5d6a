// Datagrams with a number, to a port where something sends them back: the answer must begin with what was sent, and
// what follows is taken as the name of who answered. Any echo service does.
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { TwinbeatError, messageOf } from '../errors.js'
import type { Prober, ProbeSink } from './prober.js'

const openMax = 4096
/** Numbers of another run, whose answers are still on the way, must not be taken for ours. */
const runMax = 0xffffff

export async function openUdpProber(address: string, port: number, sink: ProbeSink): Promise<Prober> {
  const six = isIPv6(address)
  // Not connected: a service that listens on every address of its node answers from whichever the route prefers.
  const socket = createSocket({
    type: six ? 'udp6' : 'udp4',
    // There is nothing to look up, and without a detour the datagram leaves at once.
    lookup: (host, _options, found) => found(null, host, six ? 6 : 4),
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(new TwinbeatError('TB_MEASURE_SOCKET', `no socket: ${messageOf(error)}`, { cause: error })))
    socket.bind(0, resolve)
  })
  socket.removeAllListeners('error')
  socket.on('error', () => undefined)
  const run = Math.floor(Math.random() * runMax).toString(36)
  socket.on('message', (message) => {
    const [id = '', by = ''] = message.toString('latin1', 0, 256).split(/\s+/)
    const [number = '', of = ''] = id.split('.')
    if (of === run && /^\d{1,15}$/.test(number)) sink.answered(Number(number), by === '' ? null : by)
  })
  return {
    openMax,
    send: (number) => {
      socket.send(`${number}.${run}`, port, address, (error: NodeJS.ErrnoException | null) => {
        if (error?.code === 'ENOBUFS') sink.unsent(number, error.code)
      })
    },
    giveUp: () => undefined,
    close: () => socket.close(),
  }
}
