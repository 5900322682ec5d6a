import { createCore } from '../../../src/core/core.js'
import type { Mutant } from './mutant.js'

export const armsOnHold: Mutant = {
  name: 'plans are armed while the group is on hold',
  why: 'what the operator forbade happens',
  mode: 'accept',
  caughtBy: ['held-back'],
  faults: { holds: true },
  cores: () => (config, prng) => {
    const core = createCore(config, prng)
    return {
      step: (event) => (event.type === 'operator' && (event.verb === 'hold' || event.verb === 'maintenance')
        ? [{ type: 'reply', id: event.id, done: true, ok: true, code: 'ok', text: '' }] : core.step(event)),
      snapshot: () => core.snapshot(),
    }
  },
}
