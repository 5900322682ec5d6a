import type { Mutant } from './mutant.js'

export const engineReleaseUnverified: Mutant = {
  name: 'the engine announces its release before it is done',
  why: 'somebody takes while the address is still there',
  mode: 'accept',
  caughtBy: ['last-words', 'truthful'],
  faults: { blocks: true },
  flaws: ['release-unverified'],
}
