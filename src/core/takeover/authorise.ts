// The one door of every take. A machine grants an authority when it orders a take; this function says at
// each start whether that authority still stands. Before the first start of a take it must hold exactly;
// afterwards the claim is public and the take goes on unless somebody disputes it.

import type { Authority } from '../types.js'
import type { Group, Withheld } from './group.js'
import type { World } from './world.js'

export interface ExchangeBook {
  /** The exchange still permits its taker to begin. */
  permits(exchange: string): boolean
  /** The peer says that it holds the group itself. */
  heldByPeer(group: Group): boolean
}

export function authorise(world: World, group: Group, book: ExchangeBook): Authority | Withheld {
  const { grant } = group
  if (grant === null) return { withheld: 'no-authority' }
  if (world.halted) return { withheld: 'halted' }
  if (world.paused) return { withheld: 'paused' }
  if (world.stopping) return { withheld: 'stopping' }
  if (grant.kind === 'held') return grant
  if (world.contested) return { withheld: 'contested' }
  if (group.begun) return grant
  if (world.ctx.now - group.grantAt > world.ctx.config.grantWaitUs) return { withheld: 'grant-expired' }
  return beforeFirstStart(world, group, grant, book)
}

function beforeFirstStart(world: World, group: Group, grant: Authority, book: ExchangeBook): Authority | Withheld {
  const { peer } = world
  switch (grant.kind) {
    case 'held': case 'operator': return grant
    case 'accept':
      if (peer === null) return grant
      if (!peer.dead) return { withheld: 'peer-heard-again' }
      return peer.generation === grant.peerGeneration ? grant : { withheld: 'peer-restarted' }
    case 'agreed':
      if (peer === null || peer.id !== grant.peer) return { withheld: 'peer-unknown' }
      if (peer.generation !== grant.peerGeneration) return { withheld: 'peer-restarted' }
      // It agreed when the take was ordered; a probe later it may have said something else.
      return !peer.left && book.heldByPeer(group) ? { withheld: 'peer-holds-it' } : grant
    // Granted by nobody yet: the machines that grant them judge them here.
    case 'fence': case 'lease': case 'gasp': return { withheld: 'no-authority' }
    case 'handover':
      return book.permits(grant.exchange) ? grant : { withheld: 'exchange-ended' }
  }
}
