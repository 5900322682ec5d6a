// All checkers of one run, told of everything in one place.

import type { Effect } from '../../../src/core/effects.js'
import { AuthorityCheckers } from './authority.js'
import { DetectionCheckers } from './detection.js'
import { EpochCheckers } from './epochs.js'
import { PairCheckers } from './pair.js'
import type { SimNode } from '../node.js'
import type { Scene } from './scene.js'

export class Checkers {
  readonly pair: PairCheckers
  readonly authority: AuthorityCheckers
  readonly detection: DetectionCheckers
  readonly epochs: EpochCheckers

  constructor(scene: Scene, realPeer: boolean) {
    this.pair = new PairCheckers(scene, realPeer)
    this.authority = new AuthorityCheckers(scene)
    this.detection = new DetectionCheckers(scene)
    this.epochs = new EpochCheckers(scene)
  }

  holders(): void {
    this.pair.holders()
    this.authority.holders()
  }

  effect(node: SimNode, effect: Effect): void {
    this.pair.effect(node, effect)
    this.authority.effect(node, effect)
    this.epochs.effect(node, effect)
  }

  end(): void {
    this.pair.end()
    this.authority.end()
  }
}
