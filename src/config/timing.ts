// How fast a link can be and how long a death takes to notice on it. One slow serial line must neither be
// overrun by heartbeats nor turn the loss of Ethernet into a false death.

import type { Micros } from '../core/base/ids.js'
import type { LinkConfig, Timing } from './model.js'

/** A status message on the wire: measured 300 bytes in classic form. */
export const kHeartbeatBytes = 300
/** Start bit, eight data bits, stop bit. */
const kBitsPerByte = 10

export interface LinkTiming {
  readonly id: string
  readonly name: string
  /** Time one heartbeat occupies the link; 0 where it does not matter. */
  readonly heartbeatUs: Micros
  readonly intervalUs: Micros
  readonly deadUs: Micros
}

/** Links that carry heartbeats of peers; ping links only tell about the network. */
export const isHeartbeatLink = (link: LinkConfig): boolean =>
  link.type !== 'ping' && link.type !== 'ping6' && link.type !== 'ping_group'

export function heartbeatUsOf(link: LinkConfig): Micros {
  if (link.type !== 'serial') return 0 as Micros
  return Math.ceil((kHeartbeatBytes * kBitsPerByte * 1_000_000) / link.baud) as Micros
}

/** Link interval = max(keepalive, 2h); link dead time = max(deadtime, 3 x interval + h), if h counts at all. */
export function linkTiming(link: LinkConfig, timing: Pick<Timing, 'keepaliveUs' | 'deadtimeUs'>): LinkTiming {
  const heartbeatUs = heartbeatUsOf(link)
  const intervalUs = Math.max(timing.keepaliveUs, 2 * heartbeatUs) as Micros
  const needUs = heartbeatUs === 0 ? 0 : 3 * intervalUs + heartbeatUs
  return {
    id: link.id,
    name: link.name,
    heartbeatUs,
    intervalUs,
    deadUs: Math.max(timing.deadtimeUs, needUs) as Micros,
  }
}

export function linkTimings(links: readonly LinkConfig[], timing: Timing): LinkTiming[] {
  return links.filter(isHeartbeatLink).map((link) => linkTiming(link, timing))
}

/** The `dt` this node announces: a real peer applies one dead time to everything it hears from us. */
export function announcedDeadtimeUs(links: readonly LinkConfig[], timing: Timing): Micros {
  return Math.max(timing.deadtimeUs, ...linkTimings(links, timing).map((link) => link.deadUs)) as Micros
}

export interface FailoverTime {
  readonly links: readonly string[]
  readonly us: Micros
}

/** Every set of links that can be up has a failover time; sets of more links than this are not listed. */
const kListedLinksMax = 4

/**
 * Time from the last heartbeat to the judgement *dead*, for each set of links that is up: the slowest link
 * decides. With many links only the full set and each link alone are listed.
 */
export function failoverTimes(links: readonly LinkConfig[], timing: Timing): FailoverTime[] {
  const timings = linkTimings(links, timing)
  const sets = timings.length <= kListedLinksMax
    ? subsets(timings)
    : [timings, ...timings.map((link) => [link])]
  return sets.map((set) => ({
    links: set.map(linkLabel(links)),
    us: Math.max(...set.map((link) => link.deadUs)) as Micros,
  }))
}

function linkLabel(links: readonly LinkConfig[]): (timing: LinkTiming) => string {
  return (timing) => {
    const link = links.find((candidate) => candidate.id === timing.id)
    if (link?.type === 'serial') return `${link.name.replace(/^\/dev\//, '')}@${link.baud}`
    const shared = links.filter((candidate) => candidate.name === timing.name && isHeartbeatLink(candidate))
    return shared.length > 1 ? timing.id : timing.name
  }
}

/** All non-empty subsets, largest first, in the order of the links. */
function subsets<T>(items: readonly T[]): T[][] {
  const all: T[][] = []
  for (let mask = 1; mask < 1 << items.length; mask++) {
    all.push(items.filter((_, index) => (mask >> index) % 2 === 1))
  }
  return all.sort((a, b) => b.length - a.length)
}
