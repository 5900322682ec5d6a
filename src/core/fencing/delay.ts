// Who shoots first when both nodes only lost each other: delays make one of them the survivor.

import type { NodeId } from '../base/ids.js'
import type { Prng } from '../base/prng.js'
import type { FencingConfig } from './model.js'

export interface Sides {
  readonly target: NodeId
  /** Sum of the weights of the groups that may run here, and of all the others. */
  readonly ours: number
  readonly theirs: number
}

/** Different weights decide alone, if asked for; else the delay for this target and chance. */
export function fencingDelayUs(config: FencingConfig, sides: Sides, prng: Prng): number {
  if (config.priorityDelayUs > 0 && sides.ours !== sides.theirs) {
    return sides.ours < sides.theirs ? config.priorityDelayUs : 0
  }
  const base = config.delays.find((delay) => delay.target === sides.target)?.delayUs ?? 0
  // In milliseconds: the generator knows 32 bits, and a finer grain would tell two nodes apart no better.
  const random = prng.below(Math.floor(config.randomDelayUs / 1000) + 1) * 1000
  return base + random
}
