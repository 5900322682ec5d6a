// Rules between directives and between files. Each rule is one function that reports what it finds; none
// stops another.

import { nodeId, type Micros, type NodeId } from '../core/base/ids.js'
import { suggest, type Reporter } from './diagnostics.js'
import { booleanOf, placeOf, usOf } from './directive-reader.js'
import type { HaCf } from './ha-cf.js'
import type { Place } from './lexer.js'
import type { Acceptable, LinkConfig, Timing, TwinbeatSettings } from './model.js'
import { profileTiming, type Profile } from './profiles.js'
import type { TwinbeatCf } from './twinbeat-cf.js'
import { announcedDeadtimeUs, isHeartbeatLink, linkTimings } from './timing.js'
import { formatTime, writeTime } from './values.js'

/** The table of nodes of the wire has this many rows. */
const kNodesMax = 100
const kSecondUs = 1_000_000
/** A death check of heartbeat runs every 250 ms; shorter dead times only add false deaths there. */
const kRealPeerPollUs = 250_000
/** From here up a machine without real-time scheduling manages as well. */
const kUnhurriedUs = 200_000
export const kAcceptable: readonly Acceptable[] = [
  'stonith',
  'stonith_host',
  'watchdog',
  'failfast',
  'ipfail',
  'dopd',
]

export function resolveTiming(cf: HaCf, profile: Profile | null): Timing {
  const us = (name: string, fallback: number) => usOf(cf.options, name, fallback) as Micros
  const keepaliveUs = us('keepalive', profile?.keepaliveUs ?? kSecondUs)
  const deadtimeUs = us('deadtime', profile?.deadtimeUs ?? 30 * kSecondUs)
  const rexmit = cf.options.get('max_rexmit_delay')?.value
  // Only as a whole: half a profile is a timing of the administrator's own.
  const whole = profile !== null && !cf.options.has('keepalive') && !cf.options.has('deadtime')
  const implied = whole ? profileTiming(profile) : null
  return {
    keepaliveUs,
    deadtimeUs,
    warntimeUs: us('warntime', implied?.warntimeUs ?? Math.floor(deadtimeUs / 2)),
    initdeadUs: us('initdead', initdeadDefaultUs(deadtimeUs)),
    deadpingUs: us('deadping', implied?.deadpingUs ?? deadtimeUs),
    maxRexmitDelayUs: (rexmit?.kind === 'number' ? rexmit.number * 1000 : implied?.maxRexmitDelayUs ?? 250_000) as Micros,
  }
}

/** What of a profile does not take effect, and why. */
export function checkProfile(cf: HaCf, twinbeat: TwinbeatCf, profile: Profile | null, report: Reporter): void {
  if (profile === null) return
  const at = placeOf(twinbeat.options, 'profile')
  const written = ['keepalive', 'deadtime'].filter((name) => cf.options.has(name))
  if (written.length === 2) {
    report.warning('TB_CONFIG_TIMING', at, `'profile ${profile.name}' changes nothing: ha.cf sets keepalive and deadtime`,
      'remove them from ha.cf on both nodes, or the profile')
  } else if (written.length === 1) {
    report.warning('TB_CONFIG_TIMING', at, `ha.cf sets ${written.join()}: only half of 'profile ${profile.name}' counts`,
      `remove ${written.join()} from ha.cf on both nodes, or the profile`)
  }
  const off = !booleanOf(cf.options, 'realtime', true)
  if (off && profile.deadtimeUs < kUnhurriedUs && written.length < 2) {
    report.warning('TB_CONFIG_TIMING', at, `'profile ${profile.name}' needs real-time scheduling, and ha.cf says 'realtime off'`,
      "write 'realtime on', or 'profile lan'")
  }
}

export function initdeadDefaultUs(deadtimeUs: number): number {
  if (deadtimeUs > 10 * kSecondUs) return deadtimeUs
  return deadtimeUs < 6 * kSecondUs ? 12 * kSecondUs : 2 * deadtimeUs
}

