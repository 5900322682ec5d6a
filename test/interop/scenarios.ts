// The scenarios, each a short play with its expectations. They are the same whichever daemons play:
// a real pair shows what is normal, a mixed pair and a pair of ours must do the same.
//
// A scenario begins and ends with both daemons running and each node holding its own group, unless
// it says that it begins with both stopped.

import type { Share } from '../../lab/daemon.js'
import type { PairMember } from '../../lab/pair.js'
import type { PairSettings } from '../../lab/pair-files.js'
import { pause } from '../../lab/processes.js'
import type { Trial } from './trial.js'

export interface Scenario {
  readonly name: string
  readonly begins: 'running' | 'stopped'
  readonly play: (trial: Trial) => Promise<void>
}

/** Scenarios that share settings, and therefore one pair, are played one after the other. */
export interface Programme {
  readonly name: string
  readonly settings: Partial<PairSettings>
  /** A second medium that is always there: the serial line that is to be the last link. */
  readonly withSerial: boolean
  readonly scenarios: readonly Scenario[]
  /** Rough length, for planning what runs side by side. */
  readonly seconds: number
}

type Side = 'a' | 'b'
const SIDES: readonly Side[] = ['a', 'b']

export interface Durations {
  readonly lossMs: number
  readonly calmMs: number
}

/** As long as the full table asks for. */
export const FULL: Durations = { lossMs: 60_000, calmMs: 600_000 }

const running = (name: string, play: Scenario['play']): Scenario => ({ name, begins: 'running', play })
const stopped = (name: string, play: Scenario['play']): Scenario => ({ name, begins: 'stopped', play })
const ofSides = (make: (side: Side) => Scenario): Scenario[] => SIDES.map(make)

export function programmes(durations: Durations): Programme[] {
  const patient = { keepalive: '500ms', warntime: '5', deadtime: '10', initdead: '12' }
  return [
    {
      name: 'orders', settings: { autoFailback: 'on' }, withSerial: false, seconds: 70,
      scenarios: [
        stopped('join, both at once', joinTogether),
        ...ofSides((side) => running(`standby all from ${side}`, standbyAll(side))),
        ...ofSides((side) => running(`standby local from ${side}`, standbyLocal(side))),
        ...ofSides((side) => running(`standby foreign from ${side}`, standbyForeign(side))),
      ],
    },
    {
      name: 'failback on', settings: { autoFailback: 'on' }, withSerial: false, seconds: 110,
      scenarios: [
        ...ofSides((side) => running(`graceful stop of ${side}`, gracefulStop(side))),
        ...ofSides((side) => running(`death of ${side}`, death(side))),
        ...ofSides((side) => stopped(`join, ${side} first`, joinFirst(side))),
      ],
    },
    {
      name: 'failback off', settings: { autoFailback: 'off' }, withSerial: false, seconds: 60,
      scenarios: ofSides((side) => running(`failback off, death of ${side}`, deathWithoutFailback(side))),
    },
    {
      name: 'failback legacy', settings: { autoFailback: 'legacy' }, withSerial: false, seconds: 60,
      scenarios: [
        ...ofSides((side) => running(`legacy, graceful stop of ${side}`, gracefulStop(side))),
        ...ofSides((side) => running(`legacy, death of ${side}`, death(side))),
      ],
    },
    {
      name: 'loss', settings: patient, withSerial: false, seconds: 60 + durations.lossMs / 1000,
      scenarios: [
        running('20 % loss', loss(durations.lossMs)),
        ...ofSides((side) => running(`fast restart of ${side}`, fastRestart(side))),
      ],
    },
    {
      name: 'serial last', settings: {}, withSerial: true, seconds: 30,
      scenarios: [running('serial as the last link', serialLast)],
    },
    {
      name: 'partition', settings: {}, withSerial: false, seconds: 140,
      scenarios: [
        running('partition', partition),
        ...ofSides((side) => running(`one-way partition, ${side} hears nothing`, deaf(side))),
      ],
    },
    {
      name: 'calm', settings: { keepalive: '1', warntime: '5', deadtime: '10', initdead: '12' },
      withSerial: false, seconds: 30 + durations.calmMs / 1000,
      scenarios: [running('calm', calm(durations.calmMs))],
    },
  ]
}

/** Starts both and waits for the normal state. The fixed wait of a real node is 10 s of this. */
export async function joinTogether(trial: Trial): Promise<void> {
  await Promise.all([trial.a.daemon.start(), trial.b.daemon.start()])
  await trial.expect('local', 'local', 60_000)
}

function joinFirst(side: Side): Scenario['play'] {
  return async (trial) => {
    const first = trial.side(side)
    const second = trial.pair.other(first)
    trial.deathIsDue(second)
    await first.daemon.start()
    await trial.expectOf(first, 'all', 'none', 60_000)
    await second.daemon.start()
    await trial.expect('local', 'local', 60_000)
  }
}

