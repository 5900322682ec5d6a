// The core's own account of itself, for `status` and `explain`. Reads the machines, changes nothing.

import type { NodeId } from './base/ids.js'
import type { Machines } from './machines.js'
import type { Group } from './takeover/group.js'
import { wordOf, type Side } from './takeover/world.js'
import type { CoreSnapshot, GroupSnapshot } from './types.js'

export function snapshotOf(node: Machines): CoreSnapshot {
  const { ctx, world, join, protocol, standby, operator } = node
  const { peer } = world
  const peers = world.pings.map((ping) => ping.snapshot(null, false))
  if (peer !== null) {
    const stable = world.peerIsTwinbeat ? node.claims.settled : protocol.otherStable
    peers.unshift(peer.snapshot(peerHolds(node), stable && peer.active))
  }
  return {
    self: ctx.config.self,
    generation: ctx.generation,
    status: join.status,
    resources: protocol.snapshotWord,
    standby: standby.snapshot,
    peers,
    groups: [...world.groups.values()].map((group) => groupSnapshot(node, group)),
    fencing: node.fencing.snapshot,
    maintenanceLeftUs: node.orders.maintenanceLeftUs,
    startAlone: node.orders.startAlone,
    requests: operator.snapshot,
  }
}

/** From the peer's point of view: its local groups are foreign here. */
function peerHolds({ world, protocol, claims }: Machines): CoreSnapshot['peers'][number]['holds'] {
  if (!world.peerIsTwinbeat) return protocol.other === null ? null : wordOf(protocol.other)
  if (!claims.settled) return null
  const any = (side: Side): boolean => world.groupsOf(side).some((group) => claims.theirWord(group.id) === 'held')
  return wordOf({ local: any('foreign'), foreign: any('local') })
}

function groupSnapshot(node: Machines, group: Group): GroupSnapshot {
  const grant = node.protocol.grantFor(group)
  const asked = node.world.peerIsTwinbeat && !node.world.alone
  const takeNow = asked ? node.claims.grantFor(group) : 'authority' in grant ? grant.authority : grant
  return {
    id: group.id,
    home: group.home,
    digest: group.config.digest,
    state: group.state,
    holder: holderOf(node, group),
    members: group.memberSnapshots(),
    reason: group.reason,
    since: group.since,
    epoch: group.epoch,
    claimEpoch: node.world.claimEpoch(group),
    armed: node.plans.armed(group.id),
    authority: group.grant,
    lease: node.lease.snapshot(group.id),
    takeNow,
    obstacles: obstaclesOf(node, group),
    exchange: node.handover.snapshot(group.id),
  }
}

function holderOf({ ctx, world, protocol, claims }: Machines, group: Group): NodeId | null {
  if (group.mayHold) return ctx.config.self
  const { peer } = world
  if (peer === null || !peer.alive) return null
  if (world.peerIsTwinbeat) return claims.theirWord(group.id) === 'held' ? peer.id : null
  if (protocol.other === null) return null
  const theirs = world.side(group) === 'local' ? protocol.other.foreign : protocol.other.local
  return theirs ? peer.id : null
}

function obstaclesOf(node: Machines, group: Group): string[] {
  const { world } = node
  const codes: string[] = []
  const fitness = node.track.fitness(group.id)
  if (fitness !== 'up') codes.push(`interface-${fitness}`)
  const ordered = world.ordered(group.id)
  if (ordered !== null) codes.push(ordered)
  if (group.failed) codes.push('start-failed')
  if (group.state === 'blocked') codes.push('stop-failed')
  if (world.paused) codes.push('paused')
  if (world.contested) codes.push('contested')
  if (world.stopping) codes.push('stopping')
  if (!world.joined) codes.push('not-joined')
  return codes
}
