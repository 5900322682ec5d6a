// What a real daemon recorded of a hand-over, run again: the same program decides the same.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { Pair } from '../../lab/pair.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { recordFolder } from '../../src/observe/recorder.js'
import { replay } from '../../src/observe/replay.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const settleMs = 30_000

test('the record of a hand-over between real daemons decides the same again', { skip: obstacle ?? false, timeout: 120_000 }, async () => {
  const pair = await Pair.create({ name: 'rp', kinds: ['twinbeat', 'twinbeat'] })
  const traces = pair.lab.traces()
  try {
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', settleMs)
    const { daemon, node } = pair.a
    assert.ok(daemon instanceof TwinbeatNode)
    await node.exec(daemon.toolArgv(['standby', 'local']), { timeoutMs: settleMs })
    await pair.expect('none', 'all', settleMs)
    await daemon.stop()
    const folder = join(node.folders.state, recordFolder)
    const files = readdirSync(folder)
    assert.equal(files.length, 1, files.join(' '))
    const file = join(folder, files[0] ?? '')
    const result = replay(readFileSync(file, 'utf8').split('\n').slice(0, -1))
    assert.deepEqual([result.stopped, result.differences], [null, []])
    assert.ok(result.steps > 30, `${result.steps} steps`)
    const shown = await node.exec(daemon.toolArgv(['replay', file]), { timeoutMs: settleMs })
    assert.equal(shown.rc, 0, shown.out + shown.err)
    assert.match(shown.out, /every decision is the same/)
  } finally {
    await pair.close()
  }
  assertNothingLeft(traces)
})
