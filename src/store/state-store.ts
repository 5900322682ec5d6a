// Small facts that must survive a restart (a hand-over under way, the intent of a planned restart),
// one JSON file each. Writes are asynchronous, one at a time: a disk that hangs holds one thread of the pool
// and no more. What waits is one value per key, the newest. The core waits for `persisted` where a rule
// needs it.
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomic } from './atomic-file.js'

const keyPattern = /^[\x21-\x7e]{1,100}$/
/** A group's key holds slashes and colons; a file name must not. */
const fileNameOf = (key: string): string => `fact-${encodeURIComponent(key)}.json`
const factMaxBytes = 64 * 1024
const factsMax = 256

type Write = () => Promise<void>

interface Waiting {
  write: Write
  readonly settled: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class StateStore {
  readonly #dir: string
  readonly #waiting = new Map<string, Waiting>()
  #writing = false

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

  /** Stores (or with null removes) a fact. */
  async store(key: string, value: unknown): Promise<void> {
    if (!keyPattern.test(key)) throw new Error(`a fact's key must match ${String(keyPattern)}: '${key}'`)
    const file = path.join(this.#dir, fileNameOf(key))
    await this.inTurn(`fact ${key}`, async () => {
      if (value === null || value === undefined) await rm(file, { force: true })
      else await writeFileAtomic(file, `${JSON.stringify(value)}\n`)
    })
  }

  /** Writes when it is this one's turn; settles when that, or a newer write of the same thing before it, is done. */
  async inTurn(what: string, write: Write): Promise<void> {
    const before = this.#waiting.get(what)
    if (before !== undefined) {
      before.write = write
      return await before.settled
    }
    const waiting = waitingFor(write)
    this.#waiting.set(what, waiting)
    if (!this.#writing) void this.#writeAll()
    await waiting.settled
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    for (let next = first(this.#waiting); next !== null; next = first(this.#waiting)) {
      const [what, { write, resolve, reject }] = next
      this.#waiting.delete(what)
      await write().then(resolve, reject)
    }
    this.#writing = false
  }
}

function first(waiting: ReadonlyMap<string, Waiting>): [string, Waiting] | null {
  const [entry] = waiting
  return entry ?? null
}

function waitingFor(write: Write): Waiting {
  let resolve = (): void => undefined
  let reject = (_error: unknown): void => undefined
  const settled = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { write, settled, resolve, reject }
}
