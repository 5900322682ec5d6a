// Fencing from end to end: real daemons, links that are cut, and a switch that really takes the power away.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labObstacle, withLab } from '../../lab/lab.js'
import type { FenceHistoryEntry, StatusReport } from '../../src/control/report.js'
import { assertPlain, Machine, names } from './failures-support.js'
import { newBoot, offWithin, PowerSwitch, switchIsThere } from './fencing-support.js'

const obstacle = (await labObstacle()) ?? (switchIsThere() ? null : 'cluster-glue is missing')
const suite = { concurrency: 2, skip: obstacle ?? false, timeout: 900_000 }
/** The long form plays as often as the page of figures says. */
const tries = Number(process.env['TWINBEAT_FENCE_TRIES'] ?? 2)

const knows = (machine: Machine, other: string): Promise<unknown> =>
  machine.when(`sees ${other}`, ({ nodes }) => nodes.some((node) => node.name === other && node.status === 'active'))

interface Scene {
  readonly a: Machine
  readonly b: Machine
  readonly power: PowerSwitch
}

async function withPower(name: string, twinbeatCf: (folder: string) => string[], body: (scene: Scene) => Promise<void>): Promise<void> {
  await withLab({ name, nodes: names }, async (lab) => {
    const power = new PowerSwitch(lab)
    const [a, b] = names.map((node) => new Machine(lab.node(node))) as [Machine, Machine]
    try {
      for (const [index, machine] of [a, b].entries()) {
        await power.install(machine.node)
        await newBoot(machine.node, index + 1)
        machine.write({ twinbeatCf: ['announce_refresh 0', 'split_brain fence', ...twinbeatCf(power.folder)] })
      }
      await Promise.all([a.start(), b.start()])
      await a.holds()
      await Promise.all([knows(a, names[1]), knows(b, names[0])])
      await body({ a, b, power })
      for (const machine of [a, b]) assertPlain(machine.log())
    } finally {
      await power.stop()
    }
  })
}

describe('a dead node is taken over after it was fenced', suite, () => {
  it('null: death, fence, take; the history and the status say so', async () => {
    await withPower('fence-null', () => ['fence_device pretend type=null targets=nodea,nodeb'], async ({ a, b }) => {
      await b.when('has tested its device', ({ fencing }) => fencing.devices[0]?.lastGoodAgoMs !== null)
      await a.node.powerOff()
      const report = await b.holds()
      assert.match(report.groups[0]?.authority ?? '', /held|fenced/)
      assert.notEqual(report.fencing.confirmedGeneration, null)
      // The log is written behind the decisions, on a busy machine a while behind.
      await b.line(/group\.held/)
      const order = ['peer.dead', 'fence.started', 'fence.confirmed', 'group.held'].map((event) => b.log().lastIndexOf(event))
      assert.deepEqual([...order].sort((x, y) => x - y), order)
      const history = await b.tool('fence-history')
      assert.match(history.out, /reboot nodea: confirmed by pretend, .* ordered by cluster/)
      // A daemon that is started again on the same boot need not fence again.
      // What was confirmed ends with the life that asked: the node may have come back unheard meanwhile.
      b.kill()
      await b.start()
      await b.holds(40_000)
      const again = JSON.parse((await b.tool('fence-history', '--json')).out) as FenceHistoryEntry[]
      assert.equal(again.length, 2)
    })
  })

  it('meatware: nothing is taken before a person confirms, and a node that is heard cannot be confirmed', async () => {
    await withPower('fence-hand', () => ['fence_device hand type=meatware targets=nodea,nodeb'], async ({ a, b }) => {
      const early = await b.tool('confirm-fenced', 'nodea', '--yes')
      assert.equal(early.rc, 6)
      assert.match(early.err, /TB_FENCE_ALIVE: nodea is heard right now/)
      await a.node.powerOff()
      await b.when('waits for a person', ({ fencing }) => fencing.state === 'waiting')
      assert.equal(await b.hasAddress(), false)
      assert.match(await b.line(/ERROR: fence\.waiting/), /twinbeat confirm-fenced nodea/)
      const silent = await b.tool('confirm-fenced', 'nodea')
      assert.match(silent.err, /You are about to say that 'nodea' is OFF[\s\S]*nobody is here to be asked/)
      const confirm = await b.tool('confirm-fenced', 'nodea', '--yes')
      assert.equal(confirm.rc, 0, confirm.err)
      await b.holds()
      assert.match((await b.tool('fence-history')).out, /nodea confirmed off by hand, .* ordered by .*uid 0/)
    })
  })

  it('an operator reboots the other node by the switch', async () => {
    const lines = (folder: string): string[] => [`fence_device power type=external/switch targets=nodea,nodeb folder=${folder}`]
    await withPower('fence-order', lines, async ({ a, b, power }) => {
      const check = await b.tool('check', '--probe', '--ha-dir', b.node.folders.haD, '--name', names[1], '--no-status')
      assert.match(check.out, /power \(external\/switch\): reaches nodea/)
      const fenced = await b.tool('fence', 'nodea', '--reboot', '--yes')
      assert.equal(fenced.rc, 0, fenced.err)
      assert.deepEqual(power.done, ['reset nodea'])
      assert.equal(a.node.isOn, false)
      await b.holds()
    })
  })
})

describe('both nodes shoot at each other', suite, () => {
  for (let number = 1; number <= tries; number += 1) {
    const [survivor, loser] = number % 2 === 0 ? [names[0], names[1]] : [names[1], names[0]]
    it(`${number}: ${survivor} is preferred and survives; ${loser} boots with its links cut and shoots nobody`, async () => {
      const lines = (folder: string): string[] => [
        `fence_device power type=external/switch targets=nodea,nodeb folder=${folder}`, `fence_delay ${survivor} 3s`,
      ]
      await withPower(`duel-${number}`, lines, async ({ a, b, power }) => {
        const [winner, other] = survivor === names[0] ? [a, b] : [b, a]
        await a.node.cut('eth1', 'both')
        assert.ok(await offWithin(other.node, 20_000), `${loser} was not switched off`)
        await winner.holds()
        await new Promise((resolve) => { setTimeout(resolve, 4_000) })
        assert.deepEqual(power.done, [`reset ${loser}`])
        assert.ok(winner.node.isOn)
        // The loser boots, and still hears nobody.
        await other.node.powerOn()
        await power.install(other.node)
        await newBoot(other.node, 10 + number)
        await other.node.cut('eth1', 'both')
        await other.start()
        const silent = ({ nodes }: StatusReport): boolean => nodes.some(({ name, status }) => name === survivor && status === 'dead')
        await other.when('has given up waiting', silent, 30_000)
        await new Promise((resolve) => { setTimeout(resolve, 3_000) })
        assert.deepEqual(power.done, [`reset ${loser}`])
        assert.equal(await other.hasAddress(), false)
        assert.ok(winner.node.isOn)
        // Once the links are whole it joins, and the survivor keeps what it holds.
        await a.node.heal('eth1', 'both')
        if (other.node !== a.node) await other.node.heal('eth1', 'both')
        await Promise.all([knows(winner, loser), knows(other, survivor)])
        await winner.holds()
        assert.equal(await other.hasAddress(), false)
        assert.deepEqual(power.done, [`reset ${loser}`])
      })
    })
  }
})
