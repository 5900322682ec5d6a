// Questions to the kernel about addresses and routes; each is a short netlink dump on a private socket.
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export interface RouteAnswer {
  readonly interface: string
  /** Of the route that matched; 0: only the default route does. */
  readonly prefix: number
  readonly hasGateway: boolean
}

export interface NetworkCalls {
  /** Null: no route. */
  route(family: 4 | 6, address: string): RouteAnswer | null
}

interface Addon {
  readonly net?: { routeTo(family: number, address: string): RouteAnswer | null }
}

export function networkCalls(): NetworkCalls {
  const file = path.resolve(
    path.dirname(fileURLToPath(import.meta.url)),
    '../../../build/Release/twinbeat.node',
  )
  const addon = createRequire(import.meta.url)(file) as Addon
  return { route: (family, address) => addon.net?.routeTo(family, address) ?? null }
}
