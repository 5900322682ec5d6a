// From what the prober told of one try to its times. Pure: the events in, the numbers out.
import type { ProbeAnswer, ProbeEvent } from '../../lab/prober.js'
import type { Measured } from './samples.js'

export interface TryFrame {
  readonly address: string
  /** All of the group, if it is more than that one. */
  readonly addresses?: readonly string[]
  readonly victim: string
  readonly survivor: string
  /** The fault began, and was complete. */
  readonly faultNs: number
  readonly faultDoneNs: number
  readonly healNs: number
  readonly endNs: number
}

interface Holding {
  readonly node: string
  readonly fromNs: number
  readonly toNs: number
}

const ms = (ns: number): number => ns / 1e6

/** When each node had the address. The kernel's notice counts; what was found by asking fills in where none was given. */
export function holdingsOf(events: readonly ProbeEvent[], address: string, endNs: number): Holding[] {
  const found: Holding[] = []
  const since = new Map<string, number>()
  const told = events.filter((event) => (event.e === 'addr' || event.e === 'held') && event.address === address)
  for (const event of [...told].sort((a, b) => a.t - b.t)) {
    if (event.e !== 'addr' && event.e !== 'held') continue
    const from = since.get(event.node)
    if (event.on && from === undefined) since.set(event.node, event.t)
    if (!event.on && from !== undefined) {
      found.push({ node: event.node, fromNs: from, toNs: event.t })
      since.delete(event.node)
    }
  }
  for (const [node, fromNs] of since) found.push({ node, fromNs, toNs: endNs })
  return found
}

/** Nanoseconds of that stretch in which both nodes had it, and whether they did at its end. */
export function overlapOf(
  holdings: readonly Holding[],
  first: string,
  second: string,
  stretch: { readonly fromNs: number, readonly toNs: number },
): { readonly ns: number, readonly atEnd: boolean } {
  let ns = 0
  let atEnd = false
  for (const a of holdings.filter((one) => one.node === first)) {
    for (const b of holdings.filter((one) => one.node === second)) {
      const from = Math.max(a.fromNs, b.fromNs, stretch.fromNs)
      const to = Math.min(a.toNs, b.toNs, stretch.toNs)
      if (to > from) ns += to - from
      if (to > from && to >= stretch.toNs) atEnd = true
    }
  }
  return { ns, atEnd }
}

/**
 * The longest time between two answers that touches the stretch, of those in which a question stayed without an answer or
 * after which another node answered: a machine that stood still for a moment answers late, and is no outage. Zero if there
 * was none; null if there was no answer after it began.
 */
export function longestHoleNs(answers: readonly ProbeAnswer[], fromNs: number, toNs: number): number | null {
  const answered = new Set(answers.map((answer) => answer.seq))
  let longest: number | null = null
  for (const [at, after] of answers.entries()) {
    const before = answers[at - 1]
    if (before === undefined || after.t <= fromNs || before.t >= toNs) continue
    longest ??= 0
    let lost = 0
    for (let seq = before.seq + 1; seq < after.seq; seq += 1) if (!answered.has(seq)) lost += 1
    if (lost > 0 || before.from !== after.from) longest = Math.max(longest, after.t - before.t)
  }
  return longest
}

/** Null unless every address came. */
function lastAdded(events: readonly ProbeEvent[], { addresses = [], survivor, faultNs, healNs, endNs }: TryFrame): number | null {
  const firsts = addresses.map((address) =>
    holdingsOf(events, address, endNs).find((one) => one.node === survivor && one.fromNs > faultNs && one.fromNs < healNs)?.fromNs)
  return firsts.includes(undefined) ? null : ms(Math.max(...firsts.map((ns) => ns ?? 0)) - faultNs)
}

export function judge(events: readonly ProbeEvent[], frame: TryFrame): Measured {
  const { address, victim, survivor, faultNs, healNs, endNs } = frame
  const answers = events.filter((event): event is ProbeAnswer => event.e === 'answer').sort((a, b) => a.t - b.t)
  const first = answers.find((event) => event.t > faultNs && event.t < healNs && event.from === survivor)
  const holdings = holdingsOf(events, address, endNs)
  const added = holdings.find((one) => one.node === survivor && one.fromNs > faultNs && one.fromNs < healNs)
  const gone = holdings.find((one) => one.node === victim && one.toNs > faultNs && one.toNs < healNs)
  const arp = events.filter((event) => event.e === 'garp' && event.where === 'client' && event.address === address)
    .find((event) => event.t > faultNs && event.t < healNs && (added === undefined || event.t > added.fromNs - 1e6))
  const stretch = { fromNs: faultNs, toNs: healNs }
  const two = overlapOf(holdings, victim, survivor, stretch)
  const after = overlapOf(holdings, victim, survivor, { fromNs: healNs, toNs: endNs })
  const hole = longestHoleNs(answers, faultNs, healNs)
  const judgedUntilNs = (first?.t ?? healNs) + 5e6
  const lateNs = events.filter((event) => event.e === 'late' || event.e === 'stall')
    .reduce((sum, event) => sum + (event.t > faultNs && event.t - event.ns < judgedUntilNs ? event.ns : 0), 0)
  const since = (ns: number | undefined): number | null => (ns === undefined ? null : ms(ns - faultNs))
  return {
    takeoverMs: since(first?.t),
    outageMs: hole === null ? null : ms(hole),
    addedMs: since(added?.fromNs),
    ...(gone === undefined ? {} : { goneMs: ms(gone.toNs - faultNs) }),
    arpMs: since(arp?.t),
    twoOwnersMs: ms(two.ns),
    twoUntilHeal: two.atEnd,
    reachableTwiceMs: ms(after.ns),
    ...(frame.addresses === undefined || frame.addresses.length < 2 ? {} : { lastAddedMs: lastAdded(events, frame) }),
    proberLateMs: ms(lateNs),
    faultTookMs: ms(frame.faultDoneNs - faultNs),
  }
}
