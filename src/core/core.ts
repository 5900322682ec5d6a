// The only public door of the decision core: one event in, the effects out. Deterministic; no clock,
// no socket, no file, no chance of its own.

import { assertNever, InvariantError } from './base/invariant.js'
import type { Prng } from './base/prng.js'
import type { Effect } from './effects.js'
import type { BootEvent, CoreEvent } from './events.js'
import { snapshotOf } from './explain.js'
import { Machines } from './machines.js'
import type { AuthorityBooks } from './takeover/authority-book.js'
import { decodeKeep, keepKey } from './takeover/keep.js'
import { routeAuthority } from './authority-routes.js'
import { routeEngine, routeMessage, routeTimer } from './routes.js'
import type { CoreConfig, CoreSnapshot } from './types.js'

export interface Core {
  /** Throws only on a broken invariant; the caller must then release everything and stop. */
  step(event: CoreEvent): readonly Effect[]
  snapshot(): CoreSnapshot
}

/** Machines that settle each other need a few rounds; more would be a loop. */
const roundsMax = 16

/** `books`: in place of the machines that the configuration asks for; tests play them. */
export function createCore(config: CoreConfig, prng: Prng, books: Partial<AuthorityBooks> = {}): Core {
  const node = new Machines(config, prng, books)
  return {
    step(event: CoreEvent): readonly Effect[] {
      node.ctx.begin(event.at)
      if (node.world.halted) return node.ctx.end()
      dispatch(node, event)
      // Of several that went off, none may be denied because the others are not known yet: it is only noted.
      if (event.type === 'plan.gone') return node.ctx.end()
      let before = -1
      for (let round = 0; before !== node.ctx.count; round += 1) {
        if (round >= roundsMax) {
          throw new InvariantError(`the machines do not settle: ${JSON.stringify(node.ctx.end().slice(-3))}`)
        }
        before = node.ctx.count
        node.settle()
      }
      node.commit()
      return node.ctx.end()
    },
    snapshot: () => snapshotOf(node),
  }
}

function dispatch(node: Machines, event: CoreEvent): void {
  switch (event.type) {
    case 'boot': return boot(node, event)
    case 'member.result': node.world.groups.get(event.group)?.result(event); return
    case 'timer': return routeTimer(node, event.key)
    case 'operator': if (!node.holds.request(event)) node.operator.request(event); return
    case 'persisted':
      for (const book of node.books) book.persisted(event.key, event.ok)
      node.operator.persisted(event.key, event.ok)
      return node.handover.persisted(event.key, event.ok)
    case 'generation.raised': return raised(node, event.generation)
    case 'config.changed':
      node.reload.apply(event.config)
      for (const book of node.books) book.configChanged()
      return
    case 'message': return routeMessage(node, event)
    case 'peer.status': case 'peer.up': case 'peer.late': case 'peer.dead': case 'peer.returned': case 'peer.restarted':
    case 'link.up': case 'link.down': case 'stall': case 'overflow': case 'send.history-full': case 'interface':
    case 'address.lost': case 'address.conflict':
      return routeEngine(node, event)
    case 'plan.disarmed': case 'plan.armed': case 'plan.gone': case 'plan.fired': case 'plan.withheld': case 'controller.lapsed':
    case 'group.released': case 'gasp': case 'guardian.ready': case 'guardian.lost': case 'fence.result':
    case 'fence.order': case 'arbiter.result': case 'watchdog.changed':
    case 'ownership.refused':
      return routeAuthority(node, event)
    default: return assertNever(event, 'event')
  }
}

function boot(node: Machines, event: BootEvent): void {
  const { ctx, world } = node
  ctx.generation = event.generation
  const kept = decodeKeep(event.persisted[keepKey], ctx.now)
  if (event.persisted[keepKey] !== undefined) ctx.persist(keepKey, null)
  world.epochs.begin(event.generation)
  node.leftovers.boot(event.persisted)
  if (world.peer !== null && ctx.config.protection === 'accept') {
    ctx.note('warn', 'split_brain.accepted', 'no fencing: a peer that is only cut off will hold its groups too', {})
  }
  for (const config of ctx.config.groups) node.addGroup(config)
  for (const monitor of ctx.config.monitors) ctx.timer(`monitor:${monitor.group}`, monitor.everyUs)
  node.handover.boot(event.persisted)
  for (const book of node.books) book.boot(event.persisted)
  for (const group of world.groups.values()) {
    const intent = kept.groups.get(group.id)
    const keep = intent?.digest === group.config.digest
    if (keep && intent.returning) {
      node.handover.returnsHome(group.id)
      if (world.side(group) === 'foreign') node.protocol.inheritFailback()
    }
    group.boot(keep)
  }
  node.join.start('boot')
}

/** We slept, everything is released, and the engine speaks with a new generation: a new life of the same process. */
function raised(node: Machines, generation: number): void {
  node.ctx.generation = generation
  node.world.epochs.begin(generation)
  node.pause.end()
  node.standby.cancel('stopping')
  node.heal.end('settled')
  node.protocol.reset()
  node.claims.reset()
  node.legacy.peerChanged()
  node.join.start('generation-raised')
}
