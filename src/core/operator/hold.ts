// Which groups are on hold, as both nodes agree on it: one register for each group, and the higher version wins.
// Equal versions that differ (both operators spoke at once): on hold, because that forbids more. For the same reason a
// hold that was said while the peer was not heard is not ended by what that one said without knowing of it.
//
// As text, in statements and on the disk: `VERSION(+|-):GROUP`, joined by blanks.

import { groupId, type GroupId } from '../base/ids.js'

interface Entry {
  readonly version: number
  readonly on: boolean
}

/** More than any pair has groups: what a peer says beyond it is not remembered. */
const entriesMax = 256

export class SharedHolds {
  readonly #own = new Map<GroupId, Entry>()
  /** What the peer said last, also of groups that are not configured here (yet). */
  #theirs = new Map<GroupId, Entry>()

  #heard = false
  /** Put on hold here while the peer was not heard, which has said nothing in knowledge of it. */
  readonly #unheard = new Set<GroupId>()

  constructor(private readonly knows: (id: GroupId) => boolean) {}

  has(id: GroupId): boolean {
    return this.#own.get(id)?.on ?? false
  }

  /**
   * False: nothing changed. A hold that is said again is a new one: what an operator on the other node may be ending
   * just now was the one before.
   */
  set(id: GroupId, on: boolean): boolean {
    const before = this.#own.get(id)
    const same = (before?.on ?? false) === on
    if (same && !on) return false
    const version = Math.max(before?.version ?? 0, this.#theirs.get(id)?.version ?? 0) + 1
    this.#own.set(id, { version, on })
    if (on && !this.#heard) this.#unheard.add(id)
    else this.#unheard.delete(id)
    return !same
  }

  get text(): string {
    return encode(this.#own)
  }

  load(text: string): void {
    for (const [id, entry] of decode(text)) if (this.knows(id)) this.#own.set(id, entry)
  }

  /** The peer's whole text, `informed`: said in knowledge of ours. Groups whose hold changed here because of it. */
  merge(text: string, informed: boolean): readonly GroupId[] {
    // What it said before it knew may come one after the other, once it is heard again. The first of it, be it an
    // answer to ours, was weighed against a version of ours that did not know of its versions.
    if (informed && this.#heard) this.#unheard.clear()
    this.#theirs = decode(text)
    this.#heard = true
    for (const id of this.#unheard) this.#sayAnew(id)
    return this.#adopt()
  }

  #sayAnew(id: GroupId): void {
    const theirs = this.#theirs.get(id)
    const own = this.#own.get(id)
    if (theirs === undefined || own?.on !== true || theirs.on || theirs.version <= own.version) return
    this.#own.set(id, { version: theirs.version + 1, on: true })
  }

  /** Groups came or went with a reload. */
  reloaded(): readonly GroupId[] {
    for (const id of this.#own.keys()) if (!this.knows(id)) this.#own.delete(id)
    return this.#adopt()
  }

  #adopt(): readonly GroupId[] {
    const changed: GroupId[] = []
    for (const [id, theirs] of this.#theirs) {
      if (!this.knows(id)) continue
      const own = this.#own.get(id) ?? { version: 0, on: false }
      const newer = theirs.version > own.version || (theirs.version === own.version && theirs.on && !own.on)
      if (!newer) continue
      if (theirs.on !== own.on) changed.push(id)
      this.#own.set(id, theirs)
    }
    return changed
  }

  /** The peer has said exactly this about the group. */
  agreed(id: GroupId): boolean {
    const own = this.#own.get(id)
    const theirs = this.#theirs.get(id)
    return own === undefined || (theirs?.version === own.version && theirs.on === own.on)
  }

  peerForgotten(): void {
    this.#heard = false
    this.#theirs = new Map()
  }
}

function encode(entries: ReadonlyMap<GroupId, Entry>): string {
  return [...entries].map(([id, { version, on }]) => `${version}${on ? '+' : '-'}:${id}`).join(' ')
}

/** Anything unexpected is left out: a hold that cannot be read is none, and the rest still counts. */
function decode(text: string): Map<GroupId, Entry> {
  const entries = new Map<GroupId, Entry>()
  for (const part of text.split(' ').slice(0, entriesMax)) {
    const match = /^(\d{1,9})([+-]):(\S+)$/.exec(part)
    if (match === null) continue
    entries.set(groupId(match[3] ?? ''), { version: Number(match[1]), on: match[2] === '+' })
  }
  return entries
}
