// What connects the machines: Ethernet segments and a null-modem line. Every byte passes through this process, which
// forwards or drops it, per direction; no bridge, tap or name space of the host is needed.
import type { Socket } from 'node:net'

/** One message of the emulator's stream back end: four bytes of length, then the frame. */
const LENGTH_BYTES = 4

type Listener = (from: number, frame: Buffer) => void

export class Segment {
  readonly #ports = new Map<number, Socket>()
  readonly #cut = new Set<string>()
  readonly #listeners: Listener[] = []

  attach(machine: number, socket: Socket): void {
    this.#ports.set(machine, socket)
    let bytes: Buffer = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('error', () => { /* 'close' follows */ })
    socket.on('close', () => { if (this.#ports.get(machine) === socket) this.#ports.delete(machine) })
    socket.on('data', (part: Buffer) => {
      bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part])
      while (bytes.length >= LENGTH_BYTES) {
        const end = LENGTH_BYTES + bytes.readUInt32BE(0)
        if (bytes.length < end) break
        this.#forward(machine, bytes.subarray(0, end))
        bytes = bytes.subarray(end)
      }
    })
  }

  /** Sees everything that a machine sends, also what is dropped on its way to the others. */
  listen(listener: Listener): void {
    this.#listeners.push(listener)
  }

  /** To all machines, as from a further one on the segment. */
  inject(frame: Buffer): void {
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(frame.length)
    const message = Buffer.concat([length, frame])
    for (const socket of this.#ports.values()) socket.write(message)
  }

  /** Frames vanish; the carrier stays. */
  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`)
  }

  cutBoth(one: number, other: number): void {
    this.cut(one, other)
    this.cut(other, one)
  }

  heal(): void {
    this.#cut.clear()
  }

  #forward(from: number, message: Buffer): void {
    for (const listener of this.#listeners) listener(from, message.subarray(LENGTH_BYTES))
    for (const [to, socket] of this.#ports) {
      if (to !== from && !this.#cut.has(`${from}>${to}`)) socket.write(message)
    }
  }
}

/** Between the second serial ports of machines 1 and 2. */
export class NullModem {
  readonly #ends = new Map<number, Socket>()
  #isCut = false

  attach(machine: number, socket: Socket): void {
    this.#ends.set(machine, socket)
    socket.on('error', () => { /* 'close' follows */ })
    socket.on('close', () => { if (this.#ends.get(machine) === socket) this.#ends.delete(machine) })
    socket.on('data', (part: Buffer) => { if (!this.#isCut) this.#ends.get(3 - machine)?.write(part) })
  }

  cut(): void {
    this.#isCut = true
  }

  heal(): void {
    this.#isCut = false
  }
}
