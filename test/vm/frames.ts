// What the host and the program inside a machine say to each other; test/vm/agent.c is the other end.

export const frameType = { exec: 1, signal: 2, ping: 3, out: 10, err: 11, exit: 12, hello: 13, pong: 14 } as const

export interface Frame {
  readonly type: number
  readonly id: number
  readonly payload: Buffer
}

const HEADER_BYTES = 12
/** Of what comes from a machine; its own chunks are half of it. */
const PAYLOAD_BYTES_MAX = 64 * 1024
const MAGIC = 'TV'

export function encodeFrame(type: number, id: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload as string)
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 0, 'latin1')
  header[2] = type
  header.writeUInt32LE(id, 4)
  header.writeUInt32LE(body.length, 8)
  return Buffer.concat([header, body])
}

/** Takes a byte stream apart. A machine that was reset in the middle of a frame leaves half of one behind. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): Frame[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    const frames: Frame[] = []
    for (;;) {
      const start = this.#bytes.indexOf(MAGIC, 0, 'latin1')
      if (start < 0) {
        // The first letter of the next magic may be there already.
        this.#bytes = this.#bytes.subarray(Math.max(0, this.#bytes.length - 1))
        return frames
      }
      this.#bytes = this.#bytes.subarray(start)
      const size = this.#sizeOfFirst()
      if (size === 'more') return frames
      if (size === 'broken') {
        this.#bytes = this.#bytes.subarray(MAGIC.length)
        continue
      }
      const first = this.#bytes.subarray(0, HEADER_BYTES + size)
      this.#bytes = this.#bytes.subarray(first.length)
      frames.push({ type: first.readUInt8(2), id: first.readUInt32LE(4), payload: Buffer.from(first.subarray(HEADER_BYTES)) })
    }
  }

  reset(): void {
    this.#bytes = Buffer.alloc(0)
  }

  #sizeOfFirst(): number | 'more' | 'broken' {
    const bytes = this.#bytes
    if (bytes.length < HEADER_BYTES) return 'more'
    const size = bytes.readUInt32LE(8)
    const type = bytes.readUInt8(2)
    if (size > PAYLOAD_BYTES_MAX || !(Object.values(frameType) as number[]).includes(type)) return 'broken'
    if (bytes.length >= HEADER_BYTES + size) return size
    // The greeting of the next boot inside of what should be the rest: this frame has no rest.
    const hello = Buffer.from([...Buffer.from(MAGIC), frameType.hello, 0])
    return bytes.indexOf(hello, MAGIC.length) > 0 ? 'broken' : 'more'
  }
}
