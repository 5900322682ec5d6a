// The chain to the end: main loop, engine, guardian, device. The first node has the kernel's softdog, the second one an
// i6300esb on its bus. The watchdogs bite before the dead time is over, so that even without fencing no address is ever
// seen on two nodes.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'

import { epochMs } from '../../../lab/owners.js'
import { pause, until } from '../../../lab/processes.js'
import { seconds, withPair, type Play, type Show } from '../plays.js'
import type { VmPair} from '../pair.js'
import { VIPS, WATCHDOG_MS, type VmNode } from '../pair.js'

/** Emulated timers, and the time that an emulator takes to tell. */
const LATE_MS = 4_000
const NOT_RESET_MS = 2 * WATCHDOG_MS + 2_000
const DRIVERS = { nodea: ['softdog', 'Software Watchdog'], nodeb: ['i6300esb', 'i6300ESB timer'] } as const
/** A program that ha.cf calls essential. */
const ESSENTIAL = '#!/bin/sh\necho $$ >/run/essential.pid\nexec sleep 86400\n'

const driverOf = (node: VmNode): readonly [string, string] => DRIVERS[node.name as keyof typeof DRIVERS]

/** Waits for the reset; how long after the fault it came. */
async function resetAfter(node: VmNode, fromMs: number): Promise<string> {
  const event = await node.machine.event('RESET', fromMs, WATCHDOG_MS + LATE_MS)
  assert.ok(event !== null, `${node.name} was not reset within ${seconds(epochMs() - fromMs)}: ${node.machine.history()}`)
  return `reset after ${seconds(event.atMs - fromMs)}`
}

/** After a reset: the other node has everything, and this one joins without taking anything. */
async function comesBack(pair: VmPair, node: VmNode, boots: number, fromMs: number): Promise<string> {
  const other = node === pair.a ? pair.b : pair.a
  await pair.holds(other.name, other.name)
  const gapMs = Math.max(...VIPS.map((vip) => pair.observer.longestGapMs(vip, fromMs)))
  await node.machine.booted(boots)
  await node.start()
  await node.when('knows the holder', ({ groups }) => groups.every(({ holder }) => holder === other.name))
  await pair.holds(other.name, other.name)
  pair.assertOneOwner()
  return `, longest time without an owner ${seconds(gapMs)}`
}

async function opened(pair: VmPair, show: Show): Promise<void> {
  await show('the timeout is set and read back, and the device goes on with it', async () => {
    const told = await Promise.all(pair.both.map(async (node) => {
      const { guardian } = await node.mustStatus()
      const expected = { state: 'petted', timeoutS: WATCHDOG_MS / 1000, nowayout: false, pettedUs: 0 }
      assert.deepEqual({ ...guardian?.watchdog, pettedUs: 0 }, expected)
      const device = (await node.machine.sh('cd /sys/class/watchdog/watchdog0; cat identity timeout state nowayout')).split('\n')
      assert.deepEqual(device, [driverOf(node)[1], String(WATCHDOG_MS / 1000), 'active', '0'])
      return `${device[0] ?? ''}: ${device[1] ?? ''} s`
    }))
    return told.join(', ')
  })
  await show('the device has one opener', async () => {
    for (const { machine } of pair.both) {
      for (const path of ['/dev/watchdog', '/dev/watchdog0']) {
        assert.equal(await machine.sh(`/run/vm/agent watchdog ${path}`), 'Device or resource busy')
      }
    }
  })
  await show('status tells how fresh the chain is', async () => {
    const text = await pair.a.tool('status')
    assert.match(text, /guardian +guarding \(pid \d+\), saw the engine [\d.]+ ?m?s before it was asked/)
    assert.match(text, /watchdog +petted, petted [\d.]+ ?m?s before it was asked, bites after 5(\.0)? ?s/)
    return /watchdog +(.*)/.exec(text)?.[1] ?? ''
  })
}

async function faults(pair: VmPair, show: Show): Promise<void> {
  const boots = new Map<VmNode, number>()
  const fault = async (text: string, node: VmNode, act: () => Promise<number>): Promise<void> => {
    const times = (boots.get(node) ?? 1) + 1
    boots.set(node, times)
    await show(`${driverOf(node)[0]}: ${text}, and the node comes back without taking anything`, async () => {
      const fromMs = await act()
      return await resetAfter(node, fromMs) + await comesBack(pair, node, times, fromMs)
    })
  }
  for (const signal of ['KILL', 'STOP'] as const) {
    for (const node of pair.both) {
      await fault(`SIG${signal} of daemon and guardian resets the machine`, node, () => node.signalBoth(signal))
    }
  }
  await fault('a panic of the kernel resets the machine', pair.b, async () => {
    const atMs = epochMs()
    await pair.b.machine.panic()
    return atMs
  })
  await fault('the death of a failfast program releases and resets the machine', pair.a, async () => {
    const atMs = epochMs()
    const { rc, why } = await pair.a.machine.exec('kill -KILL $(cat /run/essential.pid)')
    // The reset may be sooner than the end of the command.
    assert.ok(rc === 0 || why === 'the machine was reset', `the program could not be killed: ${rc ?? why}`)
    assert.ok(await until(() => pair.a.log().includes('respawn.failfast'), 10_000), 'the death was not noticed')
    return atMs
  })
}

async function endings(pair: VmPair, show: Show): Promise<void> {
  await show('an orderly stop clears the watchdog: no reset in more than twice its time', async () => {
    const fromMs = epochMs()
    await Promise.all(pair.both.map((node) => node.stop()))
    await pause(NOT_RESET_MS)
    for (const { machine } of pair.both) {
      assert.deepEqual(machine.events.filter(({ name, atMs }) => name === 'RESET' && atMs > fromMs), [])
      assert.equal(await machine.sh('cat /sys/class/watchdog/watchdog0/state'), 'inactive')
    }
    return `watched for ${seconds(NOT_RESET_MS)}`
  })
  await show('softdog with nowayout: told at the start and in status, and an orderly stop ends in a reset', async () => {
    await pair.a.machine.sh('rmmod softdog')
    pair.a.prepare = ['modprobe softdog nowayout=1']
    await pair.a.start()
    assert.match(pair.a.log(), /watchdog\.open: .*it cannot be stopped any more, not even by an orderly stop/)
    assert.equal((await pair.a.mustStatus()).guardian?.watchdog?.nowayout, true)
    await pair.a.stop()
    return await resetAfter(pair.a, epochMs())
  })
}

export const watchdog: Play = {
  name: 'watchdog',
  what: 'watchdogs reset a machine whose daemon and guardian are gone or stand still, and only then',
  run: async (show, nice) => {
    const setup = {
      haCf: ['watchdog /dev/watchdog', 'failfast root /mnt/vm/essential'], twinbeatCf: [`watchdog_timeout ${WATCHDOG_MS / 1000}s`],
    }
    await withPair({ nice, setup }, show, async (pair) => {
      for (const node of pair.both) {
        node.prepare = [`modprobe ${driverOf(node)[0]}`]
        writeFileSync(node.machine.file('essential'), ESSENTIAL)
        chmodSync(node.machine.file('essential'), 0o755)
      }
      await show('each node holds its own address', async () => { await pair.start() })
      await opened(pair, show)
      await faults(pair, show)
      await endings(pair, show)
    })
  },
}
