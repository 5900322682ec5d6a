// The only public door of the decision core: one event in, the effects out. Deterministic; no clock,
// no socket, no file, no chance of its own.

import type { Prng } from './base/prng.js'
import type { Effect } from './effects.js'
import type { CoreEvent } from './events.js'
import type { CoreConfig, CoreSnapshot } from './types.js'

export interface Core {
  /** Throws only on a broken invariant; the caller must then release everything and stop. */
  step(event: CoreEvent): readonly Effect[]
  snapshot(): CoreSnapshot
}

export type CreateCore = (config: CoreConfig, prng: Prng) => Core
