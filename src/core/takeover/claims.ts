// Who takes what between two twinbeat nodes that hear each other, and who lets go after a partition.
//
// A node takes a group that nobody holds only after it has said `claim` and the other has answered, in
// knowledge of exactly that claim, that it neither holds the group nor takes it. Both sides follow the
// same rule, so at most one of them can be past it whatever is lost, repeated or overtaken. On equal
// claims the group's home goes first.
//
// Two holders (a partition has healed): the verdict over a frozen pair of claims says who stays (heal-claims.ts);
// the other releases at once. A node that hears the other hold its group while the other does not hear it yields
// after one dead time, unless a fence or an ownership says that the group is its own.

import { micros, type GroupId, type Micros } from '../base/ids.js'
import type { Context, Words } from '../context.js'
import type { Peer } from '../membership/peers.js'
import type { Authority, Field } from '../types.js'
import type { Door } from './authorise.js'
import type { Group } from './group.js'
import { HealClaims, healWords, parseHeal, type HealClaim } from './heal-claims.js'
import {
  encodeClaims, encodeEpochs, encodeReady, parseStatement, statementWords, type Claim, type Statement, type Word,
} from './statement.js'
import type { World } from './world.js'

/** What else the nodes tell each other in every statement. */
export interface StatementNotes {
  /** Equal text: nothing new to say. */
  readonly stamp: string
  /** It matters that the peer has answered in knowledge of it, and it has not. */
  readonly asks: boolean
  words(): Words
  heard(fields: readonly Field[]): void
}

/** The part of hand-over that decides words. */
export interface ExchangeView {
  /** Given away and not yet confirmed. */
  promised(group: GroupId): boolean
  /** An exchange about the group is under way in any state. */
  busy(group: GroupId): boolean
}

const repeatUs = 250_000
/** A heal takes two messages in each direction, and is to be over within a second although some are lost. */
const repeatHealUs = 100_000
export const claimsTimer = 'claims.repeat'
export const vetoTimer = 'claims.veto'
export const oneWayTimer = 'claims.one-way'

