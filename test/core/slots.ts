// The engine's plan slots as a test sees them: arms, disarms and fires like the real one, and adds the leading
// addresses of a group when a plan goes off.

import type { GroupId } from '../../src/core/base/ids.js'
import { micros } from '../../src/core/base/ids.js'
import type { Effect, PlanArmEffect, PlanFireEffect } from '../../src/core/effects.js'
import type { CoreConfig } from '../../src/core/types.js'
import type { StageEvent } from './stage.js'

export interface SlotHost {
  readonly now: number
  readonly config: CoreConfig
  readonly running: Set<string>
  readonly failing: ReadonlySet<string>
  answer(afterUs: number, event: StageEvent): void
}

const fireUs = 1000

export class Slots {
  /** Armed plans, by group. */
  readonly armed = new Map<GroupId, PlanArmEffect>()
  readonly fired: PlanFireEffect[] = []
  /** Guards that withhold the plan of a group, until they are taken away. */
  readonly guards = new Map<string, string>()
  /** Answers to `plan.arm` other than armed. */
  readonly refusals = new Map<string, 'busy' | 'invalid' | 'unguarded'>()
  /** Orders to fire are carried out, and nobody is told. */
  mute = false
  readonly #firing = new Map<GroupId, number>()

  apply(effect: Effect, host: SlotHost): void {
    switch (effect.type) {
      case 'plan.arm': {
        // A plan is armed only when the last one's record has been read.
        this.#firing.delete(effect.group)
        const answer = this.armed.has(effect.group) ? 'busy' : 'armed'
        const said = this.refusals.get(effect.group) ?? answer
        if (said === 'armed') this.armed.set(effect.group, effect)
        return host.answer(0, { type: 'plan.armed', group: effect.group, epoch: effect.epoch, answer: said })
      }
      case 'plan.disarm': {
        const known = this.armed.get(effect.group)?.epoch === effect.epoch
        const answer = this.#firing.get(effect.group) === effect.epoch ? 'firing' : known ? 'disarmed' : 'unknown'
        if (known) this.armed.delete(effect.group)
        return host.answer(0, { type: 'plan.disarmed', group: effect.group, epoch: effect.epoch, answer })
      }
      case 'plan.fire': return this.#fire(effect, host)
      default: return
    }
  }

  #fire(effect: PlanFireEffect, host: SlotHost): void {
    const { group, epoch } = effect
    this.fired.push(effect)
    if (this.armed.get(group)?.epoch !== epoch) return
    const guard = this.guards.get(group)
    if (guard !== undefined) return host.answer(fireUs, { type: 'plan.withheld', group, epoch, guard })
    this.armed.delete(group)
    const members = host.config.groups.find((one) => one.id === group)?.members ?? []
    const end = members.findIndex((member) => member.kind !== 'address')
    const leading = members.slice(0, end < 0 ? members.length : end)
    const done = leading.map(({ id }) => {
      const ok = !host.failing.has(`plan:${id}`)
      if (ok) host.running.add(id)
      return { member: id, ok, text: ok ? '' : 'errno 19' }
    })
    if (this.mute) return
    const detectedAt = micros(host.now)
    host.answer(fireUs, {
      type: 'plan.fired', group, epoch, members: done, detectedAt, firstAddressAt: micros(host.now + 40),
      firstAnnounceAt: micros(host.now + 60),
    })
    this.#firing.set(group, epoch)
  }
}
