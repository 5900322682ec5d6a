// One try: wait for a pair at rest, break it at a random moment, watch, mend it, wait for rest again.
import { loadavg } from 'node:os'

import type { LabNode } from '../../lab/node.js'
import { pause, until } from '../../lab/processes.js'
import type { ProbeEvent, ProbeMark } from '../../lab/prober.js'
import { judge } from './judge.js'
import { expectsTakeover, type Fault, type Measured, type Sample, type TryKey } from './samples.js'
import { vip, type Stage } from './stage.js'
import type { Running, System } from './systems/system.js'

/** Answers before the fault, to see the hole that it makes from its beginning. */
const leadMs = 60
/** After the takeover: a second owner is looked for, and answers must go on coming. */
const tailMs = 250
const steadyMs = 200
const settleLimitMs = 120_000
/** A prober that was this late between fault and takeover has not seen the moment, unless it is nothing beside it. */
const proberLateMsMax = 1
const proberLateShareMax = 0.02

interface Injury {
  readonly mark: ProbeMark
  readonly heal: () => Promise<ProbeMark>
}

/** Both nodes run, one of them has the address and answers, the other is ready. */
export async function settle(stage: Stage, running: Running): Promise<void> {
  const ready = async (): Promise<boolean> => {
    for (const node of stage.nodes) if (!running.isRunning(node)) await running.start(node)
    if (!stage.isSteady(steadyMs)) return false
    const owner = stage.node(stage.owners()[0] ?? '')
    return (await running.isReady(owner, stage.other(owner.name))) && stage.isSteady(steadyMs)
  }
  if (await until(ready, settleLimitMs, 50)) return
  throw new Error(`the pair does not come to rest: ${stage.describe()}${await stage.evidence()}`)
}

async function clearAddress(node: LabNode): Promise<void> {
  await node.exec(['ip', 'addr', 'del', `${vip}/24`, 'dev', 'eth0'])
  await node.exec(['ip', 'addr', 'del', `${vip}/32`, 'dev', 'eth0'])
}

/** What is broken, and how it is mended; each begins with a stamp of the thread that measures. */
async function injure(stage: Stage, running: Running, victim: LabNode, fault: Fault): Promise<Injury> {
  const { prober } = stage
  const restart = async (): Promise<ProbeMark> => {
    const mark = await prober.mark('restart')
    // The guardian of one system removes it itself; for the others this is the operator's reboot.
    if (stage.owners().length > 1) await clearAddress(victim)
    await running.start(victim)
    return mark
  }
  switch (fault) {
    case 'kill': return { mark: await prober.order({ kill: running.crashing(victim) }), heal: restart }
    case 'killall': return { mark: await prober.order({ kill: running.everything(victim) }), heal: restart }
    case 'cut': case 'link': case 'nic': {
      const links = fault === 'cut' ? ['eth0', 'eth1'] as const : fault === 'link' ? ['eth1'] as const : ['eth0'] as const
      const indexes = await Promise.all(links.map((link) => victim.portIndex(link)))
      const order = (to: 'down' | 'up'): Promise<ProbeMark> =>
        prober.order(fault === 'nic' ? { link: to, indexes } : { port: to, indexes })
      const mend = async (): Promise<ProbeMark> => {
        const mark = await order('up')
        // The first loss in a while is measured, not the fifth in a minute.
        if (fault === 'nic') await running.forget?.(victim)
        return mark
      }
      return { mark: await order('down'), heal: mend }
    }
    case 'freeze': case 'serial': {
      const pids = victim.processes().filter((pid) => pid !== victim.pid)
      const mark = await prober.order({ stop: pids })
      const heal = async (): Promise<ProbeMark> => {
        const woken = await prober.order({ cont: pids })
        victim.thaw()
        if (fault === 'serial') await prober.order({ port: 'up', indexes: await etherPorts(stage) })
        return woken
      }
      return { mark, heal }
    }
    case 'graceful': {
      const mark = await running.leave(victim)
      return { mark, heal: async () => {
        await running.left(victim)
        return restart()
      } }
    }
  }
}

async function etherPorts(stage: Stage): Promise<number[]> {
  return Promise.all(stage.nodes.map((node) => node.portIndex('eth1')))
}

/** What has to be so before the fault and is no part of it. */
async function prepare(stage: Stage, fault: Fault): Promise<void> {
  if (fault !== 'serial') return
  // Heartbeats also go by the client's network: nothing but the serial line shall carry them.
  for (const node of stage.nodes) await node.isolate('eth0', 'on')
  await stage.prober.order({ port: 'down', indexes: await etherPorts(stage) })
  await pause(1_000)
  if (!stage.isSteady(500)) throw new Error(`something moved when only the serial line was left: ${stage.describe()}`)
}

async function restore(stage: Stage, fault: Fault): Promise<void> {
  if (fault === 'serial') for (const node of stage.nodes) await node.isolate('eth0', 'off')
}

export interface TryParts {
  readonly stage: Stage
  readonly running: Running
  readonly system: System
  readonly key: TryKey
  readonly random: () => number
}

export async function oneTry({ stage, running, system, key, random }: TryParts): Promise<Sample> {
  await settle(stage, running)
  const victim = stage.node(stage.owners()[0] ?? '')
  const survivor = stage.other(victim.name)
  await prepare(stage, key.fault)
  await pause(random() * system.phaseMs)
  stage.prober.takeAll()
  await pause(leadMs)
  const quiet = stage.isSteady(leadMs)
  const startNs = Number(process.hrtime.bigint())
  const injury = await injure(stage, running, victim, key.fault)
  const limitMs = expectsTakeover(key.fault) ? system.limitMs : Math.max(500, 10 * system.phaseMs)
  await until(() => stage.answering() === survivor.name, limitMs, 5)
  await pause(tailMs)
  const stamps = running.stamps?.(survivor) ?? null
  const healed = await injury.heal()
  await restore(stage, key.fault)
  await settle(stage, running)
  const { atNs: endNs } = await stage.prober.mark('end')
  // The prober tells a moment after it happened.
  const events = withStart(stage.prober.takeAll(), victim.name, Math.min(startNs, injury.mark.atNs) - 1)
  const measured = judge(events, {
    address: vip, victim: victim.name, survivor: survivor.name, faultNs: injury.mark.atNs, faultDoneNs: injury.mark.doneNs,
    healNs: healed.atNs, endNs, ...(system.addresses === undefined ? {} : { addresses: system.addresses }),
  })
  return {
    kind: 'try', ...key, ...measured, at: new Date().toISOString(), load: Number((loadavg()[0] ?? 0).toFixed(2)),
    victim: victim.name,
    voided: voidReason(quiet, measured),
    ...(stamps === null ? {} : { engine: stamps }),
  }
}

/** The holding at the start was told long ago. */
function withStart(events: readonly ProbeEvent[], owner: string, t: number): ProbeEvent[] {
  return [{ t, e: 'held', node: owner, address: vip, on: true }, ...events]
}

function voidReason(quiet: boolean, { proberLateMs, takeoverMs, addedMs }: Measured): string | null {
  if (!quiet) return 'not at rest when the fault came'
  if (takeoverMs !== null && addedMs === null) return 'the other node had taken the address before the fault'
  const allowedMs = Math.max(proberLateMsMax, proberLateShareMax * (takeoverMs ?? 0))
  return proberLateMs > allowedMs ? `the prober was ${proberLateMs.toFixed(1)} ms late` : null
}
