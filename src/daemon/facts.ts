// What must survive this process: the store of the state folder, the memory of the last life, and whether
// the folder can be written right now.
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { messageOf } from '../errors.js'
import { StateStore } from '../store/state-store.js'

const bootIdFile = '/proc/sys/kernel/random/boot_id'

export class Facts {
  readonly #dir: string
  readonly #store: StateStore
  readonly #log: Logger
  #problem: string | null = null

  constructor(dir: string, log: Logger) {
    this.#dir = dir
    this.#store = new StateStore(dir)
    this.#log = log
  }

  /** Why the last fact could not be stored, for status; null while all is well. */
  get problem(): string | null {
    return this.#problem
  }

  async store(key: string, value: unknown): Promise<void> {
    try {
      await this.#store.store(key, value)
      this.#problem = null
    } catch (error) {
      this.#problem =
        `the state folder '${this.#dir}' cannot be written (${messageOf(error)}): ` +
        'no group is handed over until it can; free space there'
      throw error
    }
  }

  /** Facts of the last life; a planned restart means nothing once the machine itself was restarted. */
  load(): Readonly<Record<string, string>> {
    const { facts, damaged } = this.#store.load()
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
        typeof entry[1] === 'string' && entry[0] !== 'boot-id' && (sameBoot || entry[0] !== 'keep'),
    )
    return Object.fromEntries(texts)
  }
}
