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
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      reject(new TwinbeatError('TB_MEASURE_SOCKET', `no way to '${address}' port ${port}: ${messageOf(error)}`, { cause: error }))
    })
    // Connected, so that the kernel sends at once and keeps away what others send.
    socket.connect(port, address, resolve)
  })
  socket.removeAllListeners('error')
  const run = Math.floor(Math.random() * runMax).toString(36)
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') sink.refused(null)
  })
  socket.on('message', (message) => {
    const [id = '', by = ''] = message.toString('latin1', 0, 256).split(/\s+/)
    const [number = '', of = ''] = id.split('.')
    if (of === run && /^\d{1,15}$/.test(number)) sink.answered(Number(number), by === '' ? null : by)
  })
  return {
    openMax,
    send: (number) => {
      socket.send(`${number}.${run}`, (error) => {
        if (error !== null && (error as NodeJS.ErrnoException).code === 'ENOBUFS') sink.unsent(number, 'ENOBUFS')
      })
    },
    giveUp: () => undefined,
    close: () => socket.close(),
  }
}
