// A recorded life run again by the core of this program: where it decides otherwise, and what it would have done.
// Nothing is carried out.

import { createPrng } from '../core/base/prng.js'
import { createCore, type Core } from '../core/core.js'
import type { CoreEvent } from '../core/events.js'
import type { CoreConfig } from '../core/types.js'
import { TwinbeatError } from '../errors.js'
import { brokenNote, decisionOf, lineOf, recordFormat, recordVersion, type Decision, type RecordHeader } from './recorder.js'

export interface Difference {
  /** Line of the record. */
  readonly line: number
  readonly event: CoreEvent
  readonly recorded: readonly Decision[]
  readonly now: readonly Decision[]
}

export interface ReplayResult {
  readonly header: RecordHeader
  readonly steps: number
  readonly differences: readonly Difference[]
  /** More than these are counted, not kept. */
  readonly differing: number
  /** Why the rest was not run; null: all of it was. */
  readonly stopped: string | null
}

const differencesMax = 20

/** Told of every step. */
type Told = (event: CoreEvent, decided: readonly Decision[]) => void

export function replay(lines: Iterable<string>, each: Told = () => undefined): ReplayResult {
  let header: RecordHeader | null = null
  let core: Core | null = null
  let line = 0
  let steps = 0
  let differing = 0
  let stopped: string | null = null
  const differences: Difference[] = []
  for (const text of lines) {
    line += 1
    if (header === null || core === null) {
      header = headerOf(text)
      core = createCore(header.config, createPrng(header.seed))
      continue
    }
    const step = stepOf(text, line)
    // The last line of a daemon that was killed may be cut off.
    if (step === null) { stopped = `line ${line} is cut off`; break }
    if ('gap' in step) { stopped = `line ${line}: ${step.gap} events could not be written, and what follows depends on them`; break }
    steps += 1
    const now = decidedBy(core, step.event)
    each(step.event, now)
    if (lineOf(now) === lineOf(step.decided)) continue
    differing += 1
    if (differences.length < differencesMax) differences.push({ line, event: step.event, recorded: step.decided, now })
  }
  if (header === null) throw new TwinbeatError('TB_RECORD_FORMAT', 'the record is empty')
  return { header, steps, differences, differing, stopped }
}

function decidedBy(core: Core, event: CoreEvent): readonly Decision[] {
  try {
    return core.step(event).map(decisionOf)
  } catch {
    return [decisionOf(brokenNote)]
  }
}

function headerOf(text: string): RecordHeader {
  const value = parsed(text)
  if (value === null || value['format'] !== recordFormat) {
    throw new TwinbeatError('TB_RECORD_FORMAT', 'the first line is not the head of a record')
  }
  if (value['version'] !== recordVersion) {
    throw new TwinbeatError('TB_RECORD_FORMAT', `the record has version ${String(value['version'])}, this program reads ${recordVersion}`)
  }
  if (value['whole'] !== true) {
    const text = 'the record begins in the middle of a life; the file without "tail" in its name can be run again'
    throw new TwinbeatError('TB_RECORD_FORMAT', text)
  }
  return value as unknown as RecordHeader & { readonly config: CoreConfig }
}

type Step = { readonly event: CoreEvent; readonly decided: readonly Decision[] } | { readonly gap: number }

function stepOf(text: string, line: number): Step | null {
  const value = parsed(text)
  if (value === null) return null
  if (typeof value['gap'] === 'number') return { gap: value['gap'] }
  if (typeof value['event'] !== 'object' || !Array.isArray(value['decided'])) {
    throw new TwinbeatError('TB_RECORD_FORMAT', `line ${line} is neither a step nor a gap`)
  }
  return value as unknown as Extract<Step, { event: CoreEvent }>
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text, (_key, one: unknown) => bytesOf(one) ?? one)
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : null
  } catch {
    return null
  }
}

function bytesOf(value: unknown): Uint8Array | null {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1 || !('bytes' in value)) return null
  return typeof value.bytes === 'string' ? new Uint8Array(Buffer.from(value.bytes, 'base64')) : null
}

/** Sentences for the operator, line by line. */
export function describeReplay({ header, steps, differences, differing, stopped }: ReplayResult): string[] {
  const lines = [
    `${header.node}, generation ${header.generation}, begun ${header.begunAt} by twinbeat ${header.program}, ` +
      `configuration ${header.digest}`,
    `${steps} events run again, ${differing === 0 ? 'every decision is the same' : `${differing} decisions differ`}`,
  ]
  if (stopped !== null) lines.push(`stopped: ${stopped}`)
  for (const { line, event, recorded, now } of differences) {
    const before = new Set(recorded.map((one) => lineOf(one)))
    const after = new Set(now.map((one) => lineOf(one)))
    lines.push(`line ${line}, at ${(event.at / 1e6).toFixed(6)} s: ${lineOf(event).trim()}`)
    lines.push(...[...before].filter((one) => !after.has(one)).map((one) => `  - ${one.trim()}`))
    lines.push(...[...after].filter((one) => !before.has(one)).map((one) => `  + ${one.trim()}`))
    if ([...before].sort().join('') === [...after].sort().join('')) lines.push('  the same decisions in another order or number')
  }
  return lines
}
