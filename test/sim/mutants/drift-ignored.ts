import type { Mutant } from './mutant.js'

export const driftIgnored: Mutant = {
  name: 'clocks are believed to agree',
  why: 'a slow clock sees its deadline after the arbiter does',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder'],
  flaws: ['drift-ignored'],
}
