// The control socket. Bounded in every direction: connections, line length, requests under way, unread
// answers. Garbage costs its sender the connection and nobody else anything.
import { createServer, type Server, type Socket } from 'node:net'
import { chmodSync, rmSync } from 'node:fs'
import { TwinbeatError, messageOf } from '../errors.js'
import { LineSplitter, parseRequest, type ControlReply, type ControlRequest } from './protocol.js'

export type Permission = 'none' | 'read' | 'write'

export interface MethodContext {
  readonly progress: (text: string) => void
  /** Who asks, for the log: `uid 0, pid 4711`. */
  readonly caller: string
}

export interface Method {
  readonly needs: 'read' | 'write'
  readonly run: (args: Readonly<Record<string, unknown>>, context: MethodContext) => Promise<unknown>
}

export interface ControlServerOptions {
  readonly path: string
  readonly methods: ReadonlyMap<string, Method>
  /** pid, uid, gid of the process at the other end; null if it cannot be known. */
  readonly credentialsOf: (fd: number) => readonly [number, number, number] | null
  readonly permissionOf: (uid: number, gid: number) => Permission
  readonly onError: (text: string) => void
}

const connectionsMax = 32
const requestsPerConnectionMax = 16
const garbageLinesMax = 8
/** A connection that has said nothing complete for so long is closed; an idle tool can reconnect. */
const idleMs = 120_000
/** A reader that does not read its answers is cut off here. */
const unreadMaxBytes = 1024 * 1024

export class ControlServer {
  readonly #options: ControlServerOptions
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null

  constructor(options: ControlServerOptions) {
    this.#options = options
  }

  async listen(): Promise<void> {
    rmSync(this.#options.path, { force: true })
    const server = createServer((socket) => {
      this.#accept(socket)
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#options.path, () => {
        resolve()
      })
    })
    server.on('error', (error) => {
      this.#options.onError(error.message)
    })
    // Everybody may connect; who may do what is decided by the kernel's word about the caller.
    chmodSync(this.#options.path, 0o666)
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = null
    for (const socket of this.#sockets) socket.destroy()
    if (server !== null)
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
      })
    rmSync(this.#options.path, { force: true })
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= connectionsMax) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.on('close', () => {
      this.#sockets.delete(socket)
    })
    socket.on('error', () => {
      socket.destroy()
    })
    socket.setTimeout(idleMs, () => {
      socket.destroy()
    })
    const fd = fdOf(socket)
    const credentials = fd === null ? null : this.#options.credentialsOf(fd)
    const permission =
      credentials === null ? 'none' : this.#options.permissionOf(credentials[1], credentials[2])
    const caller =
      credentials === null ? 'unknown' : `uid ${String(credentials[1])}, pid ${String(credentials[0])}`
    const splitter = new LineSplitter()
    let garbage = 0
    let underWay = 0
    socket.on('data', (chunk: Buffer) => {
      for (const line of splitter.push(chunk)) {
        const request = line === null ? 'line too long' : parseRequest(line)
        if (typeof request === 'string') {
          garbage += 1
          reply(socket, failure(0, new TwinbeatError('TB_CONTROL_PROTOCOL', request)))
          if (garbage >= garbageLinesMax) {
            socket.destroy()
            return
          }
        } else if (underWay >= requestsPerConnectionMax) {
          reply(
            socket,
            failure(
              request.id,
              new TwinbeatError('TB_BUSY', 'too many requests under way on this connection'),
            ),
          )
        } else {
          underWay += 1
          void this.#run(socket, request, permission, caller).finally(() => {
            underWay -= 1
          })
        }
      }
    })
  }

  async #run(socket: Socket, request: ControlRequest, permission: Permission, caller: string): Promise<void> {
    try {
      const method = this.#options.methods.get(request.verb)
      if (method === undefined)
        throw new TwinbeatError('TB_CONTROL_PROTOCOL', `unknown verb '${request.verb}'`)
      if (permission === 'none' || (method.needs === 'write' && permission !== 'write')) {
        throw new TwinbeatError('TB_CONTROL_DENIED', `'${request.verb}' is not allowed for ${caller}`)
      }
      const progress = (text: string): void => {
        reply(socket, { id: request.id, progress: text })
      }
      const result = await method.run(request.args, { progress, caller })
      reply(socket, { id: request.id, ok: true, result: result ?? null })
    } catch (error) {
      if (!(error instanceof TwinbeatError)) this.#options.onError(`${request.verb}: ${messageOf(error)}`)
      reply(socket, failure(request.id, error))
    }
  }
}

function failure(id: number, error: unknown): ControlReply {
  const known = error instanceof TwinbeatError ? error : new TwinbeatError('TB_INTERNAL', messageOf(error))
  return { id, ok: false, error: { code: known.code, message: known.message, hint: known.hint } }
}

function reply(socket: Socket, value: ControlReply): void {
  if (socket.destroyed || !socket.writable) return
  socket.write(`${JSON.stringify(value)}\n`)
  if (socket.writableLength > unreadMaxBytes) socket.destroy()
}

/** Node keeps the descriptor of a socket on an undocumented handle; without it the caller stays unknown. */
function fdOf(socket: Socket): number | null {
  const handle = (socket as unknown as { _handle?: { fd?: unknown } })._handle
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : null
}
