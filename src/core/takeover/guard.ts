// What guards this node against its own death: the guardian, and the engine that lets go when JavaScript does not run.
// Without a guardian nothing is armed or taken, and what is held goes to a peer that is ready for it. After a lapse
// the engine has let go of everything and fallen silent for good: this life is over.

import type { Context } from '../context.js'
import type { ControllerLapsedEvent, GroupReleasedEvent } from '../events.js'
import type { Group } from './group.js'
import type { Handover } from './handover.js'
import type { PlanBook } from './plan-book.js'
import type { Standby } from './standby.js'
import type { World } from './world.js'

/** A guardian that was killed is back within this time, unless something is very wrong. */
const backUs = 1_000_000
const againUs = 10_000_000
export const guardTimer = 'guardian'

export class Guard {
  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly parts: {
      readonly plans: PlanBook; readonly handover: Handover; readonly standby: Standby
      peerReady(group: Group): boolean
    },
  ) {}

  lost(): void {
    if (this.world.unguarded) return
    this.world.unguarded = true
    this.ctx.note('error', 'guardian.absent', 'the guardian is gone: nothing is taken here until there is one again', {})
    this.ctx.timer(guardTimer, backUs)
  }

  ready(): void {
    this.parts.plans.guarded()
    if (!this.world.unguarded) return
    this.world.unguarded = false
    this.ctx.cancel(guardTimer)
    this.ctx.note('info', 'guardian.back', 'a guardian watches over this daemon again', {})
  }

  /** Still none: what is held is safer with a peer that could take it. */
  due(): void {
    const { world } = this
    if (!world.unguarded || world.stopping || world.paused) return
    this.ctx.timer(guardTimer, againUs)
    const held = [...world.groups.values()].filter((group) => group.state === 'held' && this.parts.peerReady(group))
    if (held.length === 0) return
    if (!world.peerIsTwinbeat) this.parts.standby.request('all', null)
    else for (const group of held) this.parts.handover.offer(group, 'guardian-lost')
  }

  lapsed(event: ControllerLapsedEvent): void {
    const ms = Math.round(event.lateUs / 1000)
    if (event.stage === 'withhold') {
      return this.ctx.note('warn', 'controller.late', `this daemon did not run for ${ms} ms; nothing was taken meanwhile`, {
        lateUs: event.lateUs,
      })
    }
    this.world.halted = true
    this.ctx.note('error', 'controller.lapsed',
      `this daemon did not run for ${ms} ms: the engine let go of everything and is silent; a new daemon must begin`, {
        lateUs: event.lateUs, stage: event.stage,
      })
  }

  /** The engine removed the addresses by itself; the rest of the group follows. */
  released(event: GroupReleasedEvent): void {
    const group = this.world.groups.get(event.group)
    if (group?.mayHold !== true || group.claimEpoch !== event.claimEpoch || group.lettingGo) return
    this.ctx.note('error', 'group.released', `${group.id}: the engine removed its addresses${event.ok ? '' : ', not all of them'}`, {
      group: group.id, ok: event.ok,
    })
    group.doubt()
    group.give('released-by-engine')
  }
}
