// The validated configuration in the core's words.
import { groupId, nodeId } from '../core/base/ids.js'
import type { FencingConfig } from '../core/fencing/model.js'
import type { CoreConfig, LeaseConfig, TrackConfig } from '../core/types.js'
import type { AddressSpec, ClusterConfig, LeaseSettings } from '../config/model.js'

/** Null: no interface would carry the address now. */
export type Locate = (address: AddressSpec) => string | null

export function coreConfigOf(config: ClusterConfig, locate: Locate = (address) => address.interface): CoreConfig {
  const pings = config.links.filter(
    (link) => link.type === 'ping' || link.type === 'ping6' || link.type === 'ping_group',
  )
  const { twinbeat, timing } = config
  return {
    self: config.self,
    nodes: [
      ...config.nodes.map((id) => ({ id, kind: 'normal' as const })),
      ...pings.map((link) => ({ id: nodeId(link.name), kind: 'ping' as const })),
    ],
    groups: config.groups.map((group) => ({
      id: group.key,
      home: group.home,
      digest: group.digest,
      members: group.members.map((member) => ({
        id: member.id,
        kind: member.by === 'engine' ? ('address' as const) : ('agent' as const),
      })),
    })),
    monitors: config.groups.flatMap((group) =>
      group.monitor === null
        ? []
        : [{ group: group.key, everyUs: group.monitor.everyUs, failuresMax: group.monitor.failures }],
    ),
    tracks: tracksOf(config, locate),
    autoFailback: config.autoFailback,
    timing: { keepaliveUs: timing.keepaliveUs, deadtimeUs: timing.deadtimeUs, initdeadUs: timing.initdeadUs },
    stopFailure: twinbeat.stopFailure,
    stopRetryMax: twinbeat.stopRetryMax,
    protection: twinbeat.splitBrain,
    fencing: fencingOf(config),
    lease: twinbeat.splitBrain === 'lease' ? leaseConfigOf(twinbeat.lease) : null,
    handoverWaitUs: twinbeat.handoverWaitUs,
    grantWaitUs: twinbeat.grantWaitUs,
  }
}

function leaseConfigOf(lease: LeaseSettings): LeaseConfig {
  const { ttlUs, driftPpm, stopBudgetUs, renewUs, timeoutUs } = lease
  return { ttlUs, driftPpm, stopBudgetUs, renewUs, requestUs: timeoutUs }
}

/** Interfaces that carry addresses of a group, without those that an operator does not want to be tracked. */
export function tracksOf(config: ClusterConfig, locate: Locate): TrackConfig[] {
  const rules = new Map(config.twinbeat.tracks.map(({ interface: name, on }) => [name, on]))
  return config.groups.flatMap((group) => {
    const carriers = group.members.flatMap((member) => (member.address === null ? [] : (locate(member.address) ?? [])))
    const interfaces = [...new Set(carriers)].filter((name) => rules.get(name) !== false)
    const explicit = interfaces.some((name) => rules.get(name) === true)
    return interfaces.length === 0 ? [] : [{ group: group.key, interfaces, explicit }]
  })
}

/** Names and times; what a device is, and its secrets, stay outside of the core. */
function fencingOf({ fencing }: ClusterConfig): FencingConfig {
  return {
    devices: fencing.devices.map(({ name, targets, timeoutUs, tries, testEveryUs }) => ({
      name, targets: targets === null ? null : targets.map((target) => target.node), timeoutUs, tries, testEveryUs,
    })),
    levels: fencing.levels,
    action: fencing.action,
    delays: fencing.delays,
    randomDelayUs: fencing.randomDelayUs,
    priorityDelayUs: fencing.priorityDelayUs,
    weights: fencing.weights.map(({ group, weight }) => ({ group: groupId(group), weight })),
  }
}

/** Two nodes that start in the same second must not draw the same chance: their delays decide who survives. */
export function seedOf(node: string, generation: number): number {
  let hash = 0
  for (const letter of node) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) | 0
  return (generation ^ Math.imul(hash, 0x9e3779b1)) >>> 0
}

/** Told by the engine also on the node that does not have the addresses. */
export function trackedInterfaces(config: ClusterConfig, locate: Locate): string[] {
  return [...new Set(tracksOf(config, locate).flatMap((track) => track.interfaces))]
}
