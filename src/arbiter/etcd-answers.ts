// What stands in etcd, as its JSON gateway tells it: keys of owners, marks of what was given back, leases.
import type { ArbiterAnswer } from './arbiter.js'
import { recordOf, wholeNumber, type EtcdHeader, type GatewayReply } from './etcd-gateway.js'
import type { SeenKey } from './etcd-sights.js'

/** A member in one term of raft. */
export type Place = Pick<EtcdHeader, 'member' | 'term'>

export interface KeyState {
  readonly key: SeenKey | null
  readonly place: Place
}

const leaseIdPattern = /^\d{1,19}$/
export const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

/** What was given back: an ownership, or what a create of unknown outcome may have left. */
export type MarkWords = { readonly token: number } | { readonly lease: string }

/** The owner of this key gave it back, or a later one did, who can only have come after it. */
export function isMarkOf(range: Readonly<Record<string, unknown>>, key: SeenKey): boolean {
  const kvs: unknown = range['kvs']
  const value = Array.isArray(kvs) ? recordOf(kvs[0])?.['value'] : null
  if (typeof value !== 'string') return false
  const words = wordsOf(value)
  const token = wholeNumber(words?.['token'])
  return (token !== null && token >= key.token) || words?.['lease'] === key.leaseId
}

export const textOf = (reply: GatewayReply): string => (reply.kind === 'answer' ? 'answered' : reply.text)
export const placeOf = ({ member, term }: EtcdHeader): Place => ({ member, term })
export const samePlace = (a: Place | null, b: Place): boolean => a !== null && a.member === b.member && a.term === b.term && a.term !== ''

export function otherAnswer(key: NonNullable<KeyState['key']>): ArbiterAnswer {
  const holder = key.holder ?? 'an unknown owner'
  return { outcome: 'other', token: key.token, deadlineAt: null, holder: key.holder, text: `held by ${holder}` }
}

export function leaseOf(body: Readonly<Record<string, unknown>>): { id: string; ttlUs: number } | null {
  const id = body['ID']
  const ttlS = wholeNumber(body['TTL'])
  if (typeof id !== 'string' || !leaseIdPattern.test(id) || ttlS === null || ttlS <= 0) return null
  return { id, ttlUs: ttlS * 1_000_000 }
}

export function keyStateOf(reply: Extract<GatewayReply, { kind: 'answer' }>): KeyState | null {
  const responses: unknown = reply.body['responses']
  const range = Array.isArray(responses) ? recordOf(recordOf(responses[0])?.['response_range']) : null
  return range === null ? null : rangeStateOf(range, reply.header)
}

export function rangeStateOf(range: Readonly<Record<string, unknown>>, header: EtcdHeader): KeyState | null {
  const place = placeOf(header)
  const kvs: unknown = range['kvs']
  if (kvs === undefined) return { key: null, place }
  if (!Array.isArray(kvs) || kvs.length > 1) return null
  if (kvs.length === 0) return { key: null, place }
  const kv = recordOf(kvs[0])
  const token = wholeNumber(kv?.['create_revision'])
  if (kv === null || token === null || token <= 0) return null
  const lease = kv['lease']
  const leaseId = typeof lease === 'string' && leaseIdPattern.test(lease) ? lease : '0'
  return { key: { token, leaseId, holder: holderOf(kv['value']) }, place }
}

function holderOf(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const node = wordsOf(value)?.['node']
  return typeof node === 'string' && /^[\x21-\x7e]{1,255}$/.test(node) ? node : null
}

function wordsOf(value: string): Readonly<Record<string, unknown>> | null {
  try {
    return recordOf(JSON.parse(Buffer.from(value, 'base64').toString('utf8')))
  } catch {
    return null
  }
}
