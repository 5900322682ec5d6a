// Requests of operators: handed to the core by an id, answered by its `reply` effects.
import type { OperatorVerb } from '../core/events.js'
import type { FenceOrderEvent, OperatorEvent } from '../core/events.js'
import type { ReplyEffect } from '../core/effects.js'
import { TwinbeatError, errorTable, type ErrorCode } from '../errors.js'
import type { Shell, Untimed } from './shell.js'

interface Waiting {
  readonly progress: (text: string) => void
  readonly resolve: (text: string) => void
  readonly reject: (error: TwinbeatError) => void
}

/** Requests under way at once; more is a script gone wild. */
const requestsMax = 64

export class Requests {
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  constructor(
    private readonly shell: () => Shell,
    private readonly incarnation: number,
  ) {}

  /** Settles when the core says that the request is done. */
  async ask(verb: OperatorVerb, what: string, progress: (text: string) => void): Promise<string> {
    return await this.feed((id) => ({ type: 'operator', id, verb, what }), progress)
  }

  async feed(request: (id: string) => Untimed<OperatorEvent | FenceOrderEvent>, progress: (text: string) => void): Promise<string> {
    if (this.#waiting.size >= requestsMax)
      throw new TwinbeatError('TB_BUSY', 'too many requests are under way')
    this.#count += 1
    const id = `${String(this.incarnation)}.${String(this.#count)}`
    return await new Promise<string>((resolve, reject) => {
      this.#waiting.set(id, { progress, resolve, reject })
      this.shell().feed(request(id))
    })
  }

  onReply(reply: ReplyEffect): void {
    const waiting = this.#waiting.get(reply.id)
    if (waiting === undefined) return
    if (!reply.done) {
      waiting.progress(reply.text)
      return
    }
    this.#waiting.delete(reply.id)
    if (reply.ok) waiting.resolve(reply.text)
    else
      waiting.reject(
        new TwinbeatError(Object.hasOwn(errorTable, reply.code) ? (reply.code as ErrorCode) : 'TB_BUSY', reply.text),
      )
  }
}
