// What this process is not allowed to do, found out once at the start: each missing privilege costs
// something definite, and that is said before it is missed.
import { readFileSync } from 'node:fs'

export type Capability = 'netAdmin' | 'netBindService' | 'netRaw' | 'sysBoot' | 'sysNice'

/** Bits of capabilities(7). */
const bits: Readonly<Record<Capability, bigint>> = {
  netBindService: 10n, netAdmin: 12n, netRaw: 13n, sysBoot: 22n, sysNice: 23n,
}

export interface Wanted {
  /** Addresses are added by the engine. */
  readonly addresses: boolean
  readonly pings: boolean
  /** Smallest UDP port of the links; null without one. */
  readonly lowestPort: number | null
  /** A failed stop ends in reboot(2). */
  readonly reboots: boolean
  readonly realtime: boolean
}

/** Capabilities that are missing; none if the kernel does not tell. */
export function missingCapabilities(status = readStatus()): ReadonlySet<Capability> {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  if (effective === undefined) return new Set()
  const held = BigInt(`0x${effective}`)
  return new Set((Object.keys(bits) as Capability[]).filter((name) => (held & (1n << bits[name])) === 0n))
}

const firstFreePort = 1024

/** One sentence for each missing privilege that this configuration would use: what does not work, and what to do. */
export function privilegeWarnings(wanted: Wanted, missing = missingCapabilities()): string[] {
  const warnings: string[] = []
  if (missing.has('netAdmin') && wanted.addresses) {
    warnings.push('no right to change addresses (CAP_NET_ADMIN): groups with an address do not start on this node; ' +
      'run twinbeatd as root or with that capability')
  }
  if (missing.has('netRaw') && wanted.addresses) {
    warnings.push('no raw sockets (CAP_NET_RAW): addresses taken here are not announced, neighbours find them only when ' +
      'their ARP entries expire; run twinbeatd as root or with that capability')
  }
  if (missing.has('netRaw') && wanted.pings) {
    warnings.push('no raw sockets (CAP_NET_RAW): ping nodes are reached only where net.ipv4.ping_group_range allows it; ' +
      'run twinbeatd as root or with that capability')
  }
  if (missing.has('netBindService') && wanted.lowestPort !== null && wanted.lowestPort < firstFreePort) {
    warnings.push(`no right to use UDP port ${String(wanted.lowestPort)} (CAP_NET_BIND_SERVICE): its links stay closed; ` +
      'run twinbeatd as root, or write a udpport above 1023 on both nodes')
  }
  if (missing.has('sysBoot') && wanted.reboots) {
    warnings.push('no right to reset this machine (CAP_SYS_BOOT): a group that cannot be stopped stays blocked here; ' +
      "run twinbeatd as root, or write 'reset_command' or 'stop_failure block' in twinbeat.cf")
  }
  if (missing.has('sysNice') && wanted.realtime) {
    warnings.push('no right to real-time scheduling (CAP_SYS_NICE): a busy machine makes heartbeats late; run twinbeatd ' +
      "as root, use a longer deadtime, or write 'realtime off' in ha.cf")
  }
  return warnings
}

function readStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'latin1')
  } catch {
    return ''
  }
}
