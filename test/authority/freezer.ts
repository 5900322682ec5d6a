// Control groups that stop processes, or one thread of a process, without a signal that anybody could see. Version 1
// keeps its freezer in a hierarchy of its own, and what stands in it cannot even be killed: so stands a thread that is
// stuck in a driver. In version 2 it can be killed: so stands one that waits for a lock that never comes.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { pause } from '../../lab/processes.js'

export type FreezerKind = 'killable' | 'unkillable'

interface Hierarchy {
  readonly folder: string
  readonly kind: FreezerKind
}

let made = 0
const REST_MS = 2_000
const STEP_MS = 1

/** Where groups of that kind can be made here; null: nowhere. */
function hierarchyOf(kind: FreezerKind): Hierarchy | null {
  const type = kind === 'killable' ? 'cgroup2' : 'cgroup'
  const mounts = readFileSync('/proc/self/mounts', 'latin1').split('\n').map((line) => line.split(' '))
  const folder = mounts.find((words) => words[2] === type && (kind === 'killable' || words[3]?.split(',').includes('freezer')))?.[1]
  if (folder === undefined) return null
  const trial = join(folder, `tb-trial-${String(process.pid)}`)
  try {
    mkdirSync(trial)
    rmdirSync(trial)
    return { folder, kind }
  } catch {
    return null
  }
}

/** Null, or why nothing of that kind can be frozen here. */
export function freezerObstacle(kind: FreezerKind): string | null {
  if (hierarchyOf(kind) !== null) return null
  return kind === 'killable' ? 'no writable control groups of version 2' : 'no writable freezer of version 1'
}

export class Freezer {
  readonly #folder: string
  readonly #home: string
  readonly #kind: FreezerKind
  readonly #moved: { readonly id: number, readonly file: string }[] = []

  private constructor(folder: string, home: string, kind: FreezerKind) {
    this.#folder = folder
    this.#home = home
    this.#kind = kind
  }

  /** All of a node: version 1 if there is one, because moving there changes nothing else for the processes. */
  static async all(pids: readonly number[]): Promise<Freezer> {
    const freezer = Freezer.#make(hierarchyOf('unkillable') ?? hierarchyOf('killable'))
    for (const pid of pids) freezer.#move(pid, 'cgroup.procs')
    await freezer.#rest()
    return freezer
  }

  static async thread(tid: number, kind: FreezerKind): Promise<Freezer> {
    const freezer = Freezer.#make(hierarchyOf(kind))
    // The thread stays a thread of its process only in a group that is no domain of its own.
    if (kind === 'killable') writeFileSync(join(freezer.#folder, 'cgroup.type'), 'threaded')
    freezer.#move(tid, kind === 'killable' ? 'cgroup.threads' : 'tasks')
    await freezer.#rest()
    return freezer
  }

  static #make(hierarchy: Hierarchy | null): Freezer {
    if (hierarchy === null) throw new Error('nothing can be frozen here')
    made += 1
    const folder = join(hierarchy.folder, `tb-freezer-${String(process.pid)}-${String(made)}`)
    mkdirSync(folder)
    return new Freezer(folder, hierarchy.folder, hierarchy.kind)
  }

  #move(id: number, file: string): void {
    try {
      writeFileSync(join(this.#folder, file), String(id))
      this.#moved.push({ id, file })
    } catch (error) {
      // It ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  #state(): string {
    return readFileSync(join(this.#folder, this.#kind === 'killable' ? 'cgroup.events' : 'freezer.state'), 'latin1')
  }

  #order(what: 'freeze' | 'thaw'): void {
    const [file, words] = this.#kind === 'killable'
      ? ['cgroup.freeze', { freeze: '1', thaw: '0' }] as const : ['freezer.state', { freeze: 'FROZEN', thaw: 'THAWED' }] as const
    writeFileSync(join(this.#folder, file), words[what])
  }

  async #rest(): Promise<void> {
    this.#order('freeze')
    for (let waited = 0; waited < REST_MS; waited += STEP_MS) {
      if (/^(FROZEN|[^]*^frozen 1$)/m.test(this.#state())) return
      await pause(STEP_MS)
    }
    throw new Error('what was to be frozen does not come to rest')
  }

  thaw(): void {
    this.#order('thaw')
  }

  /** Thawed, everything back where it was or gone, and the group removed. */
  async close(): Promise<void> {
    this.thaw()
    for (const { id, file } of this.#moved) {
      try {
        writeFileSync(join(this.#home, file), String(id))
      } catch {
        // It has ended, which is what most of them do.
      }
    }
    for (let waited = 0; waited < REST_MS; waited += STEP_MS) {
      try {
        rmdirSync(this.#folder)
        return
      } catch {
        await pause(STEP_MS)
      }
    }
    throw new Error(`the group ${this.#folder} does not become empty`)
  }
}
