// Processor time of a heartbeat engine at rest, beside a bare loop of C that sends and receives as often: two links, two nodes,
// the scheduler's own account.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { processorNs, residentKiB, restMs } from '../failover/cost.js'
import { pidsNamed, processName } from '../failover/systems/system.js'
import { compiledProgram, PROJECT } from '../../lab/compiled.js'
import { withLab, type Lab } from '../../lab/lab.js'
import type { LabNode } from '../../lab/node.js'
import { PAIR_DEFAULTS, writePairFiles } from '../../lab/pair-files.js'
import { pause, until } from '../../lab/processes.js'
import { TwinbeatNode } from '../../lab/twinbeat-node.js'

const intervalsMs = [1, 2, 50] as const
const port = '6944'

interface Row {
  readonly intervalMs: number
  readonly barePercent: number
  readonly enginePercent: number
  readonly othersPercent: number
  /** A Node.js that only wakes as often as a daemon at rest does. */
  readonly idleNodePercent: number
  readonly processes: readonly string[]
}

/** Percent of a core while `seconds` pass. */
async function share(counter: () => number, seconds: number): Promise<number> {
  const before = counter()
  const began = performance.now()
  await pause(seconds * 1000)
  return (100 * (counter() - before)) / ((performance.now() - began) * 1e6)
}

/** The engine, and what looks after it. */
const engineThreads = new Set(['twinbeat-engine', 'twinbeat-rescue'])

function engineNs(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
      const name = readFileSync(`/proc/${pid}/task/${task}/comm`, 'latin1').trim()
      return engineThreads.has(name) ? sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]) : sum
    }, 0)
  } catch {
    return 0
  }
}

/** Runs `body` while the loop does on every node; what it is given counts the nanoseconds of all loops. */
async function withBareLoops<T>(nodes: readonly LabNode[], intervalMs: number, body: (ns: () => number) => Promise<T>): Promise<T> {
  const program = await compiledProgram('bare-loop', [join(PROJECT, 'bench', 'micro', 'bare_loop.cc')])
  const words = [program, port, String(intervalMs * 1000), 'eth0/10.77.0.255', 'eth1/10.78.0.255']
  const children = nodes.map((node) => node.spawn(words, { stdio: ['ignore', 'ignore', 'inherit'] }))
  const pids = (): number[] => nodes.flatMap((node) => node.processes().filter((pid) => processName(pid).startsWith('bare-loop')))
  await until(() => pids().length === nodes.length, 10_000)
  await pause(500)
  const found = pids()
  const result = await body(() => found.reduce((sum, pid) => sum + processorNs(pid), 0))
  for (const node of nodes) node.kill(found.filter((pid) => node.processes().includes(pid)))
  await until(() => children.every((child) => child.exitCode !== null || child.signalCode !== null), 5_000)
  return result
}

/** Runs `body` beside a Node.js that does nothing four times a second, once that and everything before it has come to rest. */
async function withIdleNode<T>(node: LabNode, body: (ns: () => number) => Promise<T>): Promise<T> {
  const before = new Set(node.processes())
  const child = node.spawn([process.execPath, '-e', 'setInterval(() => undefined, 250)'], { stdio: 'ignore' })
  const mine = (): number[] => node.processes().filter((pid) => !before.has(pid) && processName(pid) === 'node')
  await until(() => mine().length === 1, 10_000)
  await pause(restMs)
  const pids = mine()
  const result = await body(() => pids.reduce((sum, pid) => sum + processorNs(pid), 0))
  node.kill(pids)
  await until(() => child.exitCode !== null || child.signalCode !== null, 5_000)
  return result
}

/** All at the same time: what happens to the machine happens to both. */
async function rowOf(lab: Lab, intervalMs: number, seconds: number): Promise<Row> {
  const [a, b] = lab.allNodes()
  if (a === undefined || b === undefined) throw new Error('two nodes are needed')
  const settings = {
    ...PAIR_DEFAULTS, keepalive: `${intervalMs}ms`, warntime: `${intervalMs * 10}ms`, deadtime: `${Math.max(20, intervalMs * 4)}ms`,
    initdead: '3', extra: ['bcast eth0'],
  }
  const daemons = await Promise.all([a, b].map((node) => TwinbeatNode.prepare(node)))
  writePairFiles(settings, a, b)
  writePairFiles(settings, b, a)
  await Promise.all(daemons.map((daemon) => daemon.start()))
  const active = async (): Promise<boolean> => {
    const states = await Promise.all(daemons.map(async (one) => (await one.status())?.nodes.every((node) => node.status === 'active')))
    return states.every((one) => one === true)
  }
  if (!(await until(active, 60_000, 250))) throw new Error('the pair does not come up')
  const pids = a.processes().filter((pid) => pid !== a.pid)
  const main = pidsNamed(a, ['twinbeatd'])
  const engine = (): number => main.reduce((sum, pid) => sum + engineNs(pid), 0)
  const everything = (): number => pids.reduce((sum, pid) => sum + processorNs(pid), 0)
  const [enginePercent, allPercent, idleNodePercent, bothLoops] = await withIdleNode(a, (idle) => (
    withBareLoops([a, b], intervalMs, (loops) => Promise.all([
      share(engine, seconds), share(everything, seconds), share(idle, seconds), share(loops, seconds),
    ]))))
  const processes = pids.map((pid) => `${processName(pid)} ${(residentKiB(pid) / 1024).toFixed(1)} MiB`)
  await Promise.all(daemons.map((daemon) => daemon.stop()))
  const othersPercent = allPercent - enginePercent
  return { intervalMs, barePercent: bothLoops / 2, enginePercent, othersPercent, idleNodePercent, processes }
}

export async function dutyShares(seconds: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const intervalMs of intervalsMs) {
    rows.push(await withLab({ name: 'duty', nodes: ['nodea', 'nodeb'] }, (lab) => rowOf(lab, intervalMs, seconds)))
  }
  return rows
}

export async function duty(seconds = 10): Promise<void> {
  console.log(`\npercent of a core at rest, two links, ${seconds} s each`)
  const heads = ['heartbeat', 'bare C loop', 'engine', 'ratio', 'rest of the node', 'an idle Node.js']
  console.log(heads.map((one) => one.padStart(17)).join(''))
  for (const row of await dutyShares(seconds)) {
    const numbers = [row.barePercent, row.enginePercent, row.enginePercent / row.barePercent, row.othersPercent, row.idleNodePercent]
    const cells = numbers.map((one) => one.toFixed(3).padStart(17)).join('')
    console.log(`${`${row.intervalMs} ms`.padStart(17)}${cells}   ${row.processes.join(', ')}`)
  }
}
