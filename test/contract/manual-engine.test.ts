// The manual clock from TypeScript: the same engine as the contract's, without any waiting.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { micros } from '../../src/core/base/ids.js'
import type { EngineRecord, LinkConfig } from '../../src/engine/engine.js'
import { text } from '../../src/engine/engine.js'
import { ManualEngine } from '../../src/engine/manual.js'
import { configOf } from './engine.contract.js'

const link: LinkConfig = {
  type: 'loopback', name: 'wire', channel: 0, lossPercent: 0, duplicatePercent: 0, seed: 0,
}

function start(name: string, seed: number): { engine: ManualEngine; records: EngineRecord[] } {
  const engine = new ManualEngine({ seed, now: micros(1_000_000), wallUs: 1_700_000_000_000_000 })
  engine.configure(configOf(name, [link]))
  engine.setGeneration(10)
  engine.start()
  engine.setStatus('active', { deadtimeExtraUs: 0 })
  engine.setPhase('started')
  return { engine, records: [] }
}

test('ten seconds of two engines pass in no time, and twice the same', () => {
  const run = (): string => {
    const left = start('left', 1)
    const right = start('right', 2)
    for (let now = 1_000_000; now < 11_000_000; now += 5000) {
      for (const node of [left, right]) {
        if (node === left || now < 8_000_000) node.engine.advanceTo(micros(now))
        node.records.push(...node.engine.drain())
      }
      if (now === 2_000_000) left.engine.send([text('t', 'note')])
      for (const packet of left.engine.collect()) right.engine.inject(packet.link, packet.bytes)
      for (const packet of right.engine.collect()) left.engine.inject(packet.link, packet.bytes)
    }
    assert.equal(right.records.filter((record) => record.type === 'message').length, 1)
    const dead = left.records.find((record) => record.type === 'peer.dead')
    assert.ok(dead?.type === 'peer.dead' && dead.silentUs >= 600_000 && dead.silentUs < 610_000)
    return JSON.stringify(left.records.filter((record) => record.type !== 'message'))
  }
  assert.equal(run(), run())
})
