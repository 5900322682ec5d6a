// Engine records in the words of the core. A record that decides nothing gives no event.
import { groupId, nodeId } from '../core/base/ids.js'
import type { EngineRecord, EngineSnapshot } from '../engine/engine.js'
import type { Occurrence } from './shell.js'

export type Translation = readonly Occurrence[]
type Owner = (address: string) => { readonly group: string; readonly member: string } | null

export function translateRecord(record: EngineRecord, ownerOf: Owner): Translation {
  switch (record.type) {
    case 'peer.status':
      return [
        {
          type: 'peer.status',
          node: nodeId(record.node),
          status: record.status,
          generation: record.generation,
          deadtimeUs: record.deadtimeUs,
          twinbeat: record.twinbeat,
        },
      ]
    case 'peer.up':
      return [{ type: 'peer.up', node: nodeId(record.node), generation: record.generation }]
    case 'peer.late':
      return [{ type: 'peer.late', node: nodeId(record.node), silentUs: record.silentUs }]
    case 'peer.dead':
      return [
        {
          type: 'peer.dead',
          node: nodeId(record.node),
          generation: record.generation,
          silentUs: record.silentUs,
          links: record.links,
        },
      ]
    case 'peer.returned':
      return [{ type: 'peer.returned', node: nodeId(record.node), generation: record.generation }]
    case 'peer.restarted':
      return [{ type: 'peer.restarted', node: nodeId(record.node), generation: record.generation }]
    case 'link.up':
    case 'link.down':
      return [{ type: record.type, node: nodeId(record.node), link: record.link }]
    case 'message':
      return [{ type: 'message', from: nodeId(record.from), fields: record.fields, link: record.link }]
    case 'address.lost': {
      const owner = ownerOf(record.address)
      return owner === null
        ? []
        : [{ type: 'address.lost', group: groupId(owner.group), member: owner.member }]
    }
    case 'address.conflict': {
      const owner = ownerOf(record.address)
      return owner === null
        ? []
        : [{ type: 'address.conflict', group: groupId(owner.group), member: owner.member, mac: record.mac }]
    }
    case 'interface':
      return [{ type: 'interface', name: record.name, up: record.up, carrier: record.carrier }]
    case 'stall':
      return [{ type: 'stall', us: record.us, muted: record.muted }]
    case 'send.history-full':
      return [{ type: 'send.history-full' }]
    case 'overflow':
      return [{ type: 'overflow', lost: record.lost }]
    case 'link.state':
    case 'auth.rejected':
    case 'steps.done':
    // Translated by effects/plans.ts, which knows the slots.
    case 'plan.fired':
    case 'plan.withheld':
    case 'controller.lapsed':
    case 'group.released':
    case 'ownership.expired':
    case 'gasp':
    case 'guardian.ready':
    case 'guardian.lost':
      return []
  }
}

/**
 * After records were lost: the state of every node as records would have told it. The core takes each of them for a
 * hint, so that what it knows already changes nothing.
 */
export function recordsOf(snapshot: EngineSnapshot): readonly Occurrence[] {
  const events: Occurrence[] = snapshot.muted ? [{ type: 'stall', us: 0, muted: true }] : []
  for (const { name, self, state, status, generation, deadtimeUs, twinbeat, lastStatusAt } of snapshot.peers) {
    if (self || state === 'never') continue
    const node = nodeId(name)
    if (state === 'dead') {
      events.push({ type: 'peer.dead', node, generation, silentUs: snapshot.at - (lastStatusAt ?? snapshot.at), links: [] })
    } else {
      events.push({ type: 'peer.status', node, status, generation, deadtimeUs, twinbeat })
    }
  }
  return events
}