export function checkTiming(cf: HaCf, timing: Timing, report: Reporter): void {
  const at = (...names: string[]): Place | null => {
    const name = names.find((candidate) => cf.options.has(candidate))
    return name === undefined ? null : placeOf(cf.options, name)
  }
  const t = timing
  const keep = formatTime(t.keepaliveUs)
  const dead = formatTime(t.deadtimeUs)
  if (t.keepaliveUs <= 0) {
    report.error(
      'TB_CONFIG_TIMING',
      at('keepalive'),
      'keepalive must be above 0',
      "write 'keepalive 1' or, on a quick network, 'keepalive 100ms'",
    )
    return
  }
  const enough = writeTime(Math.max(3 * t.keepaliveUs, kSecondUs))
  if (t.deadtimeUs <= 2 * t.keepaliveUs) {
    report.error(
      'TB_CONFIG_TIMING',
      at('deadtime', 'keepalive'),
      `deadtime ${dead} is not above 2 x keepalive ${keep}`,
      `use at least 3 x keepalive; 'deadtime ${enough}' is a start`,
    )
  } else if (t.deadtimeUs < 3 * t.keepaliveUs) {
    report.warning(
      'TB_CONFIG_TIMING',
      at('deadtime', 'keepalive'),
      `deadtime ${dead} allows the loss of only one heartbeat`,
      `use at least 3 x keepalive: 'deadtime ${writeTime(3 * t.keepaliveUs)}'`,
    )
  }
  if (cf.options.has('deadtime') && t.deadtimeUs > 2 * t.keepaliveUs && t.deadtimeUs < kRealPeerPollUs) {
    report.warning(
      'TB_CONFIG_TIMING',
      at('deadtime'),
      `deadtime ${dead} is below the ${formatTime(kRealPeerPollUs)} in which a real heartbeat looks for deaths`,
      'a real peer gains nothing from it and sees more false deaths',
    )
  }
  checkInitdead(timing, at, report)
  if (cf.options.has('warntime')) checkWarntime(timing, at, report)
  if (t.deadpingUs <= 2 * t.keepaliveUs && cf.options.has('deadping')) {
    report.error(
      'TB_CONFIG_TIMING',
      at('deadping'),
      `deadping ${formatTime(t.deadpingUs)} is not above 2 x keepalive ${keep}`,
      `use at least 3 x keepalive: 'deadping ${writeTime(3 * t.keepaliveUs)}'`,
    )
  }
}

type At = (...names: string[]) => Place | null

function checkInitdead(t: Timing, at: At, report: Reporter): void {
  const init = formatTime(t.initdeadUs)
  if (t.initdeadUs < t.deadtimeUs) {
    report.error(
      'TB_CONFIG_TIMING',
      at('initdead', 'deadtime'),
      `initdead ${init} is below deadtime ${formatTime(t.deadtimeUs)}`,
      `use at least deadtime; 'initdead ${writeTime(initdeadDefaultUs(t.deadtimeUs))}' is the default`,
    )
  } else if (t.initdeadUs < 10 * kSecondUs) {
    report.warning(
      'TB_CONFIG_TIMING',
      at('initdead', 'deadtime'),
      `initdead ${init} may be over before the network is up`,
      'a node that hears nobody until then takes everything; 10 s or more outlasts most switches',
    )
  }
}

