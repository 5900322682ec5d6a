// What was aimed at, and what was measured of it. A goal that was missed is printed as missed.
import { cellsOf, short, values, type Cell } from './report.js'
import type { Results } from './results-file.js'
import type { Fault, GroupKind } from './samples.js'
import { ratioOfMedians, summarise } from './statistics.js'

export interface GoalResult {
  readonly text: string
  readonly goal: string
  readonly measured: string
  readonly verdict: 'met' | 'missed' | 'not measured'
}

type Field = 'takeoverMs' | 'outageMs'

const profiles = ['twinbeat-extreme', 'twinbeat-fast', 'twinbeat-safe', 'twinbeat-lan'] as const
const isProfile = (system: string): boolean => (profiles as readonly string[]).includes(system)

interface Lookup {
  readonly cell: (system: string, fault: Fault, group?: GroupKind) => Cell | undefined
  readonly results: Results
}

const notMeasured = (text: string, goal: string): GoalResult => ({ text, goal, measured: '-', verdict: 'not measured' })

function judged(text: string, goal: string, measured: string, isMet: boolean): GoalResult {
  return { text, goal, measured, verdict: isMet ? 'met' : 'missed' }
}

const samplesOf = (cell: Cell | undefined, field: Field): number[] => (cell === undefined ? [] : values(cell, field))

/** Median of ours over median of the peer's. */
function ratioGoal(look: Lookup, ours: string, peer: string, fault: Fault, most: number, field: Field = 'takeoverMs'): GoalResult {
  const text = `${ours}, ${fault}: median ${field === 'outageMs' ? 'outage' : 'takeover'} against ${peer}`
  const goal = `<= ${most} x`
  const [a, b] = [samplesOf(look.cell(ours, fault), field), samplesOf(look.cell(peer, fault), field)]
  if (a.length === 0 || b.length === 0) return notMeasured(text, goal)
  const { ratio, low, high } = ratioOfMedians(a, b)
  const medians = `${short(summarise(a).median)} / ${short(summarise(b).median)} ms`
  return judged(text, goal, `${ratio.toFixed(3)} x (${low.toFixed(3)} to ${high.toFixed(3)}; ${medians})`, ratio <= most)
}

function worstGoal(look: Lookup, ours: string, peer: string, fault: Fault, most: number): GoalResult {
  const text = `${ours}, ${fault}: worst against the worst of ${peer}`
  const goal = `<= ${most} x`
  const [a, b] = [samplesOf(look.cell(ours, fault), 'takeoverMs'), samplesOf(look.cell(peer, fault), 'takeoverMs')]
  if (a.length === 0 || b.length === 0) return notMeasured(text, goal)
  const [worst, theirs] = [summarise(a).max, summarise(b).max]
  return judged(text, goal, `${(worst / theirs).toFixed(2)} x (${short(worst)} / ${short(theirs)} ms)`, worst <= most * theirs)
}

function timesFaster(look: Lookup, ours: string, peer: string, fault: Fault, least: number): GoalResult {
  const text = `${ours}, ${fault}: times faster than ${peer}`
  const goal = `>= ${least} x`
  const [a, b] = [samplesOf(look.cell(ours, fault), 'takeoverMs'), samplesOf(look.cell(peer, fault), 'takeoverMs')]
  if (a.length === 0 || b.length === 0) return notMeasured(text, goal)
  const { ratio } = ratioOfMedians(b, a)
  return judged(text, goal, `${ratio.toFixed(0)} x`, ratio >= least)
}

function fencingGoal(look: Lookup): GoalResult {
  const text = 'fencing with a null device adds, median of cut'
  const goal = '<= 1 ms'
  const with_ = samplesOf(look.cell('twinbeat-fenced', 'cut'), 'takeoverMs')
  const without = samplesOf(look.cell('twinbeat-fast', 'cut'), 'takeoverMs')
  if (with_.length === 0 || without.length === 0) return notMeasured(text, goal)
  const added = summarise(with_).median - summarise(without).median
  return judged(text, goal, `${added.toFixed(2)} ms`, added <= 1)
}

const twoOwnersMostMs = 5

function twoOwnersGoal(look: Lookup, system: string): GoalResult {
  const text = `${system}: two owners after kill`
  const goal = `none in 49 of 50, never over ${twoOwnersMostMs} ms`
  const samples = look.cell(system, 'kill')?.samples ?? []
  if (samples.length === 0) return notMeasured(text, goal)
  const two = samples.map((sample) => sample.twoOwnersMs).filter((ms) => ms > 0)
  const worst = Math.max(0, ...two)
  return judged(text, goal, `${two.length} of ${samples.length}, worst ${short(worst)} ms`,
    two.length <= samples.length / 50 && worst <= twoOwnersMostMs)
}

function movedGoal(look: Lookup, system: string): GoalResult {
  const text = `${system}: one of two links lost`
  const goal = 'nothing moves'
  const cell = look.cell(system, 'link')
  if (cell === undefined || cell.samples.length === 0) return notMeasured(text, goal)
  const moved = cell.samples.length - cell.missed
  return judged(text, goal, `${moved} of ${cell.samples.length} moved`, moved === 0)
}

function stressGoal(look: Lookup, system: string, outsideOnly: boolean): GoalResult {
  const text = `${system}: false takeovers under stress${outsideOnly ? ', outside stalls of the whole machine' : ''}`
  const runs = look.results.stresses.filter((one) => one.system === system)
  if (runs.length === 0) return notMeasured(text, '0')
  const moves = runs.reduce((sum, one) => sum + one.moves - (outsideOnly ? one.movesInStalls : 0), 0)
  const minutes = runs.reduce((sum, one) => sum + one.seconds, 0) / 60
  const unexplained = runs.reduce((sum, one) => sum + one.moves - (one.movesInCoreStalls ?? one.movesInStalls), 0)
  const said = moves === 0 ? '' : `, ${unexplained} of them while every processor ran`
  return judged(text, '0', `${moves} in ${minutes.toFixed(0)} min${said}`, moves === 0)
}

