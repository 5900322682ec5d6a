import { createCore } from '../../../src/core/core.js'
import type { Mutant } from './mutant.js'

export const firesOnHold: Mutant = {
  name: 'a plan stays armed when its group goes on hold',
  why: 'silence sets off what the operator forbade',
  mode: 'accept',
  caughtBy: ['held-back'],
  faults: { holds: true, partitions: true },
  cores: () => (config, prng) => {
    const core = createCore(config, prng)
    return {
      step: (event) => core.step(event).filter((effect) => effect.type !== 'plan.disarm'),
      snapshot: () => core.snapshot(),
    }
  },
}
