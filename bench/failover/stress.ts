// Does an idle pair stay where it is while the machine is busy? All systems side by side, so that whatever happens to the machine
// happens to all of them; two busy loops a core, interfaces that come and go, and a watcher on each core that notices when
// the whole machine stood.
import type { ChildProcess } from 'node:child_process'
import { cpus, loadavg } from 'node:os'

import { Lab } from '../../lab/lab.js'
import { exited, pause, spawnChild, within } from '../../lab/processes.js'
import { proberProgram, type ProbeEvent } from '../../lab/prober.js'
import { countedSince } from '../../src/measure/tune.js'
import type { GapReport } from '../../src/control/report.js'
import { holdingsOf, overlapOf } from './judge.js'
import type { ResultsFile, Stress } from './results-file.js'
import { Stage, vip } from './stage.js'
import type { EngineHelp, Running, System } from './systems/system.js'
import { settle } from './try.js'

const loopsPerCore = 2
const probeEveryUs = 10_000
const watchEveryUs = 500
const leastGapUs = 2_000
/** A move that begins so soon after a stall is the stall's. */
const aftermathNs = 100e6
/** One processor that stands for so long takes most of a dead time of 5 ms with it. */
const coreStallNs = 3e6
const aroundNs = 250e6
const noise = 'while :; do ip link add noise0 type dummy && ip link set noise0 up && ip link del noise0; sleep 0.05; done'

export interface Stall {
  readonly fromNs: number
  readonly toNs: number
}

/** Stretches in which every core stood: what one watcher alone missed is no stall of the machine. */
export function commonStalls(perCore: readonly (readonly Stall[])[]): Stall[] {
  const [first = [], ...others] = perCore
  return others.reduce<Stall[]>((common, stalls) => common.flatMap((a) => stalls.flatMap((b) => {
    const fromNs = Math.max(a.fromNs, b.fromNs)
    const toNs = Math.min(a.toNs, b.toNs)
    return toNs > fromNs ? [{ fromNs, toNs }] : []
  })), [...first])
}

/** Longer stalls of any one core, whatever the others did. */
export function coreStalls(perCore: readonly (readonly Stall[])[]): Stall[] {
  return perCore.flat().filter((one) => one.toNs - one.fromNs >= coreStallNs)
}

/** What the watchers missed within a quarter of a second of a move, from 250 ms before it on. */
function aroundMove(perCore: readonly (readonly Stall[])[], ns: number): (readonly [number, number, number])[] {
  const ms = (at: number): number => Number(((at - ns) / 1e6).toFixed(2))
  return perCore.flatMap((stalls, core) => stalls.filter((one) => Math.abs(one.toNs - ns) < aroundNs)
    .map((one) => [core, ms(one.fromNs), ms(one.toNs)] as const))
}

/** Every time the address came to a node, after the first: an idle pair has no reason for one. */
export function movesOf(events: readonly ProbeEvent[], owner: string, endNs: number): { readonly ns: number, readonly to: string }[] {
  return holdingsOf(events, vip, endNs).filter((one, at) => at > 0 || one.node !== owner)
    .map((one) => ({ ns: one.fromNs, to: one.node }))
}

interface Watched {
  readonly system: System
  readonly stage: Stage
  readonly running: Running
  readonly owner: string
}

/** One real-time watcher pinned to each core, in a lab of its own: it shares nothing with what it judges. */
async function watchCores(): Promise<{ stop: () => Promise<Stall[][]> }> {
  const lab = await Lab.create({ name: 'bench-watch', nodes: [] })
  const program = await proberProgram()
  const perCore = cpus().map((): Stall[] => [])
  const children = cpus().map((_, core) => {
    const child = spawnChild(['taskset', '-c', String(core), program, '--client', `/proc/${lab.client.pid}/ns/net`,
      '--every-us', String(watchEveryUs)], { stdio: ['pipe', 'pipe', 'inherit'] })
    let rest = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const event of lines.map((line) => JSON.parse(line) as ProbeEvent)) {
        if (event.e === 'late' || event.e === 'stall') perCore[core]?.push({ fromNs: event.t - event.ns, toNs: event.t })
      }
    })
    return child
  })
  const stop = async (): Promise<Stall[][]> => {
    for (const child of children) child.stdin?.end()
    await Promise.all(children.map((child) => within(exited(child), 10_000, 'stopping a watcher')))
    await lab.cleanup()
    return perCore
  }
  return { stop }
}

async function openAll(systems: readonly System[]): Promise<Watched[]> {
  const open: Watched[] = []
  for (const system of systems) {
    const name = `stress-${system.key}`
    const stage = await Stage.open({ name, probe: 'udp', responders: true, everyUs: probeEveryUs, gapUs: leastGapUs })
    const running = await system.open(stage, 'address')
    for (const node of stage.nodes) await running.start(node)
    await settle(stage, running)
    open.push({ system, stage, running, owner: stage.owners()[0] ?? '' })
  }
  return open
}

/** What each node of a system that says it has judged so far. */
function judgedBy({ stage, running }: Watched): Promise<(GapReport | null)[]> {
  return Promise.all(stage.nodes.map(async (node) => (await running.judgedGaps?.(node).catch(() => null)) ?? null))
}

