// Asks a running daemon over its control socket.
import { createConnection } from 'node:net'
import path from 'node:path'
import { TwinbeatError, errnoOf, errorTable, messageOf, type ErrorCode } from '../errors.js'
import { controlReplyMaxBytes, controlSocketName, LineSplitter, type ControlReply } from './protocol.js'

export interface AskOptions {
  readonly runDir: string
  readonly timeoutMs: number
  readonly onProgress?: (text: string) => void
}

/** Sends one request and waits for its answer. Throws a TwinbeatError for every way it can fail. */
export async function ask(
  verb: string,
  args: Readonly<Record<string, unknown>>,
  options: AskOptions,
): Promise<unknown> {
  const socketPath = path.join(options.runDir, controlSocketName)
  return await new Promise<unknown>((resolve, reject) => {
    const socket = createConnection(socketPath)
    const splitter = new LineSplitter(controlReplyMaxBytes)
    const finish = (act: () => void): void => {
      clearTimeout(timer)
      socket.destroy()
      act()
    }
    const timer = setTimeout(() => {
      finish(() => {
        reject(
          new TwinbeatError(
            'TB_CONTROL_TIMEOUT',
            `no answer to '${verb}' within ${String(options.timeoutMs)} ms`,
          ),
        )
      })
    }, options.timeoutMs)
    socket.on('connect', () => {
      socket.write(`${JSON.stringify({ id: 1, verb, args })}\n`)
    })
    socket.on('error', (error) => {
      finish(() => {
        reject(connectionError(error, socketPath))
      })
    })
    socket.on('end', () => {
      finish(() => {
        reject(
          new TwinbeatError(
            'TB_NOT_RUNNING',
            `the daemon closed the connection before it answered '${verb}'`,
          ),
        )
      })
    })
    socket.on('data', (chunk: Buffer) => {
      for (const line of splitter.push(chunk)) {
        const reply = parseReply(line)
        if (reply === null) continue
        if ('progress' in reply) options.onProgress?.(reply.progress)
        else if (reply.ok)
          finish(() => {
            resolve(reply.result)
          })
        else
          finish(() => {
            reject(remoteError(reply.error))
          })
      }
    })
  })
}

function parseReply(line: string | null): ControlReply | null {
  if (line === null) return null
  try {
    return JSON.parse(line) as ControlReply
  } catch {
    return null
  }
}

function remoteError(error: { code: string; message: string; hint: string }): TwinbeatError {
  const code: ErrorCode = Object.hasOwn(errorTable, error.code) ? (error.code as ErrorCode) : 'TB_INTERNAL'
  return new TwinbeatError(code, error.message, { hint: error.hint })
}

function connectionError(error: Error, socketPath: string): TwinbeatError {
  const errno = errnoOf(error)
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    return new TwinbeatError('TB_NOT_RUNNING', `no twinbeatd answers at '${socketPath}'`, { cause: error })
  }
  if (errno === 'EACCES') {
    return new TwinbeatError('TB_CONTROL_DENIED', `not allowed to open '${socketPath}'`, { cause: error })
  }
  return new TwinbeatError('TB_NOT_RUNNING', `cannot talk to '${socketPath}': ${messageOf(error)}`, {
    cause: error,
  })
}
