// Requests to the JSON gateway of etcd (version 3.4 and later): several endpoints, TLS, user and password, a
// bound for every request. It knows nothing of leases; it tells an answer from an error of a known class, and
// both from silence.
import http from 'node:http'
import https from 'node:https'
import type { Micros } from '../core/base/ids.js'
import { messageOf } from '../errors.js'
import type { MemberVersion } from './etcd-version.js'

export interface EtcdAccess {
  readonly endpoints: readonly string[]
  readonly user: string | null
  readonly passwordFile: string | null
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
}

/** Who answered: equal member and term on both sides of a request mean that no election came between. */
export interface EtcdHeader {
  readonly cluster: string
  readonly member: string
  readonly term: string
  readonly revision: number
}

export type GatewayReply =
  | { readonly kind: 'answer'; readonly body: Readonly<Record<string, unknown>>; readonly header: EtcdHeader; readonly attempts: number }
  /** etcd itself refused; `code` is the gRPC code. */
  | { readonly kind: 'refused'; readonly code: number; readonly text: string; readonly attempts: number }
  /** No answer, or none that can be trusted: it may have been carried out. */
  | { readonly kind: 'silence'; readonly text: string; readonly attempts: number }

export const grpc = { invalidArgument: 3, notFound: 5, permissionDenied: 7, exhausted: 8, unavailable: 14, unauthenticated: 16 } as const

const answerBytesMax = 256 * 1024
const socketsMax = 8
/** A certificate that was replaced is read again, but not at every failure. */
const tlsAgainUs = 5_000_000
const attemptMsMin = 50
const textCharsMax = 200
/** A member that was out of reach is not the first choice for this long. */
const suspectUs = 3_000_000

interface Gate {
  readonly now: () => Micros
  readonly readFile: (path: string) => string
}

interface RawAnswer { readonly status: number; readonly text: string }

export class EtcdGateway {
  readonly #access: EtcdAccess
  readonly #gate: Gate
  #preferred = 0
  #token: string | null = null
  #cluster: string | null = null
  #agents: { http: http.Agent; https: https.Agent; at: Micros } | null = null
  #closed = false
  readonly #suspectUntil = new Map<number, number>()
  endpoint: string | null = null
  lastAnswerAt: Micros | null = null
  lastMs: number | null = null
  problem: string | null = null

  constructor(access: EtcdAccess, gate: Gate) {
    this.#access = access
    this.#gate = gate
  }

  /** `until`: CLOCK_BOOTTIME at which it has ended, whatever happens. */
  async call(path: string, body: unknown, until: Micros): Promise<GatewayReply> {
    let renewed = false
    let attempts = 0
    let last = 'no time left'
    for (const [turn, index] of this.#order().entries()) {
      const left = this.#access.endpoints.length - turn
      for (;;) {
        const budgetMs = this.#attemptMs(until, left)
        if (budgetMs === null || this.#closed) return this.#silence(last, attempts)
        const end = Math.min(until, this.#gate.now() + budgetMs * 1000) as Micros
        if (this.#access.user !== null && this.#token === null) {
          const refused = await this.#authenticate(index, end)
          if (refused?.kind === 'refused') return { ...refused, attempts }
          if (refused !== null) { last = refused.text; break }
        }
        attempts += 1
        const reply = await this.#attempt(index, path, body, end, attempts)
        if (reply.kind === 'refused' && this.#tokenIsOld(reply) && !renewed) {
          renewed = true
          this.#token = null
          continue
        }
        if (reply.kind === 'answer' || (reply.kind === 'refused' && !passing(reply.code))) return reply
        last = reply.text
        break
      }
      this.#suspectUntil.set(index, this.#gate.now() + suspectUs)
    }
    return this.#silence(last, attempts)
  }

  /** Of the members that answer. It is asked without a user, and changes nothing of what is known of them. */
  async versions(until: Micros): Promise<readonly MemberVersion[]> {
    if (this.#closed) return []
    const found = await Promise.all(this.#access.endpoints.map(async (endpoint) => {
      try {
        const { text } = await this.#request(endpoint, '/version', null, Math.max(1, (until - this.#gate.now()) / 1000))
        const version = recordOf(JSON.parse(text))?.['etcdserver']
        return typeof version === 'string' && /^[\w.+-]{1,40}$/.test(version) ? [{ endpoint, version }] : []
      } catch {
        return []
      }
    }))
    return found.flat()
  }

  close(): void {
    this.#closed = true
    this.#agents?.http.destroy()
    this.#agents?.https.destroy()
    this.#agents = null
  }

  #silence(text: string, attempts: number): GatewayReply {
    this.problem = text
    return { kind: 'silence', text, attempts }
  }

