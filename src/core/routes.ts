// Which machine is told of what: engine records, messages of the peer, timers. No decisions here.

import { promiseMessage } from './arbitration/promises.js'
import type { GroupId } from './base/ids.js'
import { invariant } from './base/invariant.js'
import { hexOf, word } from './context.js'
import type { AuthorityEvent } from './authority-routes.js'
import type { EngineEvent, MessageEvent } from './events.js'
import type { Machines } from './machines.js'
import { joinTimer } from './membership/join.js'
import type { PeerChange } from './membership/peers.js'
import { claimsTimer, oneWayTimer, vetoTimer } from './takeover/claims.js'
import { disputeTimer, ownerlessTimer, provokeTimer } from './takeover/doubts.js'
import { fenceMeMessage, fenceMeTimer } from './takeover/fence-me.js'
import { guardTimer } from './takeover/guard.js'
import { handoverTimer } from './takeover/handover.js'
import { healTimer } from './takeover/heal.js'
import { keepTimer } from './takeover/keep.js'
import { legacyTimer } from './takeover/legacy.js'
import { haltTimer, requestTimer } from './takeover/operator.js'
import { planTimer } from './takeover/plan-book.js'
import { failbackTimer, failureTimer, settleTimer } from './takeover/resource-protocol.js'
import { standbyTimer } from './takeover/standby.js'

type PeerEvent = Extract<
  EngineEvent, { type: 'peer.status' | 'peer.up' | 'peer.dead' | 'peer.returned' | 'peer.restarted' }
>

export function routeTimer(node: Machines, key: string): void {
  const at = key.indexOf(':')
  const name = at < 0 ? key : key.slice(0, at)
  const subject = at < 0 ? '' : key.slice(at + 1)
  switch (name) {
    case joinTimer: return node.join.ask()
    case settleTimer: return node.protocol.settleDue()
    case failbackTimer: return node.protocol.failbackDue()
    case ownerlessTimer: return node.protocol.doubts.ownerlessDue()
    case provokeTimer: return node.protocol.doubts.provokeDue()
    case disputeTimer: return node.protocol.doubts.disputeDue()
    case failureTimer: return node.protocol.failureDue()
    case standbyTimer: return node.standby.timeout()
    case legacyTimer: return node.legacy.askAgain()
    case haltTimer: return node.operator.haltDue()
    case keepTimer: return node.operator.keepDue()
    case requestTimer: return node.operator.limitDue(subject)
    case healTimer: return yieldAfterPartition(node)
    case claimsTimer: return node.claims.repeatDue()
    case vetoTimer: return node.claims.vetoDue()
    case oneWayTimer: return node.claims.oneWayDue()
    case handoverTimer: return node.handover.timeout(subject as GroupId)
    case fenceMeTimer: return node.fenceMe.due(subject as GroupId)
    case planTimer: return node.plans.timer(subject)
    case guardTimer: return node.guard.due()
    case 'fencing': return node.fencing.timer(subject)
    case 'arbiter': return node.lease.timer(subject)
    case 'holds': return node.holds.timer(subject)
    case 'stop': node.world.groups.get(subject as GroupId)?.stopRetryDue(); return
    case 'monitor': return monitor(node, subject as GroupId)
    // A timer that only brings a step: what it was for is decided by the level-triggered machines.
    default: return
  }
}

function yieldAfterPartition(node: Machines): void {
  if (!node.heal.waiting) return
  node.heal.end('yielded')
  if (node.legacy.rules) node.legacy.yieldForeign()
  node.protocol.yieldAfterPartition()
}

function monitor(node: Machines, id: GroupId): void {
  const one = node.ctx.config.monitors.find((candidate) => candidate.group === id)
  if (one === undefined) return
  node.ctx.timer(`monitor:${id}`, one.everyUs)
  if (!node.orders.inMaintenance) node.world.groups.get(id)?.monitorDue()
}

export function routeMessage(node: Machines, event: MessageEvent): void {
  const { peer } = node.world
  const t = word(event.fields, 't')
  if (t === null) return
  if (node.join.message(t, event.from, event.fields)) node.protocol.joined()
  if (peer === null || peer.id !== event.from) return
  const generation = hexOf(event.fields, 'hg')
  if (generation !== null && generation < peer.generation) return
  if (generation !== null && generation > peer.generation && peer.heard) {
    // The message overtook the status that tells of the restart.
    routePeer(node, { type: 'peer.restarted', node: peer.id, generation })
  }
  if (t === 'shutdone') return farewell(node)
  if (t === fenceMeMessage) return node.fenceMe.message(event.fields)
  if (t === 'tb_claims') return node.claims.message(event.fields)
  if (peer.kind === 'twinbeat') {
    // Also of a peer held for dead: what it asks is answered, though nothing is given on it.
    if (t === 'tb_handover') node.handover.message(event.fields)
    if (t === promiseMessage) node.lease.message(event.fields)
    return
  }
  if (peer.dead) return node.protocol.messageWhileDead(t, event.fields)
  if (t === 'resource' && word(event.fields, 'info') === 'shutdown') node.heal.shutdownAnnounced()
  if (node.legacy.rules) return node.legacy.message(t, event.fields)
  if (t === 'ask_resources' || t === 'hb_takeover') node.standby.message(t, event.fields)
  else node.protocol.message(t, event.fields)
}

