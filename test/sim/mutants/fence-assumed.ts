import type { Mutant } from './mutant.js'

export const fenceAssumed: Mutant = {
  name: 'success of a fencing is assumed',
  why: 'a device that said nothing, or that it failed, is believed',
  mode: 'fence',
  caughtBy: ['authority', 'one-holder'],
  faults: { devices: true, partitions: true },
  flaws: ['fence-assumed'],
}
