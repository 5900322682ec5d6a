// One log file. Lines are queued and written by one asynchronous operation at a time, so that a disk that
// hangs holds one thread of the pool and no more; what does not fit is dropped and counted. A file that
// cannot be opened or written is tried again, and the first line that gets through says what was lost.
import { close, constants, open, write } from 'node:fs'
import { errnoOf, messageOf } from '../errors.js'

export interface FileSinkOptions {
  readonly file: string
  /** The file takes lines again after `lost` of them were dropped. */
  readonly onRecovered: (lost: number, why: string) => void
}

/** About 10 000 lines; a disk that hangs longer than that loses lines, never time. */
const queueMaxBytes = 4 * 1024 * 1024
/** One write: small enough that a slow disk still makes progress that can be seen. */
const batchMaxBytes = 256 * 1024
const retryMs = 1000
/** An operation that takes longer is told in status as a hanging disk. */
const hangingMs = 2000
// Nonblocking: a fifo that nobody reads must fail to open, not wait for a reader.
const openFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY
const fileMode = 0o644

export class FileSink {
  readonly file: string
  readonly #options: FileSinkOptions
  #queue: Buffer[] = []
  #queuedBytes = 0
  #fd: number | null = null
  /** Start of the operation in flight, null when there is none. */
  #busySinceMs: number | null = null
  #reopenWanted = false
  #ended = false
  #retryAtMs = 0
  #why = ''
  #lostSince = 0
  #dropped = 0
  #waiters: (() => void)[] = []

  constructor(options: FileSinkOptions) {
    this.file = options.file
    this.#options = options
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Why lines are being lost right now; null while all is well. */
  get problem(): string | null {
    if (this.#busySinceMs !== null && performance.now() - this.#busySinceMs > hangingMs) {
      return `'${this.file}' hangs: the disk does not answer`
    }
    return this.#why === '' ? null : `'${this.file}' cannot be written: ${this.#why}`
  }

  write(text: string): void {
    const bytes = Buffer.from(text)
    const waiting = this.#why !== '' && performance.now() < this.#retryAtMs
    if (this.#ended || waiting || this.#queuedBytes + bytes.length > queueMaxBytes) {
      this.#lose(1)
      return
    }
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#next()
  }

  /** After logrotate: what follows goes to a file opened anew. */
  reopen(): void {
    this.#reopenWanted = true
    this.#next()
  }

  /** Writes what is queued, then closes. */
  end(): void {
    this.#ended = true
    this.#next()
  }

  /** Settles when nothing is queued; the caller limits the wait. */
  async settled(): Promise<void> {
    if (this.#busySinceMs === null && this.#queue.length === 0) return
    await new Promise<void>((resolve) => { this.#waiters.push(resolve) })
  }

  #lose(lines: number): void {
    this.#dropped += lines
    this.#lostSince += lines
  }

  #next(): void {
    if (this.#busySinceMs !== null) return
    if (this.#reopenWanted && this.#fd !== null) {
      this.#reopenWanted = false
      this.#closeFile()
    } else if (this.#queue.length > 0) {
      if (this.#fd === null) this.#openFile()
      else this.#writeBatch(this.#fd)
    } else if (this.#ended && this.#fd !== null) {
      this.#closeFile()
    } else {
      for (const resolve of this.#waiters.splice(0)) resolve()
    }
  }

  #done(): void {
    this.#busySinceMs = null
    this.#next()
  }

  #openFile(): void {
    this.#reopenWanted = false
    this.#busySinceMs = performance.now()
    open(this.file, openFlags, fileMode, (error, fd) => {
      if (error === null) this.#fd = fd
      else this.#failed(error)
      this.#done()
    })
  }

  #closeFile(): void {
    const fd = this.#fd
    if (fd === null) return
    this.#fd = null
    this.#busySinceMs = performance.now()
    close(fd, () => { this.#done() })
  }

  #writeBatch(fd: number): void {
    const batch: Buffer[] = []
    let size = 0
    for (const line of this.#queue) {
      if (size > 0 && size + line.length > batchMaxBytes) break
      batch.push(line)
      size += line.length
    }
    this.#queue.splice(0, batch.length)
    this.#queuedBytes -= size
    this.#busySinceMs = performance.now()
    this.#writeAll(fd, Buffer.concat(batch), batch.length)
  }

  #writeAll(fd: number, bytes: Buffer, lines: number): void {
    write(fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error !== null) {
        this.#lose(lines)
        this.#failed(error)
        // The next try opens the file anew: the disk, or what is mounted there, may be another one by then.
        this.#reopenWanted = true
        this.#done()
      } else if (written < bytes.length) {
        this.#writeAll(fd, bytes.subarray(written), lines)
      } else {
        this.#wrote()
        this.#done()
      }
    })
  }

  #failed(error: Error): void {
    this.#why = errnoOf(error) ?? messageOf(error)
    this.#retryAtMs = performance.now() + retryMs
    this.#lose(this.#queue.length)
    this.#queue = []
    this.#queuedBytes = 0
  }

  #wrote(): void {
    if (this.#lostSince === 0) {
      this.#why = ''
      return
    }
    const lost = this.#lostSince
    const why = this.#why === '' ? 'the buffer was full' : this.#why
    this.#lostSince = 0
    this.#why = ''
    this.#options.onRecovered(lost, why)
  }
}