function checkWarntime(t: Timing, at: At, report: Reporter): void {
  const warn = formatTime(t.warntimeUs)
  if (t.warntimeUs <= 0) {
    report.error(
      'TB_CONFIG_TIMING',
      at('warntime'),
      'warntime must be above 0',
      `write 'warntime ${writeTime(Math.floor(t.deadtimeUs / 2))}'`,
    )
  } else if (t.warntimeUs >= t.deadtimeUs) {
    report.warning(
      'TB_CONFIG_TIMING',
      at('warntime'),
      `warntime ${warn} is not below deadtime ${formatTime(t.deadtimeUs)}: nobody is warned`,
      `write 'warntime ${writeTime(Math.floor(t.deadtimeUs / 2))}'`,
    )
  } else if (t.warntimeUs <= t.keepaliveUs) {
    report.warning(
      'TB_CONFIG_TIMING',
      at('warntime'),
      `warntime ${warn} is not above keepalive ${formatTime(t.keepaliveUs)}: every heartbeat is late`,
      `write 'warntime ${writeTime(2 * t.keepaliveUs)}'`,
    )
  }
}

/** Lower-cased names without repetitions; `self` is among them unless that is reported. */
export function resolveNodes(cf: HaCf, self: string, report: Reporter): NodeId[] {
  const nodes: NodeId[] = []
  for (const word of cf.nodes) {
    const name = word.text.toLowerCase()
    if (nodes.some((node) => node === name)) {
      report.warning('TB_CONFIG_REPEATED', word, `node '${name}' is there already`, 'remove this one')
    } else {
      nodes.push(nodeId(name))
    }
  }
  const last = cf.nodes.at(-1) ?? null
  if (nodes.length === 0) {
    report.error('TB_CONFIG_NODE', null, 'there is no node line', `write 'node ${self || 'NAME'} OTHER'`)
    return nodes
  }
  if (!nodes.some((node) => node === self)) {
    const close = suggest(self, nodes)
    report.error(
      'TB_CONFIG_NODE',
      last,
      `this node, '${self}', is not listed`,
      close === null
        ? `add '${self}', the answer of uname -n, or name this node with --name`
        : `the file has '${close}'; the name must be the answer of uname -n, or given with --name`,
    )
  }
  if (nodes.length > kNodesMax) {
    report.error('TB_CONFIG_NODE', last, `more than ${kNodesMax} nodes`, null)
  } else if (nodes.length > 2) {
    report.error(
      'TB_CONFIG_NODE',
      cf.nodes[2] ?? last,
      `${nodes.length} nodes: the haresources protocol is one between two nodes`,
      'with three, two of them can hold one group',
    )
  } else if (nodes.length === 1) {
    report.warning(
      'TB_CONFIG_NODE',
      last,
      'there is only one node: nobody takes over',
      "add the other one: 'node NAME'",
    )
  }
  return nodes
}

export function checkLinks(cf: HaCf, nodes: readonly NodeId[], report: Reporter): void {
  const links = cf.links.filter(isHeartbeatLink)
  if (links.length === 0) {
    report.error(
      'TB_CONFIG_LINK',
      null,
      'there is no heartbeat link',
      "write at least 'bcast INTERFACE', better two independent links",
    )
  }
  const paths = new Set(links.map((link) => link.name))
  const first = links[0]
  if (paths.size === 1 && first !== undefined) {
    report.warning(
      'TB_CONFIG_LINK',
      first.at,
      `'${first.name}' is the only path for heartbeats`,
      'when it breaks both nodes take over: add a second, independent link',
    )
  }
  for (const link of cf.links) {
    if (isHeartbeatLink(link) || !nodes.some((node) => node === link.name)) continue
    report.error(
      'TB_CONFIG_NODE',
      link.at,
      `'${link.name}' is a node and a ping node`,
      'ping something that is no member, such as a router',
    )
  }
}

