// Fencing by a power switch that really takes the power away: one survivor, and what the other held moves only after
// the switch has said that it is off.
import assert from 'node:assert/strict'

import { epochMs } from '../../../lab/owners.js'
import { pause, until } from '../../../lab/processes.js'
import type { StatusReport } from '../../../src/control/report.js'
import { seconds, withPair, type Play, type Show } from '../plays.js'
import type { VmPair} from '../pair.js'
import { SERVICE, VIPS, type VmNode } from '../pair.js'
import { installPlugin, PLUGIN, PowerSwitch } from '../power-switch.js'

/** The node that survives when only the links fail; longer than from an order to its effect. */
const DELAY_MS = 6_000
const FENCED_MS = 60_000
const NO_FENCE_MS = DELAY_MS + 9_000

/** What both nodes held is on one of them, and came there after the switch had answered. */
async function movedAfterOrder(pair: VmPair, power: PowerSwitch, to: VmNode, count: number, fromMs: number): Promise<string> {
  assert.ok(await until(() => power.orders.length >= count, FENCED_MS), 'the switch got no order')
  await pair.holds(to.name, to.name)
  await pair.seen(SERVICE, to.name)
  const doneMs = power.orders.at(-1)?.doneMs ?? 0
  for (const what of [VIPS[0], SERVICE]) {
    const taken = pair.observer.spans(what, fromMs).find(({ by }) => by === to.name)
    assert.ok(taken !== undefined && taken.fromMs > doneMs, `${what} was taken before the switch had answered`)
  }
  pair.assertOneOwner(fromMs)
  return `switched after ${seconds(doneMs - fromMs)}, service seen again after ` +
    seconds((pair.observer.spans(SERVICE, fromMs).find(({ by }) => by === to.name)?.fromMs ?? 0) - fromMs)
}

async function partition(pair: VmPair, power: PowerSwitch, show: Show): Promise<void> {
  const { a, b } = pair
  await show('all links cut: one node survives, and everything moves there after the switch has answered', async () => {
    const fromMs = epochMs()
    pair.cutLinks()
    const note = await movedAfterOrder(pair, power, b, 1, fromMs)
    assert.deepEqual(power.orders.map(({ action, machine }) => `${action} ${machine}`), ['reset nodea'])
    assert.match((await b.tool('fence-history')), /nodea: confirmed by switch/)
    return note
  })
  await show('the loser boots while the links are cut: it fences nobody and takes nothing', async () => {
    await a.machine.booted(2)
    await a.start()
    const fromMs = epochMs()
    await pause(NO_FENCE_MS)
    assert.equal(power.orders.length, 1)
    await pair.holds(b.name, b.name)
    pair.assertOneOwner(fromMs)
    return `watched for ${seconds(NO_FENCE_MS)}`
  })
  await show('the links heal: the loser joins, nothing moves', async () => {
    pair.healLinks()
    await a.when('knows the holder', ({ groups }) => groups.every(({ holder }) => holder === b.name))
    await pair.holds(b.name, b.name)
    assert.equal(power.orders.length, 1)
    pair.assertOneOwner()
  })
}

async function frozen(pair: VmPair, power: PowerSwitch, show: Show): Promise<void> {
  const { a, b } = pair
  await show('a node that holds everything and stands still is switched off, and the other takes', async () => {
    const fromMs = epochMs()
    await b.machine.freeze()
    const note = await movedAfterOrder(pair, power, a, 2, fromMs)
    assert.equal(power.orders.at(-1)?.machine, 'nodeb')
    return note
  })
  await show('it boots, its daemon starts, and it takes nothing that the other holds', async () => {
    await b.machine.booted(2)
    await b.start()
    await b.when('knows the holder', ({ groups }) => groups.every(({ holder }) => holder === a.name))
    await pair.holds(a.name, a.name)
    assert.equal(power.orders.length, 2)
    pair.assertOneOwner()
  })
}

export const power: Play = {
  name: 'power',
  what: 'fencing by a plugin of the external/ kind that talks to a power switch',
  run: async (show, nice) => {
    await withPair({ nice, management: true }, show, async (pair) => {
      const switchbox = new PowerSwitch(pair.both.map(({ machine }) => machine))
      await switchbox.open()
      try {
        pair.configure({
          service: true,
          twinbeatCf: ['split_brain fence', `fence_device switch type=external/${PLUGIN} targets=nodea,nodeb port=${switchbox.port}`,
            `fence_delay nodeb ${DELAY_MS / 1000}s`],
        })
        for (const node of pair.both) node.prepare = [installPlugin]
        await show('each node holds its own group, and has tested the switch', async () => {
          await pair.start()
          const isTested = ({ fencing }: StatusReport): boolean => fencing.devices[0]?.lastGoodAgoMs !== null
          for (const node of pair.both) await node.when('has tested the switch', isTested)
        })
        await partition(pair, switchbox, show)
        await frozen(pair, switchbox, show)
      } finally {
        switchbox.close()
      }
    })
  },
}
