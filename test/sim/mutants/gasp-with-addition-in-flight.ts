import type { Mutant } from './mutant.js'

export const gaspWithAddition: Mutant = {
  name: 'last words with an addition under way',
  why: 'what the kernel had begun when the daemon was killed lands afterwards',
  mode: 'accept',
  caughtBy: ['last-words'],
  faults: { daemonCrashes: true },
  flaws: ['gasp-in-flight'],
}
