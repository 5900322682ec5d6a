// Everything that the core was told and what it decided, written down so that it can be run again elsewhere
// (`twinbeat replay`). A life of the daemon is a file; when that is full, the newest events go round in two more.
// The core never waits for it: what the disk does not take in time is left out, and the gap is marked.

import { createHash } from 'node:crypto'
import { appendFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Core } from '../core/core.js'
import type { Effect } from '../core/effects.js'
import type { CoreEvent } from '../core/events.js'
import type { CoreConfig } from '../core/types.js'

export const recordFormat = 'twinbeat-record'
export const recordVersion = 1
/** Beside the state of the node. */
export const recordFolder = 'record'

export interface RecordHeader {
  readonly format: typeof recordFormat
  readonly version: number
  readonly program: string
  readonly node: string
  readonly generation: number
  /** Of the core's chance. */
  readonly seed: number
  /** Of `config`, to tell at a glance whether two records had the same. */
  readonly digest: string
  readonly config: CoreConfig
  /** Time of day, for people. */
  readonly begunAt: string
  /** False: the beginning of this life is in another file, and this one cannot be run again. */
  readonly whole: boolean
}

/** One step of the core. Of notes only the name is kept. */
export interface RecordedStep {
  readonly event: CoreEvent
  readonly decided: readonly Decision[]
}
export type Decision = Exclude<Effect, { type: 'note' }> | { readonly type: 'note'; readonly event: string }

export interface RecorderLimits {
  /** From the start of a life on. */
  readonly wholeBytes: number
  /** Of each of the two files that follow. */
  readonly tailBytes: number
  /** In memory, while the disk is busy. */
  readonly waitingBytes: number
  readonly lives: number
}

const writeAfterMs = 20
/** A flood is written down at once. */
const stepsMax = 256

const defaultLimits: RecorderLimits = { wholeBytes: 32 << 20, tailBytes: 8 << 20, waitingBytes: 1 << 20, lives: 3 }

/** What is asked of the disk; a test may let it hang. */
export interface RecordDisk {
  append(file: string, text: string): Promise<void>
  create(folder: string): Promise<void>
  list(folder: string): Promise<readonly string[]>
  remove(file: string): Promise<void>
}

const realDisk: RecordDisk = {
  append: async (file, text) => { await appendFile(file, text, { mode: 0o600 }) },
  create: async (folder) => { await mkdir(folder, { recursive: true, mode: 0o700 }) },
  list: async (folder) => await readdir(folder),
  remove: async (file) => { await rm(file, { force: true }) },
}

export const digestOf = (config: CoreConfig): string => createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 16)

export const decisionOf = (effect: Effect): Decision => (effect.type === 'note' ? { type: 'note', event: effect.event } : effect)

/** Bytes of a message survive as base64. */
export const lineOf = (value: unknown): string =>
  `${JSON.stringify(value, (_key, one: unknown) => (one instanceof Uint8Array ? { bytes: Buffer.from(one).toString('base64') } : one))}\n`

export class Recorder {
  readonly #folder: string
  readonly #limits: RecorderLimits
  readonly #disk: RecordDisk
  readonly #later: (work: () => void) => void
  #waiting: string[] = []
  #waitingBytes = 0
  #lost = 0
  #fileBytes = 0
  /** Nothing but its head is in the file. */
  #empty = true
  /** 0: the whole life; then the files of the tail. */
  #file = 0
  #writing: Promise<void> | null = null
  /** Not made a line of yet: what was decided, and what follows from it within milliseconds, is done first. */
  #steps: (readonly [event: CoreEvent, effects: readonly Effect[]])[] = []
  #dead: string | null = null

  constructor(
    stateDir: string,
    private readonly header: RecordHeader,
    options: { readonly limits?: RecorderLimits; readonly disk?: RecordDisk; readonly later?: (work: () => void) => void } = {},
  ) {
    this.#folder = join(stateDir, recordFolder)
    this.#limits = options.limits ?? defaultLimits
    this.#disk = options.disk ?? realDisk
    this.#later = options.later ?? ((work) => { setTimeout(work, writeAfterMs).unref() })
    this.#writing = this.#begin()
  }

  /** Why nothing is recorded any more; null while it is. */
  get problem(): string | null {
    return this.#dead
  }

