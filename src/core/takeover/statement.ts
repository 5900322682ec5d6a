// What two twinbeat nodes tell each other about groups: one statement with a word for each group.
// Statements are numbered within an incarnation, name both incarnations, and carry the number of the
// newest statement of the other side that they were made in knowledge of.

import type { GroupId } from '../base/ids.js'
import { groupId } from '../base/ids.js'
import { word as fieldOf, type Words } from '../context.js'
import type { Field } from '../types.js'

/**
 * unknown  not probed yet, counts as held          found     left behind by an earlier life, undecided
 * held     may be held here, fully or partly       promised  handed over, not yet confirmed by the taker
 * claim    I want it, once you have agreed         free      I do not hold it and do not take it
 * waive    like free, and I cannot run it: take it if you can
 * stuck    held, and it does not stop: I cannot yield
 */
export type Word = 'unknown' | 'found' | 'held' | 'stuck' | 'promised' | 'claim' | 'free' | 'waive'

export interface Claim {
  readonly word: Word
  /** Held since a time when both nodes heard each other. */
  readonly senior: boolean
  /** Claim epoch of a claim, else the greatest that the sender knows; 0: it says none. */
  readonly epoch: number
  /** The sender could take the group now; null: it does not say. */
  readonly ready: boolean | null
}

export interface Statement {
  readonly generation: number
  /** Our generation as the sender sees it alive; 0: it holds us for dead. */
  readonly peerGeneration: number
  readonly n: number
  readonly ack: number
  /** The sender waits for an answer. */
  readonly asks: boolean
  /** The encoded words: equal text, equal words. */
  readonly text: string
  /** Encoded claim epochs, and the groups that the sender could take. */
  readonly epochs: string
  readonly ready: string
  readonly claims: ReadonlyMap<GroupId, Claim>
}

const letters: Readonly<Record<Word, string>> = {
  unknown: 'u', found: 'f', held: 'h', promised: 'p', claim: 'c', free: 'n', waive: 'w', stuck: 's',
}
const words = new Map<string, Word>(Object.entries(letters).map(([name, letter]) => [letter, name as Word]))

export function encodeClaims(claims: ReadonlyMap<GroupId, Claim>): string {
  return [...claims].map(([id, claim]) => `${letters[claim.word]}${claim.senior ? '1' : '0'}:${id}`).join(' ')
}

/** Of the groups in the order of the configuration. */
export function encodeEpochs(claims: ReadonlyMap<GroupId, Claim>): string {
  return [...claims].map(([id, { epoch }]) => `${epoch}:${id}`).join(' ')
}

export function encodeReady(claims: ReadonlyMap<GroupId, Claim>): string {
  return [...claims].filter(([, { ready }]) => ready === true).map(([id]) => id).join(' ')
}

export function statementWords(to: string, statement: Omit<Statement, 'claims'>): Words {
  return [
    ['dest', to], ['tb_gen', `${statement.generation}`], ['tb_peer', `${statement.peerGeneration}`],
    ['tb_n', `${statement.n}`], ['tb_ack', `${statement.ack}`], ['tb_ask', statement.asks ? '1' : '0'],
    ['tb_groups', statement.text], ['tb_epochs', statement.epochs], ['tb_ready', statement.ready],
  ]
}

/** A whole number of a field, null when it is absent or none. */
export function numberOf(fields: readonly Field[], name: string): number | null {
  const text = fieldOf(fields, name)
  if (text === null || !/^[0-9]{1,15}$/.test(text)) return null
  return Number(text)
}

/** Null for anything that is not exactly a statement. */
export function parseStatement(fields: readonly Field[]): Statement | null {
  const generation = numberOf(fields, 'tb_gen')
  const peerGeneration = numberOf(fields, 'tb_peer')
  const n = numberOf(fields, 'tb_n')
  const ack = numberOf(fields, 'tb_ack')
  const text = fieldOf(fields, 'tb_groups')
  if (generation === null || peerGeneration === null || n === null || ack === null || text === null) return null
  const epochsText = fieldOf(fields, 'tb_epochs') ?? ''
  const epochs = parseEpochs(epochsText)
  const readyText = fieldOf(fields, 'tb_ready')
  const ready = readyText === null ? null : new Set(readyText.split(' '))
  const claims = new Map<GroupId, Claim>()
  for (const part of text.split(' ')) {
    if (part === '') continue
    const word = words.get(part.charAt(0))
    if (word === undefined || part.charAt(2) !== ':' || part.length < 4) return null
    const id = groupId(part.slice(3))
    claims.set(id, {
      word, senior: part.charAt(1) === '1', epoch: epochs.get(id) ?? 0, ready: ready === null ? null : ready.has(id),
    })
  }
  const asks = fieldOf(fields, 'tb_ask') === '1'
  return { generation, peerGeneration, n, ack, asks, text, epochs: epochsText, ready: readyText ?? '', claims }
}

/** `NUMBER:GROUP` parts; anything else says nothing. */
function parseEpochs(text: string): Map<GroupId, number> {
  const epochs = new Map<GroupId, number>()
  for (const part of text.split(' ')) {
    const colon = part.indexOf(':')
    const number = part.slice(0, Math.max(colon, 0))
    if (/^[0-9]{1,15}$/.test(number)) epochs.set(groupId(part.slice(colon + 1)), Number(number))
  }
  return epochs
}
