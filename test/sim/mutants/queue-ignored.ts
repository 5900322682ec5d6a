import type { Mutant } from './mutant.js'

export const queueIgnored: Mutant = {
  name: 'a packet that waits in the socket at the deadline is ignored',
  why: 'a heartbeat that came in time, and was only not read yet, is no silence',
  mode: 'accept',
  caughtBy: ['detection'],
  faults: { hiccups: true },
  flaws: ['queue-ignored'],
}