  step(event: CoreEvent, effects: readonly Effect[]): void {
    if (this.#dead !== null) return
    if (this.#steps.length === 0) this.#later(() => { this.#writeDown() })
    this.#steps.push([event, effects])
    if (this.#steps.length >= stepsMax) this.#writeDown()
  }

  #writeDown(): void {
    for (const [event, effects] of this.#steps.splice(0)) this.#line(event, effects)
  }

  #line(event: CoreEvent, effects: readonly Effect[]): void {
    if (this.#dead !== null) return
    const line = lineOf({ event, decided: effects.map(decisionOf) } satisfies RecordedStep)
    if (this.#waitingBytes + line.length > this.#limits.waitingBytes) {
      this.#lost += 1
      return
    }
    if (this.#lost > 0) {
      this.#push(lineOf({ gap: this.#lost }))
      this.#lost = 0
    }
    this.#push(line)
    this.#writing ??= this.#write()
  }

  /** What waits is written, as far as the disk allows in that time. */
  async close(limitMs: number): Promise<void> {
    this.#writeDown()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, limitMs) })
    await Promise.race([this.#drained(), late])
    clearTimeout(timer)
    this.#dead ??= 'closed'
  }

  async #drained(): Promise<void> {
    while (this.#writing !== null) await this.#writing
  }

  #push(line: string): void {
    this.#waiting.push(line)
    this.#waitingBytes += line.length
  }

  /** Older lives than a few are forgotten. */
  async #begin(): Promise<void> {
    try {
      await this.#disk.create(this.#folder)
      const lives = [...new Set((await this.#disk.list(this.#folder)).flatMap((name) => /^life-(\d+)\./.exec(name)?.[1] ?? []))]
        .map(Number).filter((generation) => generation !== this.header.generation).sort((a, b) => b - a)
      for (const generation of lives.slice(this.#limits.lives - 1)) {
        for (const file of [0, 1, 2]) await this.#disk.remove(this.#path(file, generation))
      }
      for (const file of [0, 1, 2]) await this.#disk.remove(this.#path(file))
      await this.#open(0)
    } catch (error) {
      this.#fail(error)
    }
    await this.#write()
  }

  /** One write after the other, each with everything that has come meanwhile. */
  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#dead === null) {
        const text = this.#fitting()
        if (text === '') {
          await this.#open(this.#file === 1 ? 2 : 1)
          continue
        }
        await this.#disk.append(this.#path(this.#file), text)
        this.#fileBytes += text.length
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#writing = null
  }

  /** As many lines as the file has room for; at least one in an empty file. */
  #fitting(): string {
    const room = (this.#file === 0 ? this.#limits.wholeBytes : this.#limits.tailBytes) - this.#fileBytes
    let bytes = 0
    let count = 0
    for (const line of this.#waiting) {
      if (bytes + line.length > room && (count > 0 || !this.#empty)) break
      bytes += line.length
      count += 1
    }
    this.#waitingBytes -= bytes
    this.#empty &&= count === 0
    return this.#waiting.splice(0, count).join('')
  }

  async #open(file: number): Promise<void> {
    const head = lineOf({ ...this.header, whole: file === 0 })
    this.#file = file
    this.#fileBytes = head.length
    this.#empty = true
    await this.#disk.remove(this.#path(file))
    await this.#disk.append(this.#path(file), head)
  }

  #path(file: number, generation = this.header.generation): string {
    return join(this.#folder, `life-${generation}.${file === 0 ? 'jsonl' : `tail-${file}.jsonl`}`)
  }

  #fail(error: unknown): void {
    this.#dead = error instanceof Error ? error.message : String(error)
    this.#waiting = []
    this.#waitingBytes = 0
  }
}

export const brokenNote: Extract<Effect, { type: 'note' }> =
  { type: 'note', level: 'error', event: 'core.broken', text: '', details: {} }

/** The same core, with every step of it written down. */
export function recordedCore(core: Core, recorder: Recorder): Core {
  return {
    step: (event) => {
      try {
        const effects = core.step(event)
        recorder.step(event, effects)
        return effects
      } catch (error) {
        // The event that nobody survived is the one that is looked for.
        recorder.step(event, [brokenNote])
        throw error
      }
    },
    snapshot: () => core.snapshot(),
  }
}
