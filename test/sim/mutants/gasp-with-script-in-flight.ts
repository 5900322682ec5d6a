import type { Mutant } from './mutant.js'

export const gaspWithScript: Mutant = {
  name: 'last words with a script under way',
  why: 'a script may add what was just removed, and services are not addresses',
  mode: 'accept',
  caughtBy: ['last-words'],
  faults: { daemonCrashes: true },
  flaws: ['gasp-while-busy'],
}
