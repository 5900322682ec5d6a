import { createCore } from '../../../src/core/core.js'
import type { Mutant } from './mutant.js'

export const startsWithoutAuthority: Mutant = {
  name: 'starts carry no authority',
  why: 'the runner cannot refuse what nobody allowed',
  mode: 'accept',
  caughtBy: ['authority'],
  cores: () => (config, prng) => {
    const core = createCore(config, prng)
    return {
      step: (event) => core.step(event).map((effect) =>
        effect.type === 'member.run' ? { ...effect, authority: null } : effect),
      snapshot: () => core.snapshot(),
    }
  },
}
