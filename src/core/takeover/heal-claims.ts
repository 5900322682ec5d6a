// Who keeps what after a partition: a verdict over a frozen pair of claims. At the first message after it each node
// freezes what it claims under a number; a verdict holds only for a pair of numbers that both have echoed, so both
// judge the very same two claims whatever changes, is lost or overtaken meanwhile. A new claim is frozen only after
// both have said that the last one is settled.
//
// One group's claims are compared by: a valid ownership; reference addresses reachable; not cut off itself; the
// incumbent of the time when both still heard each other; the group's home; the lower name.

import { groupId, type GroupId, type NodeId } from '../base/ids.js'
import { word, type Words } from '../context.js'
import type { Field } from '../types.js'

export interface HealClaim {
  /** Of a valid ownership; 0: none. */
  readonly token: number
  readonly incumbent: boolean
}

export interface HealWords {
  /** Number of the frozen claim; 0: nothing is frozen. */
  readonly n: number
  /** The other node's number that this was said in knowledge of. */
  readonly echo: number
  /** Nothing is in dispute any more, as the sender sees it. */
  readonly settled: boolean
  /** Neither is anything known here that only speaks for the sender: reachable, and not cut off. */
  readonly reachable: boolean
  readonly isolated: boolean
  /** Of the groups that the sender may hold. */
  readonly claims: ReadonlyMap<GroupId, HealClaim>
}

export type HealVerdict = 'keep' | 'yield' | 'open'

const field = 'tb_heal'
const claimsField = 'tb_heal_claims'
const bit = (value: boolean): string => (value ? '1' : '0')

export function healWords(words: HealWords): Words {
  const claims = [...words.claims].map(([id, { token, incumbent }]) => `${token}:${bit(incumbent)}:${id}`).join(' ')
  const head = `${words.n} ${words.echo} ${bit(words.settled)} ${bit(words.reachable)} ${bit(words.isolated)}`
  return [[field, head], [claimsField, claims]]
}

/** Null: a node that does not know this, or nonsense. */
export function parseHeal(fields: readonly Field[]): HealWords | null {
  const head = /^([0-9]{1,9}) ([0-9]{1,9}) ([01]) ([01]) ([01])$/.exec(word(fields, field) ?? '')
  const text = word(fields, claimsField)
  if (head === null || text === null) return null
  const claims = new Map<GroupId, HealClaim>()
  for (const part of text.split(' ')) {
    const claim = /^([0-9]{1,15}):([01]):(.+)$/.exec(part)
    if (claim !== null) claims.set(groupId(claim[3] ?? ''), { token: Number(claim[1]), incumbent: claim[2] === '1' })
  }
  return {
    n: Number(head[1]), echo: Number(head[2]), settled: head[3] === '1', reachable: head[4] === '1', isolated: head[5] === '1',
    claims,
  }
}

export class HealClaims {
  #n = 0
  #mine: HealWords | null = null
  #theirs: HealWords | null = null
  /** The other node hears this life of ours: only then its echo is of our number, and only then is it told of its own. */
  #hearsUs = false
  /** The other node's number with which ours made a pair; 0: none. */
  #partner = 0

  /** Something is frozen, so that statements go on. */
  get open(): boolean {
    return this.#mine !== null
  }

  /** The other node takes part in this at all. */
  get spoken(): boolean {
    return this.#theirs !== null
  }

  freeze(claims: ReadonlyMap<GroupId, HealClaim>): void {
    if (this.#mine !== null) return
    this.#n += 1
    this.#partner = 0
    this.#mine = { n: this.#n, echo: 0, settled: false, reachable: true, isolated: false, claims: new Map(claims) }
  }

  /**
   * True: the other node has frozen a claim, and waits for ours. One claim is judged against one other: what this node
   * lost by the first is not claimed against the second, where both would let go.
   */
  heard(theirs: HealWords | null, hearsUs: boolean): boolean {
    this.#theirs = theirs
    this.#hearsUs = hearsUs
    if (theirs === null) return false
    if (this.#partner !== 0 && theirs.n !== 0 && theirs.n !== this.#partner) this.#mine = null
    if (this.#paired) this.#partner = theirs.n
    const both = this.#mine?.settled === true && theirs.settled
    if (this.#mine !== null && (both || theirs.n === 0) && this.#mine.settled) this.#mine = null
    return theirs.n !== 0 && !theirs.settled && this.#mine === null
  }

  /** The life of the other node ended: what was frozen about it means nothing. */
  reset(): void {
    this.#mine = null
    this.#theirs = null
    this.#hearsUs = false
    this.#partner = 0
  }

  /** What goes into the next statement. `disputed`: something is still held by both. */
  say(disputed: boolean): HealWords {
    const echo = this.#echo
    if (this.#mine === null) return { n: 0, echo, settled: true, reachable: true, isolated: false, claims: new Map() }
    this.#mine = { ...this.#mine, echo, settled: !disputed && this.#paired }
    return this.#mine
  }

  /** Text of what would be said: a change of it is news. */
  news(disputed: boolean): string {
    const mine = this.#mine
    if (mine === null) return `0 ${this.#echo}`
    return `${mine.n} ${this.#echo} ${bit(!disputed && this.#paired)}`
  }

  /** To a node that does not hear us nothing is said by which it may judge once it does. */
  get #echo(): number {
    return this.#hearsUs ? this.#theirs?.n ?? 0 : 0
  }

  get #paired(): boolean {
    return this.#mine !== null && this.#theirs !== null && this.#hearsUs && this.#theirs.n !== 0 && this.#theirs.echo === this.#mine.n
  }

  /** Only over the pair that both echoed; what is not in it is not judged by it. */
  verdict(id: GroupId, who: { readonly self: NodeId; readonly peer: NodeId; readonly home: NodeId }): HealVerdict {
    const mine = this.#mine
    const theirs = this.#theirs
    // Theirs is frozen until we say that it is settled, and our echo of it leaves in this very step.
    if (mine === null || theirs === null || !this.#paired) return 'open'
    const mineRank = rankOf(mine, id)
    const otherRank = rankOf(theirs, id)
    const at = mineRank.findIndex((value, index) => value !== otherRank[index])
    if (at >= 0) return (mineRank[at] ?? 0) > (otherRank[at] ?? 0) ? 'keep' : 'yield'
    if (who.home === who.self || who.home === who.peer) return who.home === who.self ? 'keep' : 'yield'
    return who.self < who.peer ? 'keep' : 'yield'
  }
}

/** What was not claimed when the claim was frozen comes after everything that was. */
function rankOf(words: HealWords, id: GroupId): readonly number[] {
  const claim = words.claims.get(id)
  const { reachable, isolated } = words
  return [claim?.token ?? 0, claim === undefined ? 0 : 1, reachable ? 1 : 0, isolated ? 0 : 1, claim?.incumbent === true ? 1 : 0]
}
