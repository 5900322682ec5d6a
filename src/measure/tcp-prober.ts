// A connection to the port of the service, again and again. The kernel of whoever has the address answers it, so no
// protocol of the service is needed and no byte is sent to it; it is reset at once, so that neither side keeps it.
import { createConnection, type Socket } from 'node:net'
import type { Prober, ProbeSink } from './prober.js'

/** Each is a descriptor. */
const openMax = 256
/** Our own machine has run out of something: that is not the service's fault. */
const ownErrors = new Set(['EADDRNOTAVAIL', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EPERM', 'EACCES'])

export function openTcpProber(address: string, port: number, sink: ProbeSink): Prober {
  const open = new Map<number, Socket>()
  const end = (number: number): void => {
    open.get(number)?.resetAndDestroy()
    open.delete(number)
  }
  return {
    openMax,
    send: (number) => {
      const socket = createConnection({ host: address, port, noDelay: true })
      open.set(number, socket)
      socket.on('connect', () => {
        sink.answered(number, null)
        end(number)
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        const known = open.delete(number)
        if (!known) return
        const code = error.code ?? error.message
        if (ownErrors.has(code)) sink.unsent(number, code)
        else if (code === 'ECONNREFUSED' || code === 'ECONNRESET') sink.refused(number)
      })
    },
    giveUp: end,
    close: () => [...open.keys()].forEach(end),
  }
}
