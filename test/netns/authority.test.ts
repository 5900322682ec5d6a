// Never two owners, never none: every fault once, each protection several times, watched every half millisecond from
// outside. The whole matrix is `npm run test:authority`; what this leaves out is only repetition and waiting.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { etcdObstacle } from '../../lab/etcd.js'
import { labObstacle } from '../../lab/lab.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { playLane, type Lane } from '../authority/lane.js'
import { cellName } from '../authority/results.js'
import { lapse, rowNamed, ROWS, type Row } from '../authority/rows.js'
import type { Mode } from '../authority/scene.js'
import type { TryResult } from '../authority/try.js'

const obstacle = (await labObstacle()) ?? etcdObstacle() ?? twinbeatObstacle()
const LIMIT_MS = 300_000
/** Half as often as the whole matrix: other stages run beside this one. */
const EVERY_US = 1_000
/** Longer than 10 s, after which the engine lets go. */
const shortLapse = lapse(11)

/** Rows by the beginning of their names; one lane for each line, all at the same time. */
const PLAN: readonly (readonly [Mode, readonly (string | Row)[]])[] = [
  ['accept', [shortLapse, 'daemon killed', 'daemon stopped']],
  ['fence', ['engine thread stuck, beyond', 'heap', 'interface recreated', 'abort', 'daemon and guardian stopped']],
  ['fence', ['guardian killed, half', 'engine thread stuck', 'guardian and daemon killed']],
  ['lease', ['whole node frozen', 'address deleted', 'main loop blocked for 6 s']],
  ['lease', ['interface down', 'main loop blocked for 1 s']],
]

function rowOf(what: string | Row): Row {
  if (typeof what !== 'string') return what
  // The shortest that begins so.
  const [found] = ROWS.filter(({ name }) => name.startsWith(what)).sort((one, other) => one.name.length - other.name.length)
  return rowNamed(found?.name ?? what)
}

const isPlayable = ({ obstacle: why }: Row): boolean => (why?.() ?? null) === null

function lanes(): Lane[] {
  return PLAN.map(([mode, rows], lane) => ({
    mode,
    // In some of them both nodes are reading new files at that moment.
    turns: rows.map(rowOf).filter(isPlayable).map((row, turn) => ({ row, number: (lane + turn) % 4 })),
  }))
}

test('every fault once: who owns what, seen from outside', { skip: obstacle ?? false, timeout: LIMIT_MS }, async (t) => {
  const results: TryResult[] = []
  process.setMaxListeners(4 * PLAN.length + 10)
  const ended = await Promise.allSettled(lanes().map((lane) => playLane(lane, {
    keepIn: null, hurried: true, everyUs: EVERY_US, onResult: (result) => results.push(result),
  })))
  for (const { row, mode, number, figures, decided, problems, reloaded } of results) {
    const name = `${cellName(row, mode)}${reloaded ? ', while files are read' : ''}`
    await t.test(`${name}: two owners ${String(figures.twoMs)} ms, nobody ${String(figures.noneMs)} ms`, () => {
      assert.deepEqual(problems, [], `try ${String(number)}; ${JSON.stringify({ figures, decided })}`)
    })
  }
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  const of = (row: Row): TryResult | undefined => results.find((result) => result.row === row.name)
  await t.test('last words of a killed daemon reach the peer, which takes by them', () => {
    assert.deepEqual(of(rowNamed('daemon killed (SIGKILL)'))?.decided, { letGo: 'guardian: daemon died', taken: 'gasp' })
  })
  await t.test('a main loop that stands still: the engine lets go, says so, is silent; the daemon ends and begins again', () => {
    assert.deepEqual(of(shortLapse)?.decided, { letGo: 'engine: main loop stood still', taken: 'gasp' })
    assert.deepEqual(of(shortLapse)?.exits, [75])
  })
  await t.test('no row is missing', () => {
    const played = new Set(results.map(({ row }) => row.replace(/ for \d\d s$/, '')))
    const missing = ROWS.filter((row) => isPlayable(row) && !played.has(row.name.replace(/ for \d\d s$/, '')))
    assert.deepEqual(missing.map(({ name }) => name), [])
  })
  for (const row of ROWS) {
    const why = row.obstacle?.() ?? null
    if (why !== null) await t.test(row.name, { skip: why }, () => undefined)
  }
})
