import type { Effect } from '../../../src/core/effects.js'
import { textOf, unchanged, withText, wrapped, type Mutant } from './mutant.js'

const isStatement = (effect: Effect): effect is Extract<Effect, { type: 'send' }> =>
  effect.type === 'send' && textOf(effect.fields, 't') === 'tb_claims'

/** What an earlier partition left is judged again: the number of the claim that it answers is not looked at. */
export const verdictWithoutEcho: Mutant = {
  name: 'a verdict does not wait for the echo',
  why: 'claims that the other node froze for an earlier partition are judged against the present ones',
  mode: 'accept',
  caughtBy: ['one-verdict', 'single-holder', 'heal'],
  faults: { partitions: true, oneWay: true, loss: true },
  cores: () => (config, prng) => {
    let own = '0'
    let frozen: string | null = null
    return wrapped((event) => {
      if (event.type !== 'message' || textOf(event.fields, 't') !== 'tb_claims') return [event]
      const words = textOf(event.fields, 'tb_heal').split(' ')
      words[1] = own
      if (words[0] !== '0') frozen ??= textOf(event.fields, 'tb_heal_claims')
      const claims = words[0] === '0' || frozen === null ? textOf(event.fields, 'tb_heal_claims') : frozen
      return [{ ...event, fields: withText(withText(event.fields, 'tb_heal', words.join(' ')), 'tb_heal_claims', claims) }]
    }, (effect) => {
      if (isStatement(effect)) own = textOf(effect.fields, 'tb_heal').split(' ')[0] ?? own
      return unchanged()
    })(config, prng)
  },
}
