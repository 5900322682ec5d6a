// What an arbiter is to everybody else: a third place that grants a group to one node until a deadline. The
// adapters below know one product each; the rules about when to ask are the core's.
//
// Unknown is an answer: a request that timed out may have been carried out, so it is neither a renewal nor
// proof of anything. No adapter ever turns it into one of the others.
import type { Micros } from '../core/base/ids.js'

/** `look` changes nothing and is never answered `held`: a node that may not take the group yet learns of the key in its way. */
export type ArbiterAction = 'acquire' | 'look' | 'renew' | 'release' | 'confirm'

export interface ArbiterOrder {
  readonly action: ArbiterAction
  readonly group: string
  /** Of the ownership that is renewed, released or confirmed. `release` without one ends what an unknown acquire may have left. */
  readonly token: number | null
}

export interface ArbiterAnswer {
  /**
   * `held`: ours until `deadlineAt`. `other`: surely somebody else's. `released`: surely not ours any more; of a `look`: nobody's.
   * `unknown`: anything else; not renewed.
   */
  readonly outcome: 'held' | 'other' | 'released' | 'unknown'
  /** Of the owner, us or the other; grows with every owner. */
  readonly token: number | null
  /** From before the request was sent; the stop budget is taken off already. Only with `held`. */
  readonly deadlineAt: Micros | null
  readonly holder: string | null
  /** For people; never contains a secret. */
  readonly text: string
}

export interface ArbiterHealth {
  /** Null: nothing was asked yet. */
  readonly reachable: boolean | null
  /** Where the last answer came from, or the last attempt went. */
  readonly endpoint: string | null
  readonly lastAnswerAt: Micros | null
  /** Duration of the last request that was answered. */
  readonly lastMs: number | null
  readonly problem: string | null
}

/** One finding of a test by hand; `ok` false means that the lease would not work. */
export interface ProbeLine {
  readonly ok: boolean
  readonly text: string
}

export interface Arbiter {
  /** Never rejects and always ends within the request timeout. */
  run(order: ArbiterOrder): Promise<ArbiterAnswer>
  /** Tries everything that the lease needs, on keys of its own, and tells what it found. */
  probe(): Promise<readonly ProbeLine[]>
  /** What an operator should know of this product beforehand. Null: it does not answer. Never rejects. */
  notices(): Promise<readonly string[] | null>
  health(): ArbiterHealth
  close(): void
}

/** The times that decide a deadline, the same for every arbiter. */
export interface LeaseTimes {
  readonly ttlUs: number
  /** Bound of the difference in rate between this machine's clock and the arbiter's. */
  readonly driftPpm: number
  /** Taken off the deadline: within it everything of a group must have stopped. */
  readonly stopBudgetUs: number
  /** For one order, whatever it needs. */
  readonly timeoutUs: number
}

export interface ArbiterParts {
  readonly node: string
  readonly incarnation: () => number
  /** CLOCK_BOOTTIME. */
  readonly now: () => Micros
  readonly times: LeaseTimes
  readonly readFile: (path: string) => string
  /** What an operator should know although every order was answered. */
  readonly warn?: (event: { readonly event: string; readonly [detail: string]: string }, text: string) => void
}

export const unknownAnswer = (text: string): ArbiterAnswer =>
  ({ outcome: 'unknown', token: null, deadlineAt: null, holder: null, text })

/** `ttlUs` as the arbiter granted it; never counted from the answer, never longer than asked for. */
export function deadlineOf(sentAt: Micros, ttlUs: number, times: LeaseTimes): Micros {
  const ttl = Math.min(ttlUs, times.ttlUs)
  return sentAt + Math.floor(ttl * (1 - times.driftPpm / 1_000_000)) - times.stopBudgetUs as Micros
}
