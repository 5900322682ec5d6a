// The part of etcd's JSON gateway that a lease needs, in this process: leases that end by a clock of the test,
// members that hang, lose answers, refuse, speak nonsense or were deposed without knowing.
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

export type Behaviour =
  | 'ok' | 'silent' | 'answer-lost' | 'reset' | 'nonsense' | 'html' | 'no-header' | 'unavailable' | 'no-space' | 'denied' | 'deposed'
  | 'full' | 'restless'

interface Key { readonly value: string; readonly lease: string; readonly created: number }
type Json = Record<string, unknown>

/** What the members have in common. */
export class FakeCluster {
  readonly keys = new Map<string, Key>()
  readonly leases = new Map<string, { ttlUs: number; expiresAt: number }>()
  revision = 1
  term = 2
  id = '77'
  user: { name: string; password: string } | null = null
  tokens = new Set<string>()
  #lease = 7_587_000_000_000_000_000n
  #token = 0

  constructor(readonly now: () => number) {}

  expire(): void {
    for (const [id, lease] of this.leases) if (this.now() >= lease.expiresAt) this.revoke(id)
  }

  revoke(id: string): boolean {
    for (const [name, key] of this.keys) if (key.lease === id) this.keys.delete(name)
    return this.leases.delete(id)
  }

  grant(ttlS: number): string {
    this.#lease += 1n
    const id = String(this.#lease)
    this.leases.set(id, { ttlUs: ttlS * 1_000_000, expiresAt: this.now() + ttlS * 1_000_000 })
    return id
  }

  login(name: unknown, password: unknown): string | null {
    if (this.user === null || this.user.name !== name || this.user.password !== password) return null
    this.#token += 1
    const token = `token-${this.#token}`
    this.tokens.add(token)
    return token
  }
}

class Refusal extends Error {
  constructor(readonly code: number, message: string) {
    super(message)
  }
}

const statusOf: Record<number, number> = { 3: 400, 5: 404, 7: 403, 8: 429, 14: 503, 16: 401 }

export class FakeMember {
  behaviour: Behaviour = 'ok'
  /** Only the requests of this path behave so; the others are answered. */
  only: string | null = null
  readonly asked: string[] = []
  version = '3.6.1'
  #server: http.Server | null = null
  endpoint = ''

  constructor(readonly cluster: FakeCluster, readonly member: string) {}

