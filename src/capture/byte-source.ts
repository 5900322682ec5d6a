// Bytes of a file or stream, asked for in exact pieces. Holds one piece and one chunk at a time, so a capture of any
// size is read in bounded memory.

/** The next bytes, or null at the end. */
export type ReadChunk = () => Uint8Array | null

/** What is wrong with a capture file, with the place. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
  constructor(problem: string, readonly offset: number) {
    super(`${problem} at byte ${offset}`)
  }
}

const empty = new Uint8Array(0)

export class ByteSource {
  readonly #read: ReadChunk
  #chunk: Uint8Array = empty
  #at = 0
  #offset = 0
  #ended = false

  constructor(read: ReadChunk) {
    this.#read = read
  }

  /** How many bytes were taken so far. */
  get offset(): number {
    return this.#offset
  }

  /** Exactly `count` bytes; null when the source had ended before the first of them. */
  take(count: number, what: string): DataView | null {
    const piece = new Uint8Array(count)
    const got = this.#fill(count, (part, at) => { piece.set(part, at) })
    if (got === 0 && count > 0) return null
    if (got < count) throw new CaptureError(`the file ends inside ${what}`, this.#offset)
    return new DataView(piece.buffer)
  }

  skip(count: number, what: string): void {
    if (this.#fill(count, () => undefined) < count) throw new CaptureError(`the file ends inside ${what}`, this.#offset)
  }

  #fill(count: number, use: (part: Uint8Array, at: number) => void): number {
    let got = 0
    while (got < count && this.#refill()) {
      const part = this.#chunk.subarray(this.#at, this.#at + count - got)
      use(part, got)
      got += part.length
      this.#at += part.length
      this.#offset += part.length
    }
    return got
  }

  /** False at the end. */
  #refill(): boolean {
    while (this.#at === this.#chunk.length && !this.#ended) {
      const next = this.#read()
      this.#chunk = next ?? empty
      this.#at = 0
      this.#ended = next === null
    }
    return this.#at < this.#chunk.length
  }
}
