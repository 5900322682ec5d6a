import type { Effect } from '../../../src/core/effects.js'
import { textOf, withText, wrapped, type Mutant } from './mutant.js'

const isStatement = (effect: Effect): effect is Extract<Effect, { type: 'send' }> =>
  effect.type === 'send' && textOf(effect.fields, 't') === 'tb_claims'

export const unequalClaims: Mutant = {
  name: 'a verdict over claims that do not answer each other',
  why: 'each side judges another pair, and both stay or both yield',
  mode: 'accept',
  caughtBy: ['single-holder', 'heal', 'liveness', 'truthful'],
  faults: { partitions: true, oneWay: true, loss: true },
  cores: () => (config, prng) => {
    let own = '0'
    return wrapped((event) => {
      if (event.type !== 'message' || textOf(event.fields, 't') !== 'tb_claims') return [event]
      const words = textOf(event.fields, 'tb_heal').split(' ')
      words[1] = own
      // What the other node judges by is another claim than the one that is judged here.
      const claims = textOf(event.fields, 'tb_heal_claims').replaceAll(/(^| )[0-9]+:[01]:/g, '$10:0:')
      return [{ ...event, fields: withText(withText(event.fields, 'tb_heal', words.join(' ')), 'tb_heal_claims', claims) }]
    }, (effect) => {
      if (isStatement(effect)) own = textOf(effect.fields, 'tb_heal').split(' ')[0] ?? own
      return { keep: true, feed: [] }
    })(config, prng)
  },
}