function standbyAll(side: Side): Scenario['play'] {
  return async (trial) => {
    const giver = trial.side(side)
    await giver.daemon.standby('all')
    await trial.expectOf(giver, 'none', 'all')
    await giver.daemon.takeover('local')
    await trial.expect('local', 'local')
  }
}

function standbyLocal(side: Side): Scenario['play'] {
  return async (trial) => {
    const giver = trial.side(side)
    await giver.daemon.standby('local')
    await trial.expectOf(giver, 'none', 'all')
    // The way back is the taker's: it gives what is not its own.
    await trial.pair.other(giver).daemon.standby('foreign')
    await trial.expect('local', 'local')
  }
}

function standbyForeign(side: Side): Scenario['play'] {
  return async (trial) => {
    const giver = trial.side(side)
    await giver.daemon.takeover('foreign' satisfies Share)
    await trial.expectOf(giver, 'all', 'none')
    await giver.daemon.standby('foreign')
    await trial.expect('local', 'local')
  }
}

function gracefulStop(side: Side): Scenario['play'] {
  return async (trial) => {
    const leaver = trial.side(side)
    trial.deathIsDue(leaver)
    await leaver.daemon.stop()
    await trial.expectOf(leaver, 'none', 'all')
    // Longer than the dead time, whatever the machine is busy with: whether the other one says so is not left to chance.
    await pause(AWAY_MS)
    await leaver.daemon.start()
    await trial.expect('local', 'local', 60_000)
  }
}

async function powerCycle(trial: Trial, victim: PairMember): Promise<void> {
  trial.deathIsDue(victim)
  await victim.node.powerOff()
  await trial.expectOf(victim, 'none', 'all')
  await victim.node.powerOn()
  await victim.daemon.start()
}

function death(side: Side): Scenario['play'] {
  return async (trial) => {
    await powerCycle(trial, trial.side(side))
    await trial.expect('local', 'local', 60_000)
  }
}

function deathWithoutFailback(side: Side): Scenario['play'] {
  return async (trial) => {
    const victim = trial.side(side)
    await powerCycle(trial, victim)
    await trial.pair.joined(victim)
    await trial.expectOf(victim, 'none', 'all')
    await victim.daemon.takeover('local')
    await trial.expect('local', 'local')
  }
}

/** Killed and started again before the peer can call it dead: seen by its higher generation only. */
function fastRestart(side: Side): Scenario['play'] {
  return async (trial) => {
    const member = trial.side(side)
    await member.daemon.kill()
    await member.daemon.start()
    await trial.pair.joined(member)
    await trial.expect('local', 'local', 60_000)
  }
}

function loss(ms: number): Scenario['play'] {
  return async (trial) => {
    await trial.pair.loseShare(20)
    try {
      await pause(ms)
    } finally {
      await trial.pair.loseShare(0)
    }
    await trial.expect('local', 'local', STILL_MS)
  }
}

/** What has not moved is asked for it: only the tools' own time, on a busy machine. Who owned what is watched anyway. */
const STILL_MS = 10_000

/** Longer than the dead time. */
const AWAY_MS = 4_000

/** Longer than the dead time and the start of a takeover. */
const CUT_MS = 7_000

async function serialLast(trial: Trial): Promise<void> {
  await trial.a.node.cut('eth1', 'both')
  try {
    await pause(CUT_MS)
    await trial.expect('local', 'local', STILL_MS)
  } finally {
    await trial.a.node.heal('eth1', 'both')
  }
  await pause(1_000)
  await trial.expect('local', 'local', STILL_MS)
}

async function partition(trial: Trial): Promise<void> {
  trial.deathIsDue(trial.a)
  trial.deathIsDue(trial.b)
  await trial.ownersMayOverlap(async () => {
    await trial.pair.sever('both')
    await trial.expect('all', 'all')
    await trial.pair.mend('both')
    await trial.pair.oneOwnerEach(15_000)
  })
  await trial.expect('local', 'local', 90_000)
}

function deaf(side: Side): Scenario['play'] {
  return async (trial) => {
    const member = trial.side(side)
    const peer = trial.pair.other(member)
    trial.deathIsDue(member)
    trial.deathIsDue(peer)
    await trial.ownersMayOverlap(async () => {
      await trial.pair.sever(side)
      await trial.pair.holdsAll(member, 30_000)
      await trial.pair.mend(side)
      await trial.pair.oneOwnerEach(15_000)
    })
    await trial.expect('local', 'local', 90_000)
  }
}

function calm(ms: number): Scenario['play'] {
  return async (trial) => {
    await pause(ms)
    await trial.expect('local', 'local', STILL_MS)
  }
}
