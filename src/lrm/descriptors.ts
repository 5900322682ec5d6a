// Descriptors that this process inherited without close-on-exec would reach every agent, and the
// daemons they leave behind: a port or a lock held for ever. Node opens its own with the flag, so
// only what was there at start can leak. It cannot be closed here (somebody may own it), but an
// agent gets /dev/null in its place.

import { readdirSync, readFileSync } from 'node:fs'

const O_CLOEXEC = 0o2000000
/** Numbers above would need a table of that size at each spawn. */
const DESCRIPTOR_MAX = 1024

export function leakyDescriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => fd > 2 && fd < DESCRIPTOR_MAX && isInherited(fd))
}

function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
    return flags?.[1] !== undefined && (parseInt(flags[1], 8) & O_CLOEXEC) === 0
  } catch {
    return false // Closed meanwhile, such as the listing's own.
  }
}

/** The tail of a `stdio` array after 0, 1 and 2. */
export function coverDescriptors(leaky: readonly number[], nullFd: number): ('ignore' | number)[] {
  const last = Math.max(2, ...leaky)
  return Array.from({ length: last - 2 }, (_, i) => (leaky.includes(i + 3) ? nullFd : 'ignore'))
}
