import type { Mutant } from './mutant.js'

export const stopBudgetIgnored: Mutant = {
  name: 'the stop budget is ignored',
  why: 'what still stops when the deadline comes runs on beyond it',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder'],
  flaws: ['no-stop-budget'],
}
