// Loaded into a daemon from outside, before its own code: makes the JavaScript side of it a bad neighbour. What holds beside that
// holds because the engine does not need JavaScript.
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Spawner } from '../../src/system/spawner.js'
import type { Disturbance } from './disturbances.js'

const beginMs = 4_000
const blockMs = 1_000
const blockEveryMs = 2_500
const churnEveryMs = 10
const churnObjects = 20_000
const spawnEveryMs = 20
const burstBytes = 100 * 1024 * 1024
const burstEveryMs = 5_000

function block(): void {
  const end = performance.now() + blockMs
  while (performance.now() < end) { /* nothing else runs */ }
}

let kept: unknown[] = []
function churn(): void {
  const fresh = Array.from({ length: churnObjects }, (_, at) => ({ at, text: `object ${at}`, list: [at, at + 1] }))
  kept = kept.length > 200 ? [] : [...kept, fresh]
}

async function burst(): Promise<void> {
  const file = await open(join(tmpdir(), `disturb-${process.pid}`), 'w')
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  for (let written = 0; written < burstBytes; written += chunk.length) await file.write(chunk)
  await file.truncate(0)
  await file.close()
}

/** As agents are run: by the helper. A fork of the daemon itself stops every thread of it that writes to its memory. */
function spawnMany(): void {
  const spawner = new Spawner()
  const one = { program: '/bin/true', args: [], env: {}, capture: true, dieWithDaemon: false }
  setInterval(() => { void spawner.run(one).end }, spawnEveryMs).unref()
}

function begin(kind: Disturbance): void {
  switch (kind) {
    case 'blocked': setInterval(block, blockEveryMs).unref(); return
    case 'churn': setInterval(churn, churnEveryMs).unref(); return
    case 'spawns': spawnMany(); return
    case 'burst': setInterval(() => void burst().catch(() => undefined), burstEveryMs).unref(); return
    case 'hung': return // of the log file itself
  }
}

const kind = process.env['TWINBEAT_BENCH_DISTURB'] as Disturbance | undefined
// The start is left alone: what is disturbed is a pair at work.
if (kind !== undefined) setTimeout(() => begin(kind), beginMs).unref()
