// The part of the interoperability table that every test run plays: each scenario with each medium
// and each signature at least once, against a real node, and once between two of ours. What it
// shortens is only waiting: the full length is `npm run test:interop`.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { heartbeatObstacle } from '../../lab/heartbeat-node.js'
import { labObstacle } from '../../lab/lab.js'
import type { AuthMethod, Medium } from '../../lab/pair-files.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { runLane, type CellResult, type Lane } from './lane.js'
import { Reference } from './reference.js'
import { programmes } from './scenarios.js'

const AUTHS: readonly AuthMethod[] = ['crc', 'md5', 'sha1']
const MEDIA: readonly Medium[] = ['bcast', 'ucast', 'mcast', 'serial']
const SHORT = { lossMs: 15_000, calmMs: 15_000 }
/** They mostly wait; what they need of the processor is half of two cores. */
const SIDE_BY_SIDE = 14
const TIMEOUT_MS = 540_000

/** Programmes whose scenarios move slowly are played on two media each, the others on all four. */
function selection(): Lane[] {
  const all = programmes(SHORT)
  const beside = all.flatMap((programme, row) => MEDIA.flatMap((medium, column): Lane[] => {
    if (programme.withSerial && medium === 'serial') return []
    const auth = AUTHS[(row + column) % AUTHS.length] ?? 'sha1'
    return [{ pair: column % 2 === 0 ? 'real-twinbeat' : 'twinbeat-real', auth, medium, programme }]
  }))
  const ours = all.map((programme, row): Lane => ({
    pair: 'twinbeat-twinbeat', auth: AUTHS[row % AUTHS.length] ?? 'sha1', medium: MEDIA[row % 3] ?? 'bcast', programme,
  }))
  return [...beside, ...ours].sort((x, y) => y.programme.seconds - x.programme.seconds)
}

const obstacle = (await labObstacle()) ?? heartbeatObstacle() ?? twinbeatObstacle()

const options = { skip: obstacle ?? false, timeout: TIMEOUT_MS }

test('a pair with a real heartbeat behaves as two real ones', options, async (t) => {
  const reference = Reference.load()
  const results: CellResult[] = []
  const queue = selection()
  process.setMaxListeners(2 * SIDE_BY_SIDE)
  const worker = async (): Promise<void> => {
    for (let lane = queue.shift(); lane !== undefined; lane = queue.shift()) {
      await runLane(lane, {
        reference, keepLogsIn: null, wanted: () => true, again: 'any', onResult: (result) => results.push(result),
      })
    }
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker))
  for (const result of results) {
    const name = result.tries === 1 ? result.cell : `${result.cell} (try ${result.tries})`
    await t.test(name, (cell) => {
      for (const problem of result.before) cell.diagnostic(`before: ${problem}`)
      assert.deepEqual(result.problems, [])
    })
  }
})
