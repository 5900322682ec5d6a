// The faults, each with how it is made, how it is taken away, and what is allowed meanwhile.
import type { PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { pause, signalProcess } from '../../lab/processes.js'
import { freezerObstacle, Freezer } from './freezer.js'
import type { Rules } from './judge.js'
import { order } from './order.js'
import { DEADTIME_MS, TTL_MS, type Mode, type Scene } from './scene.js'
import { readdirSync, readFileSync } from 'node:fs'

export interface Fault {
  /** Returns when the fault is there. */
  readonly strike: () => Promise<void>
  /** The fault is taken away; from here on a daemon that has ended is started again. */
  readonly cure: () => Promise<void>
}

/** How long the fault lasts: until the peer has the address, and the struck node has not; then that much longer. */
export interface Lasts {
  readonly until: 'taken' | 'gone' | 'at once'
  readonly thenMs: number
}

export interface Row {
  readonly name: string
  readonly tries: number
  /** Of one try, on a quiet machine. */
  readonly seconds: Readonly<Record<Mode, number>>
  readonly haCf?: readonly string[]
  readonly nodeOptions?: readonly string[]
  readonly prefix?: readonly string[]
  readonly lasts: (number: number) => Lasts
  /** Nothing on the struck node can act until the fault is over. */
  readonly stands?: true
  /** What the daemon has to end with. */
  readonly exitCode?: number
  readonly rules: (mode: Mode) => Rules
  readonly fault: (scene: Scene) => Fault
  /** Why it cannot be played here; null: it can. */
  readonly obstacle?: () => string | null
}

const MANY = 20
const FEW = 5
/** A dying process and the removal of its address, of a machine that is busy with other things. */
const KILL_TWO_MS = 5
const THAW_TWO_MS = 1_000
/** Nobody, at the most: the time after which somebody may act, and what a busy machine adds. */
const NONE_MS: Readonly<Record<Mode, number>> = { accept: DEADTIME_MS + 2_000, fence: DEADTIME_MS + 4_000, lease: TTL_MS + 6_000 }
const SETTLED_MS = 45_000
/** Nobody waits for longer than this for the peer. */
export const PATIENCE_MS = 20_000
const HARMLESS_NONE_MS = 250
/** A repair goes by the main loop. */
const REPAIR_NONE_MS = 1_000
/** With which a supervisor starts it again. */
const LAPSED = 75
/** Behind a controller that stands still for this long its groups are given away. */
const LAPSE_NONE_MS = 2_000

/** Where it may be left lying: a folder of the node's own. Nothing is written where this machine sends its dumps elsewhere. */
const DUMPING = ['sh', '-c', 'ulimit -c unlimited && cd /var/log && exec "$@"', 'sh']

const taken = (thenMs: number) => (): Lasts => ({ until: 'taken', thenMs })
const during = (thenMs: number) => (): Lasts => ({ until: 'at once', thenMs })
/** In every fifth try until the lifetime of the addresses, which nobody refreshes, is over as well. */
const LIFETIME_MS = 12_000
const standing = (number: number): Lasts => ({ until: 'taken', thenMs: number % 5 === 4 ? LIFETIME_MS : 1_000 })
const evenly = (seconds: number, lease = seconds + 5): Readonly<Record<Mode, number>> => ({ accept: seconds, fence: seconds, lease })

/** The group moves, and at no moment both have it for longer than that. */
const moves = (twoMaxMs: number) => (mode: Mode): Rules => ({
  twoMaxMs: mode === 'lease' ? 0 : twoMaxMs, twoAfterCureMaxMs: 0, noneMaxMs: NONE_MS[mode], settledMaxMs: SETTLED_MS, taken: 'yes',
})

/** Nobody is left who could let go: both have it, except where the right to it ends by itself. */
const inherent = (twoAfterCureMaxMs: number) => (mode: Mode): Rules => ({
  ...moves(0)(mode), ...(mode === 'lease' ? {} : { twoMaxMs: null, twoAfterCureMaxMs }),
})

const stays: Rules = { twoMaxMs: 0, twoAfterCureMaxMs: 0, noneMaxMs: HARMLESS_NONE_MS, settledMaxMs: SETTLED_MS, taken: 'no' }

/** What was stopped goes on; a daemon that has ended is started by who supervises it. */
const thawed = (scene: Scene) => async (): Promise<void> => { scene.pair.a.node.thaw() }

/** To processes that were looked up before: looking takes longer than all that follows. */
const signalAll = (pids: readonly number[], name: NodeJS.Signals): void => pids.forEach((pid) => void signalProcess(pid, name))

const killed = (name: NodeJS.Signals) => (scene: Scene): Fault => {
  const pids = scene.struck.pids()
  return { strike: async () => { signalAll(pids, name) }, cure: thawed(scene) }
}

function guardianFirst(apartMs: number): Row['fault'] {
  return (scene) => {
    const [guardians, daemon] = [scene.guardians(), scene.struck.pids()]
    return {
      strike: async () => {
        signalAll(guardians, 'SIGKILL')
        if (apartMs > 0) await pause(apartMs)
        signalAll(daemon, 'SIGKILL')
      },
      cure: thawed(scene),
    }
  }
}

function blocked(ms: number): Row['fault'] {
  return (scene) => {
    let since = 0
    return {
      strike: async () => {
        await order(scene.pair.a.node, `block ${String(ms)}`)
        since = performance.now()
      },
      cure: async () => {
        await pause(Math.max(0, since + ms - performance.now()))
      },
    }
  }
}

function frozen(make: (scene: Scene) => Promise<Freezer>): Row['fault'] {
  return (scene) => {
    let freezer: Freezer | null = null
    return {
      strike: async () => { freezer = await make(scene) },
      cure: async () => {
        await freezer?.close()
        await thawed(scene)()
      },
    }
  }
}

function engineThread({ node }: PairMember, daemons: readonly number[]): number {
  for (const pid of daemons) {
    for (const tid of readdirSync(`/proc/${String(pid)}/task`)) {
      if (readFileSync(`/proc/${String(pid)}/task/${tid}/comm`, 'latin1').trim() === 'twinbeat-engine') return Number(tid)
    }
  }
  throw new Error(`no engine on ${node.name}`)
}

const stuck = (kind: 'killable' | 'unkillable'): Row['fault'] =>
  frozen((scene) => Freezer.thread(engineThread(scene.pair.a, scene.struck.pids()), kind))

/** Longer than a daemon is waited for: the engine lets go without it, and ends its life. */
export function lapse(seconds: number): Row {
  return {
    name: `main loop blocked for ${String(seconds)} s`, tries: FEW, seconds: evenly(seconds + 12), lasts: during(seconds * 1_000),
    rules: (mode) => ({ ...moves(0)(mode), noneMaxMs: mode === 'lease' ? NONE_MS.lease : LAPSE_NONE_MS }),
    fault: blocked(seconds * 1_000), exitCode: LAPSED,
  }
}

export const ROWS: readonly Row[] = [
  {
    name: 'daemon killed (SIGKILL)', tries: MANY, seconds: evenly(9), lasts: taken(300), rules: moves(KILL_TWO_MS),
    fault: killed('SIGKILL'),
  },
  {
    name: 'daemon stopped (SIGSTOP)', tries: MANY, seconds: evenly(11), lasts: taken(300), rules: moves(KILL_TWO_MS),
    fault: killed('SIGSTOP'),
  },
  {
    name: 'daemon and guardian stopped', tries: MANY, seconds: evenly(14), lasts: standing, stands: true,
    rules: inherent(THAW_TWO_MS),
    fault: (scene) => {
      const pids = [...scene.guardians(), ...scene.struck.pids()]
      return { strike: async () => { signalAll(pids, 'SIGSTOP') }, cure: thawed(scene) }
    },
  },
  {
    name: 'whole node frozen (freezer)', tries: MANY, seconds: evenly(14), lasts: standing, stands: true,
    rules: inherent(THAW_TWO_MS),
    fault: frozen((scene) => Freezer.all(scene.pair.a.node.processes())),
    obstacle: () => (freezerObstacle('unkillable') === null ? null : freezerObstacle('killable')),
  },
  {
    name: 'abort, core dumps on', tries: FEW, seconds: evenly(11), haCf: ['coredumps on'], prefix: DUMPING, lasts: taken(300),
    rules: moves(KILL_TWO_MS), fault: killed('SIGABRT'),
  },
  {
    name: 'heap exhausted', tries: FEW, seconds: evenly(14), nodeOptions: ['--max-old-space-size=96'], lasts: taken(300),
    rules: moves(KILL_TWO_MS), fault: (scene) => ({ strike: () => order(scene.pair.a.node, 'heap'), cure: thawed(scene) }),
  },
  {
    name: 'guardian killed, half a second later the daemon', tries: MANY, seconds: evenly(11), lasts: taken(300),
    rules: moves(KILL_TWO_MS), fault: guardianFirst(500),
  },
  {
    name: 'guardian and daemon killed at once', tries: MANY, seconds: evenly(22), lasts: () => ({ until: 'gone', thenMs: 300 }),
    stands: true, rules: inherent(THAW_TWO_MS), fault: guardianFirst(0),
  },
  {
    name: 'main loop blocked for 1 s', tries: FEW, seconds: evenly(6, 6), lasts: during(1_000), rules: () => stays, fault: blocked(1_000),
  },
  {
    name: 'main loop blocked for 6 s', tries: FEW, seconds: evenly(11, 13), lasts: during(6_000),
    rules: (mode) => (mode === 'lease' ? { ...stays, noneMaxMs: NONE_MS.lease, taken: 'either' } : stays), fault: blocked(6_000),
  },
  lapse(60),
  {
    name: 'engine thread stuck', tries: FEW, seconds: evenly(12), lasts: taken(300), rules: moves(KILL_TWO_MS), fault: stuck('killable'),
    obstacle: () => freezerObstacle('killable'),
  },
  {
    name: 'engine thread stuck, beyond any signal', tries: FEW, seconds: evenly(12), lasts: taken(300), rules: moves(KILL_TWO_MS),
    fault: stuck('unkillable'), obstacle: () => freezerObstacle('unkillable'),
  },
  {
    name: 'interface down', tries: FEW, seconds: evenly(10), lasts: taken(1_000), rules: moves(0),
    fault: (scene) => ({
      strike: () => scene.pair.a.node.setInterface('eth0', 'down'),
      cure: () => scene.pair.a.node.setInterface('eth0', 'up'),
    }),
  },
  {
    name: 'interface recreated', tries: FEW, seconds: evenly(10), lasts: during(1_000),
    rules: (mode) => ({ ...moves(0)(mode), taken: 'either' }),
    fault: (scene) => ({ strike: () => scene.pair.a.node.recreateInterface('eth0'), cure: async () => undefined }),
  },
  {
    name: 'address deleted by hand', tries: FEW, seconds: evenly(6), lasts: during(1_000),
    rules: () => ({ ...stays, noneMaxMs: REPAIR_NONE_MS, taken: 'either' }),
    fault: (scene) => ({ strike: () => deleteAddress(scene), cure: async () => undefined }),
  },
]

export function rowNamed(name: string): Row {
  const row = ROWS.find((one) => one.name === name)
  if (row === undefined) throw new Error(`there is no row '${name}'`)
  return row
}

async function deleteAddress({ pair }: Scene): Promise<void> {
  const { rc, err } = await pair.a.node.exec(['ip', 'addr', 'del', `${VIPS[0]}/24`, 'dev', 'eth0'])
  if (rc !== 0) throw new Error(err)
}

