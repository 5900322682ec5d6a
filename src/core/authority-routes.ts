// Which machine is told of what happens to authority: plans, leases, fences, last words, the guardian.

import type {
  ArbiterResultEvent, ControllerLapsedEvent, FenceOrderEvent, FenceResultEvent, GaspEvent, GroupReleasedEvent, GuardianEvent,
  PlanArmedEvent, PlanDisarmedEvent, PlanFiredEvent, PlanWithheldEvent,
} from './events.js'
import type { Machines } from './machines.js'

export type AuthorityEvent =
  | PlanArmedEvent | PlanDisarmedEvent | PlanFiredEvent | PlanWithheldEvent | ControllerLapsedEvent
  | GroupReleasedEvent | GaspEvent | GuardianEvent | FenceResultEvent | FenceOrderEvent | ArbiterResultEvent

export function routeAuthority(node: Machines, event: AuthorityEvent): void {
  if (event.type === 'fence.result') return node.fencing.result(event)
  if (event.type === 'arbiter.result') return node.lease.result(event)
  if (event.type === 'fence.order') return node.fencing.order(event)
  node.ctx.note('debug', 'authority.unused', `${event.type}: no machine decides on it`, { type: event.type })
}
