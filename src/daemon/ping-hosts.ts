// Names of ping hosts become addresses once, before the engine starts: no resolver is ever asked on the way
// of a heartbeat.
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { ClusterConfig } from '../config/model.js'

export type PingHosts = ReadonlyMap<string, string>

/** A resolver without an answer must not hold the start of a node. */
const lookupMaxMs = 2000

export async function resolvePingHosts(config: ClusterConfig): Promise<PingHosts> {
  const found = new Map<string, string>()
  const wanted = config.links.flatMap((link) =>
    'hosts' in link ? link.hosts.map((host) => ({ host, family: link.type === 'ping6' ? 6 : 4 })) : [],
  )
  await Promise.all(
    wanted.map(async ({ host, family }) => {
      if (isIP(host) !== 0) {
        found.set(host, host)
        return
      }
      const timeout = new Promise<null>((resolve) => {
        setTimeout(() => {
          resolve(null)
        }, lookupMaxMs).unref()
      })
      const answer = await Promise.race([lookup(host, { family }).catch(() => null), timeout])
      if (answer !== null) found.set(host, answer.address)
    }),
  )
  return found
}
