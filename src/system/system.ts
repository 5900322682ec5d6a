// Typed doors to the addon's system calls. Every call answers at once; a negative number is -errno.
import { loadAddon } from './addon.js'

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
  loaded ??= loadAddon<{ system: SystemCalls }>().system
  return loaded
}
