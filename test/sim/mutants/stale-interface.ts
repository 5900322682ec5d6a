import type { Mutant } from './mutant.js'

export const staleInterface: Mutant = {
  name: 'a plan outlives the interface that it names',
  why: 'its steps name an interface that is not there any more',
  mode: 'accept',
  caughtBy: ['stale-plan'],
  faults: { interfaces: true },
  flaws: ['stale-interface'],
}
