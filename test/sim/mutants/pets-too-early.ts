import type { Mutant } from './mutant.js'

export const petsTooEarly: Mutant = {
  name: 'a restarted holder pets the watchdog before it may keep',
  why: 'services of the last life run beyond their ownership',
  mode: 'lease',
  caughtBy: ['one-holder'],
  // Few others, so that these meet: a quick restart, an arbiter that does not answer, a peer that hears nothing, slow stops.
  faults: {
    daemonCrashes: true, agents: true, arbiter: true, isolation: true, partitions: false, oneWay: false, crashes: false, freezes: false,
    blocks: false, stops: false, reloads: false, holds: false, operator: false,
    hiddenPauses: false, guardians: false, interfaces: false, watchdogs: false,
  },
  flaws: ['pets-too-early'],
}
