import type { Mutant } from './mutant.js'

export const deadlineFromAnswer: Mutant = {
  name: 'the deadline counts from the answer',
  why: 'the arbiter counts from when it had the request',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder'],
  faults: { arbiter: true },
  flaws: ['deadline-from-answer'],
}
