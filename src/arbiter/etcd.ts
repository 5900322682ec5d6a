// Ownership of groups in etcd: one key for each group, created in a transaction only if it does not exist, bound
// to a lease that is kept alive while the group is held. The token is the revision that created the key: it
// grows with every owner and no key ever has it again.
//
// Rules that are easy to get wrong:
// - The deadline counts from before the request was sent, and from before the grant when a key is created.
// - The leader answers keepalives alone. A leader that was deposed without knowing would renew what its
//   successor lets expire earlier, so a keepalive counts only between two linearizable reads by one member in
//   one term of raft: then no election came between them.
// - Whose the key is, is only ever learnt from a linearizable read. A lease that is said to be unknown is not yet
//   proof that the key is gone.
// - A create that timed out may still be carried out minutes later. It is over only when its lease is revoked.
import type { Micros } from '../core/base/ids.js'
import {
  deadlineOf, unknownAnswer, type Arbiter, type ArbiterAnswer, type ArbiterHealth, type ArbiterOrder, type ArbiterParts, type ProbeLine,
} from './arbiter.js'
import { EtcdGateway, grpc, recordOf, wholeNumber, type EtcdAccess, type EtcdHeader, type GatewayReply } from './etcd-gateway.js'

export interface EtcdConfig extends EtcdAccess {
  /** Begins every key; ends with a slash. */
  readonly prefix: string
}

/** A member in one term of raft. */
type Place = Pick<EtcdHeader, 'member' | 'term'>

interface Owned {
  readonly token: number
  readonly leaseId: string
  /** Where a linearizable read was last answered; null: nowhere yet. */
  readonly read: Place | null
}

interface KeyState {
  readonly key: { readonly token: number; readonly leaseId: string; readonly holder: string | null } | null
  readonly place: Place
}

/** An election between two reads is rare; two in a row mean that there is no stable leader. */
const renewalsMax = 3
const leaseIdPattern = /^\d{1,19}$/
const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

export class EtcdArbiter implements Arbiter {
  readonly #parts: ArbiterParts
  readonly #prefix: string
  readonly #gateway: EtcdGateway
  readonly #owned = new Map<string, Owned>()
  /** Leases under which a create may still be carried out. */
  readonly #pending = new Map<string, string>()
  #asked = false

  constructor(config: EtcdConfig, parts: ArbiterParts) {
    this.#parts = parts
    this.#prefix = config.prefix
    this.#gateway = new EtcdGateway(config, parts)
  }

  async run(order: ArbiterOrder): Promise<ArbiterAnswer> {
    this.#asked = true
    const until = this.#parts.now() + this.#parts.times.timeoutUs as Micros
    try {
      switch (order.action) {
        case 'acquire': return await this.#acquire(order.group, until)
        case 'renew': case 'confirm': return await this.#renew(order.group, order.token, until)
        case 'release': return await this.#release(order.group, order.token, until)
      }
    } catch (error) {
      // Files that cannot be read, certificates that are none: the lease is as unknown as without a network.
      return unknownAnswer(error instanceof Error ? error.message : 'unexpected failure')
    }
  }

  health(): ArbiterHealth {
    const { endpoint, lastAnswerAt, lastMs, problem } = this.#gateway
    return { reachable: this.#asked ? problem === null : null, endpoint, lastAnswerAt, lastMs, problem }
  }

  close(): void {
    this.#gateway.close()
  }

  // --------------------------------------------------------------------------------------------- acquire

  async #acquire(group: string, until: Micros): Promise<ArbiterAnswer> {
    const unresolved = await this.#resolve(group, until)
    if (unresolved !== null) return unresolved
    // Looked at first: a waiting node asks four times a second, and a lease for each would be two writes to every disk.
    const seen = await this.#read(group, until)
    if (!('place' in seen)) return seen
    if (seen.key !== null) return otherAnswer(seen.key)
    const sentAt = this.#parts.now()
    const granted = await this.#gateway.call('/v3/lease/grant', { TTL: String(this.#ttlSeconds) }, until)
    // Without a lease no key was asked for: whatever became of this request, the group is not ours by it.
    if (granted.kind !== 'answer') return unknownAnswer(textOf(granted))
    const lease = leaseOf(granted.body)
    if (lease === null) return unknownAnswer('etcd granted a lease of no known form')
    this.#pending.set(group, lease.id)
    const reply = await this.#gateway.call('/v3/kv/txn', this.#create(group, lease.id), until)
    if (reply.kind !== 'answer') {
      if (reply.kind === 'refused' && reply.attempts === 1) return await this.#refusedCreate(group, reply, until)
      return unknownAnswer(textOf(reply))
    }
    const created = reply.body['succeeded'] === true
    const state = created ? null : keyStateOf(reply)
    const token = created ? reply.header.revision : state?.key?.leaseId === lease.id ? state.key.token : null
    if (token !== null) {
      this.#pending.delete(group)
      this.#owned.set(group, { token, leaseId: lease.id, read: placeOf(reply.header) })
      const deadlineAt = deadlineOf(sentAt, lease.ttlUs, this.#parts.times)
      return { outcome: 'held', token, deadlineAt, holder: this.#parts.node, text: 'acquired' }
    }
    return await this.#lostRace(group, state, reply.attempts, until)
  }

  /** The key is there already. What was sent to another member before may still arrive, so its lease has to go first. */
  async #lostRace(group: string, state: KeyState | null, attempts: number, until: Micros): Promise<ArbiterAnswer> {
    const unresolved = await this.#resolve(group, until)
    if (unresolved !== null && attempts > 1) return unresolved
    if (state === null) return unknownAnswer('etcd answered a transaction in no known form')
    if (state.key === null) return unknownAnswer('the key went away in the middle of the transaction')
    return otherAnswer(state.key)
  }

  async #refusedCreate(group: string, reply: GatewayReply, until: Micros): Promise<ArbiterAnswer> {
    // Refused by the only member that was asked: nothing is under way. The lease is given back, or ends by itself.
    await this.#resolve(group, until)
    this.#pending.delete(group)
    return unknownAnswer(textOf(reply))
  }

