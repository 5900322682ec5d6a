import { wrapped, unchanged, textOf, withText, type Mutant } from './mutant.js'

export const takeWhilePeerHolds: Mutant = {
  name: 'take while the peer holds',
  why: "the peer's word 'held' is read as 'free'",
  mode: 'accept',
  caughtBy: ['single-holder', 'heal'],
  cores: () => wrapped((event) => {
    if (event.type !== 'message' || textOf(event.fields, 't') !== 'tb_claims') return [event]
    const groups = textOf(event.fields, 'tb_groups').replaceAll(/(^| )[hfp]/g, '$1n')
    return [{ ...event, fields: withText(event.fields, 'tb_groups', groups) }]
  }, unchanged),
}