  /** The member that answered last, then the others; one that was out of reach a moment ago comes last. */
  #order(): number[] {
    const count = this.#access.endpoints.length
    const turn = Array.from({ length: count }, (_, i) => (this.#preferred + i) % count)
    const now = this.#gate.now()
    const suspect = (index: number): boolean => (this.#suspectUntil.get(index) ?? 0) > now
    return [...turn.filter((index) => !suspect(index)), ...turn.filter(suspect)]
  }

  /** Half of what is left while there is another endpoint to ask: a member that hangs must not use up all of it. */
  #attemptMs(until: Micros, endpointsLeft: number): number | null {
    const leftMs = (until - this.#gate.now()) / 1000
    if (leftMs < 1) return null
    return endpointsLeft > 1 ? Math.min(leftMs, Math.max(attemptMsMin, leftMs / 2)) : leftMs
  }

  #tokenIsOld(reply: Extract<GatewayReply, { kind: 'refused' }>): boolean {
    if (this.#access.user === null) return false
    return reply.code === grpc.unauthenticated || /invalid auth token|user name is empty|auth store is old/.test(reply.text)
  }

  /** Null: there is a token now. */
  async #authenticate(index: number, until: Micros): Promise<Exclude<GatewayReply, { kind: 'answer' }> | null> {
    let password: string
    try {
      password = this.#access.passwordFile === null ? '' : this.#gate.readFile(this.#access.passwordFile).replace(/\r?\n$/, '')
    } catch (error) {
      return { kind: 'refused', code: grpc.unauthenticated, text: `the password file cannot be read: ${codeOf(error)}`, attempts: 0 }
    }
    const reply = await this.#attempt(index, '/v3/auth/authenticate', { name: this.#access.user, password }, until, 0)
    if (reply.kind !== 'answer') {
      // A member without a leader cannot authenticate anybody; the next one may.
      return reply.kind === 'refused' && passing(reply.code) ? { kind: 'silence', text: reply.text, attempts: 0 } : reply
    }
    if (typeof reply.body['token'] !== 'string') return { kind: 'silence', text: 'the arbiter answered without a token', attempts: 0 }
    this.#token = reply.body['token']
    return null
  }

  async #attempt(index: number, path: string, body: unknown, until: Micros, attempts: number): Promise<GatewayReply> {
    const endpoint = this.#access.endpoints[index] ?? ''
    const begun = this.#gate.now()
    let raw: RawAnswer
    try {
      raw = await this.#request(endpoint, path, JSON.stringify(body), Math.max(1, (until - begun) / 1000))
    } catch (error) {
      return this.#silence(`${endpoint}: ${shorten(messageOf(error))}`, attempts)
    }
    const parsed = parseReply(raw)
    if (parsed.kind === 'silence') return this.#silence(`${endpoint}: ${parsed.text}`, attempts)
    if (parsed.kind === 'refused') {
      this.problem = `${endpoint}: ${parsed.text}`
      return { ...parsed, text: this.problem, attempts }
    }
    if (this.#cluster !== null && parsed.header.cluster !== this.#cluster) {
      return this.#silence(`${endpoint}: belongs to another etcd cluster than the one asked before`, attempts)
    }
    this.#cluster = parsed.header.cluster
    this.#preferred = index
    this.#suspectUntil.delete(index)
    this.endpoint = endpoint
    this.lastAnswerAt = this.#gate.now()
    this.lastMs = Math.round((this.lastAnswerAt - begun) / 100) / 10
    this.problem = null
    return { ...parsed, attempts }
  }

