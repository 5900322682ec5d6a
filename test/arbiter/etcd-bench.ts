// Arbiters of several nodes over an etcd in this process, with a clock that skips.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ArbiterAction, ArbiterAnswer, ArbiterParts } from '../../src/arbiter/arbiter.js'
import { EtcdArbiter, type EtcdConfig } from '../../src/arbiter/etcd.js'
import type { Micros } from '../../src/core/base/ids.js'
import { times } from './arbiter.contract.js'
import { FakeCluster, FakeMember } from './fake-etcd.js'

export const group = '10.0.0.1/24'

export class Bench {
  skippedUs = 0
  readonly now = (): Micros => (this.clock === 'still' ? 1_000_000 : Math.round(performance.now() * 1000)) + this.skippedUs as Micros
  readonly cluster = new FakeCluster(this.now)
  members: FakeMember[] = []
  readonly files = new Map<string, string>()
  readonly warnings: string[] = []
  readonly #made: EtcdArbiter[] = []

  /** `still`: only the test moves it, however busy the machine is. Limits of requests are always of real time. */
  constructor(readonly clock: 'real' | 'still' = 'real') {}

  static async open(count: number, clock: 'real' | 'still'): Promise<Bench> {
    const bench = new Bench(clock)
    bench.members = await Promise.all(Array.from({ length: count }, (_, i) => new FakeMember(bench.cluster, String(i + 1)).listen()))
    return bench
  }

  arbiter(node: string, config: Partial<EtcdConfig> = {}): EtcdArbiter {
    const endpoints = this.members.map((member) => member.endpoint)
    const base = { endpoints, prefix: '/p/', user: null, passwordFile: null, ca: null, cert: null, key: null }
    const readFile = (path: string): string => this.files.get(path) ?? readFileSync(path, 'utf8')
    const warn: ArbiterParts['warn'] = ({ event }, text) => { this.warnings.push(`${event} ${text}`) }
    const arbiter = new EtcdArbiter({ ...base, ...config }, { node, incarnation: () => 1, now: this.now, times, readFile, warn })
    this.#made.push(arbiter)
    return arbiter
  }

  member(index: number): FakeMember {
    const member = this.members[index]
    assert.ok(member)
    return member
  }

  async close(): Promise<void> {
    for (const arbiter of this.#made) arbiter.close()
    await Promise.all(this.members.map((member) => member.close()))
  }
}

export function fact(
  name: string, members: number, body: (bench: Bench) => Promise<void>, clock: 'real' | 'still' = 'real',
): void {
  test(name, async () => {
    const bench = await Bench.open(members, clock)
    try {
      await body(bench)
    } finally {
      await bench.close()
    }
  })
}

export async function ask(arbiter: EtcdArbiter, action: ArbiterAction, token: number | null = null): Promise<ArbiterAnswer> {
  return await arbiter.run({ action, group, token })
}

export async function acquired(arbiter: EtcdArbiter): Promise<number> {
  const answer = await ask(arbiter, 'acquire')
  assert.equal(answer.outcome, 'held', answer.text)
  return answer.token ?? 0
}