  #create(group: string, leaseId: string): unknown {
    const key = this.#key(group)
    const value = base64(JSON.stringify({ node: this.#parts.node, incarnation: this.#parts.incarnation() }))
    return {
      compare: [{ target: 'CREATE', key, create_revision: '0' }],
      success: [{ request_put: { key, value, lease: leaseId } }],
      failure: [{ request_range: { key } }],
    }
  }

  /** Ends what an earlier create may have left. Null: nothing is open any more. */
  async #resolve(group: string, until: Micros): Promise<ArbiterAnswer | null> {
    const leaseId = this.#pending.get(group)
    if (leaseId === undefined) return null
    const reply = await this.#gateway.call('/v3/lease/revoke', { ID: leaseId }, until)
    const gone = reply.kind === 'answer' || (reply.kind === 'refused' && reply.code === grpc.notFound)
    if (!gone) return unknownAnswer(`an earlier request is still open: ${textOf(reply)}`)
    this.#pending.delete(group)
    return null
  }

  // ----------------------------------------------------------------------------------------------- renew

  async #renew(group: string, token: number | null, until: Micros): Promise<ArbiterAnswer> {
    if (token === null) return unknownAnswer('no token to renew')
    const known = this.#owned.get(group)
    let owned: Owned = known?.token === token ? known : { token, leaseId: '0', read: null }
    for (let turn = 0; turn < renewalsMax; turn += 1) {
      if (owned.read === null) {
        const first = await this.#read(group, until)
        if (!('place' in first)) return first
        const verdict = this.#verdict(group, token, first)
        if ('outcome' in verdict) return verdict
        owned = verdict
      }
      const sentAt = this.#parts.now()
      const alive = await this.#gateway.call('/v3/lease/keepalive', { ID: owned.leaseId }, until)
      const again = await this.#read(group, until)
      if (!('place' in again)) return again
      const verdict = this.#verdict(group, token, again)
      if ('outcome' in verdict) return verdict
      const before: Place | null = owned.read
      owned = verdict
      if (alive.kind !== 'answer') return unknownAnswer(textOf(alive))
      const ttlS = wholeNumber(alive.body['TTL'])
      if (ttlS === null || ttlS <= 0) return unknownAnswer('etcd does not keep the lease alive any more')
      const steady = samePlace(before, again.place) && alive.header.member === again.place.member
      if (!steady) continue
      const deadlineAt = deadlineOf(sentAt, ttlS * 1_000_000, this.#parts.times)
      return { outcome: 'held', token, deadlineAt, holder: this.#parts.node, text: 'renewed' }
    }
    return unknownAnswer('the members of etcd change: no renewal was confirmed by a quorum')
  }

  /** The key is ours under this token, or the answer that says whose it is. */
  #verdict(group: string, token: number, state: KeyState): Owned | ArbiterAnswer {
    if (state.key?.token === token) {
      const owned = { token, leaseId: state.key.leaseId, read: state.place }
      this.#owned.set(group, owned)
      return owned
    }
    this.#owned.delete(group)
    if (state.key === null) return { outcome: 'released', token: null, deadlineAt: null, holder: null, text: 'the key is gone' }
    return otherAnswer(state.key)
  }

  async #read(group: string, until: Micros): Promise<KeyState | ArbiterAnswer> {
    const reply = await this.#gateway.call('/v3/kv/range', { key: this.#key(group), serializable: false }, until)
    if (reply.kind !== 'answer') return unknownAnswer(textOf(reply))
    const state = rangeStateOf(reply.body, reply.header)
    return state ?? unknownAnswer('etcd answered a read in no known form')
  }

