// The play, act by act. Each act does something to the pair, waits for what must follow, undoes what
// it did, and is judged: exactly one owner, over a second.

import { epochMs } from '../lab/owners.js'
import { pause, until } from '../lab/processes.js'
import type { Actor, Stage } from './stage.js'

export interface StepResult {
  readonly step: string
  /** From the fault until the other node called this one dead; null where no death is expected. */
  readonly declaredDeadMs: number | null
  /** From the fault until the client's next answer after the last lost request. */
  readonly answeredAfterMs: number | null
  readonly requestsLost: number
  /** The one owner in the end; null when there was not exactly one. */
  readonly owner: string | null
  readonly problem: string | null
}

/** What an act measured while its fault was on; the end of the fault is not the fault's doing. */
interface Measured {
  readonly faultAtMs: number
  readonly faultEndMs: number | null
  readonly declaredDeadMs: number | null
}

export interface Step {
  readonly name: string
  readonly play: (stage: Stage) => Promise<Measured>
}

const TAKEOVER_TIMEOUT_MS = 12_000
const JUDGE_TIMEOUT_MS = 20_000
const POLL_DEAD_MS = 15

export const STEPS: readonly Step[] = [
  { name: 'start', play: start },
  { name: 'standby', play: standby },
  { name: 'takeover back', play: takeoverBack },
  { name: 'SIGKILL of the active daemon', play: killDaemon },
  { name: 'network cut of the active node', play: cutNetwork },
  { name: 'freeze of the active node', play: freeze },
  { name: 'serial as the only link left', play: serialOnly },
]

export async function runStep(stage: Stage, step: Step): Promise<StepResult> {
  const beganMs = epochMs()
  let measured: Measured = { faultAtMs: beganMs, faultEndMs: null, declaredDeadMs: null }
  let problem: string | null = null
  try {
    measured = await step.play(stage)
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
  }
  const owner = await stage.oneOwner(JUDGE_TIMEOUT_MS)
  await pause(stage.client.settleMs)
  if (owner === null) problem ??= `the address is on ${stage.owning().join(' and ') || 'no node'}`
  return {
    step: step.name,
    declaredDeadMs: measured.declaredDeadMs,
    answeredAfterMs: stage.client.servedAgainMs(measured.faultAtMs, measured.faultEndMs ?? Infinity),
    requestsLost: step.play === start ? 0 : stage.client.report(beganMs).lost,
    owner,
    problem,
  }
}

async function start(stage: Stage): Promise<Measured> {
  const faultAtMs = epochMs()
  await Promise.all(stage.actors.map((actor) => actor.daemon.start()))
  await must(until(() => stage.client.lastAnswer() !== null, JUDGE_TIMEOUT_MS), 'nobody serves the client')
  return { faultAtMs, faultEndMs: null, declaredDeadMs: null }
}

async function standby(stage: Stage): Promise<Measured> {
  const active = stage.active()
  const faultAtMs = epochMs()
  await active.daemon.standby('all')
  await handedTo(stage, stage.other(active), faultAtMs)
  return { faultAtMs, faultEndMs: null, declaredDeadMs: null }
}

async function takeoverBack(stage: Stage): Promise<Measured> {
  const next = stage.other(stage.active())
  const faultAtMs = epochMs()
  await next.daemon.takeover('all')
  await handedTo(stage, next, faultAtMs)
  return { faultAtMs, faultEndMs: null, declaredDeadMs: null }
}

function killDaemon(stage: Stage): Promise<Measured> {
  return fault(stage, {
    plight: 'daemon killed',
    strike: (victim) => victim.daemon.kill(),
    undo: (victim) => victim.daemon.start(),
  })
}

function cutNetwork(stage: Stage): Promise<Measured> {
  return fault(stage, {
    plight: 'all links cut',
    strike: async (victim) => {
      stage.lab.serial?.cut()
      await Promise.all([victim.node.cable('eth0', 'down'), victim.node.cable('eth1', 'down')])
    },
    undo: async (victim) => {
      stage.lab.serial?.heal()
      await Promise.all([victim.node.cable('eth0', 'up'), victim.node.cable('eth1', 'up')])
    },
  })
}

function freeze(stage: Stage): Promise<Measured> {
  return fault(stage, {
    plight: 'frozen',
    strike: (victim) => victim.node.freeze(),
    undo: async (victim) => victim.node.thaw(),
  })
}

/** The client keeps its way to the service; the nodes hear each other over the serial line alone. */
async function serialOnly(stage: Stage): Promise<Measured> {
  if (stage.lab.serial === null) throw new Error('the example has no serial line')
  const active = stage.active()
  const faultAtMs = epochMs()
  const ports = async (state: 'on' | 'off'): Promise<void> => {
    for (const { node } of stage.actors) {
      await node.isolate('eth0', state)
      await node.isolate('eth1', state)
    }
  }
  for (const actor of stage.actors) actor.plight = 'serial only'
  try {
    await ports('on')
    await pause(4 * stage.deadtimeMs)
    for (const actor of stage.actors) {
      const peer = stage.other(actor).node.name
      if ((await actor.daemon.statusOf(peer)) !== 'dead') continue
      throw new Error(`${peer} was declared dead over a working serial line`)
    }
    if (stage.active() !== active) throw new Error('the service moved')
    return { faultAtMs, faultEndMs: epochMs(), declaredDeadMs: null }
  } finally {
    await ports('off')
    for (const actor of stage.actors) actor.plight = ''
  }
}

interface Fault {
  readonly plight: string
  readonly strike: (victim: Actor) => Promise<void>
  readonly undo: (victim: Actor) => Promise<void>
}

async function fault(stage: Stage, act: Fault): Promise<Measured> {
  const victim = stage.active()
  const survivor = stage.other(victim)
  victim.plight = act.plight
  const faultAtMs = epochMs()
  try {
    const dead = deathOf(stage, victim, survivor, faultAtMs)
    await act.strike(victim)
    const declaredDeadMs = await dead
    await handedTo(stage, survivor, faultAtMs)
    await pause(stage.client.settleMs)
    return { faultAtMs, faultEndMs: epochMs() - stage.client.settleMs, declaredDeadMs }
  } finally {
    await act.undo(victim)
    victim.plight = ''
  }
}

async function deathOf(stage: Stage, victim: Actor, survivor: Actor, sinceMs: number): Promise<number | null> {
  const name = victim.node.name
  const timeoutMs = stage.deadtimeMs + TAKEOVER_TIMEOUT_MS
  const seen = await until(async () => (await survivor.daemon.statusOf(name)) === 'dead', timeoutMs, POLL_DEAD_MS)
  return seen ? epochMs() - sinceMs : null
}

async function handedTo(stage: Stage, actor: Actor, sinceMs: number): Promise<void> {
  await must(stage.servedBy(actor, sinceMs, TAKEOVER_TIMEOUT_MS), `${actor.node.name} did not serve the client in time`)
}

async function must(done: Promise<boolean>, otherwise: string): Promise<void> {
  if (!(await done)) throw new Error(otherwise)
}