/** How often engines of the pair were moved so far, and the other was asked to wait; null where nobody says. */
async function helpOf({ stage, running }: Watched): Promise<EngineHelp | null> {
  const counts = await Promise.all(stage.nodes.map(async (node) => (await running.engineHelp?.(node).catch(() => null)) ?? null))
  return counts.reduce((sum, one) => (
    one === null ? sum : { rescues: (sum?.rescues ?? 0) + one.rescues, stands: (sum?.stands ?? 0) + one.stands }), null)
}

/** The longest silence that was judged meanwhile; null where nobody says. */
export function longestJudged(before: readonly (GapReport | null)[], after: readonly (GapReport | null)[]): number | null {
  const longest = after.flatMap((gaps, at) => {
    const earlier = before[at]
    // A node that was started anew meanwhile counted from then on.
    return gaps === null ? [] : [(earlier ? countedSince(earlier, gaps) ?? gaps : gaps).maxUs]
  })
  return longest.length === 0 ? null : Math.max(...longest)
}

/** Of as many as there are: ten minutes of a heartbeat each millisecond are more than a call can have arguments. */
export function longestOf(lengths: readonly number[]): number | null {
  return lengths.reduce<number | null>((longest, one) => (longest === null || one > longest ? one : longest), null)
}

const millis = (ns: number | null): number | null => (ns === null ? null : ns / 1e6)

interface Stretch {
  readonly beganNs: number
  readonly endNs: number
  readonly perCore: readonly (readonly Stall[])[]
}

function stressOf(watched: Watched, stretch: Stretch, judgedUs: number | null, help: EngineHelp | null): Stress {
  const { system, stage, owner } = watched
  const { beganNs, endNs } = stretch
  const stalls = commonStalls(stretch.perCore)
  const ofCores = coreStalls(stretch.perCore)
  const start: ProbeEvent = { t: beganNs, e: 'held', node: owner, address: vip, on: true }
  const events = [start, ...stage.prober.takeAll().filter((event) => event.t > beganNs)]
  const moves = movesOf(events, owner, endNs)
  const inStall = ({ ns }: { readonly ns: number }): boolean => stalls.some((one) => ns > one.fromNs && ns < one.toNs + aftermathNs)
  const inCoreStall = ({ ns }: { readonly ns: number }): boolean => ofCores.some((one) => ns > one.fromNs && ns < one.toNs + aftermathNs)
  const gaps = events.filter((event) => event.e === 'gap').map((event) => event.ns)
  const lengthsOf = (some: readonly Stall[]): number[] => some.map((one) => one.toNs - one.fromNs)
  return {
    kind: 'stress', system: system.key, seconds: Math.round((endNs - beganNs) / 1e9), moves: moves.length,
    movesInStalls: moves.filter(inStall).length, movesInCoreStalls: moves.filter(inCoreStall).length,
    movesAt: moves.map(({ ns, to }) => (
      { atMs: Math.round((ns - beganNs) / 1e6), to, stalls: aroundMove(stretch.perCore, ns) })),
    twoOwnersMs: overlapOf(holdingsOf(events, vip, endNs), 'nodea', 'nodeb', { fromNs: beganNs, toNs: endNs }).ns / 1e6,
    stalls: stalls.length, longestStallMs: (longestOf(lengthsOf(stalls)) ?? 0) / 1e6,
    coreStalls: ofCores.length, longestCoreStallMs: (longestOf(lengthsOf(ofCores)) ?? 0) / 1e6,
    rescues: help?.rescues ?? null, stands: help?.stands ?? null,
    // A standby of VRRP sends nothing: the longest gap of its packets is the time between two of its turns.
    longestGapMs: system.family === 'keepalived' ? null : millis(longestOf(gaps)),
    judgedMs: judgedUs === null ? null : judgedUs / 1e3,
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
  }
}

export async function playStress(systems: readonly System[], seconds: number, file: ResultsFile): Promise<void> {
  const open = await openAll(systems)
  const loops: ChildProcess[] = []
  const watch = await watchCores()
  try {
    for (let at = 0; at < cpus().length * loopsPerCore; at += 1) {
      loops.push(spawnChild(['sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }))
    }
    const [first] = open
    if (first !== undefined) loops.push(spawnChild([...first.stage.lab.client.enterNetwork(), 'sh', '-c', noise], { stdio: 'ignore' }))
    const before = await Promise.all(open.map(judgedBy))
    const helpBefore = await Promise.all(open.map(helpOf))
    const beganNs = Number(process.hrtime.bigint())
    for (let left = seconds; left > 0; left -= 10) {
      process.stderr.write(`under load: ${left} s left\n`)
      await pause(Math.min(left, 10) * 1000)
    }
    const endNs = Number(process.hrtime.bigint())
    const perCore = await watch.stop()
    const after = await Promise.all(open.map(judgedBy))
    const helpAfter = await Promise.all(open.map(helpOf))
    open.forEach((one, at) => {
      const [from, to] = [helpBefore[at] ?? null, helpAfter[at] ?? null]
      const help = to === null ? null : { rescues: to.rescues - (from?.rescues ?? 0), stands: to.stands - (from?.stands ?? 0) }
      file.append(stressOf(one, { beganNs, endNs, perCore }, longestJudged(before[at] ?? [], after[at] ?? []), help))
    })
  } finally {
    loops.forEach((child) => child.kill('SIGKILL'))
    for (const one of open) {
      await one.running.close()
      await one.stage.close()
    }
  }
}
