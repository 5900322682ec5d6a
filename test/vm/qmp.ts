// The monitor of an emulator: commands, answers, and events with the emulator's own time stamps.
import type { Socket } from 'node:net'

export interface MachineEvent {
  /** Epoch milliseconds of the host. */
  readonly atMs: number
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

type Message =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'event'; readonly event: MachineEvent }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown; readonly problem: string | null }

export function parseMonitorLine(line: string): Message | null {
  if (line.trim() === '') return null
  const parsed = JSON.parse(line) as Record<string, unknown>
  if ('QMP' in parsed) return { kind: 'greeting' }
  if (typeof parsed['event'] === 'string') {
    const { seconds, microseconds } = parsed['timestamp'] as { seconds: number; microseconds: number }
    const data = (parsed['data'] ?? {}) as Record<string, unknown>
    return { kind: 'event', event: { atMs: seconds * 1000 + microseconds / 1000, name: parsed['event'], data } }
  }
  const error = parsed['error'] as { desc: string } | undefined
  return { kind: 'answer', id: Number(parsed['id']), value: parsed['return'], problem: error?.desc ?? null }
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class Monitor {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #onEvent: (event: MachineEvent) => void
  #next = 1
  #text = ''

  constructor(socket: Socket, onEvent: (event: MachineEvent) => void) {
    this.#socket = socket
    this.#onEvent = onEvent
    socket.setEncoding('utf8')
    socket.on('error', () => { /* 'close' follows */ })
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the emulator has ended'))
      this.#waiting.clear()
    })
    socket.on('data', (part: string) => { this.#take(part) })
  }

  async ask(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = this.#next++
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    })
  }

  #take(part: string): void {
    this.#text += part
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const message = parseMonitorLine(this.#text.slice(0, end))
      this.#text = this.#text.slice(end + 1)
      if (message?.kind === 'greeting') this.ask('qmp_capabilities').catch(() => { /* it has ended */ })
      if (message?.kind === 'event') this.#onEvent(message.event)
      if (message?.kind === 'answer') this.#answer(message.id, message.value, message.problem)
    }
  }

  #answer(id: number, value: unknown, problem: string | null): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (problem === null) waiting?.resolve(value)
    else waiting?.reject(new Error(problem))
  }
}
