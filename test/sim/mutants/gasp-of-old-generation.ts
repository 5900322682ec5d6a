import type { Mutant } from './mutant.js'

export const gaspOfOldGeneration: Mutant = {
  name: 'last words of an earlier life are believed',
  why: 'the next life may hold the group already',
  mode: 'accept',
  caughtBy: ['authority', 'single-holder', 'heal'],
  faults: { duplicates: true, daemonCrashes: true, lyingDevices: false },
  flaws: ['gasp-of-old-generation'],
}
