// What every mutant is made of: a program with one safety rule broken. Above the core it stands between a healthy
// core and its world; below it, the simulated engine, guardian, arbiter or device breaks the rule itself.

import { createCore, type Core } from '../../../src/core/core.js'
import type { Effect } from '../../../src/core/effects.js'
import type { CoreEvent } from '../../../src/core/events.js'
import type { CoreConfig, Field, Protection } from '../../../src/core/types.js'
import type { CheckerName } from '../checkers/scene.js'
import type { Faults } from '../faults.js'
import type { MakeCore } from '../node.js'
import type { Flaw } from '../page.js'

export interface Mutant {
  readonly name: string
  /** What goes wrong when the rule does not hold. */
  readonly why: string
  readonly mode: Protection
  readonly caughtBy: readonly CheckerName[]
  /** Faults without which it cannot show; the rest as the seed draws them. */
  readonly faults?: Partial<Faults>
  /** Rules broken below the core. */
  readonly flaws?: readonly Flaw[]
  /** A broken core; called once for each run, so that it may remember over several lives. */
  readonly cores?: () => MakeCore
}

export type RunEffect = Extract<Effect, { type: 'member.run' }>

export const textOf = (fields: readonly Field[], name: string): string =>
  String(fields.find((field) => field.name === name)?.value ?? '')

export const withText = (fields: readonly Field[], name: string, value: string): Field[] =>
  fields.map((field) => (field.name === name ? { ...field, value } : field))

export interface Kept { readonly keep: boolean; readonly feed: readonly CoreEvent[] }

/** Wraps every step: `before` may turn one event into several, `after` may change effects and feed results at once. */
export function wrapped(
  before: (event: CoreEvent) => readonly CoreEvent[],
  after: (effect: Effect, event: CoreEvent) => Kept,
): MakeCore {
  return (config: CoreConfig, prng): Core => {
    const core = createCore(config, prng)
    const step = (event: CoreEvent, out: Effect[]): void => {
      for (const effect of core.step(event)) {
        const { keep, feed } = after(effect, event)
        if (keep) out.push(effect)
        for (const next of feed) step(next, out)
      }
    }
    return {
      step: (event) => {
        const out: Effect[] = []
        for (const one of before(event)) step(one, out)
        return out
      },
      snapshot: () => core.snapshot(),
    }
  }
}

export const same = (event: CoreEvent): readonly CoreEvent[] => [event]
export const unchanged = (): Kept => ({ keep: true, feed: [] })

export function answer(effect: RunEffect, outcome: 'running' | 'stopped', at: CoreEvent['at']): CoreEvent {
  const { call, group, member, action } = effect
  return { at, type: 'member.result', call, group, member, action, outcome, text: '' }
}