  // --------------------------------------------------------------------------------------------- release

  async #release(group: string, token: number | null, until: Micros): Promise<ArbiterAnswer> {
    const unresolved = await this.#resolve(group, until)
    if (unresolved !== null) return unresolved
    if (token !== null) {
      const key = this.#key(group)
      const body = {
        compare: [{ target: 'CREATE', key, create_revision: String(token) }],
        success: [{ request_delete_range: { key } }],
        failure: [],
      }
      const reply = await this.#gateway.call('/v3/kv/txn', body, until)
      if (reply.kind !== 'answer') return unknownAnswer(textOf(reply))
    }
    const owned = this.#owned.get(group)
    if (owned !== undefined && (token === null || owned.token === token)) {
      this.#owned.delete(group)
      // Only to be tidy: without a key the lease means nothing and ends by itself.
      void this.#gateway.call('/v3/lease/revoke', { ID: owned.leaseId }, until)
    }
    return { outcome: 'released', token: null, deadlineAt: null, holder: null, text: 'released' }
  }

  // ----------------------------------------------------------------------------------------------- probe

  async probe(): Promise<readonly ProbeLine[]> {
    this.#asked = true
    const group = `.probe/${this.#parts.node}`
    const lines: ProbeLine[] = []
    const steps: readonly [what: string, run: (token: number | null) => Promise<ArbiterAnswer>, wanted: ArbiterAnswer['outcome']][] = [
      ['create a key with a lease', () => this.run({ action: 'acquire', group, token: null }), 'held'],
      ['renew it', (token) => this.run({ action: 'renew', group, token }), 'held'],
      ['delete it', (token) => this.run({ action: 'release', group, token }), 'released'],
    ]
    let token: number | null = null
    for (const [what, step, wanted] of steps) {
      const begun = this.#parts.now()
      const answer = await step(token)
      token = answer.token ?? token
      const ms = ((this.#parts.now() - begun) / 1000).toFixed(1)
      const ok = answer.outcome === wanted
      const where = this.#gateway.endpoint ?? 'nowhere'
      lines.push({ ok, text: ok ? `etcd: ${what}: ${ms} ms at ${where}` : `etcd: ${what}: ${answer.outcome}: ${answer.text}` })
      if (!ok) break
    }
    return lines
  }

  // ----------------------------------------------------------------------------------------------- parts

  #key(group: string): string {
    return base64(`${this.#prefix}${group}`)
  }

  get #ttlSeconds(): number {
    return Math.ceil(this.#parts.times.ttlUs / 1_000_000)
  }
}

const textOf = (reply: GatewayReply): string => (reply.kind === 'answer' ? 'answered' : reply.text)
const placeOf = ({ member, term }: EtcdHeader): Place => ({ member, term })
const samePlace = (a: Place | null, b: Place): boolean => a !== null && a.member === b.member && a.term === b.term && a.term !== ''

function otherAnswer(key: NonNullable<KeyState['key']>): ArbiterAnswer {
  const holder = key.holder ?? 'an unknown owner'
  return { outcome: 'other', token: key.token, deadlineAt: null, holder: key.holder, text: `held by ${holder}` }
}

function leaseOf(body: Readonly<Record<string, unknown>>): { id: string; ttlUs: number } | null {
  const id = body['ID']
  const ttlS = wholeNumber(body['TTL'])
  if (typeof id !== 'string' || !leaseIdPattern.test(id) || ttlS === null || ttlS <= 0) return null
  return { id, ttlUs: ttlS * 1_000_000 }
}

function keyStateOf(reply: Extract<GatewayReply, { kind: 'answer' }>): KeyState | null {
  const responses: unknown = reply.body['responses']
  const range = Array.isArray(responses) ? recordOf(recordOf(responses[0])?.['response_range']) : null
  return range === null ? null : rangeStateOf(range, reply.header)
}

function rangeStateOf(range: Readonly<Record<string, unknown>>, header: EtcdHeader): KeyState | null {
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
  try {
    const node = recordOf(JSON.parse(Buffer.from(value, 'base64').toString('utf8')))?.['node']
    return typeof node === 'string' && /^[\x21-\x7e]{1,255}$/.test(node) ? node : null
  } catch {
    return null
  }
}
