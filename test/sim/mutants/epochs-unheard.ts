import { textOf, unchanged, withText, wrapped, type Mutant } from './mutant.js'

export const epochsUnheard: Mutant = {
  name: 'the claim epochs of the other node are not heard',
  why: 'the next claim may be the one that the other node made, and last words permit the wrong one',
  mode: 'fence',
  caughtBy: ['epochs'],
  cores: () => wrapped((event) => {
    if (event.type !== 'message' || textOf(event.fields, 'tb_epochs') === '') return [event]
    return [{ ...event, fields: withText(event.fields, 'tb_epochs', '') }]
  }, unchanged),
}
