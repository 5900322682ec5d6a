// Bounded memory of what a process prints: the tail is kept, because that is where the reason is.

import { closeSync, readSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Pipe } from './pipes.js'

/** Per stream and operation. */
export const OUTPUT_BYTES_MAX = 64 * 1024
/** A pipe holds 64 KiB; a grandchild that writes faster than we read must not keep us here. */
const DRAIN_READS_MAX = 32

export class TailBuffer {
  #chunks: Buffer[] = []
  #bytes = 0
  #dropped = 0

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    // Compacting only at twice the limit keeps the cost per byte constant.
    if (this.#bytes > 2 * OUTPUT_BYTES_MAX) this.#compact()
  }

  text(): string {
    this.#compact()
    const text = Buffer.concat(this.#chunks).toString('utf8')
    return this.#dropped === 0 ? text : `[${this.#dropped} bytes left out]\n${text}`
  }

  #compact(): void {
    const surplus = this.#bytes - OUTPUT_BYTES_MAX
    if (surplus <= 0) return
    const tail = Buffer.from(Buffer.concat(this.#chunks).subarray(surplus))
    this.#chunks = [tail]
    this.#bytes = tail.length
    this.#dropped += surplus
  }
}

/** One captured stream. `finish` takes what is there now and closes, end of file or not. */
export class Capture {
  readonly tail = new TailBuffer()
  readonly #pipe: Pipe | null
  #stream: Readable | null = null

  constructor(pipe: Pipe | null) {
    this.#pipe = pipe
    if (pipe !== null) this.#read(new Socket({ fd: pipe.readFd, readable: true, writable: false }))
  }

  /** What to hand to `spawn` for this stream. */
  get stdio(): number | 'pipe' {
    return this.#pipe === null ? 'pipe' : this.#pipe.writeFd
  }

  /** Right after the spawn: our copy of the writing end would keep the pipe open. */
  started(fallback: Readable | null): void {
    if (this.#pipe !== null) closeSync(this.#pipe.writeFd)
    else if (fallback !== null) this.#read(fallback)
  }

  finish(): void {
    if (this.#pipe !== null && this.#stream !== null && !this.#stream.destroyed) {
      this.#drain(this.#pipe.readFd)
    }
    this.#stream?.destroy()
  }

  #read(stream: Readable): void {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.tail.push(chunk))
    // Errors of a pipe end the stream; the exit of the process is what ends the operation.
    stream.on('error', () => undefined)
  }

  #drain(fd: number): void {
    const chunk = Buffer.alloc(OUTPUT_BYTES_MAX)
    for (let i = 0; i < DRAIN_READS_MAX; i++) {
      let got: number
      try {
        got = readSync(fd, chunk)
      } catch {
        return // EAGAIN: empty, but a child that stayed still holds it open.
      }
      if (got === 0) return
      this.tail.push(Buffer.from(chunk.subarray(0, got)))
    }
  }
}
