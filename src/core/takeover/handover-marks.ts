// What the disk says of hand-overs: "the peer may hold it", one mark for each group. What counts is the last thing that
// was written of a group: an answer to anything before it says nothing.
//
// A mark may be written ahead, while an exchange that will probably come still waits for something else. A life that
// finds one asks the peer, exactly as after an exchange: saying so too early costs a question, too late a second owner.

import type { GroupId } from '../base/ids.js'
import type { Context } from '../context.js'

const markPrefix = 'handover:'

interface Mark {
  /** Exchange that the disk will name when everything is written; null: none. */
  wanted: string | null
  underWay: number
  /** The last write is done, and did not fail. */
  written: boolean
}

export class HandoverMarks {
  readonly #marks = new Map<string, Mark>()
  readonly #ahead = new Map<GroupId, string>()

  constructor(private readonly ctx: Context) {}

  /** Name of the group that a stored fact is about; null: it is no mark. */
  static groupOf(key: string): string | null {
    return key.startsWith(markPrefix) ? key.slice(markPrefix.length) : null
  }

  write(group: string, x: string | null): void {
    const mark = this.#marks.get(group) ?? { wanted: null, underWay: 0, written: false }
    this.#marks.set(group, { wanted: x, underWay: mark.underWay + 1, written: false })
    this.ctx.persist(`${markPrefix}${group}`, x)
  }

  /** True: this was the answer to the last write. */
  answered(group: string, ok: boolean): boolean {
    const mark = this.#marks.get(group)
    if (mark === undefined || mark.underWay === 0) return false
    mark.underWay -= 1
    if (mark.underWay > 0) return false
    mark.written = ok
    if (mark.wanted === null) this.#marks.delete(group)
    return true
  }

  /** On disk, on its way there, or neither. */
  stateOf(group: string, x: string): 'written' | 'under-way' | 'none' {
    const mark = this.#marks.get(group)
    if (mark?.wanted !== x) return 'none'
    return mark.written ? 'written' : mark.underWay > 0 ? 'under-way' : 'none'
  }

  // ------------------------------------------------------------------------------------- written ahead

  get waiting(): readonly GroupId[] {
    return [...this.#ahead.keys()]
  }

  writeAhead(id: GroupId, x: string): void {
    this.#ahead.set(id, x)
    this.write(id, x)
  }

  /** The exchange whose mark was written ahead, if there is one, begins: from here on the mark is its own. */
  takeAhead(id: GroupId): string | null {
    const x = this.#ahead.get(id) ?? null
    this.#ahead.delete(id)
    return x
  }

  isAhead(id: GroupId): boolean {
    return this.#ahead.has(id)
  }

  /** Nothing comes of it. */
  dropAhead(id: GroupId): void {
    if (this.#ahead.delete(id)) this.write(id, null)
  }

  /** Is there, or may be. */
  has(group: string): boolean {
    return (this.#marks.get(group)?.wanted ?? null) !== null
  }
}
