// Results of tries, one line of JSON each, appended as they come: whatever ends a run, what was played is kept.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'

import type { Mode } from './scene.js'
import type { TryResult } from './try.js'

export const cellName = (row: string, mode: Mode): string => `${row} / ${mode}`

export class Results {
  readonly #file: string
  readonly #all = new Map<string, TryResult>()

  constructor(file: string, { resume }: { readonly resume: boolean }) {
    this.#file = file
    mkdirSync(dirname(file), { recursive: true })
    if (!resume) rmSync(file, { force: true })
    else if (existsSync(file)) for (const result of linesOf(readFileSync(file, 'utf8'))) this.#all.set(keyOf(result), result)
  }

  add(result: TryResult): void {
    this.#all.set(keyOf(result), result)
    appendFileSync(this.#file, `${JSON.stringify(result)}\n`)
  }

  /** Played, and as it has to be. */
  hasPassed(row: string, mode: Mode, number: number): boolean {
    return this.#all.get(keyOf({ row, mode, number }))?.problems.length === 0
  }

  all(): TryResult[] {
    return [...this.#all.values()]
  }
}

const keyOf = ({ row, mode, number }: Pick<TryResult, 'row' | 'mode' | 'number'>): string => `${cellName(row, mode)} ${String(number)}`

/** The last line may have been cut off by the end of the run that wrote it. */
function linesOf(text: string): TryResult[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as TryResult]
    } catch {
      return []
    }
  })
}
