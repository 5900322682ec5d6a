// What operators asked the coordinator for. Requests for the same are one fencing: `reboot` under way satisfies
// `reboot`, and so does `off`; `off` is satisfied by `off` only.

import type { Context } from '../context.js'
import type { FenceOrderEvent } from '../events.js'

const requestsMax = 16

export class FenceRequests {
  #open: FenceOrderEvent[] = []

  constructor(private readonly ctx: Context) {}

  get any(): boolean {
    return this.#open.length > 0
  }

  /** What has to be done for those that are open; null: nothing. */
  get wanted(): 'off' | 'reboot' | null {
    if (!this.any) return null
    return this.#open.some((request) => request.action === 'off') ? 'off' : 'reboot'
  }

  /** Who asked first. */
  get by(): string | null {
    return this.#open[0]?.by ?? null
  }

  add(event: FenceOrderEvent): boolean {
    if (this.#open.some((request) => request.id === event.id)) return false
    if (this.#open.length >= requestsMax) {
      this.refuse(event, 'TB_BUSY', 'too many requests are under way')
      return false
    }
    this.#open.push(event)
    return true
  }

  refuse(event: FenceOrderEvent, code: string, text: string): void {
    this.ctx.reply(event.id, true, false, code, text)
  }

  progress(text: string): void {
    for (const request of this.#open) this.ctx.reply(request.id, false, true, 'ok', text)
  }

  satisfied(action: 'off' | 'reboot', text: string): void {
    const done = this.#open.filter((request) => action === 'off' || request.action === 'reboot')
    this.#open = this.#open.filter((request) => !done.includes(request))
    for (const request of done) this.ctx.reply(request.id, true, true, 'ok', text)
  }

  failed(code: string, text: string): void {
    for (const request of this.#open) this.ctx.reply(request.id, true, false, code, text)
    this.#open = []
  }
}
