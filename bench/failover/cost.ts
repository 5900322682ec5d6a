// What a system costs at rest: time on a processor by the scheduler's own account, and memory, of each process of a node.
import { readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'

import type { LabNode } from '../../lab/node.js'
import { pause } from '../../lab/processes.js'
import type { Cost } from './results-file.js'
import type { Stage } from './stage.js'
import { processName, type System } from './systems/system.js'

const seconds = 10
/** What a start leaves to do, for the compiler at run time and the collector of garbage above all, is over by then. */
export const restMs = 90_000

/** Of the machine itself, not of the system: PID 1 and what answers. */
const notMeasured = new Set(['bash', 'nsenter', 'unshare'])

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Nanoseconds on a processor of each thread of a process. */
function threadsOf(pid: number): Map<string, { readonly name: string, readonly ns: number }> {
  let tasks: string[] = []
  try {
    tasks = readdirSync(`/proc/${pid}/task`)
  } catch {
    return new Map()
  }
  return new Map(tasks.map((task) => [task, {
    name: read(`/proc/${pid}/task/${task}/comm`).trim(),
    ns: Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] ?? 0),
  }]))
}

/** Nanoseconds on a processor of all threads of a process. */
export function processorNs(pid: number): number {
  return [...threadsOf(pid).values()].reduce((sum, thread) => sum + thread.ns, 0)
}

type Snapshot = ReadonlyMap<string, { readonly name: string, readonly ns: number }>

/** What a process did between two snapshots; threads of one name together. */
function processOf(pid: number, before: Snapshot, after: Snapshot, tookNs: number): Cost['processes'][number] {
  const percent = (ns: number): number => Number((100 * ns / tookNs).toFixed(4))
  const byName = new Map<string, number>()
  for (const [task, { name, ns }] of after) byName.set(name, (byName.get(name) ?? 0) + ns - (before.get(task)?.ns ?? 0))
  return {
    name: processName(pid),
    cpuPercent: percent([...byName.values()].reduce((sum, ns) => sum + ns, 0)),
    rssKiB: residentKiB(pid),
    ...(byName.size < 2 ? {} : { threads: Object.fromEntries([...byName].map(([name, ns]) => [name, percent(ns)])) }),
  }
}

/** Not shared with another process counts whole, shared in proportion. */
export function residentKiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)
}

function processesOf(node: LabNode): number[] {
  return node.processes().filter((pid) => pid !== node.pid && !notMeasured.has(processName(pid)) &&
    !processName(pid).startsWith('prober'))
}

export async function measureCost(stage: Stage, system: System): Promise<Cost[]> {
  await pause(restMs)
  const owner = stage.owners()[0]
  const nodes = stage.nodes.map((node) => ({ node, pids: processesOf(node) }))
  const before = new Map(nodes.flatMap(({ pids }) => pids.map((pid) => [pid, threadsOf(pid)] as const)))
  const beganNs = process.hrtime.bigint()
  await pause(seconds * 1000)
  const tookNs = Number(process.hrtime.bigint() - beganNs)
  return nodes.map(({ node, pids }) => ({
    kind: 'cost', system: system.key, node: node.name, role: node.name === owner ? 'active' : 'standby',
    processes: pids.map((pid) => processOf(pid, before.get(pid) ?? new Map(), threadsOf(pid), tookNs)),
    seconds, load: Number((loadavg()[0] ?? 0).toFixed(2)),
  }))
}
