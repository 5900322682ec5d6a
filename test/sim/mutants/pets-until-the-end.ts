import type { Mutant } from './mutant.js'

export const petsUntilTheEnd: Mutant = {
  name: 'the watchdog is petted until the ownership ends',
  why: 'its own time comes on top, and services run on while somebody else owns them',
  mode: 'lease',
  caughtBy: ['one-holder'],
  faults: { agents: true, arbiter: true },
  flaws: ['pets-until-the-end'],
}
