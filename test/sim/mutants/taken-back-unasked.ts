import { nodeId } from '../../../src/core/base/ids.js'
import type { Field } from '../../../src/core/types.js'
import { wrapped, same, unchanged, textOf, type Mutant } from './mutant.js'

export const takenBackUnasked: Mutant = {
  name: 'the giver takes back after its release without being refused',
  why: 'the taker may be taking at the same moment',
  mode: 'accept',
  caughtBy: ['single-holder', 'heal'],
  cores: () => wrapped(same, (effect, event) => {
    if (effect.type !== 'send' || textOf(effect.fields, 'tb_op') !== 'released') return unchanged()
    const field = (name: string, value: string): Field => ({ name, type: 0, value })
    const fields = effect.fields.map((one) => {
      if (one.name === 'tb_op') return field('tb_op', 'refused')
      if (one.name === 'tb_gen') return field('tb_gen', textOf(effect.fields, 'tb_peer'))
      if (one.name === 'tb_peer') return field('tb_peer', textOf(effect.fields, 'tb_gen'))
      return one
    })
    return { keep: true, feed: [{ at: event.at, type: 'message', from: nodeId(textOf(effect.fields, 'dest')), fields, link: '' }] }
  }),
}
