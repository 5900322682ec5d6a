// Looking at and signalling a whole process group.

import { readdirSync, readFileSync } from 'node:fs'

export interface GroupMember {
  readonly pid: number
  readonly name: string
  /** Letter of /proc: R, S, D (uninterruptible), T... */
  readonly state: string
}

/** False when no process of that group is left. */
export function signalGroup(pgid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pgid, signal)
    return true
  } catch {
    return false
  }
}

/** Zombies count as existing here. */
export function groupExists(pgid: number): boolean {
  try {
    process.kill(-pgid, 0)
    return true
  } catch {
    return false
  }
}

/** Members that are not zombies. Reads all of /proc: for rare moments only. */
export function groupMembers(pgid: number): GroupMember[] {
  const members: GroupMember[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue
    const member = readMember(entry, pgid)
    if (member !== null) members.push(member)
  }
  return members
}

function readMember(entry: string, pgid: number): GroupMember | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
  } catch {
    return null // Gone meanwhile.
  }
  // The name stands in parentheses and may itself hold blanks and parentheses.
  const open = stat.indexOf('(')
  const close = stat.lastIndexOf(')')
  const [state, , group] = stat.slice(close + 2).split(' ')
  if (Number(group) !== pgid || state === undefined || state === 'Z' || state === 'X') return null
  return { pid: Number(entry), name: stat.slice(open + 1, close), state }
}
