import type { Field } from '../../../src/core/types.js'
import { granted, isAsk } from './promise.js'
import { wrapped, unchanged, textOf, type Mutant } from './mutant.js'

export const promiseOfEarlierLife: Mutant = {
  name: 'a promise made to an earlier life is accepted',
  why: 'the standby counts from when it gave it',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder'],
  faults: { arbiter: true, daemonCrashes: true },
  cores: () => {
    const promised = new Set<string>()
    return (config, prng) => {
      const before = new Set(promised)
      const key = (fields: readonly Field[]): string => `${config.self} ${textOf(fields, 'tb_list')}`
      return wrapped((event) => {
        if (event.type === 'message' && textOf(event.fields, 'tb_op') === 'grant') promised.add(key(event.fields))
        return [event]
      }, (effect, event) => {
        if (effect.type !== 'send' || !isAsk(effect.fields)) return unchanged()
        if (!before.has(key(effect.fields))) return unchanged()
        return { keep: false, feed: [granted(effect.fields, event.at)] }
      })(config, prng)
    }
  },
}
