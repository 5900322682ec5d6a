// A control group (version 2) for each group of resources: what an agent starts, and what that leaves behind, can be
// found and ended as a whole, also by somebody who knows nothing of agents.
//
// No controller is switched on: nothing is limited, nothing is accounted, processes are only kept together. Where
// there is no writable hierarchy (a container, no root) there are none, and everything else works the same.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../errors.js'
import { controlGroupPrefix as prefix, ownControlGroup } from '../system/control-groups.js'

const nameMax = 64

export class Cgroups {
  readonly #base: string | null
  /** Why there are none; null: there are. */
  readonly problem: string | null

  /** `instance`, with the network namespace, tells apart two daemons of one machine: its run folder. */
  constructor(nodeName: string, instance: string, root: string | null = ownControlGroup()) {
    if (root === null) {
      this.#base = null
      this.problem = 'no control groups of version 2 are mounted'
      return
    }
    const base = join(root, `${prefix}${safeName(nodeName)}.${digestOf(`${networkNamespace()} ${instance}`)}`)
    let problem: string | null = null
    try {
      makeFolder(base)
    } catch (error) {
      problem = `control groups cannot be made: ${messageOf(error)}`
    }
    this.#base = problem === null ? base : null
    this.problem = problem
  }

  /**
   * Folder of one group of resources, made if need be; null: none. With a resource: the folder inside of it for what the
   * start of that resource leaves running.
   */
  folderOf(group: string, resource: string | null = null): string | null {
    if (this.#base === null) return null
    const folder = join(this.#base, safeName(group))
    try {
      makeFolder(this.#base)
      makeFolder(folder)
      if (resource === null) return folder
      const inside = join(folder, startedName(resource))
      makeFolder(inside)
      return inside
    } catch {
      return null
    }
  }

  /** Something of the group, or of what one start left, runs; false also where there are no control groups. */
  populated(group: string, resource: string | null = null): boolean {
    if (this.#base === null) return false
    const folder = join(this.#base, safeName(group), resource === null ? '' : startedName(resource))
    try {
      return /^populated 1$/m.test(readFileSync(join(folder, 'cgroup.events'), 'latin1'))
    } catch {
      return false
    }
  }

  /** SIGKILL to everything in it, also to what forks meanwhile. False: the kernel cannot (before 5.14) or it is gone. */
  kill(group: string): boolean {
    if (this.#base === null) return false
    try {
      writeFileSync(join(this.#base, safeName(group), 'cgroup.kill'), '1')
      return true
    } catch {
      return false
    }
  }

  /** Removes what is empty. What still runs keeps its folder. */
  tidy(): void {
    if (this.#base === null) return
    removeEmpty(this.#base)
  }
}

/** Not by Node's recursive form, which never ends below /proc. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** For those who end daemons the hard way: removes every empty folder that such a daemon left. */
export function removeEmptyCgroups(): void {
  const root = ownControlGroup()
  if (root === null) return
  try {
    for (const name of readdirSync(root)) if (name.startsWith(prefix)) removeEmpty(join(root, name))
  } catch {
    // Nothing to see, nothing to remove.
  }
}

function networkNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/net')
  } catch {
    return ''
  }
}

/** Node, group, resource: nothing of ours lies deeper. */
const depthMax = 3

function removeEmpty(folder: string, depth = depthMax): void {
  if (depth === 0) return
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeEmpty(join(folder, entry.name), depth - 1)
    }
  } catch {
    return
  }
  rmdirQuietly(folder)
}

function rmdirQuietly(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Not empty, or gone.
  }
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8)

/** Never the name of a file that the kernel has there. */
const startedName = (resource: string): string => `run-${safeName(resource)}`

/** Readable where possible, and never the same for two names. */
function safeName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9_.-]/g, '_').replace(/^\.+/, '_').slice(0, nameMax)
  return plain === name ? plain : `${plain}.${digestOf(name)}`
}
