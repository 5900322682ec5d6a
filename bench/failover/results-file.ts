// The file of a run: JSON lines, only ever appended to. The first line says where and how it was measured, each other one is a
// try, a cost or a stretch under stress. A run that was broken off goes on from there.
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { keyOf, type Sample } from './samples.js'

export interface RunHead {
  readonly kind: 'run'
  readonly format: 1
  readonly at: string
  readonly machine: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
  readonly twinbeat: string
  /** One line of settings for each system. */
  readonly settings: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
}

export interface Cost {
  readonly kind: 'cost'
  readonly system: string
  readonly node: string
  readonly role: 'active' | 'standby'
  readonly processes: readonly {
    readonly name: string
    readonly cpuPercent: number
    readonly rssKiB: number
    /** By the name of the thread, of the same percentage; for a process of several. */
    readonly threads?: Readonly<Record<string, number>>
  }[]
  readonly seconds: number
  readonly load: number
}

export interface Stress {
  readonly kind: 'stress'
  readonly system: string
  readonly seconds: number
  readonly moves: number
  /** Of those, the ones that began within a stall of the whole machine. */
  readonly movesInStalls: number
  /** Of those, the ones that began right after one processor alone, or more, had stood for 3 ms. */
  readonly movesInCoreStalls?: number
  /** When each of them began, and what the watchers of the processors missed around it: from and to, from the move on. */
  readonly movesAt?: readonly {
    readonly atMs: number, readonly to: string,
    readonly stalls: readonly (readonly [core: number, fromMs: number, toMs: number])[]
  }[]
  readonly twoOwnersMs: number
  readonly stalls: number
  readonly longestStallMs: number
  /** How often one processor or more stood for 3 ms. */
  readonly coreStalls?: number
  readonly longestCoreStallMs?: number
  /** How often an engine was moved off a processor that stood; null where that is not done. */
  readonly rescues?: number | null
  /** How often a node asked the other one to wait for it; null as above. */
  readonly stands?: number | null
  /** Longest gaps between heartbeats as they arrived; and what was judged of them, where the system says. */
  readonly longestGapMs: number | null
  readonly judgedMs: number | null
  readonly load: number
}

export type Line = RunHead | Sample | Cost | Stress

export interface Results {
  readonly heads: readonly RunHead[]
  readonly samples: readonly Sample[]
  readonly costs: readonly Cost[]
  readonly stresses: readonly Stress[]
}

/** What was measured how; a file may have been filled by several runs, each with systems of its own. */
export function setUpsOf({ heads }: Results): { readonly key: string, readonly version: string, readonly settings: string }[] {
  const settings = new Map(heads.flatMap((head) => Object.entries(head.settings)))
  const versions = new Map(heads.flatMap((head) => Object.entries(head.versions)))
  return [...settings].map(([key, text]) => ({ key, version: versions.get(key) ?? '', settings: text }))
}

export const emptyResults: Results = { heads: [], samples: [], costs: [], stresses: [] }

export function parseResults(text: string): Results {
  const lines = text.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as Line)
  return {
    heads: lines.filter((line) => line.kind === 'run'),
    // A try that was made again counts once: the last one.
    samples: [...new Map(lines.filter((line) => line.kind === 'try').map((one) => [keyOf(one), one])).values()],
    costs: [...new Map(lines.filter((line) => line.kind === 'cost').map((one) => [`${one.system}/${one.role}`, one])).values()],
    stresses: lines.filter((line) => line.kind === 'stress'),
  }
}

/** Packed by gzip if its name says so: such a file is only read. */
export function readResults(path: string): Results {
  if (!existsSync(path)) return emptyResults
  const bytes = readFileSync(path)
  return parseResults((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'))
}

export class ResultsFile {
  constructor(readonly path: string) {
    mkdirSync(dirname(path), { recursive: true })
  }

  /** What is there already; a line that was cut off by a power loss is taken away. */
  resume(): Results {
    if (!existsSync(this.path)) return emptyResults
    const text = readFileSync(this.path, 'utf8')
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole.length !== text.length) truncateSync(this.path, Buffer.byteLength(whole))
    return parseResults(whole)
  }

  append(line: Line): void {
    appendFileSync(this.path, `${JSON.stringify(line)}\n`)
  }
}

/** Tries that are still to be made, in the order they are made. */
export function stillToDo<T extends { readonly system: string, readonly fault: string, readonly group: string, readonly index: number }>(
  wanted: readonly T[],
  done: readonly Sample[],
): T[] {
  const have = new Set(done.filter((sample) => sample.voided === null).map((sample) => keyOf(sample)))
  return wanted.filter((one) => !have.has(`${one.system}/${one.group}/${one.fault}/${one.index}`))
}
