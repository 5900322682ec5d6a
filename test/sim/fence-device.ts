// Power switches: they confirm, fail, hang, or do half of what they were told. A device that lies exists only
// in a class of seeds of its own, in which nothing can be promised.

import type { Prng } from '../../src/core/base/prng.js'
import type { NodeId } from '../../src/core/base/ids.js'
import type { FenceRunEffect } from '../../src/core/effects.js'
import type { FenceResultEvent } from '../../src/core/events.js'
import type { Clock, Timeline } from './clock.js'
import type { Flaw } from './page.js'

export type FenceAnswer = Omit<FenceResultEvent, 'at'>

export interface DeviceMood {
  failsPercent: number
  hangsPercent: number
  /** Says that it failed, or nothing at all, and did it. */
  silentlyDonePercent: number
  /** Says that it is done, and did nothing. */
  liesPercent: number
}

export const goodDevice: DeviceMood = { failsPercent: 0, hangsPercent: 0, silentlyDonePercent: 0, liesPercent: 0 }

export interface Power {
  /** Supplies of one machine that are on; it is off when none is. */
  off(target: NodeId, supply: string): void
  on(target: NodeId, supply: string): void
}

export class FenceDevices {
  mood: DeviceMood = goodDevice

  constructor(
    private readonly world: Clock,
    private readonly prng: Prng,
    private readonly power: Power,
    private readonly flaws: ReadonlySet<Flaw>,
  ) {}

  /** `done` is called exactly once, on the clock of the asking machine. */
  run(order: FenceRunEffect, clock: Timeline, done: (answer: FenceAnswer) => void): void {
    let open = true
    const answer = (outcome: FenceAnswer['outcome'], text: string): void => {
      if (!open) return
      open = false
      const { call, device, target, action } = order
      const assumed = this.flaws.has('fence-assumed') ? 'confirmed' : outcome
      done({ type: 'fence.result', call, device, target, action, outcome: assumed, text })
    }
    clock.after(order.timeoutUs, () => { answer('timeout', 'the device did not answer') })
    const { failsPercent, hangsPercent, silentlyDonePercent, liesPercent } = this.mood
    const us = 50_000 + this.prng.below(800_000)
    const chance = (percent: number): boolean => this.prng.below(100) < percent
    const [fails, hangs, does, lies] = [chance(failsPercent), chance(hangsPercent), chance(silentlyDonePercent), chance(liesPercent)]
    // The switch carries on when the node that asked is gone.
    this.world.after(us, () => {
      if ((!fails && !hangs && !lies) || does) this.#act(order)
      if (hangs) return
      clock.after(0, () => { answer(fails ? 'failed' : 'confirmed', fails ? 'the device refused' : '') })
    })
  }

  #act({ action, target, device }: FenceRunEffect): void {
    if (action === 'off' || action === 'reboot') this.power.off(target, device)
    if (action === 'on') this.power.on(target, device)
    if (action === 'reboot') this.world.after(1_000_000, () => { this.power.on(target, device) })
  }
}
