import type { Mutant } from './mutant.js'

export const givenAwayBeforeGasp: Mutant = {
  name: 'last words about a group that was given away',
  why: 'the page is not told when a group is let go',
  mode: 'accept',
  caughtBy: ['last-words'],
  faults: { daemonCrashes: true },
  flaws: ['gasp-not-held'],
}
