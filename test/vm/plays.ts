// What the runner plays: each play boots its own machines and makes one statement after the other about them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { epochMs } from '../../lab/owners.js'
import { SERVICE, VIPS, VmPair, type PairOptions } from './pair.js'

/** Of plays that ended early: what was wrong, what both nodes logged, who was seen to hold what. */
export const FAILED = fileURLToPath(new URL('../../../.cache/vm/failed', import.meta.url))

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
  } catch (error) {
    keepLogs(pair)
    throw error
  } finally {
    await pair.close()
  }
}

function keepLogs(pair: VmPair): void {
  mkdirSync(FAILED, { recursive: true })
  for (const node of pair.both) writeFileSync(join(FAILED, `${node.name}.log`), node.log())
  const seen = [...VIPS, SERVICE].flatMap((what) => pair.observer.spans(what, pair.fromMs))
  writeFileSync(join(FAILED, 'seen.json'), JSON.stringify(seen, null, 1))
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
