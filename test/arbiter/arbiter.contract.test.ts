import type { Micros } from '../../src/core/base/ids.js'
import type { Arbiter, ArbiterParts } from '../../src/arbiter/arbiter.js'
import { openArbiter } from '../../src/arbiter/registry.js'
import { arbiterContract, times, type Bench } from './arbiter.contract.js'
import { FakeCluster, FakeMember } from './fake-etcd.js'
import { ArbiterStore, MemoryArbiter } from './memory-arbiter.js'

function parts(node: string, now: () => number): ArbiterParts {
  return { node, incarnation: () => 1, now: () => now() as Micros, times, readFile: () => '' }
}

arbiterContract('in memory', async (): Promise<Bench> => {
  let at = 1_000_000
  const store = new ArbiterStore(() => at)
  return {
    arbiterOf: (node) => new MemoryArbiter(store, parts(node, () => at)),
    now: () => at,
    advance: (us) => { at += us },
    silence: (how) => { store.fault = how },
    close: async () => undefined,
  }
})

arbiterContract('etcd, three members', async (): Promise<Bench> => {
  let skippedUs = 1_000_000
  // Real time goes on: requests are limited by it.
  const now = (): number => Math.round(performance.now() * 1000) + skippedUs
  const cluster = new FakeCluster(now)
  const members = await Promise.all(['1', '2', '3'].map((id) => new FakeMember(cluster, id).listen()))
  const made: Arbiter[] = []
  return {
    arbiterOf: (node) => {
      const arbiter = openArbiter({
        kind: 'etcd', endpoints: members.map((member) => member.endpoint), prefix: '/twinbeat/', user: null, passwordFile: null,
        ca: null, cert: null, key: null,
      }, parts(node, now))
      made.push(arbiter)
      return arbiter
    },
    now,
    advance: (us) => { skippedUs += us },
    silence: (how) => { for (const member of members) member.behaviour = how === 'none' ? 'ok' : how },
    close: async () => {
      for (const arbiter of made) arbiter.close()
      await Promise.all(members.map((member) => member.close()))
    },
  }
})
