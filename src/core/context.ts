// What every machine of the core shares: the configuration, the time of this step, and the effects of it.

import { micros, type GroupId, type Micros } from './base/ids.js'
import type {
  ArbiterRunEffect, Effect, FenceRecordEffect, FenceRunEffect, HaltEffect, HoldingEffect, MemberRunEffect, NoteEffect,
  OwnershipEffect, PlanArmEffect, PlanDisarmEffect, PlanFireEffect,
} from './effects.js'
import type { CoreConfig, Field } from './types.js'

export type Details = NoteEffect['details']
export type Level = NoteEffect['level']

/** Name and value pairs of a message to send, in wire order. */
export type Words = readonly (readonly [name: string, value: string])[]

export class Context {
  now: Micros = micros(0)
  generation = 0
  #out: Effect[] = []
  #first: Effect[] = []
  #call = 0

  constructor(public config: CoreConfig) {}

  begin(at: Micros): void {
    // A step never runs backwards: two threads may stamp two events a few microseconds apart.
    this.now = micros(Math.max(at, this.now))
    this.#out = []
    this.#first = []
  }

  end(): readonly Effect[] {
    return this.#first.length === 0 ? this.#out : [...this.#first, ...this.#out]
  }

  /** Effects so far: grows as long as the machines have something to say. */
  get count(): number {
    return this.#out.length
  }

  /** Before everything else of this step: whatever changes what a plan rests on comes after it. */
  disarm(order: Omit<PlanDisarmEffect, 'type'>): void {
    this.#first.push({ type: 'plan.disarm', ...order })
  }

  arm(order: Omit<PlanArmEffect, 'type'>): void {
    this.#out.push({ type: 'plan.arm', ...order })
  }

  fire(order: Omit<PlanFireEffect, 'type'>): void {
    this.#out.push({ type: 'plan.fire', ...order })
  }

  /** That a group may be held is known before the first act of its take, that it is not after the last stop. */
  holding(holding: Omit<HoldingEffect, 'type'>): void {
    const list = holding.held ? this.#first : this.#out
    list.push({ type: 'holding', ...holding })
  }

  note(level: Level, event: string, text: string, details: Details = {}): void {
    this.#out.push({ type: 'note', level, event, text, details })
  }

  send(t: string, words: Words = []): void {
    const fields: Field[] = [['t', t] as const, ...words].map(([name, value]) => ({ name, type: 0, value }))
    this.#out.push({ type: 'send', fields })
  }

  status(st: 'init' | 'up' | 'active', deadtimeExtraUs = 0): void {
    this.#out.push({ type: 'status', st, deadtimeExtraUs })
  }

  run(order: Pick<MemberRunEffect, 'group' | 'digest' | 'member' | 'action' | 'authority'>): number {
    this.#call += 1
    this.#out.push({ type: 'member.run', call: this.#call, ...order })
    return this.#call
  }

  abort(order: { readonly call: number; readonly group: GroupId; readonly member: string }): void {
    this.#out.push({ type: 'member.abort', ...order })
  }

  arbiter(order: Omit<ArbiterRunEffect, 'type' | 'call'>): number {
    this.#call += 1
    this.#out.push({ type: 'arbiter.run', call: this.#call, ...order })
    return this.#call
  }

  ownership(ownership: Omit<OwnershipEffect, 'type'>): void {
    this.#out.push({ type: 'ownership', ...ownership })
  }

  timer(key: string, delayUs: number): void {
    this.#out.push({ type: 'timer.set', key, at: micros(this.now + delayUs) })
  }

  cancel(key: string): void {
    this.#out.push({ type: 'timer.cancel', key })
  }

  persist(key: string, value: string | null): void {
    this.#out.push({ type: 'persist', key, value })
  }

  reply(id: string, done: boolean, ok: boolean, code: string, text: string): void {
    this.#out.push({ type: 'reply', id, done, ok, code, text })
  }

  fence(order: Omit<FenceRunEffect, 'type'>): void {
    this.#out.push({ type: 'fence.run', ...order })
  }

  fenceRecord(record: Omit<FenceRecordEffect, 'type'>): void {
    this.#out.push({ type: 'fence.record', ...record })
  }

  raiseGeneration(): void {
    this.#out.push({ type: 'generation.raise' })
  }

  halt(how: HaltEffect['how'], reason: string): void {
    this.#out.push({ type: 'halt', how, reason })
  }
}

/** Text of a message's field, null when it is absent or not text. */
export function word(fields: readonly Field[], name: string): string | null {
  for (const field of fields) {
    if (field.name === name) return typeof field.value === 'string' ? field.value : null
  }
  return null
}

/** A hexadecimal number of a message, as `seq` and `hg` are written; null when the engine did not pass it on. */
export function hexOf(fields: readonly Field[], name: string): number | null {
  const text = word(fields, name)
  return text !== null && /^[0-9a-f]{1,12}$/.test(text) ? parseInt(text, 16) : null
}

/** Sequence number: tells which of two messages was said later. */
export const seqOf = (fields: readonly Field[]): number | null => hexOf(fields, 'seq')
