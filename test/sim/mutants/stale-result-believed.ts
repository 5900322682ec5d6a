import type { Effect } from '../../../src/core/effects.js'
import { wrapped, unchanged, type Mutant, type RunEffect } from './mutant.js'

export const staleResultBelieved: Mutant = {
  name: 'the result of an old call is believed',
  why: 'a stop counts as done because an earlier one was',
  mode: 'accept',
  caughtBy: ['truthful', 'single-holder', 'heal', 'probe-first', 'liveness'],
  cores: () => (config, prng) => {
    const pending = new Map<string, RunEffect>()
    const note = (effect: Effect): void => { if (effect.type === 'member.run') pending.set(effect.group, effect) }
    return wrapped((event) => {
      if (event.type !== 'member.result') return [event]
      const running = pending.get(event.group)
      if (running === undefined || running.call === event.call) return [event]
      return [{ ...event, call: running.call, member: running.member, action: running.action }]
    }, (effect) => {
      note(effect)
      return unchanged()
    })(config, prng)
  },
}
