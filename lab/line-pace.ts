// One direction of a serial line as bytes in, bytes out: pace, frame loss, turned bits, a cut.
// Pure: the caller brings the time and the random numbers.

export interface LineFault {
  cut: boolean
  losePercent: number
  flipPerMillion: number
}

/** What a sender's UART and tty hold before the sender blocks. */
const QUEUE_BYTES_MAX = 4096
/** 8N1: start bit, eight data bits, stop bit. */
const BITS_PER_BYTE = 10
const FRAME_START = '>>>\n'
const FRAME_END = '<<<\n'

export class LinePace {
  readonly fault: LineFault = { cut: false, losePercent: 0, flipPerMillion: 0 }
  private readonly bytesPerMs: number
  private readonly random: () => number
  private queue: Buffer = Buffer.alloc(0)
  private credit = 0
  private lastMs: number
  private line = ''
  private dropping = false

  constructor(baud: number, nowMs: number, random: () => number) {
    this.bytesPerMs = baud / BITS_PER_BYTE / 1000
    this.lastMs = nowMs
    this.random = random
  }

  /** Room for more; a sender that does not ask is cut short like on an overrun line. */
  get isFull(): boolean {
    return this.queue.length >= QUEUE_BYTES_MAX
  }

  get isIdle(): boolean {
    return this.queue.length === 0
  }

  push(bytes: Buffer): void {
    this.queue = Buffer.concat([this.queue, this.fault.losePercent > 0 ? this.loseFrames(bytes) : bytes])
  }

  /** The bytes that have left the line since the last call. */
  pull(nowMs: number): Buffer {
    const elapsed = Math.max(0, nowMs - this.lastMs)
    this.lastMs = nowMs
    if (this.queue.length === 0) {
      this.credit = 0
      return this.queue
    }
    this.credit += elapsed * this.bytesPerMs
    const count = Math.min(this.queue.length, Math.floor(this.credit))
    this.credit -= count
    const out = this.queue.subarray(0, count)
    this.queue = this.queue.subarray(count)
    if (this.fault.cut) return Buffer.alloc(0)
    return this.fault.flipPerMillion > 0 ? this.flip(out) : out
  }

  private flip(bytes: Buffer): Buffer {
    const out = Buffer.from(bytes)
    for (let at = 0; at < out.length; at++) {
      if (this.random() * 1e6 >= this.fault.flipPerMillion) continue
      out.writeUInt8(out.readUInt8(at) ^ (1 << Math.floor(this.random() * 8)), at)
    }
    return out
  }

  /** Keeps whole lines together and drops a frame from its first to its last line. */
  private loseFrames(bytes: Buffer): Buffer {
    const kept: string[] = []
    for (const char of bytes.toString('latin1')) {
      this.line += char
      if (char !== '\n') continue
      if (this.line === FRAME_START) this.dropping = this.random() * 100 < this.fault.losePercent
      if (!this.dropping) kept.push(this.line)
      if (this.line === FRAME_END) this.dropping = false
      this.line = ''
    }
    return Buffer.from(kept.join(''), 'latin1')
  }
}
