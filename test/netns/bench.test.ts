// The benchmark itself, in short: a pair is killed once, and what is written of it makes sense.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { parseOptions } from '../../bench/failover/options.js'
import { readResults, ResultsFile, emptyResults } from '../../bench/failover/results-file.js'
import { playAll } from '../../bench/failover/run.js'
import { systems } from '../../bench/failover/systems/table.js'
import { labObstacle } from '../../lab/lab.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()

const needsLab = { skip: obstacle ?? false, timeout: 240_000 }

test('a killed daemon is measured: taken over, announced, answered, never two owners', needsLab, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'twinbeat-bench-'))
  try {
    const path = join(dir, 'results.jsonl')
    const words = ['--systems', 'twinbeat-fast', '--faults', 'kill', '--tries', '1', '--no-cost', '--seed', '1', '--json', path]
    const options = parseOptions(words)
    const some = systems.filter((one) => one.key === 'twinbeat-fast')
    await playAll(some, options, new ResultsFile(path), emptyResults)
    const sample = readResults(path).samples.at(-1)
    assert.ok(sample !== undefined)
    t.diagnostic(`${String(sample.takeoverMs)} ms, ${sample.voided ?? 'counted'}`)
    // A busy machine may make the prober late; the try is then void, and its order still holds.
    const { takeoverMs, addedMs, arpMs } = sample
    assert.ok(addedMs !== null && arpMs !== null && takeoverMs !== null, JSON.stringify(sample))
    assert.ok(addedMs <= takeoverMs && addedMs > 0, JSON.stringify(sample))
    assert.ok(takeoverMs < 5_000)
    assert.equal(sample.twoUntilHeal, false, 'the guardian left the address behind')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
