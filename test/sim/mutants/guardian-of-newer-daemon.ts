import type { Mutant } from './mutant.js'

export const guardianOfNewerDaemon: Mutant = {
  name: 'a guardian acts on the addresses of a newer daemon',
  why: 'the new daemon did not wait for the lock of the run folder',
  mode: 'accept',
  caughtBy: ['guardian', 'last-words', 'truthful'],
  faults: { daemonCrashes: true, freezes: true },
  flaws: ['guardian-late'],
}
