import type { Mutant } from './mutant.js'

export const duplicateIsLife: Mutant = {
  name: 'a late copy counts as life',
  why: 'a death is noticed as late as somebody wants',
  mode: 'accept',
  caughtBy: ['detection'],
  faults: { duplicates: true },
  flaws: ['duplicate-is-life'],
}
