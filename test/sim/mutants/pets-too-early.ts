import type { Mutant } from './mutant.js'

export const petsTooEarly: Mutant = {
  name: 'a restarted holder pets the watchdog before it may keep',
  why: 'services of the last life run beyond their ownership',
  mode: 'lease',
  caughtBy: ['one-holder'],
  faults: { daemonCrashes: true, agents: true, arbiter: true },
  flaws: ['pets-too-early'],
}
