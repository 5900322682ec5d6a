// Small facts that must survive a restart (a hand-over under way, the intent of a planned restart),
// one JSON file each. Writes are asynchronous and in order per key; the core waits for `persisted`
// where a rule needs it.
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomic } from './atomic-file.js'

const keyPattern = /^[\x21-\x7e]{1,100}$/
/** A group's key holds slashes and colons; a file name must not. */
const fileNameOf = (key: string): string => `fact-${encodeURIComponent(key)}.json`
const factMaxBytes = 64 * 1024
const factsMax = 256

export class StateStore {
  readonly #dir: string
  readonly #chains = new Map<string, Promise<void>>()

  constructor(dir: string) {
    this.#dir = dir
  }

  /** All stored facts; a damaged file is reported, never half-read. */
  load(): { facts: Record<string, unknown>; damaged: string[] } {
    const facts: Record<string, unknown> = {}
    const damaged: string[] = []
    let names: string[] = []
    try {
      names = readdirSync(this.#dir).filter((name) => name.startsWith('fact-') && name.endsWith('.json'))
    } catch {
      return { facts, damaged }
    }
    for (const name of names.slice(0, factsMax)) {
      try {
        const text = readFileSync(path.join(this.#dir, name), 'utf8')
        if (text.length > factMaxBytes) throw new Error('too large')
        facts[decodeURIComponent(name.slice('fact-'.length, -'.json'.length))] = JSON.parse(text)
      } catch {
        damaged.push(name)
      }
    }
    return { facts, damaged }
  }

  /** Stores (or with null removes) a fact; settles when it is on the disk. */
  async store(key: string, value: unknown): Promise<void> {
    if (!keyPattern.test(key)) throw new Error(`a fact's key must match ${String(keyPattern)}: '${key}'`)
    const before = this.#chains.get(key) ?? Promise.resolve()
    const file = path.join(this.#dir, fileNameOf(key))
    const write = async (): Promise<void> => {
      if (value === null || value === undefined) await rm(file, { force: true })
      else await writeFileAtomic(file, `${JSON.stringify(value)}\n`)
    }
    const next = before.then(write, write)
    this.#chains.set(key, next)
    try {
      await next
    } finally {
      if (this.#chains.get(key) === next) this.#chains.delete(key)
    }
  }
}
