// Maintenance of the pair: nothing is armed, taken, handed over or monitored on either node until a moment that
// each node keeps on its own clock. What runs goes on running. It ends by itself: a maintenance that somebody
// forgot must not be the reason why nobody takes over next month.
//
// As text in statements: `VERSION:LEFT_MS`, LEFT_MS 0 for off. The higher version wins; equal ones differ only by the
// time the message took, or because both operators spoke at once, and then on wins over off. What began while the other
// node was not heard does not end earlier by what that one said without knowing of it, though its version be higher:
// versions are forgotten with the boot of a machine. The first that is heard then only tells how high ours has to be,
// even an answer to it. Of two that began so the later end holds, because that forbids more.

import { micros, type Micros } from '../base/ids.js'

export const maintenanceMaxUs = 24 * 3_600_000_000

export class Maintenance {
  #version = 0
  #until: Micros = micros(0)
  /** The peer's version as it said last. */
  #theirs: { version: number; on: boolean } | null = null
  /** It began while the peer was not heard, which has said nothing in knowledge of it. */
  #unheard = false

  /** Until when; null: there is none now. */
  until(now: Micros): Micros | null {
    return this.#until > now ? this.#until : null
  }

  begin(now: Micros, us: number): void {
    this.#version = this.#next()
    this.#until = micros(now + Math.min(us, maintenanceMaxUs))
    this.#unheard = this.#theirs === null
  }

  end(): void {
    this.#version = this.#next()
    this.#until = micros(0)
  }

  #next(): number {
    return Math.max(this.#version, this.#theirs?.version ?? 0) + 1
  }

  /** Without the time that is left: equal text, nothing new to say. */
  stamp(now: Micros): string {
    return `${this.#version}${this.until(now) === null ? '-' : '+'}`
  }

  said(now: Micros): string {
    const until = this.until(now)
    return `${this.#version}:${until === null ? 0 : Math.ceil((until - now) / 1000)}`
  }

  /** `informed`: said in knowledge of ours. True when this changed whether, or until when, there is maintenance here. */
  merge(text: string, now: Micros, informed: boolean): boolean {
    const match = /^(\d{1,9}):(\d{1,9})$/.exec(text)
    if (match === null) return false
    const version = Number(match[1])
    const leftUs = Math.min(Number(match[2]) * 1000, maintenanceMaxUs)
    if (informed && this.#theirs !== null) this.#unheard = false
    this.#theirs = { version, on: leftUs > 0 }
    const unheard = this.#unheard
    const ours = this.until(now)
    if (unheard && ours !== null) {
      const theirEnd = micros(now + leftUs)
      if (theirEnd < ours && version >= this.#version) this.#version = version + 1
      if (theirEnd < ours) return false
      if (version < this.#version) {
        this.#version += 1
        this.#until = theirEnd
        return theirEnd > ours
      }
    }
    const switchedOff = this.#until === 0
    if (version < this.#version || (version === this.#version && (leftUs === 0 || !switchedOff))) return false
    const before = this.until(now)
    this.#version = version
    this.#until = micros(leftUs === 0 ? 0 : now + leftUs)
    return before !== null || leftUs > 0
  }

  agreed(now: Micros): boolean {
    return this.#theirs?.version === this.#version && this.#theirs.on === (this.until(now) !== null)
  }

  peerForgotten(): void {
    this.#theirs = null
  }

  get stored(): string {
    return JSON.stringify({ version: this.#version, until: this.#until })
  }

  /** Written in this boot of the machine (another one's clock means nothing); anything unexpected means nothing. */
  load(text: string, now: Micros): void {
    try {
      const value = JSON.parse(text) as { version?: unknown; until?: unknown }
      if (typeof value.version !== 'number' || typeof value.until !== 'number') return
      this.#version = value.version
      if (value.until > now && value.until <= now + maintenanceMaxUs) this.#until = micros(value.until)
    } catch {
      // A damaged fact is no maintenance.
    }
  }
}
