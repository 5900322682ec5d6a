// What the two nodes of a drill say of themselves, and whether a try may begin. Pure.

/** The part of `twinbeat status --json` that a drill needs. */
export interface StatusView {
  readonly node: string
  readonly pid: number
  readonly membership: string
  readonly operation: string | null
  readonly maintenanceLeftMs: number | null
  readonly timing: { readonly deadtimeMs: number }
  readonly nodes: readonly {
    readonly name: string; readonly self: boolean; readonly kind: string; readonly state: string; readonly status: string
  }[]
  readonly groups: readonly {
    readonly id: string; readonly state: string; readonly holder: string | null; readonly onHold: boolean
    readonly members: readonly { readonly id: string }[]
  }[]
}

export interface NodeView {
  readonly node: string
  /** Null: no daemon answers. */
  readonly status: StatusView | null
  /** The interface on which the kernel has the address; null: it has not. */
  readonly interface: string | null
}

export interface Right {
  readonly owner: string
  readonly other: string
  readonly group: string
}

/** Who owns the address in a pair that stands as it should, or what is wrong with it. */
export function rightState(views: readonly NodeView[], address: string): Right | string {
  const owners = views.filter((view) => view.interface !== null)
  if (owners.length > 1) return `${address} is on both nodes`
  for (const { node, status } of views) {
    if (status === null) return `no daemon answers on ${node}`
    if (status.node !== node) return `'${node}' calls itself '${status.node}'`
    const fault = faultOf(status)
    if (fault !== null) return `${node}: ${fault}`
  }
  const owner = owners[0]
  const other = views.find((view) => view !== owner)
  if (owner === undefined || other === undefined) return `${address} is on no node`
  const group = groupOf(owner.status, address)
  if (group === undefined) return `no group of ${owner.node} has ${address}`
  if (group.state !== 'held') return `${group.id} is '${group.state}' on ${owner.node}`
  if (group.onHold) return `${group.id} is on hold`
  const theirs = groupOf(other.status, address)
  if (theirs?.holder !== owner.node) return `${other.node} does not see ${group.id} on ${owner.node}`
  return { owner: owner.node, other: other.node, group: group.id }
}

function faultOf(status: StatusView): string | null {
  if (status.membership !== 'active') return `is '${status.membership}'`
  if (status.maintenanceLeftMs !== null) return 'is in maintenance'
  if (status.operation !== null) return `is busy with ${status.operation}`
  const away = status.nodes.find((peer) => !peer.self && peer.kind === 'normal' && (peer.state !== 'up' || peer.status !== 'active'))
  return away === undefined ? null : `sees ${away.name} '${away.state}', '${away.status}'`
}

/** Names of members end in the address, or the address and its prefix and interface. */
function groupOf(status: StatusView | null, address: string): StatusView['groups'][number] | undefined {
  const names = (id: string): boolean => id.split('::').some((word) => word.split('/')[0]?.toLowerCase() === address.toLowerCase())
  return status?.groups.find((group) => group.members.some((member) => names(member.id)) || names(group.id))
}

export interface Holding {
  readonly node: string
  readonly fromMs: number
  /** Null while it lasts. */
  readonly toMs: number | null
}

/** The longest time within which two nodes had the address, and from when. */
export function longestOverlap(holdings: readonly Holding[], sinceMs: number, untilMs: number): { fromMs: number; lengthMs: number } {
  let longest = { fromMs: sinceMs, lengthMs: 0 }
  holdings.forEach((first, index) => {
    for (const second of holdings.slice(index + 1)) {
      if (first.node === second.node) continue
      const fromMs = Math.max(first.fromMs, second.fromMs, sinceMs)
      const lengthMs = Math.min(first.toMs ?? untilMs, second.toMs ?? untilMs, untilMs) - fromMs
      if (lengthMs > longest.lengthMs) longest = { fromMs, lengthMs }
    }
  })
  return longest
}
