// What the kernel has configured, and where an address would go: for `check`, for addresses without
// an interface in haresources, and for a starting daemon that looks for what it left behind. Each
// call asks the kernel anew; it can wait for the kernel's configuration lock, so a takeover never
// comes through here.
import { isIP } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { TwinbeatError } from '../errors.js'
import { loadAddon } from '../system/addon.js'

export interface ConfiguredAddress {
  readonly family: 4 | 6
  readonly address: string
  readonly prefix: number
  readonly interface: string
  readonly label: string | null
  readonly broadcast: string | null
  /** IPv4: hangs on another address of its subnet. */
  readonly secondary: boolean
  /** IPv6: not usable yet, the kernel is still looking for a duplicate. */
  readonly tentative: boolean
  readonly validSeconds: number | null
}

export interface RouteToAddress {
  readonly interface: string
  /** Length of the route that matched; 0: only a default route leads there. */
  readonly prefix: number
  /** Reached through another host, not directly on that interface. */
  readonly gateway: boolean
  /** The address is configured on that interface already. */
  readonly local: boolean
}

interface NetCalls {
  addresses(family: number): ConfiguredAddress[] | number
  route(address: string): RouteToAddress | number
}

let loaded: NetCalls | null = null

function netCalls(): NetCalls {
  loaded ??= loadAddon<{ net: NetCalls }>().net
  return loaded
}

function refuse(what: string, negative: number): never {
  const name = getSystemErrorName(negative)
  throw new TwinbeatError('TB_ADDRESS_QUERY', `${what}: the kernel answered ${name}`)
}

/** Every address of this network namespace, both families. */
export function configuredAddresses(): readonly ConfiguredAddress[] {
  return ([4, 6] as const).flatMap((family) => {
    const answer = netCalls().addresses(family)
    return typeof answer === 'number' ? refuse('addresses of this machine', answer) : answer
  })
}

/** The interface that would carry the address; null when no route leads there. */
export function routeTo(address: string): RouteToAddress | null {
  if (isIP(address) === 0) refuse(`route to '${address}'`, -22)
  const answer = netCalls().route(address)
  if (typeof answer !== 'number') return answer
  const name = getSystemErrorName(answer)
  if (name === 'ENETUNREACH' || name === 'EHOSTUNREACH') return null
  return refuse(`route to '${address}'`, answer)
}
