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
// - A key that is gone is not free yet: etcd may have revoked a lease that was renewed (etcd-sights.ts). Who gives a
//   key back leaves a mark beside it, and every create takes the mark away.
import { setTimeout as pause } from 'node:timers/promises'
import type { Micros } from '../core/base/ids.js'
import {
  deadlineOf, unknownAnswer, type Arbiter, type ArbiterAnswer, type ArbiterHealth, type ArbiterOrder, type ArbiterParts, type ProbeLine,
} from './arbiter.js'
import {
  base64, isMarkOf, keyStateOf, leaseOf, otherAnswer, placeOf, rangeStateOf, samePlace, textOf, type KeyState, type MarkWords, type Place,
} from './etcd-answers.js'
import { EtcdGateway, grpc, wholeNumber, type EtcdAccess, type GatewayReply } from './etcd-gateway.js'
import { Sights, type SeenKey } from './etcd-sights.js'
import { noticesOf } from './etcd-version.js'

export interface EtcdConfig extends EtcdAccess {
  /** Begins every key; ends with a slash. */
  readonly prefix: string
}

interface Owned {
  readonly token: number
  readonly leaseId: string
  /** Where a linearizable read was last answered; null: nowhere yet. */
  readonly read: Place | null
  /** As the last answer said; null: this life knows of none. */
  readonly deadlineAt: Micros | null
  /** The token of ours that this one stands in for, since its key went away before its time. */
  readonly insteadOf: number | null
}

/** An election between two reads is rare; two in a row mean that there is no stable leader. */
const renewalsMax = 3
const probeGroups = '.probe/'
const goneAnswer: ArbiterAnswer = { outcome: 'released', token: null, deadlineAt: null, holder: null, text: 'the key is gone' }

export class EtcdArbiter implements Arbiter {
  readonly #parts: ArbiterParts
  readonly #prefix: string
  readonly #gateway: EtcdGateway
  readonly #owned = new Map<string, Owned>()
  /** Leases under which a create may still be carried out. */
  readonly #pending = new Map<string, string>()
  /** Keys of ours that are created anew right now. */
  readonly #restoring = new Map<string, Promise<ArbiterAnswer>>()
  readonly #sights: Sights
  #asked = false

  constructor(config: EtcdConfig, parts: ArbiterParts) {
    this.#parts = parts
    this.#prefix = config.prefix
    this.#gateway = new EtcdGateway(config, parts)
    this.#sights = new Sights(parts.times)
  }

  async run(order: ArbiterOrder): Promise<ArbiterAnswer> {
    this.#asked = true
    const until = this.#parts.now() + this.#parts.times.timeoutUs as Micros
    try {
      switch (order.action) {
        case 'acquire': return await this.#acquire(order.group, until)
        case 'look': return await this.#look(order.group, until)
        case 'renew': case 'confirm': return await this.#renew(order.group, order.token, until)
        case 'release': return await this.#release(order.group, order.token, until)
      }
    } catch (error) {
      // Files that cannot be read, certificates that are none: the lease is as unknown as without a network.
      return unknownAnswer(error instanceof Error ? error.message : 'unexpected failure')
    }
  }

  async notices(): Promise<readonly string[] | null> {
    const until = this.#parts.now() + this.#parts.times.timeoutUs as Micros
    const members = await this.#gateway.versions(until).catch(() => [])
    return members.length === 0 ? null : noticesOf(members)
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
    const seen = await this.#look(group, until)
    return seen.outcome === 'released' ? await this.#create(group, null, until) : seen
  }