/** Lines that cannot carry a heartbeat every keepalive, or not within the dead time. */
export function checkLinkSpeed(links: readonly LinkConfig[], timing: Timing, report: Reporter): void {
  if (timing.keepaliveUs <= 0 || timing.deadtimeUs <= 2 * timing.keepaliveUs) return
  const announced = inMilliseconds(announcedDeadtimeUs(links, timing))
  for (const link of linkTimings(links, timing)) {
    const at = links.find((candidate) => candidate.id === link.id)?.at ?? null
    const each = inMilliseconds(link.heartbeatUs)
    if (link.heartbeatUs > timing.keepaliveUs) {
      report.warning(
        'TB_CONFIG_TIMING',
        at,
        `a heartbeat occupies ${link.name} for ${each}, keepalive is ${formatTime(timing.keepaliveUs)}`,
        'twinbeat beats more slowly there; a real heartbeat overruns the line: raise baud or keepalive',
      )
    }
    if (link.deadUs > timing.deadtimeUs) {
      const slow = inMilliseconds(link.deadUs)
      report.warning(
        'TB_CONFIG_TIMING',
        at,
        `with only ${link.name} left a death takes ${slow} to notice, not ${formatTime(timing.deadtimeUs)}`,
        `a real peer waits ${announced} on every link then; raise baud or deadtime`,
      )
    }
  }
}

const inMilliseconds = (us: number): string => formatTime(Math.round(us / 1000) * 1000)

export function checkHazards(cf: HaCf, acceptWithout: readonly string[], report: Reporter): Acceptable[] {
  const accepted = new Set<Acceptable>()
  for (const { what, at, message } of cf.hazards) {
    if (acceptWithout.includes(what)) {
      accepted.add(what)
      report.warning('TB_CONFIG_ACCEPTED_WITHOUT', at, `${message}; running without it was accepted`, null)
    } else {
      report.error(
        'TB_CONFIG_NOT_IMPLEMENTED',
        at,
        message,
        `remove the line, or run without it: --accept-without ${what}`,
      )
    }
  }
  return [...accepted]
}

export function checkAcceptWithout(names: readonly string[], report: Reporter): void {
  for (const name of names) {
    if (kAcceptable.some((known) => known === name)) continue
    const close = suggest(name, kAcceptable)
    report.error(
      'TB_CONFIG_VALUE',
      null,
      `'${name}' is nothing that can be accepted`,
      close === null ? `one of: ${kAcceptable.join(', ')}` : `did you mean '${close}'?`,
    )
  }
}

export function checkSafety(
  cf: HaCf,
  twinbeat: TwinbeatCf,
  settings: TwinbeatSettings,
  report: Reporter,
  twinbeatReport: Reporter,
): void {
  if (cf.autoFailback === null) {
    report.warning(
      'TB_CONFIG_COMPATIBILITY',
      null,
      "auto_failback is not set, which means 'legacy'",
      "write 'auto_failback on' or 'auto_failback off', the same on both nodes",
    )
  } else if (cf.autoFailback === 'legacy') {
    report.warning(
      'TB_CONFIG_COMPATIBILITY',
      placeOf(cf.options, 'auto_failback') ?? placeOf(cf.options, 'nice_failback'),
      "'legacy' is the protocol of heartbeat 1.1, without standby commands",
      "write 'auto_failback on' or 'auto_failback off', the same on both nodes",
    )
  }
  if (settings.splitBrain === 'accept') report.warning(
    'TB_CONFIG_SPLIT_BRAIN',
    null,
    settings.splitBrainImplied
      ? "without fencing 'split_brain accept' applies: a node that hears nothing takes over"
      : "'split_brain accept': a node that hears nothing takes over",
    'use links that cannot fail together',
  )
  const slowestUs = Math.max(settings.stopTimeoutUs, settings.startTimeoutUs)
  if (settings.grantWaitUs <= slowestUs) {
    const place =
      placeOf(twinbeat.options, 'grant_wait') ??
      placeOf(twinbeat.options, 'stop_timeout') ??
      placeOf(twinbeat.options, 'start_timeout')
    twinbeatReport.warning(
      'TB_CONFIG_TIMING',
      place,
      `grant_wait ${formatTime(settings.grantWaitUs)} is not above the agent timeouts (${formatTime(slowestUs)})`,
      'an agreement to hand over ends before a slow stop does',
    )
  }
}
