import { wrapped, unchanged, textOf, withText, type Mutant } from './mutant.js'

export const unequalClaims: Mutant = {
  name: 'claims that do not answer each other decide',
  why: 'each side judges by what the other said before',
  mode: 'accept',
  caughtBy: ['single-holder', 'heal', 'liveness', 'truthful'],
  faults: { partitions: true, loss: true },
  cores: () => wrapped((event) => {
    if (event.type !== 'message' || textOf(event.fields, 't') !== 'tb_claims') return [event]
    return [{ ...event, fields: withText(event.fields, 'tb_ack', '99999999') }]
  }, unchanged),
}