  /** `released`: there is no key, and one may be created. */
  async #look(group: string, until: Micros): Promise<ArbiterAnswer> {
    this.#sights.look(group, this.#parts.now())
    const seen = await this.#read(group, until)
    if (!('place' in seen)) return seen
    if (seen.key !== null) return await this.#heldByOther(group, seen.key, seen.place, until)
    return await this.#tooEarly(group, until) ?? goneAnswer
  }

  /** `insteadOf`: the token of ours whose key went away; it is the same ownership to everybody who knows that one only. */
  async #create(group: string, insteadOf: number | null, until: Micros): Promise<ArbiterAnswer> {
    const sentAt = this.#parts.now()
    const granted = await this.#gateway.call('/v3/lease/grant', { TTL: String(this.#ttlSeconds) }, until)
    // Without a lease no key was asked for: whatever became of this request, the group is not ours by it.
    if (granted.kind !== 'answer') return unknownAnswer(textOf(granted))
    const lease = leaseOf(granted.body)
    if (lease === null) return unknownAnswer('etcd granted a lease of no known form')
    this.#pending.set(group, lease.id)
    const reply = await this.#gateway.call('/v3/kv/txn', this.#createBody(group, lease.id), until)
    if (reply.kind !== 'answer') {
      if (reply.kind === 'refused' && reply.attempts === 1) return await this.#refusedCreate(group, reply, until)
      return unknownAnswer(textOf(reply))
    }
    const created = reply.body['succeeded'] === true
    const state = created ? null : keyStateOf(reply)
    const token = created ? reply.header.revision : state?.key?.leaseId === lease.id ? state.key.token : null
    if (token !== null) {
      this.#pending.delete(group)
      this.#sights.forget(group)
      const deadlineAt = deadlineOf(sentAt, lease.ttlUs, this.#parts.times)
      this.#owned.set(group, { token, leaseId: lease.id, read: placeOf(reply.header), deadlineAt, insteadOf })
      const text = insteadOf === null ? 'acquired' : 'its key was gone before its time: created anew'
      return { outcome: 'held', token, deadlineAt, holder: this.#parts.node, text }
    }
    return await this.#lostRace(group, state, reply.attempts, until)
  }

  /** How long its lease has left is asked when that can matter; an answer counts like a renewal, from the leader of one term. */
  async #heldByOther(group: string, key: SeenKey, place: Place, until: Micros): Promise<ArbiterAnswer> {
    this.#sights.see(group, key)
    const now = this.#parts.now()
    if (this.#sights.wantsLife(group, now)) {
      await pause(Math.min(this.#sights.putOffUs(group, now), (until - now) / 4) / 1000)
      const sentAt = this.#parts.now()
      const left = await this.#gateway.call('/v3/lease/timetolive', { ID: key.leaseId }, until)
      const answeredAt = this.#parts.now()
      const again = left.kind === 'answer' ? await this.#read(group, until) : null
      if (left.kind === 'answer' && again !== null && 'place' in again && again.key?.token === key.token) {
        const steady = samePlace(place, again.place) && left.header.member === place.member
        // The gateway leaves out what is zero.
        const leftS = wholeNumber(left.body['TTL'] ?? '0')
        const grantedS = wholeNumber(left.body['grantedTTL'])
        if (steady && leftS !== null && grantedS !== null && grantedS > 0) {
          this.#sights.life(group, { sentAt, answeredAt, leftS, grantedS })
        }
      }
    }
    return otherAnswer(key)
  }

  /** The key is gone. Null: it may be created. */
  async #tooEarly(group: string, until: Micros): Promise<ArbiterAnswer | null> {
    const readAt = this.#parts.now()
    const absent = this.#sights.absent(group, readAt)
    if (absent === null || readAt >= absent.gone.freeAt) return null
    const { key, gone, first } = absent
    const reply = await this.#gateway.call('/v3/kv/range', { key: this.#mark(group), serializable: false }, until)
    if (reply.kind !== 'answer') return unknownAnswer(textOf(reply))
    if (isMarkOf(reply.body, key)) return null
    const holder = key.holder ?? 'an unknown owner'
    const seconds = ((gone.freeAt - readAt) / 1_000_000).toFixed(1)
    const text = `held by ${holder}: its key is gone before its time, and it may not know: free in ${seconds} s`
    if (first && gone.early) {
      this.#parts.warn?.({ event: 'lease.vanished', group }, `${group}: ${text}`)
    }
    return { outcome: 'other', token: key.token, deadlineAt: null, holder: key.holder, text }
  }

  /** The key is there already. What was sent to another member before may still arrive, so its lease has to go first. */
  async #lostRace(group: string, state: KeyState | null, attempts: number, until: Micros): Promise<ArbiterAnswer> {
    const unresolved = await this.#resolve(group, until)
    if (unresolved !== null && attempts > 1) return unresolved
    if (state === null) return unknownAnswer('etcd answered a transaction in no known form')
    if (state.key === null) return unknownAnswer('the key went away in the middle of the transaction')
    this.#sights.see(group, state.key)
    return otherAnswer(state.key)
  }

  async #refusedCreate(group: string, reply: GatewayReply, until: Micros): Promise<ArbiterAnswer> {
    // Refused by the only member that was asked: nothing is under way. The lease is given back, or ends by itself.
    await this.#resolve(group, until)
    this.#pending.delete(group)
    return unknownAnswer(textOf(reply))
  }

  #createBody(group: string, leaseId: string): unknown {
    const key = this.#key(group)
    const value = base64(JSON.stringify({ node: this.#parts.node, incarnation: this.#parts.incarnation() }))
    return {
      compare: [{ target: 'CREATE', key, create_revision: '0' }],
      success: [{ request_put: { key, value, lease: leaseId } }, { request_delete_range: { key: this.#mark(group) } }],
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
    // Only to spare the other node a wait, should it have seen the key meanwhile.
    if (reply.kind === 'answer') void this.#putMark(group, { lease: leaseId }, until)
    return null
  }

  // ----------------------------------------------------------------------------------------------- renew

  async #renew(group: string, token: number | null, until: Micros): Promise<ArbiterAnswer> {
    if (token === null) return unknownAnswer('no token to renew')
    const unresolved = await this.#resolve(group, until)
    if (unresolved !== null) return unresolved
    const known = this.#owned.get(group)
    let owned: Owned = known?.token === token ? known : { token, leaseId: '0', read: null, deadlineAt: null, insteadOf: null }
    for (let turn = 0; turn < renewalsMax; turn += 1) {
      if (owned.read === null) {
        const first = await this.#read(group, until)
        if (!('place' in first)) return first
        const verdict = await this.#verdict(group, token, first, until)
        if ('outcome' in verdict) return verdict
        owned = verdict
      }
      const sentAt = this.#parts.now()
      const alive = await this.#gateway.call('/v3/lease/keepalive', { ID: owned.leaseId }, until)
      const again = await this.#read(group, until)
      if (!('place' in again)) return again
      const verdict = await this.#verdict(group, token, again, until)
      if ('outcome' in verdict) return verdict
      const before: Place | null = owned.read
      owned = verdict
      if (alive.kind !== 'answer') return unknownAnswer(textOf(alive))
      const ttlS = wholeNumber(alive.body['TTL'])
      if (ttlS === null || ttlS <= 0) return unknownAnswer('etcd does not keep the lease alive any more')
      const steady = samePlace(before, again.place) && alive.header.member === again.place.member
      if (!steady) continue
      const deadlineAt = deadlineOf(sentAt, ttlS * 1_000_000, this.#parts.times)
      if (this.#owned.get(group)?.token === token) this.#owned.set(group, { ...owned, deadlineAt })
      return { outcome: 'held', token, deadlineAt, holder: this.#parts.node, text: 'renewed' }
    }
    return unknownAnswer('the members of etcd change: no renewal was confirmed by a quorum')
  }

  /** The key is ours under this token, or the answer that says whose it is. */
  async #verdict(group: string, token: number, state: KeyState, until: Micros): Promise<Owned | ArbiterAnswer> {
    const before = this.#owned.get(group)
    const known = before?.token === token ? before : null
    if (state.key?.token === token) {
      const owned = {
        token, leaseId: state.key.leaseId, read: state.place, deadlineAt: known?.deadlineAt ?? null, insteadOf: known?.insteadOf ?? null,
      }
      this.#owned.set(group, owned)
      return owned
    }
    if (state.key !== null) {
      this.#owned.delete(group)
      return otherAnswer(state.key)
    }
    // Before its deadline the group is still ours, and nobody who knows what a vanished key may mean takes it.
    const deadlineAt = known?.deadlineAt ?? null
    if (known !== null && deadlineAt !== null && this.#parts.now() < deadlineAt) return await this.#restore(group, known, until)
    this.#owned.delete(group)
    return goneAnswer
  }

  async #restore(group: string, lost: Owned, until: Micros): Promise<ArbiterAnswer> {
    const restoring = this.#create(group, lost.token, until)
    this.#restoring.set(group, restoring)
    try {
      const answer = await restoring
      if (answer.outcome === 'held') {
        this.#parts.warn?.({ event: 'lease.vanished', group }, `${group}: ${answer.text} (token ${String(answer.token)})`)
      } else if (answer.outcome === 'other') {
        this.#owned.delete(group)
      }
      return answer
    } finally {
      if (this.#restoring.get(group) === restoring) this.#restoring.delete(group)
    }
  }

  async #read(group: string, until: Micros): Promise<KeyState | ArbiterAnswer> {
    const reply = await this.#gateway.call('/v3/kv/range', { key: this.#key(group), serializable: false }, until)
    if (reply.kind !== 'answer') return unknownAnswer(textOf(reply))
    const state = rangeStateOf(reply.body, reply.header)
    return state ?? unknownAnswer('etcd answered a read in no known form')
  }

  // --------------------------------------------------------------------------------------------- release

  async #release(group: string, order: number | null, until: Micros): Promise<ArbiterAnswer> {
    // From here on no renewal that is still under way creates the key anew; one that does so already ends first.
    const before = this.#owned.get(group)
    if (before !== undefined) this.#owned.set(group, { ...before, deadlineAt: null })
    await this.#restoring.get(group)?.catch(() => undefined)
    const unresolved = await this.#resolve(group, until)
    if (unresolved !== null) return unresolved
    const known = this.#owned.get(group)
    const owned = known !== undefined && (order === null || known.token === order || known.insteadOf === order) ? known : null
    const token = owned?.token ?? order
    if (token !== null) {
      const unknown = await this.#giveBack(group, token, until)
      if (unknown !== null) return unknown
    }
    if (owned !== null) {
      this.#owned.delete(group)
      // Only to be tidy: without a key the lease means nothing and ends by itself.
      void this.#gateway.call('/v3/lease/revoke', { ID: owned.leaseId }, until)
    }
    return { outcome: 'released', token: null, deadlineAt: null, holder: null, text: 'released' }
  }

  /** The key goes, and in the same moment the mark comes that says so. Null: it is gone. */
  async #giveBack(group: string, token: number, until: Micros): Promise<ArbiterAnswer | null> {
    const key = this.#key(group)
    const remove = { request_delete_range: { key } }
    const compare = [{ target: 'CREATE', key, create_revision: String(token) }]
    const send = async (success: readonly unknown[]): Promise<GatewayReply> =>
      await this.#gateway.call('/v3/kv/txn', { compare, success, failure: [{ request_range: { key } }] }, until)
    const put = this.#markPut(group, { token })
    let reply = await send(put === null ? [remove] : [remove, put])
    // A full disk lets keys go, and takes no mark: the other node waits for a lease.
    if (reply.kind === 'refused' && reply.code === grpc.exhausted) reply = await send([remove])
    if (reply.kind !== 'answer') return unknownAnswer(textOf(reply))
    // Gone before it was given back: only the mark is missing.
    if (reply.body['succeeded'] !== true && keyStateOf(reply)?.key === null) void this.#putMark(group, { token }, until)
    return null
  }

  /** Nothing rests on it, so nobody waits for it: the other node waits a lease if it is missing. */
  async #putMark(group: string, words: MarkWords, until: Micros): Promise<void> {
    const put = this.#markPut(group, words)
    if (put === null) return
    // That of an ownership says something only beside no key; that of a lease is read by its identity alone.
    const key = 'token' in words ? this.#key(group) : this.#mark(group)
    const compare = [{ target: 'CREATE', key, create_revision: '0' }]
    await this.#gateway.call('/v3/kv/txn', { compare, success: [put], failure: [] }, until)
  }

  #markPut(group: string, words: MarkWords): unknown {
    if (group.startsWith(probeGroups)) return null
    return { request_put: { key: this.#mark(group), value: base64(JSON.stringify({ node: this.#parts.node, ...words })) } }
  }

  // ----------------------------------------------------------------------------------------------- probe

  async probe(): Promise<readonly ProbeLine[]> {
    this.#asked = true
    const group = `${probeGroups}${this.#parts.node}`
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
    return [...lines, ...(await this.notices() ?? []).map((text) => ({ ok: true, text: `warning: ${text}` }))]
  }

  // ----------------------------------------------------------------------------------------------- parts

  #key(group: string): string {
    return base64(`${this.#prefix}${group}`)
  }

  #mark(group: string): string {
    return base64(`${this.#prefix}.released/${group}`)
  }

  get #ttlSeconds(): number {
    return Math.ceil(this.#parts.times.ttlUs / 1_000_000)
  }
}
