// The knowledge that one incarnation of the peer surely does not run. Written down for a planned restart that keeps
// resources: its successor need not fence a dead machine again. Any other life before ended with last words, by itself
// or by its guardian, and a peer that came up unheard may have acted on them. The shell drops it also when this machine
// itself was restarted. Ends with the first authenticated message of a newer incarnation.

import type { NodeId } from '../base/ids.js'
import type { Context } from '../context.js'

export const confirmationKey = 'boot:fence-confirmed'

/** A heartbeat may have been under way on a slow line, or in our own queue, when the power went. */
const underWayUs = 500_000

export interface Confirmation {
  readonly target: NodeId
  readonly generation: number
  /** Names of the devices, or the operator. */
  readonly by: string
}

export class Confirmations {
  #known: Confirmation | null = null
  /** When it was confirmed in this life; null: in an earlier one, in which the target was not heard since. */
  #at: number | null = null

  constructor(private readonly ctx: Context) {}

  get current(): Confirmation | null {
    return this.#known
  }

  /** `kept`: the life before said no last words, and nobody did for it. */
  boot(text: string | undefined, how: { readonly kept: boolean }): void {
    this.#known = text === undefined || !how.kept ? null : decode(text)
    if (this.#known === null && text !== undefined) this.ctx.persist(confirmationKey, null)
  }

  record(confirmation: Confirmation): void {
    this.#known = confirmation
    this.#at = this.ctx.now
    this.ctx.persist(confirmationKey, JSON.stringify(confirmation))
  }

  /** True when this incarnation, or an older one, was confirmed. */
  covers(target: NodeId, generation: number): boolean {
    return this.#known !== null && this.#known.target === target && generation <= this.#known.generation
  }

  /**
   * The target was judged dead, having been heard last at `lastHeardAt`. A node that was fenced while it was alive is
   * silent from then on; one that went on talking was not fenced, whatever the device said.
   */
  died(target: NodeId, lastHeardAt: number): void {
    if (this.#known === null || this.#known.target !== target || this.#at === null || lastHeardAt <= this.#at + underWayUs) return
    const { by, generation } = this.#known
    const text = `${target} went on after ${by} had confirmed that it is off: nothing is taken on that`
    this.ctx.note('error', 'fence.lied', text, { peer: target, generation, by })
    this.forget()
  }

  forget(): void {
    if (this.#known === null) return
    this.#known = null
    this.ctx.persist(confirmationKey, null)
  }
}

function decode(text: string): Confirmation | null {
  try {
    const { target, generation, by } = JSON.parse(text) as Partial<Record<keyof Confirmation, unknown>>
    if (typeof target !== 'string' || typeof by !== 'string') return null
    if (typeof generation !== 'number' || !Number.isSafeInteger(generation) || generation < 0) return null
    return { target: target as NodeId, generation, by }
  } catch {
    return null
  }
}
