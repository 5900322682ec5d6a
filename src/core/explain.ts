// The core's own account of itself, for `status` and `explain`. Reads the machines, changes nothing.

import type { NodeId } from './base/ids.js'
import type { Context } from './context.js'
import type { Join } from './membership/join.js'
import type { Group } from './takeover/group.js'
import type { Operator } from './takeover/operator.js'
import type { ResourceProtocol } from './takeover/resource-protocol.js'
import type { Standby } from './takeover/standby.js'
import { wordOf, type World } from './takeover/world.js'
import type { CoreSnapshot, GroupSnapshot } from './types.js'

export function snapshotOf(
  ctx: Context, world: World, join: Join, protocol: ResourceProtocol, standby: Standby, operator: Operator,
): CoreSnapshot {
  const { peer } = world
  const holds = peer === null || protocol.other === null ? null : wordOf(protocol.other)
  const peers = world.pings.map((ping) => ping.snapshot(null, false))
  if (peer !== null) peers.unshift(peer.snapshot(holds, protocol.otherStable && peer.active))
  return {
    self: ctx.config.self,
    generation: ctx.generation,
    status: join.status,
    resources: protocol.snapshotWord,
    standby: standby.snapshot,
    peers,
    groups: [...world.groups.values()].map((group) => groupSnapshot(ctx, world, protocol, group)),
    requests: operator.snapshot,
  }
}

function groupSnapshot(ctx: Context, world: World, protocol: ResourceProtocol, group: Group): GroupSnapshot {
  const grant = protocol.grantFor(world.side(group))
  return {
    id: group.id,
    home: group.home,
    state: group.state,
    holder: holderOf(ctx, world, protocol, group),
    members: group.memberSnapshots(),
    reason: group.reason,
    since: group.since,
    epoch: group.epoch,
    authority: group.grant,
    takeNow: 'authority' in grant ? grant.authority : grant,
    obstacles: obstaclesOf(world, group),
    exchange: null,
  }
}

function holderOf(ctx: Context, world: World, protocol: ResourceProtocol, group: Group): NodeId | null {
  if (group.mayHold) return ctx.config.self
  const { peer } = world
  if (peer === null || !peer.alive || protocol.other === null) return null
  const theirs = world.side(group) === 'local' ? protocol.other.foreign : protocol.other.local
  return theirs ? peer.id : null
}

function obstaclesOf(world: World, group: Group): string[] {
  const codes: string[] = []
  if (group.failed) codes.push('start-failed')
  if (group.state === 'blocked') codes.push('stop-failed')
  if (world.paused) codes.push('paused')
  if (world.contested) codes.push('contested')
  if (world.stopping) codes.push('stopping')
  if (!world.joined) codes.push('not-joined')
  return codes
}
