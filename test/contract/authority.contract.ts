// What every Engine must do about authority, as far as it needs neither a kernel nor a guardian: groups without
// addresses are released at once, and what is not guarded is not armed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { micros } from '../../src/core/base/ids.js'
import type { EngineGroup, GroupHolding, TakePlan } from '../../src/engine/authority.js'
import type { EngineAddress } from '../../src/engine/engine.js'
import { text } from '../../src/engine/engine.js'
import { TwinbeatError } from '../../src/errors.js'
import { calm, met, of, type MakePair, type Pair } from './engine.contract.js'

const ms = 1000
const address: EngineAddress =
  { family: 4, address: '192.0.2.7', prefix: 24, interface: 'lo', label: null, broadcast: null }
const group = (more: Partial<EngineGroup> = {}): EngineGroup =>
  ({ index: 3, name: 'web', digest: 'd1', kind: 'address', addresses: [], ...more })
const holding = (more: Partial<GroupHolding> = {}): GroupHolding =>
  ({ held: true, claimEpoch: 5, peerReady: true, agentBusy: false, leaving: false, ...more })
const plan = (more: Partial<TakePlan> = {}): TakePlan => ({
  slot: 3, epoch: 1, condition: 'staged', peer: null, gaspEpoch: 0, needsOwnership: false,
  steps: [{ type: 'add', address, checkDuplicate: false }], ...more,
})
const is = (code: string) => (error: unknown): boolean => error instanceof TwinbeatError && error.code === code
const never = 86_000_000_000

export function authorityContract(kind: string, make: MakePair): void {
  const check = (fact: string, body: (pair: Pair) => Promise<void>): void => {
    void test(`${kind}: ${fact}`, { timeout: 60_000 }, async () => {
      const pair = await met(make, calm)
      try {
        await body(pair)
      } finally {
        pair.close()
      }
    })
  }

  check('without a guardian nothing is armed, and what is not armed is unknown', async ({ left: { engine } }) => {
    await Promise.resolve()
    assert.equal(engine.armPlan(plan()), 'invalid', 'nothing was written ahead')
    engine.setGroups(1, [group({ addresses: [address] })])
    assert.equal(engine.armPlan(plan()), 'unguarded')
    const other: EngineAddress = { ...address, address: '192.0.2.8' }
    assert.equal(engine.armPlan(plan({ steps: [{ type: 'add', address: other, checkDuplicate: false }] })), 'invalid')
    assert.equal(engine.disarmPlan(3, 1), 'unknown')
    assert.equal(engine.firePlan(3, 1, { kind: 'accept', peerGeneration: 0, notAfterUs: null }), 'unknown')
    assert.throws(() => { engine.setGroups(1, []) }, is('TB_ENGINE_ARGUMENT'), 'the revision must grow')
  })

  check('an ownership is refused when it is past, too far away or of a lower token', async ({ left: { engine } }) => {
    await Promise.resolve()
    const at = (us: number): ReturnType<typeof micros> => micros(engine.now() + us)
    assert.equal(engine.renewOwnership(3, 7, at(60_000 * ms)), 'renewed')
    assert.equal(engine.renewOwnership(3, 6, at(60_000 * ms)), 'refused')
    assert.equal(engine.renewOwnership(3, 7, at(-1)), 'refused')
    assert.equal(engine.renewOwnership(3, 8, at(7_200_000 * ms)), 'refused')
    assert.equal(engine.renewOwnership(3, 7, null), 'renewed')
  })

  check('an ownership ends by itself, and with it the holding', async (pair) => {
    const { engine } = pair.left
    engine.setGroups(1, [group()])
    engine.setHolding(3, holding())
    const deadline = micros(engine.now() + 200 * ms)
    assert.equal(engine.renewOwnership(3, 1, deadline), 'renewed')
    await pair.until('it is released', () => of(pair.left, 'group.released').length > 0)
    const [expired] = of(pair.left, 'ownership.expired')
    assert.ok(expired !== undefined && expired.at >= deadline && expired.slot === 3)
    const [released] = of(pair.left, 'group.released')
    assert.deepEqual([released?.slot, released?.claimEpoch, released?.ok], [3, 5, true])
  })

  check('whoever is late is withheld, and forgiven as long as nobody waits for him', async (pair) => {
    const { engine } = pair.left
    engine.setGroups(1, [group()])
    engine.setHolding(3, holding({ peerReady: false }))
    engine.setLimits({ withholdUs: 100 * ms, releaseUs: 200 * ms, resetUs: 0, freezeUs: never, stopBudgetUs: 1000 * ms })
    engine.renewController()
    await pair.until('it is withheld', () => of(pair.left, 'controller.lapsed').length > 0)
    const beats = pair.right.engine.counters().messagesReceived
    await pair.until('the limit is long over', () => pair.right.engine.counters().messagesReceived > beats + 10)
    engine.renewController()
    assert.deepEqual(of(pair.left, 'controller.lapsed').map((record) => record.stage), ['withhold'])
    assert.deepEqual(of(pair.left, 'group.released'), [])
  })

  check('a lapse lets go, is told to the peer, and ends this life', async (pair) => {
    const { engine } = pair.left
    engine.setGroups(1, [group()])
    engine.setHolding(3, holding())
    engine.setLimits({ withholdUs: 100 * ms, releaseUs: 300 * ms, resetUs: 0, freezeUs: never, stopBudgetUs: 1000 * ms })
    engine.renewController()
    await pair.until('the peer hears it', () => of(pair.right, 'gasp').length > 0)
    const [gasp] = of(pair.right, 'gasp')
    assert.deepEqual(
      [gasp?.node, gasp?.generation, gasp?.group, gasp?.claimEpoch, gasp?.digest], ['left', 1000, 'web', 5, 'd1'],
    )
    // The records of the left one are fetched before those of the right one.
    await pair.until('it is told here', () => of(pair.left, 'group.released').length > 0)
    assert.deepEqual(of(pair.left, 'controller.lapsed').map((record) => record.stage), ['withhold', 'release'])
    assert.equal(of(pair.left, 'group.released')[0]?.ok, true)
    assert.throws(() => { engine.renewController() }, is('TB_LAPSED'))
    assert.throws(() => engine.send([text('t', 'note')]), is('TB_LAPSED'))
    assert.throws(() => { engine.setHolding(3, holding()) }, is('TB_LAPSED'))
    assert.throws(() => engine.armPlan(plan()), is('TB_LAPSED'))
    assert.equal(engine.disarmPlan(3, 1), 'unknown', 'letting go needs no life')
    await pair.until('there is silence', () => of(pair.right, 'peer.dead').length > 0, 10_000)
  })
}
