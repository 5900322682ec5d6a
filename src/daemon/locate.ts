// Which interface carries an address, and under which prefix, when haresources does not say.
import type { EngineAddress } from '../engine/engine.js'
import type { AddressSpec } from '../lrm/types.js'
import { routeTo } from '../engine/address-query.js'
import { messageOf } from '../errors.js'

/** A prefix for an address that only a default route covers: no neighbour is assumed. */
const hostPrefix = { 4: 32, 6: 128 } as const

/** The interface that would carry an address now; null: none. */
export function carrierOf(spec: AddressSpec): string | null {
  if (spec.interface !== null) return spec.interface
  const located = addressLocator()(spec)
  return typeof located === 'string' ? null : located.interface
}

export function addressLocator(): (spec: AddressSpec) => EngineAddress | string {
  return (spec) => {
    const { family, address, label, broadcast } = spec
    if (spec.interface !== null && spec.prefix !== null) {
      return { family, address, prefix: spec.prefix, interface: spec.interface, label, broadcast }
    }
    let route: ReturnType<typeof routeTo>
    try {
      route = routeTo(address)
    } catch (error) {
      return messageOf(error)
    }
    const carrier = spec.interface ?? (route === null || route.gateway ? null : route.interface)
    if (carrier === null) {
      return `no interface is on the network of ${address}: name one, as in '${address}/24/eth0'`
    }
    const prefix =
      spec.prefix ??
      (route !== null && route.interface === carrier && route.prefix > 0 ? route.prefix : hostPrefix[family])
    return { family, address, prefix, interface: carrier, label, broadcast }
  }
}
