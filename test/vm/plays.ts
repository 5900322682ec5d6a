// What the runner plays: each play boots its own machines and makes one statement after the other about them.
import { epochMs } from '../../lab/owners.js'
import { VmPair, type PairOptions } from './pair.js'

export interface Fact {
  readonly play: string
  readonly text: string
  /** What was measured. */
  readonly note: string
  readonly seconds: number
  /** Null: it holds. */
  readonly problem: string | null
}

/** A statement and what shows it; what it returns is what was measured. */
export type Show = (text: string, body: () => Promise<string | void>) => Promise<void>

export interface Play {
  readonly name: string
  readonly what: string
  readonly run: (show: Show, nice: number) => Promise<void>
}

/** One pair of machines for all facts of a play. */
export async function withPair(options: PairOptions, show: Show, body: (pair: VmPair) => Promise<void>): Promise<void> {
  let booted: VmPair | null = null
  await show('the machines boot', async () => {
    const fromMs = epochMs()
    booted = await VmPair.boot(options)
    return `${seconds(epochMs() - fromMs)} until every one carries out orders`
  })
  const pair = booted as VmPair | null
  if (pair === null) return
  try {
    await body(pair)
  } finally {
    await pair.close()
  }
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
