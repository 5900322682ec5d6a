import type { Mutant } from './mutant.js'

export const refreshAfterRelease: Mutant = {
  name: 'a queued refresh acts after a release',
  why: 'refreshing is adding',
  mode: 'accept',
  caughtBy: ['truthful', 'single-holder', 'heal', 'last-words', 'liveness'],
  flaws: ['refresh-after-release'],
}
