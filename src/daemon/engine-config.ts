// The validated configuration in the engine's words. Lines are opened and names looked up by the caller;
// this file only translates.
import type { ClusterConfig, LinkConfig as ConfiguredLink } from '../config/model.js'
import type { EngineConfig, EngineTiming, LinkConfig } from '../engine/engine.js'

export interface LinkFacts {
  /** Descriptor of an opened serial device; null: it could not be opened, the link is left out. */
  readonly serialFd: (device: string) => number | null
  /** Literal addresses of the hosts of a ping link, in order; those without one are left out. */
  readonly addressesOf: (hosts: readonly string[]) => readonly string[]
}

export interface Identity {
  readonly uuid: Uint8Array
}

export function engineConfigOf(
  config: ClusterConfig,
  identity: Identity,
  revision: number,
  facts: LinkFacts,
  timing: EngineTiming = config.timing,
): EngineConfig {
  return {
    revision,
    self: { name: config.self, uuid: identity.uuid },
    nodes: config.nodes.map((name) => ({ name, uuid: name === config.self ? identity.uuid : null })),
    timing: { ...timing },
    hopfudge: config.hopfudge,
    muteAfterPause: true,
    auth: {
      signIndex: config.auth.signIndex,
      keys: config.auth.keys.map(({ index, method, key }) => ({
        index,
        method,
        key: Buffer.from(key ?? '', 'latin1'),
      })),
    },
    links: config.links.flatMap((link) => linkOf(link, facts)),
  }
}

function linkOf(link: ConfiguredLink, facts: LinkFacts): LinkConfig[] {
  switch (link.type) {
    case 'bcast':
      return [{ type: 'bcast', name: link.name, interface: link.interface, address: null, port: link.port }]
    case 'ucast':
    case 'ucast6':
      return [
        {
          type: link.type,
          name: link.name,
          interface: link.interface,
          address: link.address,
          port: link.port,
          localAddress: null,
          localPort: link.port,
        },
      ]
    case 'mcast':
    case 'mcast6':
      return [
        {
          type: link.type,
          name: link.name,
          interface: link.interface,
          group: link.group,
          port: link.port,
          ttl: link.ttl,
          loop: link.loop,
        },
      ]
    case 'serial': {
      const fd = facts.serialFd(link.device)
      return fd === null ? [] : [{ type: 'serial', name: link.name, fd, baud: link.baud }]
    }
    case 'ping':
    case 'ping6':
    case 'ping_group': {
      const hosts = facts.addressesOf(link.hosts)
      return hosts.length === 0 ? [] : [{ type: link.type, name: link.name, hosts }]
    }
  }
}
