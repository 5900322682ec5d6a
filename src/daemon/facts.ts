// What must survive this process: the store of the state folder, the memory of the last life, and whether
// the folder can be written right now.
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { messageOf } from '../errors.js'
import { storeGeneration } from '../store/identity.js'
import { StateStore } from '../store/state-store.js'

const bootIdFile = '/proc/sys/kernel/random/boot_id'
/** A disk that hangs counts as one that refuses: nobody waits for it in the middle of a hand-over. */
const defaultAnswerMaxMs = 5000

export interface FactsOptions {
  readonly stateDir: string
  /** Heartbeat's own state folder; used only if it exists. */
  readonly heartbeatDir: string
  /** What changes every second and means nothing after a restart of the machine. */
  readonly runDir: string
  readonly log: Logger
  readonly answerMaxMs?: number
}

class DiskHangs extends Error {}

/** A deadline that moves with every renewal has no business on a disk. */
const isFleeting = (key: string): boolean => key.startsWith('lease:')
const ofThisBoot = (key: string): boolean => key === 'keep' || key.startsWith('boot:') || isFleeting(key)

export class Facts {
  readonly #options: FactsOptions
  readonly #dir: string
  readonly #store: StateStore
  readonly #run: StateStore
  readonly #log: Logger
  /** What is on the disk as far as we were told. */
  readonly #stored = new Map<string, unknown>()
  #problem: string | null = null

  constructor(options: FactsOptions) {
    this.#options = options
    this.#dir = options.stateDir
    this.#store = new StateStore(options.stateDir)
    this.#run = new StateStore(options.runDir)
    this.#log = options.log
  }

  /** Why the last fact could not be stored, for status; null while all is well. */
  get problem(): string | null {
    return this.#problem
  }

  async store(key: string, value: unknown): Promise<void> {
    if (isFleeting(key)) {
      await this.#run.store(key, value)
      return
    }
    try {
      await this.#answered(this.#store.store(key, value))
      this.#stored.set(key, value)
    } catch (error) {
      // Nobody relies on it any more: what is written after all, when the disk answers, is taken back.
      if (error instanceof DiskHangs) this.#store.store(key, this.#stored.get(key) ?? null).catch(() => undefined)
      throw error
    }
  }

  /** Stores a generation that was raised while running. Nobody waits: without it the clock gives the next one. */
  storeGeneration(generation: number): void {
    const stored = this.#store.inTurn('generation', async () => { await storeGeneration(this.#options, generation) })
    this.#answered(stored).catch((error: unknown) => {
      const text = `cannot store generation ${String(generation)}: ${messageOf(error)}`
      this.#log.error({ event: 'state.unwritable' }, text)
    })
  }

  /** Settles with the write, or fails when the disk does not answer in time; either way `problem` knows. */
  async #answered(written: Promise<void>): Promise<void> {
    const known = written.then(() => { this.#recovered() }, (error: unknown) => {
      this.#problem = `the state folder '${this.#dir}' cannot be written (${messageOf(error)}): ` +
        'no group is handed over until it can; free space there'
      throw error
    })
    const maxMs = this.#options.answerMaxMs ?? defaultAnswerMaxMs
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const why = `the disk did not answer within ${String(maxMs / 1000)} s`
        this.#problem = `the state folder '${this.#dir}' hangs (${why}): no group is handed over until it answers; ` +
          "look at the disk, 'dmesg | tail'"
        reject(new DiskHangs(why))
      }, maxMs)
    })
    try {
      await Promise.race([known, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #recovered(): void {
    if (this.#problem === null) return
    this.#problem = null
    this.#log.info({ event: 'state.writable' }, `the state folder '${this.#dir}' can be written again`)
  }

  /** Facts of the last life; those of this boot mean nothing once the machine itself was restarted. */
  load(): Readonly<Record<string, string>> {
    const { facts, damaged } = this.#store.load()
    Object.assign(facts, Object.fromEntries(Object.entries(this.#run.load().facts).filter(([key]) => isFleeting(key))))
    for (const [key, value] of Object.entries(facts)) this.#stored.set(key, value)
    for (const name of damaged) this.#log.warn({ event: 'state.damaged' }, `ignored: ${name} in '${this.#dir}'`)
    const bootId = readFileSync(bootIdFile, 'utf8').trim()
    const sameBoot = facts['boot-id'] === bootId
    void this.store('boot-id', bootId).catch((error: unknown) => {
      this.#log.warn(
        { event: 'state.unwritable' },
        `cannot store the boot id in '${this.#dir}': ${messageOf(error)}; ` +
          "'twinbeat restart --keep' will not work, free space there",
      )
    })
    const texts = Object.entries(facts).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' && entry[0] !== 'boot-id' && (sameBoot || !ofThisBoot(entry[0])),
    )
    return Object.fromEntries(texts)
  }
}
