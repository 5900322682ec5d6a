import { granted, isAsk } from './promise.js'
import { wrapped, same, unchanged, type Mutant } from './mutant.js'

export const promiseOfNobody: Mutant = {
  name: 'no standby has promised',
  why: 'the standby is free to acquire when the key ends',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder'],
  faults: { arbiter: true },
  cores: () => wrapped(same, (effect, event) => {
    if (effect.type !== 'send' || !isAsk(effect.fields)) return unchanged()
    return { keep: false, feed: [granted(effect.fields, event.at)] }
  }),
}
