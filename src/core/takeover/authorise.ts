// The one door of every take, native plan and ordinary action alike. A machine grants an authority when it orders a
// take; `authorise` says immediately before each act whether that authority still stands. Before the first act of a
// take it must hold exactly; afterwards the claim is public and the take goes on unless somebody disputes it.
//
// What may be granted without the peer's own word depends on the protection in force:
//   accept   the engine judged the peer dead
//   fence    a device confirmed that this incarnation of the peer is off
//   lease    every take needs the ownership, also one that the peer agreed to

import type { Authority } from '../types.js'
import type { AuthorityBooks } from './authority-book.js'
import type { Group, TakeReason, Withheld } from './group.js'
import type { WatchdogWord } from './watchdog-word.js'
import type { World } from './world.js'

export interface ExchangeBook {
  /** The exchange still permits its taker to begin. */
  permits(exchange: string): boolean
  /** The peer says that it holds the group itself. */
  heldByPeer(group: Group): boolean
  /** The live peer says, in knowledge of our claim, that it neither holds the group nor relies on a promise. */
  ceded(group: Group): boolean
  /** The peer's guardian said that it ended everything of the group with the peer's present life. */
  endedAtPeer(group: Group): boolean
}

/** A grant, or why there is none and what is missing for it. */
export type Verdict =
  | { readonly authority: Authority; readonly reason: TakeReason }
  | { readonly withheld: string; readonly needs: 'fence' | 'lease' | 'nothing' }

const refused = (withheld: string, needs: 'fence' | 'lease' | 'nothing' = 'nothing'): Verdict => ({ withheld, needs })

export class Door {
  /** What was last said of each group, so that it is said once. */
  readonly #waiting = new Map<string, string>()
  /** Of groups that go on being ours with another definition: in one step both may be asked for, for different reasons. */
  readonly #keptWaiting = new Map<string, string>()

  constructor(
    private readonly world: World,
    private readonly books: AuthorityBooks,
    private readonly exchanges: ExchangeBook,
    private readonly watchdogs: WatchdogWord,
  ) {}

  // ------------------------------------------------------------------------------- at the moment of acting

  authorise(group: Group): Authority | Withheld {
    const { world } = this
    const { grant } = group
    if (grant === null) return { withheld: 'no-authority' }
    if (world.halted) return { withheld: 'halted' }
    if (world.paused) return { withheld: 'paused' }
    if (world.stopping) return { withheld: 'stopping' }
    if (world.ctx.config.protection === 'lease') return this.#owned(group, grant)
    if (grant.kind === 'held') return grant
    if (world.contested) return { withheld: 'contested' }
    if (!group.begun) return this.#beforeFirst(group, grant)
    return grant.kind === 'accept' ? this.#heardAgain(group, grant) : grant
  }

