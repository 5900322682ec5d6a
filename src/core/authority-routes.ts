// Which machine is told of what happens to authority: plans, leases, fences, last words, the guardian.

import { assertNever } from './base/invariant.js'
import type {
  ArbiterResultEvent, ControllerLapsedEvent, FenceOrderEvent, FenceResultEvent, GaspEvent, GroupReleasedEvent, GuardianEvent,
  OwnershipRefusedEvent, PlanArmedEvent, PlanDisarmedEvent, PlanFiredEvent, PlanGoneEvent, PlanWithheldEvent,
  WatchdogChangedEvent,
} from './events.js'
import type { Machines } from './machines.js'

export type AuthorityEvent =
  | PlanArmedEvent | PlanDisarmedEvent | PlanFiredEvent | PlanGoneEvent | PlanWithheldEvent | ControllerLapsedEvent
  | GroupReleasedEvent | GaspEvent | GuardianEvent | FenceResultEvent | FenceOrderEvent | ArbiterResultEvent
  | OwnershipRefusedEvent | WatchdogChangedEvent

export function routeAuthority(node: Machines, event: AuthorityEvent): void {
  switch (event.type) {
    case 'plan.armed': return node.plans.armAnswered(event)
    case 'plan.disarmed': return node.plans.disarmAnswered(event)
    case 'plan.gone': return node.plans.gone(event)
    case 'plan.fired':
      node.holdings.again(event.group)
      return node.plans.fired(event)
    case 'plan.withheld': return node.plans.withheld(event)
    case 'gasp': return node.lastWords.heard(event)
    case 'guardian.ready': return node.guard.ready()
    case 'guardian.lost': return node.guard.lost()
    case 'controller.lapsed': return node.guard.lapsed(event)
    case 'group.released': return node.guard.released(event)
    case 'fence.result': return node.fencing.result(event)
    case 'fence.order': return node.fencing.order(event)
    case 'arbiter.result': return node.lease.result(event)
    case 'ownership.refused': return node.lease.refused(event.group, event.token)
    case 'watchdog.changed': return node.watchdogs.changed(event)
    default: return assertNever(event, 'event')
  }
}
