// A way to ask an address whether somebody serves it. Each probe has a number; a prober never waits for one.
import { isIP } from 'node:net'
import { TwinbeatError } from '../errors.js'
import { openIcmpProber } from './icmp-prober.js'
import { openTcpProber } from './tcp-prober.js'
import { openUdpProber } from './udp-prober.js'

export type ProbeKind = 'icmp' | 'tcp' | 'udp'

export interface Target {
  readonly kind: ProbeKind
  readonly address: string
  /** Null for icmp. */
  readonly port: number | null
}

/** What a prober tells. `nowUs` is read where the thing happens, not where it is counted. */
export interface ProbeSink {
  answered(number: number, by: string | null): void
  /** Somebody has the address and says that nobody serves the port. */
  refused(number: number): void
  /** The measurer's own machine could not send it. */
  unsent(number: number, reason: string): void
}

export interface Prober {
  send(number: number): void
  /** The answer is no longer waited for. */
  giveUp(number: number): void
  close(): void
  /** How many may be without an answer at a time; the oldest is given up beyond it. */
  readonly openMax: number
}

export async function openProber(target: Target, sink: ProbeSink): Promise<Prober> {
  if (isIP(target.address.replace(/%.*$/, '')) === 0) {
    throw new TwinbeatError('TB_USAGE', `'${target.address}' is not an address`, {
      hint: 'an IPv4 or IPv6 address: what is measured is who has it',
    })
  }
  switch (target.kind) {
    case 'icmp': return await openIcmpProber(target.address, sink)
    case 'tcp': return openTcpProber(target.address, target.port ?? 0, sink)
    case 'udp': return await openUdpProber(target.address, target.port ?? 0, sink)
  }
}

export const nowUs = (): number => Math.round(performance.now() * 1000)