/** Under the same load at the same time, whatever the cause. */
function stressAgainst(look: Lookup, ours: string, peer: string): GoalResult {
  const text = `${ours}: false takeovers under stress against ${peer}`
  const goal = 'not more'
  const movesOf = (system: string): number | null => {
    const runs = look.results.stresses.filter((one) => one.system === system)
    return runs.length === 0 ? null : runs.reduce((sum, one) => sum + one.moves, 0)
  }
  const [a, b] = [movesOf(ours), movesOf(peer)]
  return a === null || b === null ? notMeasured(text, goal) : judged(text, goal, `${a} / ${b}`, a <= b)
}

/** Of the engine's own stamps: decision to the one address. */
function stampGoal(look: Lookup): GoalResult {
  const text = 'decision to address added, by the engine\'s stamps'
  const goal = '<= 0.1 ms median, <= 0.5 ms p99'
  const us = look.results.samples.filter((one) => one.voided === null && one.takeoverMs !== null && isProfile(one.system))
    .map((one) => one.engine?.['addressUs']).filter((value): value is number => value !== undefined)
  if (us.length === 0) return notMeasured(text, goal)
  const { median, p99 } = summarise(us)
  return judged(text, goal, `${(median / 1000).toFixed(3)} / ${(p99 / 1000).toFixed(3)} ms of ${us.length}`, median <= 100 && p99 <= 500)
}

const restPercentMax = 0.3
const guardianKiBMax = 3 * 1024

/** The daemon at rest without its engine's thread, the busier of the two nodes. */
function restGoal(look: Lookup, system: string): GoalResult {
  const text = `${system}: the daemon at rest without its engine`
  const goal = `<= ${restPercentMax} % of a core`
  const engine = (threads: Readonly<Record<string, number>>): number => (
    (threads['twinbeat-engine'] ?? 0) + (threads['twinbeat-rescue'] ?? 0))
  const rest = look.results.costs.filter((one) => one.system === system).flatMap((cost) => cost.processes)
    .filter((one) => one.threads?.['twinbeat-engine'] !== undefined)
    .map((one) => one.cpuPercent - engine(one.threads ?? {}))
  if (rest.length === 0) return notMeasured(text, goal)
  const worst = Math.max(...rest)
  return judged(text, goal, `${worst.toFixed(3)} %`, worst <= restPercentMax)
}

function guardianGoal(look: Lookup, system: string): GoalResult {
  const text = `${system}: resident memory of the guardian`
  const goal = '<= 3 MiB'
  const found = look.results.costs.filter((one) => one.system === system).flatMap((cost) => cost.processes)
    .filter((one) => one.name.startsWith('twinbeat-guard')).map((one) => one.rssKiB)
  if (found.length === 0) return notMeasured(text, goal)
  const worst = Math.max(...found)
  return judged(text, goal, `${(worst / 1024).toFixed(1)} MiB`, worst <= guardianKiBMax)
}

/** The same as fast, with a daemon or a machine in trouble. */
const troubles = ['twinbeat-blocked', 'twinbeat-churn', 'twinbeat-spawns', 'twinbeat-burst', 'twinbeat-hung'] as const
const silences: readonly Fault[] = ['cut', 'freeze']

export function goalsOf(results: Results): GoalResult[] {
  const cells = cellsOf(results)
  const look: Lookup = {
    results,
    cell: (system, fault, group = 'address') =>
      cells.find((one) => one.system === system && one.fault === fault && one.group === group),
  }
  return [
    ...silences.map((fault) => ratioGoal(look, 'twinbeat-fast', 'k3', fault, 0.22)),
    ...silences.map((fault) => ratioGoal(look, 'twinbeat-fast', 'k1', fault, 0.5)),
    ...silences.map((fault) => worstGoal(look, 'twinbeat-fast', 'k1', fault, 0.5)),
    ...silences.map((fault) => ratioGoal(look, 'twinbeat-extreme', 'k3', fault, 0.15)),
    ...[...profiles, 'twinbeat-patient'].map((system) => ratioGoal(look, system, 'k3', 'kill', 0.06)),
    ratioGoal(look, 'twinbeat-fast', 'k3', 'graceful', 0.7, 'outageMs'),
    ratioGoal(look, 'twinbeat-fast', 'k3', 'graceful', 0.7),
    ratioGoal(look, 'twinbeat-fast', 'k3', 'nic', 0.25),
    timesFaster(look, 'twinbeat-fast', 'pacemaker', 'cut', 1000),
    timesFaster(look, 'twinbeat-fast', 'heartbeat', 'cut', 150),
    fencingGoal(look),
    ...troubles.map((system) => ratioGoal(look, system, 'twinbeat-fast', 'cut', 1.1)),
    ...profiles.map((system) => twoOwnersGoal(look, system)),
    movedGoal(look, 'twinbeat-fast'),
    stressGoal(look, 'twinbeat-safe', false),
    stressGoal(look, 'twinbeat-fast', true),
    stressAgainst(look, 'twinbeat-fast', 'k1'),
    stampGoal(look),
    restGoal(look, 'twinbeat-fast'),
    guardianGoal(look, 'twinbeat-fast'),
  ]
}
