// Real pipes for the output of agents. What Node calls a pipe to a child is a socket pair, and a
// script that writes to /dev/stderr or /dev/stdout cannot open a socket by that name (ENXIO). Node
// has no pipe(2), so FIFOs are made ahead, opened at both ends and unlinked when used.

import { spawn, spawnSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'

export interface Pipe {
  /** Non-blocking. */
  readonly readFd: number
  /** Blocking, as a process expects its stdout to be. */
  readonly writeFd: number
}

/** Two per operation: enough for the usual limit of four operations at once without a refill. */
const POOL_SIZE = 16
const REFILL_BELOW = 8
const MKFIFO = '/usr/bin/mkfifo'

export class PipePool {
  readonly #dir: string
  readonly #ready: string[] = []
  #next = 0
  #refilling = false

  /** The folder must be private to this process; FIFOs left in it by an earlier one are removed. */
  constructor(dir: string) {
    this.#dir = dir
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(dir)) {
      if (name.startsWith('pipe-')) unlinkSync(join(dir, name))
    }
    const names = this.#names(POOL_SIZE)
    const made = spawnSync(MKFIFO, ['-m', '600', ...names], { stdio: 'ignore' })
    if (made.status === 0) this.#ready.push(...names)
  }

  /** Null when none is ready; the caller then does with a socket pair. */
  take(): Pipe | null {
    const path = this.#ready.shift()
    if (this.#ready.length < REFILL_BELOW) this.#refill()
    if (path === undefined) return null
    let readFd = -1
    try {
      readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const writeFd = openSync(path, constants.O_WRONLY)
      return { readFd, writeFd }
    } catch {
      if (readFd >= 0) closeSync(readFd)
      return null
    } finally {
      this.#remove(path)
    }
  }

  close(): void {
    for (const path of this.#ready.splice(0)) this.#remove(path)
  }

  #refill(): void {
    if (this.#refilling) return
    this.#refilling = true
    const names = this.#names(POOL_SIZE - this.#ready.length)
    const child = spawn(MKFIFO, ['-m', '600', ...names], { stdio: 'ignore' })
    const done = (ok: boolean): void => {
      this.#refilling = false
      if (ok) this.#ready.push(...names)
    }
    child.once('error', () => done(false))
    child.once('exit', (code) => done(code === 0))
  }

  #names(count: number): string[] {
    const name = (): string => join(this.#dir, `pipe-${process.pid}-${this.#next++}`)
    return Array.from({ length: count }, name)
  }

  #remove(path: string): void {
    try {
      unlinkSync(path)
    } catch {
      // Somebody cleaned the folder; the open ends do not care.
    }
  }
}
