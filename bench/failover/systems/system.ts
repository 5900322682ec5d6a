// What the benchmark needs of a system, whatever it is.
import { readFileSync } from 'node:fs'

import type { LabNode } from '../../../lab/node.js'
import { until } from '../../../lab/processes.js'
import type { ProbeMark } from '../../../lab/prober.js'
import type { SerialOptions } from '../../../lab/serial-line.js'
import type { GapReport } from '../../../src/control/report.js'
import type { Fault, GroupKind } from '../samples.js'
import type { Stage } from '../stage.js'

/** The family decides the colour of a row and what is compared with what. */
export type Family = 'twinbeat' | 'keepalived' | 'other'

/** How often a node's engine was moved off a processor that stood, and the other node was asked to wait for it. */
export interface EngineHelp {
  readonly rescues: number
  readonly stands: number
}

export interface System {
  readonly key: string
  readonly title: string
  readonly family: Family
  /** Shown in a picture of its own: the same system under special conditions. */
  readonly aside?: true
  /** What differs from a plain installation, in one line. */
  readonly settings: string
  /** Reacts within a fraction of a second: timed with nothing beside it. */
  readonly fast: boolean
  readonly tries: number
  readonly faults: readonly Fault[]
  readonly groups: readonly GroupKind[]
  /** Of the group, if there are others than the one that is asked. */
  readonly addresses?: readonly string[]
  /** Needed by its `serial` fault. */
  readonly serial?: SerialOptions
  /** A takeover takes no longer than this, or did not happen. */
  readonly limitMs: number
  /** Phases of its own clock: faults fall anywhere in such a stretch. */
  readonly phaseMs: number
  /** Null if it can be run here. */
  obstacle(): string | null
  version(): Promise<string>
  open(stage: Stage, group: GroupKind): Promise<Running>
}

/** A system on a stage. */
export interface Running {
  /** Begins it on a node, at first or after its end; returns when the program has been started. */
  start(node: LabNode): Promise<void>
  isRunning(node: LabNode): boolean
  /** Pids of what a crash of the system takes with it. */
  crashing(node: LabNode): number[]
  /** As crashing, with whatever outlives a crash by design. */
  everything(node: LabNode): number[]
  /** Asks it to stop and returns at once, with the moment of the asking. */
  leave(node: LabNode): Promise<ProbeMark>
  /** All of it has ended after `leave`. */
  left(node: LabNode): Promise<void>
  /** The standby is able to take over, as far as the system can be asked. */
  isReady(owner: LabNode, standby: LabNode): Promise<boolean>
  /** Afterwards that node holds nothing against an interface that was down a moment ago. */
  forget?(node: LabNode): Promise<void>
  /** What the engine's own stamps say about the takeover that just happened on that node. */
  stamps?(node: LabNode): Record<string, number> | null
  /** Which silences between heartbeats that node has judged so far, if it says. */
  judgedGaps?(node: LabNode): Promise<GapReport | null>
  engineHelp?(node: LabNode): Promise<EngineHelp | null>
  /** What has to be ended before the machines are taken away. */
  close(): Promise<void>
}

export function processName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim()
  } catch {
    return ''
  }
}

/** The kernel keeps fifteen characters of a name. */
export function pidsNamed(node: LabNode, names: readonly string[]): number[] {
  const short = new Set(names.map((name) => name.slice(0, 15)))
  return node.processes().filter((pid) => short.has(processName(pid)) && isAlive(pid))
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1))
  } catch {
    return false
  }
}

/** Those of them that none of them has started. */
export function rootsOf(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    try {
      return !pids.includes(Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]))
    } catch {
      return false
    }
  })
}

const leaveTimeoutMs = 60_000

/** A system that is a handful of processes: ended by SIGTERM to the first of them. */
export abstract class ProcessSystem implements Running {
  constructor(protected readonly stage: Stage, private readonly names: readonly string[]) {}

  abstract start(node: LabNode): Promise<void>

  isRunning(node: LabNode): boolean {
    return this.crashing(node).length > 0
  }

  crashing(node: LabNode): number[] {
    return pidsNamed(node, this.names)
  }

  everything(node: LabNode): number[] {
    return this.crashing(node)
  }

  leave(node: LabNode): Promise<ProbeMark> {
    return this.stage.prober.order({ term: rootsOf(this.crashing(node)) })
  }

  async left(node: LabNode): Promise<void> {
    if (await until(() => !this.isRunning(node), leaveTimeoutMs)) return
    throw new Error(`${this.names[0] ?? ''} on ${node.name} does not end`)
  }

  async isReady(_owner: LabNode, standby: LabNode): Promise<boolean> {
    return this.isRunning(standby)
  }

  async close(): Promise<void> {
    // The machines end with everything in them.
  }
}
