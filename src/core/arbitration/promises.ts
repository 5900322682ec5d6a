// What holds an ownership while the arbiter is out of reach and the two nodes hear each other: a second lease,
// granted by the other node. "I neither acquire nor take this group for P from now on." The owner counts P from
// before it asked, the other node from its answer, each on its own clock; a promise that arrives late, of another
// life or for another token is none.
//
// A promise binds across a restart: a node that begins does as if it had promised everything just before, until P
// has passed or the other node says, in knowledge of this life, that it does not hold the group. The longest P
// ever promised is on disk before it is promised.

import { groupId, micros, type GroupId, type Micros } from '../base/ids.js'
import type { Words } from '../context.js'
import { word as fieldOf } from '../context.js'
import type { Field, LeaseConfig } from '../types.js'

export const promiseKey = 'promise-span'
export const promiseMessage = 'tb_promise'
/** Longer than any sensible lease: a span from the wire beyond it is nonsense. */
const spanMaxUs = 600_000_000
const listMax = 64

export interface Token { readonly group: GroupId; readonly token: number }

export interface PromiseMessage {
  /** `ask`: will you? `grant`: I will not touch it. `void`: I do not rely on it any more. */
  readonly op: 'ask' | 'grant' | 'void'
  /** Incarnation of the sender, and of the receiver as the sender knows it. */
  readonly generation: number
  readonly peerGeneration: number
  /** Clock of the owner; a grant repeats the one of its ask. */
  readonly stamp: number
  readonly spanUs: number
  readonly list: readonly Token[]
}

export function promiseWords(to: string, message: PromiseMessage): Words {
  return [
    ['dest', to], ['tb_op', message.op], ['tb_gen', `${message.generation}`], ['tb_peer', `${message.peerGeneration}`],
    ['tb_stamp', `${message.stamp}`], ['tb_span', `${message.spanUs}`],
    ['tb_list', message.list.map(({ group, token }) => `${token}:${group}`).join(' ')],
  ]
}

/** Null for anything that is not exactly such a message. */
export function parsePromise(fields: readonly Field[]): PromiseMessage | null {
  const number = (name: string): number | null => {
    const text = fieldOf(fields, name)
    return text !== null && /^[0-9]{1,15}$/.test(text) ? Number(text) : null
  }
  const op = fieldOf(fields, 'tb_op')
  if (op !== 'ask' && op !== 'grant' && op !== 'void') return null
  const generation = number('tb_gen')
  const peerGeneration = number('tb_peer')
  const stamp = number('tb_stamp')
  const spanUs = number('tb_span')
  const text = fieldOf(fields, 'tb_list')
  if (generation === null || peerGeneration === null || stamp === null || spanUs === null || text === null) return null
  if (spanUs > spanMaxUs) return null
  const list: Token[] = []
  for (const part of text.split(' ')) {
    if (part === '') continue
    const match = /^([0-9]{1,15}):(\S+)$/.exec(part)
    if (match === null || list.length >= listMax) return null
    list.push({ group: groupId(match[2] ?? ''), token: Number(match[1]) })
  }
  return { op, generation, peerGeneration, stamp, spanUs, list }
}

interface Bond { readonly generation: number; readonly stamp: number; readonly until: Micros }

/** The promises that this node gave, and what it has to assume that it gave. */
export class GivenPromises {
  readonly #bonds = new Map<GroupId, Bond>()
  /** Newest word of the owner that it relies on nothing older. */
  readonly #voids = new Map<GroupId, { readonly generation: number; readonly stamp: number }>()
  #bootUntil: Micros = micros(0)
  readonly #freed = new Set<GroupId>()
  /** Longest span on disk; null: being written. */
  #spanUs = 0

  /** `longest`: from disk; every life waits at least that long unless the other node frees it. */
  boot(now: Micros, longest: number, config: LeaseConfig): void {
    this.#spanUs = longest
    this.#bootUntil = micros(now + Math.max(longest, config.ttlUs))
  }

  /** As of a machine: equal words, equal behaviour. */
  get words(): string {
    return JSON.stringify([[...this.#bonds], [...this.#voids], this.#bootUntil, [...this.#freed], this.#spanUs])
  }

  get spanUs(): number {
    return this.#spanUs
  }

  spanWritten(spanUs: number): void {
    this.#spanUs = Math.max(this.#spanUs, spanUs)
  }

  boundUntil(group: GroupId): Micros {
    const bond = this.#bonds.get(group)?.until ?? 0
    return micros(Math.max(bond, this.#freed.has(group) ? 0 : this.#bootUntil))
  }

  /** False: the owner has said already that it does not rely on this one. */
  give(group: GroupId, message: PromiseMessage, now: Micros): boolean {
    const voided = this.#voids.get(group)
    if (voided?.generation === message.generation && message.stamp <= voided.stamp) return false
    const until = micros(Math.max(now + message.spanUs, this.#bonds.get(group)?.until ?? 0))
    this.#bonds.set(group, { generation: message.generation, stamp: message.stamp, until })
    return true
  }

  void(group: GroupId, message: PromiseMessage): void {
    this.#voids.set(group, { generation: message.generation, stamp: message.stamp })
    const bond = this.#bonds.get(group)
    if (bond?.generation === message.generation && bond.stamp <= message.stamp) this.#bonds.delete(group)
  }

  /** The other node, of this incarnation and in knowledge of ours, says that it does not hold the group. */
  free(group: GroupId, generation: number): void {
    this.#freed.add(group)
    const bond = this.#bonds.get(group)
    if (bond !== undefined && bond.generation < generation) this.#bonds.delete(group)
  }
}

/** Until when a promise that was just received holds, on the clock of the owner who asked; null: it does not count. */
export function promiseUntil(message: PromiseMessage, now: Micros, config: LeaseConfig): Micros | null {
  if (message.stamp > now || message.stamp < now - message.spanUs) return null
  const span = Math.floor(message.spanUs * (1 - config.driftPpm / 1_000_000))
  return micros(message.stamp + span - config.stopBudgetUs)
}
