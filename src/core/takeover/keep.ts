// A planned restart that keeps resources: what this life writes down for the next one, and how much of it the
// next one may believe.
//
//   asked -> announced (the longer dead time, several times: one loss must not undo it) and written -> halt
// The permission ends with the dead time that was announced: after that the peer may have taken over.

import { groupId, type GroupId, type Micros } from '../base/ids.js'
import type { Context } from '../context.js'
import type { Group } from './group.js'

/** Added to the announced dead time, as a real heartbeat does before it restarts itself. */
export const keepExtraUs = 30_000_000
export const keepKey = 'keep'
const announcements = 4
const announceLeastUs = 50_000
const announceMostUs = 500_000
export const keepTimer = 'operator.keep'

export interface KeepIntent {
  readonly until: Micros | number
  readonly groups: ReadonlyMap<GroupId, { readonly digest: string; readonly returning: boolean }>
}

const none: KeepIntent = { until: 0, groups: new Map() }

/** The groups held now, under their present definition; `returning`: with failback it goes home again. */
export function encodeKeep(groups: readonly Group[], until: number, returns: (id: GroupId) => boolean): string {
  const list = groups.map((group) => ({ id: group.id, digest: group.config.digest, returning: returns(group.id) }))
  return JSON.stringify({ until, groups: list })
}

/** What of it still counts now; anything unexpected means nothing. */
export function decodeKeep(text: string | undefined, now: number): KeepIntent {
  if (text === undefined) return none
  try {
    const value = JSON.parse(text) as { until?: unknown; groups?: unknown }
    if (typeof value.until !== 'number' || value.until < now || value.until > now + keepExtraUs) return none
    if (!Array.isArray(value.groups)) return none
    const groups = (value.groups as { id?: unknown; digest?: unknown; returning?: unknown }[])
      .filter((one) => typeof one.id === 'string' && typeof one.digest === 'string')
      .map((one) => [groupId(String(one.id)), { digest: String(one.digest), returning: one.returning === true }] as const)
    return { until: value.until, groups: new Map(groups) }
  } catch {
    return none
  }
}

/** Says the longer dead time, several times, and tells when both that and the writing are done. */
export class KeepAnnouncement {
  #left = 0
  #written = false

  constructor(private readonly ctx: Context) {}

  begin(): void {
    this.#left = announcements
    this.#written = false
    this.due()
  }

  /** True when the last one has left long enough ago and the intent is on the disk. */
  due(): boolean {
    if (this.#left > 0) {
      this.#left -= 1
      this.ctx.status('active', keepExtraUs)
      const half = this.ctx.config.timing.keepaliveUs / 2
      this.ctx.timer(keepTimer, Math.round(Math.min(Math.max(half, announceLeastUs), announceMostUs)))
      return false
    }
    return this.#finished()
  }

  written(): boolean {
    this.#written = true
    return this.#finished()
  }

  cancel(): void {
    this.#left = 0
    this.ctx.cancel(keepTimer)
    this.ctx.status('active', 0)
  }

  #finished(): boolean {
    return this.#written && this.#left === 0
  }
}
