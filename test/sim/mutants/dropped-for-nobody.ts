import type { Mutant } from './mutant.js'

export const droppedForNobody: Mutant = {
  name: 'a frozen node lets go although nobody can take',
  why: 'a pause of a second becomes an outage',
  mode: 'accept',
  caughtBy: ['dropped-for-nobody'],
  faults: { freezes: true, crashes: true },
  flaws: ['progress-without-peer'],
}
