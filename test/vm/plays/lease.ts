// Lease protection with etcd on a machine of its own, a service, and a watchdog: clocks, deaths, pauses.
import assert from 'node:assert/strict'

import { epochMs } from '../../../lab/owners.js'
import { pause } from '../../../lab/processes.js'
import { arbiterLine, startArbiter } from '../arbiter.js'
import { seconds, withPair, type Play, type Show } from '../plays.js'
import type { VmPair} from '../pair.js'
import { DEADTIME_MS, SERVICE, VIPS, WATCHDOG_MS, type VmNode } from '../pair.js'
import type { Machine } from '../machine.js'

const TTL_MS = 15_000
/** Emulated machines, and the pace at which a dead owner's key is looked for. */
const LATE_MS = 10_000
const HOUR_S = 3600
/** Longer than an ownership that is not renewed. */
const UNCHANGED_MS = TTL_MS + 1_000
/** Between two looks of the observer, and what an emulated machine may be late with an answer. */
const GAP_MS = 2_500
const PAUSE_MS = 30_000
/** What a guardian that wakes up makes of its watchdog, a second, and what an emulated machine may be late with it. */
const HURRIED_MS = 3_000

async function stepAndWatch(pair: VmPair, machine: Machine, stepS: number): Promise<void> {
  const [before, fromMs] = [await leases(pair), epochMs()]
  await machine.stepClock(stepS)
  await pause(UNCHANGED_MS)
  assert.deepEqual(await leases(pair), before)
  for (const what of [...VIPS, SERVICE]) {
    const gapMs = pair.observer.longestGapMs(what, fromMs)
    assert.ok(gapMs < GAP_MS, `${what} was gone for ${seconds(gapMs)}`)
  }
  pair.assertOneOwner(fromMs)
}

/** Owner and token of each group, and that its time runs. */
async function leases(pair: VmPair): Promise<unknown> {
  const found = await Promise.all(pair.both.map(async (node) => (await node.mustStatus()).groups
    .filter(({ holder }) => holder === node.name)
    .map(({ id, lease }) => ({ id, node: node.name, token: lease?.token, runs: (lease?.leftMs ?? 0) > 0, byPromise: lease?.byPromise }))))
  return found.flat()
}

async function clocks(pair: VmPair, show: Show): Promise<void> {
  const arbiter = pair.machines.all[2]
  assert.ok(arbiter !== undefined)
  for (const [name, machine] of [['a node', pair.a.machine], ['the other node', pair.b.machine], ["etcd's machine", arbiter]] as const) {
    await show(`the wall clock of ${name} steps +1 h, then -2 h: nothing is taken or let go, no token changes`, async () => {
      await stepAndWatch(pair, machine, HOUR_S)
      await stepAndWatch(pair, machine, -2 * HOUR_S)
      await machine.stepClock(HOUR_S)
      return `watched for ${seconds(UNCHANGED_MS)} each`
    })
  }
}

async function heldBy(pair: VmPair, node: VmNode, timeoutMs: number): Promise<void> {
  await pair.holds(node.name, node.name, timeoutMs)
  await pair.seen(SERVICE, node.name, timeoutMs)
}

async function deaths(pair: VmPair, show: Show): Promise<void> {
  const { a, b } = pair
  await show('SIGKILL of daemon and guardian: the service starts elsewhere only after the watchdog has reset the machine', async () => {
    const fromMs = await a.signalBoth('KILL')
    const reset = await a.machine.event('RESET', fromMs, TTL_MS + LATE_MS)
    assert.ok(reset !== null, 'it was not reset')
    await heldBy(pair, b, TTL_MS + WATCHDOG_MS + LATE_MS)
    pair.assertOneOwner(fromMs)
    const started = pair.observer.spans(SERVICE, fromMs).find(({ by }) => by === b.name)
    assert.ok(started !== undefined && started.fromMs > reset.atMs, 'the service ran before the machine was reset')
    return `reset after ${seconds(reset.atMs - fromMs)}, service seen again after ${seconds(started.fromMs - fromMs)}`
  })
  await show('the node boots, its daemon starts, and it takes nothing that the other holds', async () => {
    const fromMs = epochMs()
    await a.machine.booted(2)
    await a.start()
    await a.when('knows the holder', ({ groups }) => groups.every(({ holder }) => holder === b.name))
    await heldBy(pair, b, LATE_MS)
    pair.assertOneOwner(fromMs)
  })
}

