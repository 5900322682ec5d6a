// Where control groups of version 2 can be made on this machine, if at all.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../errors.js'

/** Of the folders that daemons make. */
export const controlGroupPrefix = 'twinbeat.'

/** Where this process is in the unified hierarchy, as a folder; null if that is not mounted. */
export function ownControlGroup(): string | null {
  try {
    const mounted = readFileSync('/proc/self/mounts', 'latin1')
      .split('\n').map((line) => line.split(' ')).find(([, folder, type]) => type === 'cgroup2' && isInSight(folder))?.[1]
    const place = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'latin1'))?.[1]
    // A path above the root of our namespace cannot be reached.
    if (mounted === undefined || place === undefined || place.startsWith('/..')) return null
    return join(mounted, withoutOurs(place))
  } catch {
    return null
  }
}

/** Something else may be mounted over it. */
const isInSight = (folder: string | undefined): boolean => folder !== undefined && existsSync(join(folder, 'cgroup.procs'))

/** A daemon that was started by an agent of another one must not nest in its group for ever. */
function withoutOurs(place: string): string {
  const at = place.indexOf(`/${controlGroupPrefix}`)
  return at < 0 ? place : place.slice(0, at) || '/'
}

/** Why a daemon could make no control groups here; null: nothing speaks against it. Only root can say that it is not allowed. */
export function controlGroupProblem(root: string | null = ownControlGroup()): string | null {
  if (root === null) return 'no control groups of version 2 are mounted'
  if (process.geteuid?.() !== 0) return null
  try {
    accessSync(root, constants.W_OK)
    return null
  } catch (error) {
    return `control groups cannot be made: ${messageOf(error)}`
  }
}
