// What the tests of the simulator say in one line. A file plays its seeds on one thread: the files are played side by side.

import assert from 'node:assert/strict'
import type { Protection } from '../../src/core/types.js'
import { runChunk } from './sweep.js'

interface Seeds {
  readonly from: number
  readonly count: number
  readonly realPeer?: boolean
  readonly engine?: 'simulated' | 'native'
}

export function everyRuleHolds(mode: Protection, seeds: Seeds): void {
  const { failures } = runChunk({
    order: { mode, realPeer: seeds.realPeer ?? false, engine: seeds.engine ?? 'simulated', mutant: null },
    from: seeds.from, seeds: seeds.count, failuresMax: 1, wanted: null,
  })
  assert.deepEqual(failures.map(({ seed, message }) => `npm run sim -- --mode ${mode} --replay ${seed}: ${message}`), [])
}
