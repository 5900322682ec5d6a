// The way of orders to the engine. Its command ring may be full while its thread is held up; an order that does
// not fit waits here, and everything behind it too, because the sequence of what we say matters.
import { TwinbeatError, messageOf } from '../errors.js'

/** One order; false: no room, the same again later. */
export type Order = () => boolean

const retryMs = 20
const waitingMax = 4096

export class Outbox {
  readonly #waiting: Order[] = []
  readonly #complain: (text: string) => void
  #retry: NodeJS.Timeout | null = null

  constructor(complain: (text: string) => void) {
    this.#complain = complain
  }

  push(order: Order): void {
    if (this.#waiting.length === 0 && this.#attempt(order)) return
    if (this.#waiting.length >= waitingMax) return this.#complain('the engine takes no orders: one is dropped')
    if (this.#waiting.length === 0) this.#complain('the engine has too much to do: what it is told waits')
    this.#waiting.push(order)
    this.#retry ??= setTimeout(() => { this.#again() }, retryMs)
  }

  /** Nothing waits: what is told directly does not overtake anything. */
  get empty(): boolean {
    return this.#waiting.length === 0
  }

  clear(): void {
    this.#waiting.length = 0
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
  }

  #again(): void {
    this.#retry = null
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#attempt(first)) break
      this.#waiting.shift()
    }
    if (this.#waiting.length > 0) this.#retry = setTimeout(() => { this.#again() }, retryMs)
  }

  /** An order that the engine refuses for its content would be refused again: it is told and dropped. */
  #attempt(order: Order): boolean {
    try {
      return order()
    } catch (error) {
      if (error instanceof TwinbeatError && error.code === 'TB_ENGINE_STATE') return false
      // This life has ended; the shell learns of it by its own sign of life.
      if (error instanceof TwinbeatError && error.code === 'TB_LAPSED') return true
      this.#complain(`the engine refuses an order: ${messageOf(error)}`)
      return true
    }
  }
}
