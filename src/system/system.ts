// Typed doors to the addon's system calls. Every call answers at once; a negative number is -errno.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import { TwinbeatError, messageOf } from '../errors.js'

export interface SystemCalls {
  connectDatagram(path: string): number
  sendDatagram(fd: number, text: string): number
  closeFd(fd: number): number
  /** [pid, uid, gid] of the process at the other end of a Unix stream socket. */
  peerCredentials(fd: number): readonly [number, number, number] | null
  lockFile(path: string): number
  rebootNow(): number
  /** Ends this process at once, without waiting for a thread that a hung disk holds. */
  exitNow(code: number): void
  /** Replaces this process by another program; returns only when that failed. */
  execReplace(program: string, argv: readonly string[], env: readonly string[]): number
  boottimeUs(): number
}

let loaded: SystemCalls | null = null

export function systemCalls(): SystemCalls {
  if (loaded === null) {
    const file = path.resolve(
      path.dirname(fileURLToPath(import.meta.url)),
      '../../../build/Release/twinbeat.node',
    )
    try {
      const addon = createRequire(import.meta.url)(file) as { system: SystemCalls }
      loaded = addon.system
    } catch (cause) {
      throw new TwinbeatError('TB_ADDON_MISSING', `cannot load '${file}': ${messageOf(cause)}`, { cause })
    }
  }
  return loaded
}
