// What a system costs at rest: time on a processor by the scheduler's own account, and memory, of each process of a node.
import { readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'

import type { LabNode } from '../../lab/node.js'
import { pause } from '../../lab/processes.js'
import type { Cost } from './results-file.js'
import type { Stage } from './stage.js'
import { processName, type System } from './systems/system.js'

const seconds = 10

/** Of the machine itself, not of the system: PID 1 and what answers. */
const notMeasured = new Set(['bash', 'nsenter', 'unshare'])

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Nanoseconds on a processor of all threads of a process. */
export function processorNs(pid: number): number {
  let tasks: string[] = []
  try {
    tasks = readdirSync(`/proc/${pid}/task`)
  } catch {
    return 0
  }
  return tasks.reduce((sum, task) => sum + Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] ?? 0), 0)
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
  const owner = stage.owners()[0]
  const nodes = stage.nodes.map((node) => ({ node, pids: processesOf(node) }))
  const before = new Map(nodes.flatMap(({ pids }) => pids.map((pid) => [pid, processorNs(pid)] as const)))
  const beganNs = process.hrtime.bigint()
  await pause(seconds * 1000)
  const tookNs = Number(process.hrtime.bigint() - beganNs)
  return nodes.map(({ node, pids }) => ({
    kind: 'cost', system: system.key, node: node.name, role: node.name === owner ? 'active' : 'standby',
    processes: pids.map((pid) => ({
      name: processName(pid),
      cpuPercent: Number(((100 * (processorNs(pid) - (before.get(pid) ?? 0))) / tookNs).toFixed(4)),
      rssKiB: residentKiB(pid),
    })),
    seconds, load: Number((loadavg()[0] ?? 0).toFixed(2)),
  }))
}
