import { wrapped, unchanged, textOf, withText, type Mutant } from './mutant.js'

export const handoverWithoutLock: Mutant = {
  name: 'hand-over without its lock',
  why: 'the taker acts on the offer instead of on the release',
  mode: 'accept',
  caughtBy: ['single-holder', 'heal'],
  cores: () => wrapped((event) => {
    if (event.type !== 'message' || textOf(event.fields, 'tb_op') !== 'offer') return [event]
    return [event, { ...event, fields: withText(event.fields, 'tb_op', 'released') }]
  }, unchanged),
}