async function pauses(pair: VmPair, show: Show): Promise<void> {
  const { a, b } = pair
  await show(`the holder's machine and its clocks stand still for ${seconds(PAUSE_MS)}: the other takes, one owner is left`, async () => {
    const fromMs = epochMs()
    await b.machine.freeze()
    await pause(PAUSE_MS)
    const tookMs = pair.observer.spans(VIPS[1], fromMs).find(({ by }) => by === a.name)?.fromMs
    await b.machine.thaw()
    const thawMs = epochMs()
    await oneOwner(pair)
    const settledMs = epochMs() - thawMs - DEADTIME_MS
    // Hidden from the clock of that machine: only what it hears tells it. Bounded, not excluded.
    pair.assertOneOwner(fromMs, LATE_MS)
    const worst = Math.max(0, ...pair.observer.overlaps(fromMs).map(({ ms }) => ms))
    const taken = tookMs === undefined ? 'the thaw' : seconds(tookMs - fromMs)
    return `taken after ${taken}, two answered for ${seconds(worst)}, settled ${seconds(settledMs)} after the thaw`
  })
  await show(`the holder's machine and its watchdog stand still for ${seconds(PAUSE_MS)} while its clocks run: ` +
    'no address has two owners, its service ends with a reset at once, and it comes back without taking anything', async () => {
    const holder = pair.observer.holders(VIPS[1]).join() === a.name ? a : b
    const other = holder === a ? b : a
    const fromMs = epochMs()
    holder.machine.stall()
    await pause(PAUSE_MS)
    await heldBy(pair, other, LATE_MS)
    const thawMs = epochMs()
    holder.machine.unstall()
    const reset = await holder.machine.event('RESET', thawMs, WATCHDOG_MS + LATE_MS)
    assert.ok(reset !== null, `it was not reset: ${holder.machine.history()}`)
    await holder.machine.bootedSince(reset.atMs)
    await holder.start()
    await holder.when('knows the holder', ({ groups }) => groups.every((group) => group.holder === other.name))
    await oneOwner(pair)
    // Nothing on that machine could act before it went on: a watchdog that had bitten in time stood still with it.
    const both = pair.observer.overlaps(fromMs)
    assert.deepEqual(both.filter(({ what, ms }) => what !== SERVICE || ms > HURRIED_MS), [])
    const worst = Math.max(0, ...both.map(({ ms }) => ms))
    return `reset ${seconds(reset.atMs - thawMs)} after it went on, until then two services answered for ${seconds(worst)}`
  })
}

/** Each thing is on one node, and stays there. A machine that has just woken up does not answer at once: that is no rest. */
async function oneOwner(pair: VmPair): Promise<void> {
  const all = [...VIPS, SERVICE]
  const isSo = (): boolean => all.every((what) => pair.observer.holders(what).length === 1)
  const endMs = epochMs() + TTL_MS + WATCHDOG_MS + 4 * LATE_MS
  for (let restMs: number | null = null; restMs === null || epochMs() - restMs < DEADTIME_MS; await pause(50)) {
    const rests: boolean = isSo() && (restMs === null || pair.observer.overlaps(restMs).length === 0)
    restMs = rests ? restMs ?? epochMs() : null
    assert.ok(epochMs() < endMs, all.map((what) => `${what}: ${pair.observer.holders(what).join(' and ') || 'none'}`).join(', '))
  }
}

export const lease: Play = {
  name: 'lease',
  what: 'ownership granted by etcd on a third machine, a service, a watchdog; clocks that jump, deaths and pauses',
  run: async (show, nice) => {
    const setup = {
      haCf: ['watchdog /dev/watchdog'], service: true,
      twinbeatCf: ['split_brain lease', arbiterLine, `lease_ttl ${TTL_MS / 1000}s`, `watchdog_timeout ${WATCHDOG_MS / 1000}s`],
    }
    await withPair({ nice, setup, arbiter: true }, show, async (pair) => {
      for (const node of pair.both) node.prepare = ['modprobe i6300esb']
      const arbiter = pair.machines.all[2]
      assert.ok(arbiter !== undefined)
      await show('each node holds its own group by a grant of etcd', async () => {
        await startArbiter(arbiter)
        await pair.start()
        await pair.seen(SERVICE, 'nodea')
      })
      await clocks(pair, show)
      await deaths(pair, show)
      await pauses(pair, show)
    })
  },
}
