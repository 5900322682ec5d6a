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

const address = { family: 4, address: '192.0.2.7', prefix: 24, interface: 'eth0', label: null, broadcast: null } as const

/** Two engines that have met; `left` can take one group. Time passes by `run`. */
function pairOnManualClock(): Record<'left' | 'right', ReturnType<typeof start>> & { run: (us: number, alive?: boolean) => void } {
  const left = start('left', 1)
  const right = start('right', 2)
  let now = 1_000_000
  const run = (us: number, alive = true): void => {
    for (const end = now + us; now < end; now += 5000) {
      left.engine.renewController(micros(now))
      for (const node of alive ? [left, right] : [left]) {
        node.engine.advanceTo(micros(now))
        node.records.push(...node.engine.drain())
      }
      for (const packet of left.engine.collect()) right.engine.inject(packet.link, packet.bytes)
      for (const packet of alive ? right.engine.collect() : []) left.engine.inject(packet.link, packet.bytes)
    }
  }
  left.engine.guardian('come')
  left.engine.setGroups(1, [{ index: 0, name: 'web', digest: 'd', kind: 'address', addresses: [address] }])
  left.engine.setInterface('eth0', 1, true)
  run(1_000_000)
  left.engine.guardian('acknowledge')
  run(100_000)
  return { left, right, run }
}

test('a plan on the manual clock: withheld while the peer lives, fired after its death', () => {
  const { left, run } = pairOnManualClock()
  const of = (type: EngineRecord['type']): EngineRecord[] => left.records.filter((record) => record.type === type)
  const plan = {
    slot: 0, epoch: 9, condition: 'staged', peer: { node: 'right', generation: 10 }, gaspEpoch: 0, needsOwnership: false,
    steps: [{ type: 'add', address, checkDuplicate: false }],
  } as const
  const accept = { kind: 'accept', peerGeneration: 10, notAfterUs: null } as const
  assert.equal(of('guardian.ready').length, 1)
  assert.equal(left.engine.armPlan(plan), 'armed')
  assert.equal(left.engine.firePlan(0, 9, accept), 'marked')
  run(10_000)
  assert.deepEqual(of('plan.withheld').map((record) => 'guard' in record && record.guard), ['peer-alive'])
  run(5_000_000, false)
  assert.equal(left.engine.firePlan(0, 9, accept), 'marked')
  run(10_000, false)
  assert.deepEqual(left.engine.batches().map((batch) => batch.steps), [[[1, '192.0.2.7', 0]]])
  left.engine.finishBatch([])
  run(10_000, false)
  const [fired] = of('plan.fired')
  assert.ok(fired?.type === 'plan.fired' && fired.epoch === 9 && fired.results[0]?.errno === 0)
  assert.equal(fired.detectedAt, of('peer.dead')[0]?.at)
  assert.equal(left.engine.disarmPlan(0, 9), 'fired')
})

test('last words on the manual clock stand in the page while the group is held', () => {
  const { left, right, run } = pairOnManualClock()
  assert.equal(left.engine.lastWords(0), null)
  left.engine.setHolding(0, { held: true, claimEpoch: 3, peerReady: true, agentBusy: false, leaving: false })
  run(10_000)
  const words = left.engine.lastWords(0)
  assert.ok(words)
  right.engine.inject('wire', words)
  run(10_000)
  const [gasp] = right.records.filter((record) => record.type === 'gasp')
  assert.ok(gasp?.type === 'gasp' && gasp.group === 'web' && gasp.claimEpoch === 3)
})