function farewell(node: Machines): void {
  const { peer } = node.world
  if (peer === null || peer.left) return
  peer.left = true
  node.heal.end('peer-left')
  node.standby.cancel('peer-left')
  node.handover.peerDead()
  node.claims.peerLost()
  node.legacy.peerChanged()
  for (const book of node.books) book.peerChanged('left')
  node.track.peerLost()
  node.ctx.note('info', 'peer.left', `${peer.id} released everything and is going down`, { peer: peer.id })
  node.protocol.peerGone()
}

export function routeEngine(node: Machines, event: Exclude<EngineEvent, MessageEvent | AuthorityEvent>): void {
  const { ctx, world } = node
  switch (event.type) {
    case 'stall':
      node.handover.stoodStill(event.us)
      if (!event.muted) return
      node.handover.leaving()
      return node.pause.begin(event.us)
    case 'address.lost':
      ctx.note('warn', 'address.lost', `${event.member} was removed by somebody else`, { group: event.group })
      // In maintenance nothing is put back; all is looked at when it ends.
      if (!node.orders.inMaintenance) world.groups.get(event.group)?.addressLost(event.member)
      return
    case 'address.conflict':
      return ctx.note('error', 'address.conflict', `${event.mac} answers for ${event.member} too`, {
        group: event.group, mac: event.mac,
      })
    case 'send.history-full':
      return ctx.note('warn', 'history.full', 'the peer does not acknowledge our messages', {})
    case 'link.up': case 'link.down': {
      const text = `${event.node}: link ${event.link} is ${event.type.slice(5)}`
      return ctx.note(event.type === 'link.up' ? 'info' : 'warn', event.type, text, { peer: event.node, link: event.link })
    }
    case 'peer.late':
      return ctx.note('warn', 'peer.late', `${event.node} is late: silent for ${Math.round(event.silentUs / 1000)} ms`, {
        peer: event.node, silentUs: event.silentUs,
      })
    case 'overflow':
      // Among what was lost may be that an address of ours is gone.
      if (!world.stopping && !world.paused && !node.orders.inMaintenance) for (const group of world.groups.values()) group.repair()
      return node.claims.repeatDue()
    case 'interface': {
      const { name, up, carrier } = event
      node.plans.interfaceChanged()
      node.track.changed(event)
      const text = `${name} is ${up ? 'up' : 'down'}${carrier ? '' : ', no carrier'}`
      return ctx.note(up && carrier ? 'info' : 'warn', 'interface.changed', text, { interface: name, up, carrier })
    }
    default: return routePeer(node, event)
  }
}

function routePeer(node: Machines, event: PeerEvent): void {
  const { ctx, world } = node
  const peer = [world.peer, ...world.pings].find((candidate) => candidate?.id === event.node)
  if (peer === undefined || peer === null) return
  const { dead: wasDead, heard: wasHeard, kind } = peer
  const change = peer.apply(event)
  if (peer === world.peer && peer.heard) node.leftovers.peerHeard()
  if (peer === world.peer && event.type === 'peer.dead' && change === 'dead') {
    node.summary.peerDead({ peer: peer.id, silentUs: event.silentUs, links: event.links })
  }
  if (peer === world.peer && peer.kind !== kind && wasHeard) kindChanged(node)
  if (change === 'none') return
  const links = event.type === 'peer.dead' ? event.links.map((link) => `${link.name} ${Math.round(link.silentUs / 1000)} ms`) : []
  const now = peer.dead ? `dead: silent on ${links.join(', ') || 'every link'}` : `${peer.status} (${change})`
  ctx.note(change === 'dead' ? 'warn' : 'info', `peer.${change}`, `${peer.id} is ${now}`, {
    peer: peer.id, status: peer.status, generation: peer.generation, kind: peer.kind,
    silentUs: event.type === 'peer.dead' ? event.silentUs : null,
  })
  // A node that was only presumed dead and is heard for the first time is a new life like any other.
  if (peer === world.peer) {
    peerChanged(node, change === 'first' && wasDead ? 'restarted' : change, { sameLife: change === 'first' })
  }
}

function peerChanged(node: Machines, change: PeerChange, how: { readonly sameLife: boolean }): void {
  const { peer } = node.world
  invariant(peer !== null, 'only the peer changes')
  for (const book of node.books) book.peerChanged(change)
  if (change === 'dead' || change === 'restarted') node.track.peerLost()
  switch (change) {
    case 'dead':
      node.heal.end('peer-dead')
      node.standby.cancel('peer-dead')
      node.handover.peerDead()
      node.claims.peerDead()
      node.legacy.peerChanged()
      return node.protocol.peerGone()
    case 'restarted':
      node.heal.end('peer-restarted')
      node.standby.cancel('peer-restarted')
      node.handover.peerRestarted()
      node.operator.peerRestarted()
      node.claims.peerLost()
      node.legacy.peerChanged()
      return node.protocol.peerRestarted(how)
    case 'returned':
      node.standby.cancel('peer-restarted')
      if (peer.kind === 'twinbeat') return node.claims.peerReturned()
      node.protocol.peerReturned()
      return node.heal.returned()
    case 'first': case 'status': case 'none': return
  }
}

/** The other node was upgraded or rolled back: another protocol decides from here on. */
function kindChanged(node: Machines): void {
  node.claims.reset()
  node.handover.peerDead()
  if (!node.world.alone) node.protocol.adoptFromGroups()
}
