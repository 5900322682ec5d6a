import { createCore } from '../../../src/core/core.js'
import type { CoreEvent } from '../../../src/core/events.js'
import { isAsk } from './promise.js'
import { textOf, withText, type Mutant } from './mutant.js'

type Message = Extract<CoreEvent, { type: 'message' }>

export const promiseDuringAcquire: Mutant = {
  name: 'a promise is given while an acquire is under way',
  why: 'whoever gives it does not know what was sent to the arbiter, which may grant it afterwards',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder', 'tokens', 'authority'],
  faults: { arbiter: true },
  cores: () => (config, prng) => {
    const core = createCore(config, prng)
    const underWay = (event: Message): string => {
      const asking = new Set(core.snapshot().groups
        .filter(({ lease }) => lease?.state === 'asking' || lease?.state === 'unsure').map(({ id }) => id as string))
      return textOf(event.fields, 'tb_list').split(' ').filter((part) => asking.has(part.slice(part.indexOf(':') + 1))).join(' ')
    }
    return {
      step: (event) => {
        const list = event.type === 'message' && isAsk(event.fields) ? underWay(event) : ''
        const effects = core.step(event)
        if (event.type !== 'message' || list === '') return effects
        const words: Readonly<Record<string, string>> = {
          tb_op: 'grant', dest: event.from, tb_gen: textOf(event.fields, 'tb_peer'), tb_peer: textOf(event.fields, 'tb_gen'),
          tb_list: list,
        }
        const fields = Object.entries(words).reduce((all, [name, value]) => withText(all, name, value), [...event.fields])
        return [...effects, { type: 'send', fields }]
      },
      snapshot: () => core.snapshot(),
    }
  },
}
