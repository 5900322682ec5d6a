import type { Mutant } from './mutant.js'

export const stallIsSilence: Mutant = {
  name: 'an own stall counts as silence',
  why: 'what lies in the socket is evidence of life',
  mode: 'accept',
  caughtBy: ['detection'],
  faults: { freezes: true },
  flaws: ['stall-is-silence'],
}
