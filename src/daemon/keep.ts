// What must be true before a daemon lets itself be replaced while resources run: its successor must be able to
// start from the files as they are now, and must find the groups under the definitions that they run under.
import { diffConfig } from '../config/diff.js'
import type { ClusterConfig } from '../config/model.js'
import type { GroupSnapshot } from '../core/types.js'
import { TwinbeatError } from '../errors.js'

/** Environment of the successor: since when the node has said nothing, CLOCK_BOOTTIME in microseconds. */
export const silentSinceVariable = 'TWINBEAT_SILENT_SINCE'

/** Another name or another set of nodes is another cluster. */
const identitySubjects: readonly string[] = ['self', 'nodes']

export function refuseUnfitSuccessor(running: ClusterConfig, files: ClusterConfig): void {
  const { changes, groups } = diffConfig(running, files)
  const identity = changes.find((change) => identitySubjects.includes(change.subject))
  if (identity !== undefined) {
    throw new TwinbeatError('TB_CONFIG', `'${identity.subject}' has changed: the successor would be another node`, {
      hint: "undo the change, or use 'twinbeat stop' and start it again",
    })
  }
  const changed = groups.filter((group) => group.change === 'changed' || group.change === 'removed')
  if (changed.length > 0) {
    const names = changed.map((group) => `'${group.key}' ${group.change}`).join(', ')
    throw new TwinbeatError('TB_CONFIG', `groups that run differ from the files: ${names}`, {
      hint: "'twinbeat reload' restarts exactly these groups; then restart again",
    })
  }
}

/** A successor keeps a group only if the arbiter confirms it before its deadline: that must be possible. */
export function refuseShortLeases(groups: readonly GroupSnapshot[], nowUs: number, renewUs: number): void {
  for (const { id, lease } of groups) {
    if (lease === null || lease.deadlineAt === null) continue
    const leftUs = lease.deadlineAt - nowUs
    if (lease.problem === null && leftUs >= 2 * renewUs) continue
    const why = lease.problem === null
      ? `its lease ends in ${Math.round(leftUs / 1000)} ms` : `the arbiter does not confirm it: ${lease.problem}`
    throw new TwinbeatError('TB_ARBITER_SILENT', `'${id}' would not survive the restart: ${why}`)
  }
}

/** Milliseconds without a heartbeat, if this daemon is a successor; asked once. */
export function silentMs(environment: NodeJS.ProcessEnv, nowUs: number): number | null {
  const text = environment[silentSinceVariable]
  if (text === undefined) return null
  // Agents and respawned programs must not inherit it.
  delete environment[silentSinceVariable]
  const since = Number(text)
  return Number.isFinite(since) && since <= nowUs ? (nowUs - since) / 1000 : null
}