  async listen(tls: { key: string; cert: string; ca: string } | null = null): Promise<this> {
    const serve = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      let text = ''
      request.on('data', (chunk: Buffer) => (text += chunk.toString()))
      request.on('end', () => this.#serve(request, text, response))
    }
    const server = tls === null ? http.createServer(serve)
      : https.createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, serve)
    this.#server = server
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.endpoint = `${tls === null ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
    return this
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
  }

  #serve(request: http.IncomingMessage, text: string, response: http.ServerResponse): void {
    const path = request.url ?? ''
    if (request.method === 'GET' && path === '/version' && this.behaviour === 'ok') {
      response.end(JSON.stringify({ etcdserver: this.version, etcdcluster: '3.4.0' }))
      return
    }
    this.asked.push(path)
    const behaviour = this.only === null || this.only === path ? this.behaviour : 'ok'
    const put = (status: number, body: string): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    }
    switch (behaviour) {
      case 'silent': return
      case 'reset': request.socket.destroy(); return
      case 'nonsense': return put(200, '{"header":{"cluster_id":')
      case 'html': return put(200, '<html>welcome to the proxy</html>')
      case 'no-header': return put(200, '{"succeeded":true}')
      case 'unavailable': return put(503, JSON.stringify({ error: 'etcdserver: no leader', message: 'etcdserver: no leader', code: 14 }))
      case 'no-space': return put(429, JSON.stringify({ error: 'etcdserver: mvcc: database space exceeded', code: 8 }))
      case 'denied': return put(403, JSON.stringify({ error: 'etcdserver: permission denied', code: 7 }))
      case 'ok': case 'answer-lost': case 'deposed': case 'full': case 'restless': break
    }
    try {
      const answer = this.#answer(path, JSON.parse(text) as Json, request.headers.authorization ?? null, behaviour)
      if (behaviour === 'answer-lost') return
      put(200, JSON.stringify(answer))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message } = error
      if (behaviour !== 'answer-lost') put(statusOf[code] ?? 500, JSON.stringify({ error: message, message, code }))
    }
  }

  #header(): Json {
    const { cluster } = this
    return { cluster_id: cluster.id, member_id: this.member, revision: String(cluster.revision), raft_term: String(cluster.term) }
  }

  #answer(path: string, body: Json, token: string | null, behaviour: Behaviour): Json {
    const { cluster } = this
    const header = this.#header()
    if (path === '/v3/auth/authenticate') {
      const made = cluster.login(body['name'], body['password'])
      if (made === null) throw new Refusal(3, 'etcdserver: authentication failed, invalid user ID or password')
      return { header, token: made }
    }
    if (cluster.user !== null && token === null) throw new Refusal(3, 'etcdserver: user name is empty')
    if (cluster.user !== null && !cluster.tokens.has(token ?? '')) throw new Refusal(16, 'etcdserver: invalid auth token')
    cluster.expire()
    // An election at every question.
    if (behaviour === 'restless') cluster.term += 1
    switch (path) {
      case '/v3/lease/grant': return { header, ID: cluster.grant(Number(body['TTL'])), TTL: String(body['TTL']) }
      case '/v3/lease/keepalive': return { result: { header, ...this.#keepAlive(String(body['ID'])) } }
      case '/v3/lease/revoke':
        if (!cluster.revoke(String(body['ID']))) throw new Refusal(5, 'etcdserver: requested lease not found')
        return { header }
      case '/v3/lease/timetolive': return { header, ...this.#timeToLive(String(body['ID'])) }
      case '/v3/kv/range': return { header, ...this.#range(String(body['key'])) }
      case '/v3/kv/txn': return this.#txn(body)
      default: throw new Refusal(5, 'Not Found')
    }
  }

  /** A deposed leader says that it renewed, and nobody else knows of it. */
  #keepAlive(id: string): Json {
    const lease = this.cluster.leases.get(id)
    if (lease === undefined) return { ID: id }
    if (this.behaviour !== 'deposed') lease.expiresAt = this.cluster.now() + lease.ttlUs
    return { ID: id, TTL: String(lease.ttlUs / 1_000_000) }
  }

  /** Whole seconds, rounded down; zero is left out. */
  #timeToLive(id: string): Json {
    const lease = this.cluster.leases.get(id)
    if (lease === undefined) return { ID: id, TTL: '-1' }
    const left = Math.floor((lease.expiresAt - this.cluster.now()) / 1_000_000)
    return { ID: id, grantedTTL: String(lease.ttlUs / 1_000_000), ...(left === 0 ? {} : { TTL: String(left) }) }
  }

  #range(name: string): Json {
    const key = this.cluster.keys.get(name)
    if (key === undefined) return {}
    const revision = String(key.created)
    return { kvs: [{ key: name, create_revision: revision, mod_revision: revision, value: key.value, lease: key.lease }], count: '1' }
  }

  #txn(body: Json): Json {
    const { cluster } = this
    const [compare] = body['compare'] as { key: string; create_revision: string }[]
    const wanted = Number(compare?.create_revision)
    const succeeded = (cluster.keys.get(compare?.key ?? '')?.created ?? 0) === wanted
    const operations = body[succeeded ? 'success' : 'failure'] as Json[]
    if (this.behaviour === 'full' && operations.some((operation) => operation['request_put'] !== undefined)) {
      throw new Refusal(8, 'etcdserver: mvcc: database space exceeded')
    }
    const responses: Json[] = []
    // Whatever a transaction changes, it is one revision.
    const revision = cluster.revision + 1
    for (const operation of operations) {
      const put = operation['request_put'] as { key: string; value: string; lease?: string } | undefined
      const range = operation['request_range'] as { key: string } | undefined
      const remove = operation['request_delete_range'] as { key: string } | undefined
      if (put !== undefined) {
        const lease = put.lease ?? '0'
        if (lease !== '0' && !cluster.leases.has(lease)) throw new Refusal(5, 'etcdserver: requested lease not found')
        cluster.revision = revision
        cluster.keys.set(put.key, { value: put.value, lease, created: cluster.keys.get(put.key)?.created ?? revision })
        responses.push({ response_put: { header: { revision: String(cluster.revision) } } })
      } else if (range !== undefined) {
        responses.push({ response_range: { header: { revision: String(cluster.revision) }, ...this.#range(range.key) } })
      } else if (remove !== undefined) {
        if (cluster.keys.delete(remove.key)) cluster.revision = revision
        responses.push({ response_delete_range: {} })
      }
    }
    return { header: this.#header(), ...(succeeded ? { succeeded } : {}), responses }
  }
}