  /** Without a body it is a GET. */
  #request(endpoint: string, path: string, body: string | null, timeoutMs: number): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const url = new URL(path, endpoint)
      const secure = url.protocol === 'https:'
      const agents = this.#agentsNow()
      const request = (secure ? https : http).request(url, {
        method: body === null ? 'GET' : 'POST',
        agent: secure ? agents.https : agents.http,
        headers: {
          ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...(this.#token === null || body === null || path.startsWith('/v3/auth/') ? {} : { authorization: this.#token }),
        },
      })
      const timer = setTimeout(() => {
        fail(new Error(`no answer within ${Math.round(timeoutMs)} ms`))
      }, timeoutMs)
      const fail = (error: Error): void => {
        clearTimeout(timer)
        request.destroy()
        if (secure && this.#agents !== null && this.#gate.now() - this.#agents.at > tlsAgainUs) this.#forgetAgents()
        reject(error)
      }
      request.on('error', fail)
      request.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
          if (text.length > answerBytesMax) fail(new Error('the answer is too long'))
        })
        response.on('error', fail)
        response.on('aborted', () => { fail(new Error('the answer was cut off')) })
        response.on('end', () => {
          clearTimeout(timer)
          resolve({ status: response.statusCode ?? 0, text })
        })
      })
      request.end(body ?? undefined)
    })
  }

  #agentsNow(): { http: http.Agent; https: https.Agent } {
    if (this.#agents !== null) return this.#agents
    const read = (path: string | null): { text: string } | null => (path === null ? null : { text: this.#gate.readFile(path) })
    const [ca, cert, key] = [read(this.#access.ca), read(this.#access.cert), read(this.#access.key)]
    const common = { keepAlive: true, maxSockets: socketsMax, timeout: 60_000 }
    this.#agents = {
      http: new http.Agent(common),
      https: new https.Agent({
        ...common, minVersion: 'TLSv1.2',
        ...(ca === null ? {} : { ca: ca.text }), ...(cert === null ? {} : { cert: cert.text }), ...(key === null ? {} : { key: key.text }),
      }),
      at: this.#gate.now(),
    }
    return this.#agents
  }

  #forgetAgents(): void {
    this.#agents?.http.destroy()
    this.#agents?.https.destroy()
    this.#agents = null
  }
}

/** Errors of one member that another one may not have. */
const passing = (code: number): boolean => code === grpc.unavailable || code === 4 || code === 2 || code === 13

type Parsed =
  | { readonly kind: 'answer'; readonly body: Readonly<Record<string, unknown>>; readonly header: EtcdHeader }
  | { readonly kind: 'refused'; readonly code: number; readonly text: string }
  | { readonly kind: 'silence'; readonly text: string }

/** A stream has its answers in `result`, one JSON object a line; only the first is of interest. */
export function parseReply(raw: RawAnswer): Parsed {
  let value: unknown
  try {
    value = JSON.parse(raw.text.trim().split('\n')[0] ?? '')
  } catch {
    return { kind: 'silence', text: `status ${raw.status} without JSON: no gateway of etcd` }
  }
  const outer = recordOf(value)
  const body = recordOf(outer?.['result']) ?? outer
  if (body === null) return { kind: 'silence', text: `status ${raw.status} with an answer of no known form` }
  const fault = recordOf(body['error']) ?? recordOf(outer?.['error']) ?? (typeof body['error'] === 'string' ? body : null)
  if (fault !== null || raw.status !== 200) {
    const code = numberIn(fault ?? body, 'code') ?? numberIn(fault ?? body, 'grpc_code')
    const message = fault?.['message'] ?? fault?.['error']
    const text = typeof message === 'string' ? shorten(message) : `status ${raw.status}`
    if (code === null) return { kind: 'silence', text }
    return { kind: 'refused', code, text }
  }
  const header = headerOf(body)
  if (header === null) return { kind: 'silence', text: 'an answer without the header of etcd' }
  return { kind: 'answer', body, header }
}

function headerOf(body: Readonly<Record<string, unknown>>): EtcdHeader | null {
  const header = recordOf(body['header'])
  const { cluster_id: cluster, member_id: member, raft_term: term } = header ?? {}
  const revision = wholeNumber(header?.['revision'] ?? '0')
  if (typeof cluster !== 'string' || typeof member !== 'string' || revision === null) return null
  return { cluster, member, term: typeof term === 'string' ? term : '', revision }
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : null
}

/** The gateway writes 64-bit numbers as text; one that JavaScript cannot hold exactly is none. */
export function wholeNumber(value: unknown): number | null {
  const number = typeof value === 'number' ? value : typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? Number(value) : null
  return number !== null && Number.isSafeInteger(number) ? number : null
}

function numberIn(record: Readonly<Record<string, unknown>>, name: string): number | null {
  return wholeNumber(record[name])
}

const shorten = (text: string): string => text.replace(/\s+/g, ' ').slice(0, textCharsMax)

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error'
}