  /**
   * Silence permits each member only while it lasts. A life that is heard may run what the silent one left behind, or not
   * have let go: before the next member starts it has to say, in knowledge of our claim, that it holds nothing of the group.
   * A real heartbeat has no such word; it is told of the claim and goes by that.
   */
  #heardAgain(group: Group, grant: Extract<Authority, { kind: 'accept' }>): Authority | Withheld {
    const { peer } = this.world
    if (peer === null || !this.world.peerIsTwinbeat) return grant
    if (peer.dead) return { ...grant, peerGeneration: peer.generation }
    if (!peer.left && !this.exchanges.ceded(group)) return { withheld: 'peer-heard-again', waits: true }
    return { kind: 'agreed', peer: peer.id, peerGeneration: peer.generation }
  }

  /** Ownership is asked at every single act, of holding too. */
  #owned(group: Group, grant: Authority): Authority | Withheld {
    const ownership = this.books.lease.ownership(group.id)
    if (ownership === null || ownership.deadlineAt <= this.world.ctx.now) return { withheld: 'lease-not-held' }
    if (grant.kind !== 'lease' && grant.kind !== 'held') return { withheld: 'no-authority' }
    if (grant.kind === 'lease' && ownership.token !== grant.token) return { withheld: 'lease-of-another-token' }
    const authority: Authority = { kind: 'lease', ...ownership }
    if (grant.kind === 'held' || group.begun) return authority
    const { peer } = this.world
    if (peer?.alive === true && this.exchanges.heldByPeer(group)) return { withheld: 'peer-holds-it' }
    const first = this.#firstActAllowed(group)
    return first === null ? authority : { withheld: first }
  }

  #firstActAllowed(group: Group): string | null {
    const { ctx } = this.world
    if (ctx.now - group.grantAt > ctx.config.grantWaitUs) return 'grant-expired'
    return this.#keptBy(group.reason) ? this.#unprotected(group) : this.forbidden(group)
  }

  #beforeFirst(group: Group, grant: Authority): Authority | Withheld {
    const first = this.#firstActAllowed(group)
    if (first !== null) return { withheld: first }
    const { peer } = this.world
    const { fencing } = this.books
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
        return !peer.left && this.exchanges.heldByPeer(group) ? { withheld: 'peer-holds-it' } : grant
      case 'fence':
        if (peer === null || peer.generation !== grant.peerGeneration) return { withheld: 'peer-restarted' }
        return fencing.confirmed(grant.peer, grant.peerGeneration) ? grant : { withheld: 'fence-not-confirmed' }
      case 'gasp':
        return peer !== null && peer.generation === grant.peerGeneration ? grant : { withheld: 'peer-restarted' }
      case 'lease': return { withheld: 'no-authority' }
      case 'handover':
        if (!this.exchanges.permits(grant.exchange)) return { withheld: 'exchange-ended' }
        // It held us for dead meanwhile, and took back what it had given.
        return this.world.peerIsTwinbeat && this.exchanges.heldByPeer(group) ? { withheld: 'peer-holds-it' } : grant
    }
  }

  /** Why nothing may be armed or begun for this group on this node, whatever the peer does; null: it may. */
  forbidden(group: Group): string | null {
    return this.#unprotected(group) ?? this.books.holds.withheld(group.id)
  }

  /** What was held and only changed its definition is no take that an operator forbids. */
  #keptBy(reason: string): boolean {
    return reason === 'redefined'
  }

  /** What no wish of an operator changes. */
  #unprotected(group: Group): string | null {
    if (this.world.unguarded) return 'guardian'
    const { peer } = this.world
    // A life that has ended remembers nothing of ours, and the next one knows nothing before it has heard us.
    const forgotten = peer !== null && (peer.left || this.books.fencing.confirmed(peer.id, peer.generation))
    return forgotten ? null : this.watchdogs.withheld(group)
  }

  /** Of the ownership that is valid now; 0: none. */
  tokenOf(group: Group): number {
    const ownership = this.books.lease.ownership(group.id)
    return ownership !== null && ownership.deadlineAt > this.world.ctx.now ? ownership.token : 0
  }

  /** A device or the arbiter says that the group is ours, whatever a peer says that does not hear us. */
  certain(group: Group): boolean {
    const { peer } = this.world
    if (this.tokenOf(group) > 0) return true
    return group.takenBy === 'fence' && peer !== null && this.books.fencing.confirmed(peer.id, peer.generation)
  }

  // -------------------------------------------------------------------------------------------- granting

  /** What a take of this group rests on while the peer is held for dead. */
  afterDeath(group: Group): Verdict {
    const { peer, ctx } = this.world
    const accept: Authority = { kind: 'accept', peer: peer?.id ?? null, peerGeneration: peer?.generation ?? 0 }
    if (peer === null || ctx.config.protection === 'accept') return { authority: accept, reason: 'peer-dead' }
    // Its last word was that it holds nothing and takes nothing before it has restarted.
    const agreed: Authority = { kind: 'agreed', peer: peer.id, peerGeneration: peer.generation }
    if (peer.left) return this.inMode(group, { authority: agreed, reason: 'peer-left' })
    if (ctx.config.protection === 'lease') return this.#afterDeathWithLease(group, accept)
    if (this.books.fencing.confirmed(peer.id, peer.generation)) {
      return { authority: { kind: 'fence', peer: peer.id, peerGeneration: peer.generation }, reason: 'peer-dead' }
    }
    // After a boot nobody is shot before it was seen; what an operator confirmed is another matter.
    if (!this.world.peerSeen && !this.books.holds.startAlone) return refused('peer-not-seen-since-boot')
    return refused('fence-not-confirmed', 'fence')
  }

  /**
   * The ownership says nothing about services that run on without their daemon, unless its watchdog ends them in time, or
   * its guardian said that it has ended them. That a guardian would do so proves nothing: it may have died as well.
   */
  #afterDeathWithLease(group: Group, accept: Authority): Verdict {
    const { peer } = this.world
    const proven = group.addressOnly || peer === null || this.watchdogs.endsServices() || this.exchanges.endedAtPeer(group) ||
      this.books.fencing.confirmed(peer.id, peer.generation)
    if (!proven) return refused('services-not-proven-stopped')
    return this.inMode(group, { authority: accept, reason: 'peer-dead' })
  }

  /** In lease mode whatever else permits a take only permits to ask for the ownership. */
  inMode(group: Group, verdict: Verdict): Verdict {
    if (this.world.ctx.config.protection !== 'lease' || !('authority' in verdict)) return verdict
    const ownership = this.books.lease.ownership(group.id)
    if (ownership === null) return refused('lease-not-held', 'lease')
    return { authority: { kind: 'lease', ...ownership }, reason: verdict.reason }
  }

  /** Order the take, or ask for what is missing. True: the take has begun. */
  take(group: Group, asked: Verdict): boolean {
    const kept = 'authority' in asked && this.#keptBy(asked.reason)
    const forbidden = kept ? this.#unprotected(group) : this.forbidden(group)
    const verdict = forbidden === null ? this.inMode(group, asked) : refused(forbidden)
    if ('authority' in verdict) {
      this.#waiting.delete(group.id)
      this.#keptWaiting.delete(group.id)
      group.take(verdict.authority, verdict.reason)
      return true
    }
    const { peer, ctx } = this.world
    if (verdict.needs === 'lease') this.world.wanted.add(group.id)
    if (verdict.needs === 'fence' && peer !== null) this.books.fencing.request(peer.id, peer.generation, group.id)
    const waiting = kept ? this.#keptWaiting : this.#waiting
    if (waiting.get(group.id) === verdict.withheld) return false
    waiting.set(group.id, verdict.withheld)
    ctx.note('warn', 'take.waiting', `${group.id} is not taken yet: ${verdict.withheld}`, {
      group: group.id, reason: verdict.withheld,
    })
    return false
  }
}
