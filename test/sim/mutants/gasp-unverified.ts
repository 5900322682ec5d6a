import type { Mutant } from './mutant.js'

export const gaspUnverified: Mutant = {
  name: 'last words without verification',
  why: 'they are said after the first removal',
  mode: 'accept',
  caughtBy: ['last-words'],
  faults: { daemonCrashes: true },
  flaws: ['gasp-unverified'],
}
