import type { Micros } from '../../../src/core/base/ids.js'
import { wrapped, unchanged, type Mutant } from './mutant.js'

export const leaseOfAnother: Mutant = {
  name: 'the lease of another group is accepted',
  why: 'one group is owned here, the other elsewhere',
  mode: 'lease',
  caughtBy: ['authority', 'one-holder', 'deadline'],
  cores: () => {
    let own: { readonly token: number; readonly deadlineAt: Micros } | null = null
    return wrapped((event) => {
      if (event.type !== 'arbiter.result') return [event]
      if (event.outcome === 'held' && event.token !== null && event.deadlineAt !== null) {
        own = { token: event.token, deadlineAt: event.deadlineAt }
      }
      return event.outcome === 'other' && own !== null ? [{ ...event, outcome: 'held', ...own }] : [event]
    }, unchanged)
  },
}
