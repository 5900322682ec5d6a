// What a reload changes and how each change can be made. `live`: this node takes it over at once and its
// peer does not care. `rolling`: taken over at once, but both nodes must get it, one after the other.
// `restart`: counts from the next start of the daemon; until then the old value stays in force.

import { linkText } from './digest.js'
import type { ClusterConfig, GroupConfig } from './model.js'

export type ChangeKind = 'live' | 'rolling' | 'restart'

export interface Change {
  readonly kind: ChangeKind
  /** What it is about: `timing.deadtimeUs`, `link bcast:eth1`, `group 10.0.0.1`. */
  readonly subject: string
  readonly change: 'added' | 'removed' | 'changed'
  readonly from: string | null
  readonly to: string | null
}

export interface GroupChange {
  readonly key: string
  /** `monitor` (and when its address is open) leaves every member where it is. */
  readonly change: 'added' | 'removed' | 'changed' | 'monitor'
}

export interface ConfigDiff {
  readonly changes: readonly Change[]
  /** Groups whose definition differs; all others must not be touched by a reload. */
  readonly groups: readonly GroupChange[]
  /** The strongest kind among the changes; null if nothing changed. */
  readonly kind: ChangeKind | null
}

/** How the plain parts of the model change; everything not listed is compared by a function below. */
const kPlain: readonly (readonly [subject: string, kind: ChangeKind, pick: (config: ClusterConfig) => unknown])[] = [
  ['self', 'restart', (c) => c.self],
  ['nodes', 'restart', (c) => c.nodes],
  ['timing.keepalive', 'live', (c) => c.timing.keepaliveUs],
  ['timing.deadtime', 'live', (c) => c.timing.deadtimeUs],
  ['timing.warntime', 'live', (c) => c.timing.warntimeUs],
  // Counts at the next start anyway, and follows deadtime where it is not set.
  ['timing.initdead', 'live', (c) => c.timing.initdeadUs],
  ['timing.deadping', 'live', (c) => c.timing.deadpingUs],
  ['timing.max_rexmit_delay', 'live', (c) => c.timing.maxRexmitDelayUs],
  ['hopfudge', 'live', (c) => c.hopfudge],
  ['respawn', 'live', (c) => c.respawn.map(({ user, path, args, failfast }) => [failfast, user, path, ...args])],
  ['apiauth', 'live', (c) => c.apiauth],
  ['log', 'live', (c) => c.log],
  ['process', 'restart', (c) => c.process],
  ['watchdog', 'restart', (c) => c.watchdog],
  ['identity.cluster', 'restart', (c) => c.identity.cluster],
  ['identity.hbgenmethod', 'restart', (c) => c.identity.generationMethod],
  ['identity.uuidfrom', 'restart', (c) => c.identity.uuidFrom],
  ['identity.msgfmt', 'live', (c) => c.identity.messageFormat],
  ['env', 'live', (c) => c.env],
  ['accept-without', 'live', (c) => c.acceptedWithout],
  ['address_agent', 'restart', (c) => c.twinbeat.addressAgent],
  ['stop_failure', 'live', (c) => c.twinbeat.stopFailure],
  ['stop_retry_max', 'live', (c) => c.twinbeat.stopRetryMax],
  // Another protection in force means another proof behind everything that is held.
  ['split_brain', 'restart', (c) => c.twinbeat.splitBrain],
  ['arbiter', 'restart', (c) => c.twinbeat.arbiter === null ? null : { ...c.twinbeat.arbiter, at: null }],
  ['lease', 'restart', (c) => c.twinbeat.lease],
  ['reset_command', 'live', (c) => c.twinbeat.resetCommand],
  ['start_timeout', 'live', (c) => c.twinbeat.startTimeoutUs],
  ['stop_timeout', 'live', (c) => c.twinbeat.stopTimeoutUs],
  ['status_timeout', 'live', (c) => c.twinbeat.statusTimeoutUs],
  ['handover_wait', 'live', (c) => c.twinbeat.handoverWaitUs],
  ['grant_wait', 'live', (c) => c.twinbeat.grantWaitUs],
  ['profile', 'live', (c) => c.twinbeat.profile],
  ['announce_refresh', 'live', (c) => c.twinbeat.announceRefreshUs],
  ['track', 'live', (c) => c.twinbeat.tracks],
  ['guardian_kill', 'live', (c) => c.twinbeat.guardianKill],
  ['serial_lock', 'restart', (c) => c.twinbeat.serialLock],
  ['control_group', 'restart', (c) => c.twinbeat.controlGroup],
]

const kStrength: readonly ChangeKind[] = ['live', 'rolling', 'restart']