export class Claims {
  door: Door | null = null
  /** This node could take the group now. */
  ready: (group: Group) => boolean = () => false
  notes: readonly StatementNotes[] = []
  #n = 0
  #sent: { text: string; peerGeneration: number; ack: number } | null = null
  /** Number of the statement in which anything was last said for the first time. */
  #newsAt = 0
  /** The peer's statement up to which that has been said: a newer one without knowledge of it gets it once more. */
  #toldAgainAt = 0
  #theirs: Statement | null = null
  #theirsAt: Micros = micros(0)
  /** Newest statement ever heard of this life of the peer: older ones that arrive late say nothing. */
  #heard = { generation: 0, n: 0 }
  #answeredText: string | null = null
  /** Number of the statement in which the present claim (or find) was first said in this view. */
  readonly #since = new Map<GroupId, { word: Word; n: number }>()
  /** Statements up to this number are older than what an exchange has told about the group. */
  readonly #floors = new Map<GroupId, { n: number; word: Word; epoch: number }>()
  /** What a life that was judged dead had said that it holds: its last words may come later than that judgement. */
  #atDeath: { readonly generation: number; readonly epochs: ReadonlyMap<GroupId, number> } | null = null
  /** A life of the peer that has said its last words about any group: it does nothing more. */
  #ended = 0
  readonly #junior = new Set<GroupId>()
  readonly #wanted = new Set<GroupId>()
  #repeating = false
  #repeatDue = false
  #oneWay = false
  readonly #heal = new HealClaims()

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly exchanges: ExchangeView,
  ) {}

  /** Number of our newest statement: exchange messages carry it. */
  get number(): number {
    return this.#n
  }

  /** The peer has stated its claims in knowledge of this incarnation. */
  get settled(): boolean {
    return this.#theirs !== null && this.#theirs.peerGeneration === this.ctx.generation && !this.world.contested
  }

  /** The live peer spoke in knowledge of our statement of that number. */
  knows(n: number): boolean {
    return this.settled && (this.#theirs?.ack ?? 0) >= n
  }

  theirWord(id: GroupId): Word | null {
    const floor = this.#floors.get(id)
    if (this.#theirs === null) return floor?.word ?? null
    if (floor !== undefined && this.#theirs.n <= floor.n) return floor.word
    // A group that the peer's configuration does not have cannot be held there.
    const word = this.#theirs.claims.get(id)?.word ?? 'waive'
    return word === 'stuck' ? 'held' : word
  }

  /** It runs there, at least partly, left behind by an earlier life or not let go since. */
  foundByPeer(id: GroupId): boolean {
    return this.world.peerIsTwinbeat && this.theirWord(id) === 'found'
  }

  /** The live peer answered in knowledge of our holding the group. */
  knowsWeHold(id: GroupId): boolean {
    return this.#agreed(id, 'held')
  }

  /** An exchange told something newer than the statements up to `n`. */
  learn(id: GroupId, n: number, word: Word, epoch = 0): void {
    this.#floors.set(id, { n, word, epoch })
    this.world.epochs.learn(id, epoch)
  }

  /** Last words of this life, also about what is of no use here: what it was ready for is over. */
  lifeEnded(generation: number): void {
    this.#ended = generation
  }

  /** The last words of this life of the peer about the group: whatever else it says of it was said before. */
  gasped(id: GroupId, epoch: number): void {
    this.learn(id, Number.MAX_SAFE_INTEGER, 'free', epoch)
  }

  /** As far as we know, this life of the peer holds the group, with exactly this claim. */
  believes(id: GroupId, generation: number, epoch: number): boolean {
    if (epoch === 0) return false
    if (this.heldEpoch(id, generation) === epoch) return true
    return this.#atDeath?.generation === generation && this.#atDeath.epochs.get(id) === epoch
  }

  /** Of the claim with which this life of the peer holds the group as far as we know; 0: none is known. */
  heldEpoch(id: GroupId, generation: number): number {
    if (this.#theirs?.generation !== generation || this.theirWord(id) !== 'held') return 0
    const floor = this.#floors.get(id)
    if (floor !== undefined && this.#theirs.n <= floor.n) return floor.epoch
    return this.#theirs.claims.get(id)?.epoch ?? 0
  }

  /** The live peer said that it could take the group; one of an earlier version only says that it does not hold it. */
  peerReady(id: GroupId): boolean {
    const word = this.theirWord(id)
    if (!this.settled || this.world.peer?.active !== true || (word !== 'free' && word !== 'claim')) return false
    if (this.#theirs?.generation === this.#ended) return false
    return this.#theirs?.claims.get(id)?.ready ?? true
  }

  /** An operator wants the group here although it is not its home. */
  want(id: GroupId): void {
    this.#wanted.add(id)
  }

  takenAlone(id: GroupId): void {
    this.#junior.add(id)
  }

  // ------------------------------------------------------------------------------------- life of the peer

  peerDead(): void {
    const generation = this.#theirs?.generation
    const epochs = generation === undefined ? [] : [...this.world.groups.keys()].map((id) => [id, this.heldEpoch(id, generation)] as const)
    this.peerLost()
    if (generation !== undefined) this.#atDeath = { generation, epochs: new Map(epochs) }
  }

  peerLost(): void {
    this.#atDeath = null
    this.#theirs = null
    this.#heal.reset()
    this.#answeredText = null
    this.#toldAgainAt = 0
    this.#floors.clear()
    this.#since.clear()
    this.#repeatDue = true
  }

  peerReturned(): void {
    this.world.contested = true
    this.#freeze()
    this.#since.clear()
    this.#repeatDue = true
  }

  reset(): void {
    this.peerLost()
    this.#n = 0
    this.#newsAt = 0
    this.#sent = null
    this.#wanted.clear()
    this.#repeating = false
    this.ctx.cancel(claimsTimer)
  }

  // ------------------------------------------------------------------------------------------- messages

  message(fields: readonly Field[]): void {
    const statement = parseStatement(fields)
    const { peer } = this.world
    if (statement === null || peer === null) return
    if (statement.generation !== peer.generation) return
    const { generation, n } = statement
    if (generation === this.#heard.generation && n <= this.#heard.n) return
    this.#heard = { generation, n }
    for (const [id, { epoch }] of statement.claims) this.world.epochs.learn(id, epoch)
    this.#theirs = statement
    this.#atDeath = null
    this.#theirsAt = this.ctx.now
    if (this.#heal.heard(parseHeal(fields), statement.peerGeneration === this.ctx.generation)) this.#freeze()
    for (const note of this.notes) note.heard(fields)
    if (peer.dead) this.ctx.timer(vetoTimer, this.ctx.config.timing.deadtimeUs)
    if (statement.peerGeneration === this.ctx.generation && this.world.contested && peer.alive) {
      this.world.contested = false
      this.ctx.note('warn', 'partition.settled', 'both nodes hear each other again and compare claims', {})
    }
  }

  /**
   * The engine holds the peer for dead, yet it was heard just now saying that it holds the group: its next
   * status will end the death, and until then nothing is taken.
   */
  vetoes(id: GroupId): boolean {
    const { peer } = this.world
    if (peer === null || !peer.dead || peer.left || this.#theirs === null) return false
    const fresh = this.ctx.now - this.#theirsAt < this.ctx.config.timing.deadtimeUs
    return fresh && this.theirWord(id) === 'held'
  }

  /** A peer that is dead and silent since says nothing any more. */
  vetoDue(): void {
    if (this.world.peer?.dead !== true) return
    if (this.ctx.now - this.#theirsAt >= this.ctx.config.timing.deadtimeUs) this.#theirs = null
  }

  repeatDue(): void {
    this.#repeating = false
    this.#repeatDue = true
  }

  oneWayDue(): void {
    this.#oneWay = false
    for (const group of this.#disputed()) {
      if (this.#theirs?.peerGeneration === this.ctx.generation || this.door?.certain(group) === true) continue
      this.ctx.note('warn', 'owners.one-way', `${group.id}: the peer holds it and does not hear us: yielding`, { group: group.id })
      group.give('heal-yield')
    }
  }

  // ------------------------------------------------------------------------------------------ decisions

  /** Level, at the end of every step. */
  advance(): void {
    const { world } = this
    if (!world.peerIsTwinbeat || world.peer === null || world.halted) return
    // What was kept over a restart is said, and disputed if need be, before the start handshake is over.
    const keeps = [...world.groups.values()].some((group) => group.state === 'held')
    if (!world.joined && !keeps) return
    this.#judge()
    if (world.joined && !world.alone && !world.paused) for (const group of world.groups.values()) this.#decide(group)
    this.#speak()
  }

  #disputed(): Group[] {
    return [...this.world.groups.values()].filter((group) =>
      (group.state === 'held' || group.state === 'taking') && !group.lettingGo && this.theirWord(group.id) === 'held')
  }

  /** What an earlier verdict takes from this node is claimed in no later one: both would let go. */
  #freeze(): void {
    const claims = new Map<GroupId, HealClaim>()
    for (const group of this.world.groups.values()) {
      if (!group.mayHold || group.lettingGo) continue
      claims.set(group.id, { token: this.door?.tokenOf(group) ?? 0, incumbent: !this.#junior.has(group.id) })
    }
    this.#heal.freeze(claims)
  }

  #judge(): void {
    const disputed = this.#disputed()
    if (disputed.length > 0 && this.#heal.spoken) this.#freeze()
    for (const group of disputed) {
      if (this.#stays(group)) continue
      this.ctx.note('warn', 'owners.two', `${group.id}: both nodes held it; the peer keeps it`, { group: group.id })
      group.give('heal-lost')
    }
    const unheard = disputed.length > 0 && this.#theirs?.peerGeneration !== this.ctx.generation
    if (unheard && !this.#oneWay) this.ctx.timer(oneWayTimer, this.ctx.config.timing.deadtimeUs)
    if (!unheard && this.#oneWay) this.ctx.cancel(oneWayTimer)
    this.#oneWay = unheard
    if (this.settled && this.world.peer?.alive === true && !this.#bothHold()) this.#junior.clear()
  }

  #bothHold(): boolean {
    return [...this.world.groups.values()].some((group) => group.mayHold && this.theirWord(group.id) === 'held')
  }

  /** Until there is a verdict the group stays where it is, on both sides. */
  #stays(group: Group): boolean {
    if (this.#theirs?.claims.get(group.id)?.word === 'stuck') return false
    const { self } = this.ctx.config
    const peer = this.world.peer?.id ?? self
    return this.#heal.spoken ? this.#heal.verdict(group.id, { self, peer, home: group.home }) !== 'yield' : this.#wins(group)
  }

  /** Beside a node of an earlier version, which freezes nothing. */
  #wins(group: Group): boolean {
    const senior = !this.#junior.has(group.id)
    const theirs = this.#theirs?.claims.get(group.id)?.senior ?? false
    if (senior !== theirs) return senior
    const { self } = this.ctx.config
    const peer = this.world.peer?.id ?? self
    return group.home === self || (group.home !== peer && self < peer)
  }

  #decide(group: Group): void {
    const theirs = this.theirWord(group.id)
    if (group.state === 'found') return this.#decideFound(group, theirs)
    if (group.state === 'held' || theirs === 'held') this.#wanted.delete(group.id)
    if (group.state !== 'stopped' || this.#wordOf(group) !== 'claim' || !this.#agreed(group.id, 'claim')) return
    if (theirs !== 'free' && theirs !== 'waive') return
    this.#take(group, 'agreed')
  }

  #decideFound(group: Group, theirs: Word | null): void {
    if (!this.#agreed(group.id, 'found') || theirs === null || theirs === 'unknown') return
    const theirsToKeep = theirs === 'held' || (theirs === 'found' && group.home !== this.ctx.config.self)
    if (theirsToKeep) group.give('claimed-by-peer')
    else this.#take(group, 'adopted')
  }

  /** The peer answered in knowledge of our present word. */
  #agreed(id: GroupId, word: Word): boolean {
    const since = this.#since.get(id)
    return since?.word === word && this.settled && this.#theirs !== null && this.#theirs.ack >= since.n
  }

  /** What a take of this group would be answered now. */
  grantFor(group: Group): Authority | { readonly withheld: string } {
    const { peer } = this.world
    const theirs = this.theirWord(group.id)
    if (peer === null || !this.settled || theirs === null) return { withheld: 'peer-has-not-said-what-it-holds' }
    if (theirs !== 'free' && theirs !== 'waive') return { withheld: `peer-says-${theirs}` }
    if (this.#wordOf(group) !== 'claim') return { withheld: 'not-claimed-here' }
    if (!this.#agreed(group.id, 'claim')) return { withheld: 'peer-has-not-answered-the-claim' }
    const forbidden = this.door?.forbidden(group) ?? null
    if (forbidden !== null) return { withheld: forbidden }
    const verdict = this.door?.inMode(group, { authority: this.#agreement(peer), reason: 'agreed' })
    if (verdict !== undefined) return 'authority' in verdict ? verdict.authority : verdict
    return this.#agreement(peer)
  }

  #take(group: Group, reason: 'agreed' | 'adopted'): void {
    const { peer } = this.world
    if (peer === null || this.world.stopping) return
    this.door?.take(group, { authority: this.#agreement(peer), reason })
  }

  #agreement(peer: Peer): Authority {
    return { kind: 'agreed', peer: peer.id, peerGeneration: peer.generation }
  }

  #wordOf(group: Group): Word {
    switch (group.state) {
      case 'unknown': return 'unknown'
      case 'found': return 'found'
      case 'stopped': break
      case 'blocked': return 'stuck'
      case 'giving': return group.leftBehind ? 'found' : 'held'
      default: return 'held'
    }
    if (group.takenByEngine) return 'unknown'
    if (this.exchanges.promised(group.id)) return 'promised'
    if (this.world.stopping || this.world.paused || group.failed || this.world.unguarded) return 'waive'
    if (this.door?.forbidden(group) !== null) return 'free'
    if (this.exchanges.busy(group.id) || this.world.contested || group.retired) return 'free'
    return this.#wishes(group) ? 'claim' : 'free'
  }

  #wishes(group: Group): boolean {
    const theirs = this.theirWord(group.id)
    if (theirs === 'held' || theirs === 'promised') return false
    if (group.home === this.ctx.config.self) return true
    if (this.#wanted.has(group.id)) return theirs !== 'claim'
    // A group that the peer's configuration lacks starts at its home, once that has read the new files.
    return theirs === 'waive' && this.#theirs?.claims.has(group.id) === true
  }

  // ------------------------------------------------------------------------------------------- speaking

  #speak(): void {
    const { peer } = this.world
    if (peer === null || !peer.heard || peer.left) return
    const claims = new Map<GroupId, Claim>()
    for (const group of this.world.groups.values()) {
      claims.set(group.id, {
        word: this.#wordOf(group), senior: group.mayHold && !group.lettingGo && !this.#junior.has(group.id),
        epoch: this.world.claimEpoch(group),
        ready: this.ready(group),
      })
    }
    const text = encodeClaims(claims)
    const notes = this.notes.map((note) => note.stamp).join(' | ')
    const spoken = `${text} ${encodeReady(claims)} ${this.#heldEpochs()} ${notes} ${this.#heal.news(this.#bothHold())}`
    const peerGeneration = peer.alive ? peer.generation : 0
    const changed = this.#sent === null || this.#sent.text !== spoken || this.#sent.peerGeneration !== peerGeneration
    const theirs = this.#theirs
    const answer = theirs !== null && theirs.asks && theirs.n > (this.#sent?.ack ?? 0) && theirs.text !== this.#answeredText
    const open = this.#open(claims)
    const late = this.#repeatDue && (open || (theirs !== null && theirs.asks && theirs.n > (this.#sent?.ack ?? 0)))
    const again = this.#unknown()
    if (changed) this.#newsAt = this.#n + 1
    if (changed || again) this.#toldAgainAt = theirs?.n ?? 0
    if (changed || answer || late || again) this.#send(peer.id, { claims, text, spoken }, peerGeneration, open)
    this.#repeatDue = false
    const waiting = open || (theirs !== null && theirs.asks && theirs.n > (this.#sent?.ack ?? 0))
    if (waiting && !this.#repeating) {
      this.#repeating = true
      this.ctx.timer(claimsTimer, this.#heal.open ? repeatHealUs : repeatUs)
    }
  }

  /** Messages overtake each other, and the first to a life that is not known there yet are dropped. */
  #unknown(): boolean {
    const theirs = this.#theirs
    if (theirs?.peerGeneration !== this.ctx.generation) return false
    return theirs.ack < this.#newsAt && theirs.n > this.#toldAgainAt
  }

  /** What is only known of others' claims is no news to them. */
  #heldEpochs(): string {
    return [...this.world.groups.values()].filter((group) => group.mayHold).map((group) => group.claimEpoch).join(' ')
  }

  /** Something is undecided, so that we go on speaking until it is not. */
  #open(claims: ReadonlyMap<GroupId, Claim>): boolean {
    const { peer } = this.world
    if (peer === null) return false
    if (!peer.alive) return [...this.world.groups.values()].some((group) => group.mayHold)
    if (this.#heal.open || this.world.contested || (this.#theirs === null && peer.active) || this.#disputed().length > 0) return true
    if (this.notes.some((note) => note.asks)) return true
    if ([...this.world.groups.values()].some((group) => group.waitsForWord)) return true
    return [...claims.values()].some(({ word }) => word === 'claim' || word === 'found')
  }

  #send(
    to: string, said: { readonly claims: ReadonlyMap<GroupId, Claim>; readonly text: string; readonly spoken: string },
    peerGeneration: number, asks: boolean,
  ): void {
    const { claims, text, spoken } = said
    this.#n += 1
    for (const [id, { word }] of claims) {
      if (this.#since.get(id)?.word !== word) this.#since.set(id, { word, n: this.#n })
    }
    const ack = this.#theirs?.n ?? 0
    this.#sent = { text: spoken, peerGeneration, ack }
    this.#answeredText = this.#theirs?.text ?? null
    const { generation } = this.ctx
    const words = statementWords(to, {
      generation, peerGeneration, n: this.#n, ack, asks, text, epochs: encodeEpochs(claims), ready: encodeReady(claims),
    })
    const heal = healWords(this.#heal.say(this.#bothHold()))
    this.ctx.send('tb_claims', [...words, ...heal, ...this.notes.flatMap((note) => note.words())])
  }
}
