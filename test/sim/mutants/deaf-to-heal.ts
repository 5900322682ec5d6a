import { wrapped, unchanged, textOf, withText, type Mutant } from './mutant.js'

export const deafToHeal: Mutant = {
  name: 'a healed partition is not judged',
  why: 'claims heard after a partition are thrown away',
  mode: 'accept',
  caughtBy: ['heal'],
  cores: () => wrapped((event) =>
    event.type === 'message' && textOf(event.fields, 't') === 'tb_claims' &&
      /(^| )h/.test(textOf(event.fields, 'tb_groups')) && event.at > 20_000_000
      ? [{ ...event, fields: withText(event.fields, 'tb_groups', textOf(event.fields, 'tb_groups').replaceAll(/(^| )h/g, '$1u')) }]
      : [event], unchanged),
}