export function diffConfig(before: ClusterConfig, after: ClusterConfig): ConfigDiff {
  const changes = [
    ...diffPlain(before, after),
    ...diffFailback(before, after),
    ...diffLinks(before, after),
    ...diffKeys(before, after),
    ...diffFencing(before, after),
  ]
  const groups = diffGroups(before.groups, after.groups)
  for (const group of groups) {
    const kind = group.change === 'monitor' ? 'live' : 'rolling'
    const change = group.change === 'monitor' ? 'changed' : group.change
    changes.push({ kind, subject: `group ${group.key}`, change, from: null, to: null })
  }
  const strongest = Math.max(-1, ...changes.map((change) => kStrength.indexOf(change.kind)))
  return { changes, groups, kind: kStrength[strongest] ?? null }
}

function diffPlain(before: ClusterConfig, after: ClusterConfig): Change[] {
  return kPlain.flatMap(([subject, kind, pick]) => {
    const from = JSON.stringify(pick(before))
    const to = JSON.stringify(pick(after))
    return from === to ? [] : [{ kind, subject, change: 'changed' as const, from, to }]
  })
}

/** `legacy` speaks another protocol than `on` and `off`; those two differ only in who asks for groups back. */
function diffFailback(before: ClusterConfig, after: ClusterConfig): Change[] {
  if (before.autoFailback === after.autoFailback) return []
  const legacy = before.autoFailback === 'legacy' || after.autoFailback === 'legacy'
  return [{ kind: legacy ? 'restart' : 'rolling', subject: 'auto_failback', change: 'changed',
    from: before.autoFailback, to: after.autoFailback }]
}

/** A link may come and go while others carry; ping nodes concern this node only. */
function diffLinks(before: ClusterConfig, after: ClusterConfig): Change[] {
  const old = new Map(before.links.map((link) => [link.id, link]))
  const changes: Change[] = []
  for (const link of after.links) {
    const was = old.get(link.id)
    old.delete(link.id)
    if (was !== undefined && linkText(was) === linkText(link)) continue
    const from = was === undefined ? null : linkText(was)
    const change = was === undefined ? 'added' : 'changed'
    changes.push({ kind: linkKind(link.type), subject: `link ${link.id}`, change, from, to: linkText(link) })
  }
  for (const link of old.values()) {
    const from = linkText(link)
    changes.push({ kind: linkKind(link.type), subject: `link ${link.id}`, change: 'removed', from, to: null })
  }
  return changes
}

const linkKind = (type: string): ChangeKind => (type.startsWith('ping') ? 'live' : 'rolling')

/** Devices hold passwords: compared and never shown. Where a line stands does not count. */
function diffFencing(before: ClusterConfig, after: ClusterConfig): Change[] {
  const text = ({ fencing }: ClusterConfig): string => JSON.stringify(fencing, (key, value: unknown) => (key === 'at' ? null : value))
  return text(before) === text(after) ? [] : [{ kind: 'live', subject: 'fencing', change: 'changed', from: null, to: null }]
}

/** Keys are compared and never shown. */
function diffKeys(before: ClusterConfig, after: ClusterConfig): Change[] {
  const changes: Change[] = []
  if (before.auth.signIndex !== after.auth.signIndex) {
    changes.push({ kind: 'rolling', subject: 'auth', change: 'changed',
      from: String(before.auth.signIndex), to: String(after.auth.signIndex) })
  }
  const old = new Map(before.auth.keys.map((key) => [key.index, key]))
  for (const key of after.auth.keys) {
    const was = old.get(key.index)
    old.delete(key.index)
    if (was !== undefined && was.method === key.method && was.key === key.key) continue
    changes.push({ kind: 'rolling', subject: `key ${key.index}`, change: was === undefined ? 'added' : 'changed',
      from: was?.method ?? null, to: key.method })
  }
  for (const key of old.values()) {
    changes.push({ kind: 'rolling', subject: `key ${key.index}`, change: 'removed', from: key.method, to: null })
  }
  return changes
}

function diffGroups(before: readonly GroupConfig[], after: readonly GroupConfig[]): GroupChange[] {
  const old = new Map(before.map((group) => [group.key, group]))
  const changes: GroupChange[] = []
  for (const group of after) {
    const was = old.get(group.key)
    old.delete(group.key)
    if (was === undefined) changes.push({ key: group.key, change: 'added' })
    else if (was.digest !== group.digest) changes.push({ key: group.key, change: 'changed' })
    else if (!sameRules(was, group)) changes.push({ key: group.key, change: 'monitor' })
  }
  for (const key of old.keys()) changes.push({ key, change: 'removed' })
  return changes
}

/** What is done with the group, not what it is. */
const sameRules = (a: GroupConfig, b: GroupConfig): boolean =>
  a.addressOrder === b.addressOrder && JSON.stringify(a.monitor) === JSON.stringify(b.monitor)

/** One line of what a reload tells. */
export const changeText = (change: Change): string => {
  if (change.change !== 'changed') return `${change.subject} ${change.change}`
  return change.from === null || change.to === null
    ? `${change.subject} changed`
    : `${change.subject} ${change.from} -> ${change.to}`
}
