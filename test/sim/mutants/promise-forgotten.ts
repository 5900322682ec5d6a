import { createCore } from '../../../src/core/core.js'
import type { Mutant } from './mutant.js'

export const promiseForgotten: Mutant = {
  name: 'a promise is forgotten across a restart',
  why: 'the new life acquires what the old one promised not to',
  mode: 'lease',
  caughtBy: ['deadline', 'one-holder'],
  faults: { arbiter: true, daemonCrashes: true },
  cores: () => (config, prng) => {
    if (config.lease === null) return createCore(config, prng)
    // The wait of a new life, and what is on disk of the old one's promises, are both gone.
    const core = createCore({ ...config, lease: { ...config.lease, ttlUs: 1 } }, prng)
    return {
      step: (event) => {
        if (event.type !== 'boot') return core.step(event)
        const { 'promise-span': _, ...persisted } = event.persisted
        return [...core.step({ ...event, persisted }), ...core.step({ at: event.at, type: 'config.changed', config })]
      },
      snapshot: () => core.snapshot(),
    }
  },
}
