// What happened in one try, from what was sampled, and whether that was allowed. Nothing here acts or asks.
import { blindSpans, holdings, intersection, seenLength, without, type Sample, type Span } from './samples.js'

export const STRUCK = 'struck'
export const CURED = 'cured'

export interface Figures {
  /** Whole time in which both nodes had one of the addresses, the sampler's own lateness taken off. */
  readonly twoMs: number
  /** From the moment in which the fault was taken away to the last moment of two owners. */
  readonly twoAfterCureMs: number
  /** The longest time in which nobody had the address of the struck node, of those that began while the fault lasted. */
  readonly noneMs: number
  /** Of those that began later: the way back. */
  readonly noneAfterMs: number
  /** The longest time between two answers to the client. */
  readonly unansweredMs: number
  /** From the fault until the peer had the address; null: it never had. */
  readonly takenMs: number | null
  /** From the fault until the struck node had not; null: it always had. */
  readonly goneMs: number | null
  /** From the fault until it was taken away. */
  readonly curedMs: number
  /** The longest time in which the sampler was not run. */
  readonly blindMs: number
}

export interface Watched {
  readonly samples: readonly Sample[]
  /** The struck node, its peer. */
  readonly nodes: readonly [string, string]
  /** The address of the struck node comes first. */
  readonly addresses: readonly string[]
}

/** Null: no limit, because the fault itself allows more. */
export interface Rules {
  readonly twoMaxMs: number | null
  readonly twoAfterCureMaxMs: number
  /** While the fault lasts, and after. */
  readonly noneMaxMs: number
  /** From the cure until each address has one owner and the nodes see each other. */
  readonly settledMaxMs: number
  /** The peer must have taken; it must not; or either. */
  readonly taken: 'yes' | 'no' | 'either'
}

const MS = 1e6

/** Nanoseconds to milliseconds with the digits that half a millisecond is worth. */
const ms = (ns: number): number => Math.round(ns / 1e4) / 100

function markOf(samples: readonly Sample[], text: string): number | null {
  return samples.find((sample) => sample.e === 'mark' && sample.text === text)?.t ?? null
}

const longest = (spans: readonly Span[], blind: readonly Span[]): number => Math.max(0, ...spans.map((span) => seenLength(span, blind)))

export function measure({ samples, nodes, addresses }: Watched): Figures {
  const begin = samples[0]?.t ?? 0
  const end = samples.at(-1)?.t ?? begin
  const struck = markOf(samples, STRUCK) ?? begin
  const cured = markOf(samples, CURED) ?? end
  const blind = blindSpans(samples)
  const held = (node: string, address: string): Span[] => holdings(samples, node, address, end)
  const two = addresses.map((address) => intersection(held(nodes[0], address), held(nodes[1], address)))
  const seenTwo = Math.max(0, ...two.map((spans) => spans.reduce((sum, span) => sum + seenLength(span, blind), 0)))
  const lastTwo = Math.max(cured, ...two.flat().map(({ to }) => to))
  const [own = ''] = addresses
  const mine = held(nodes[0], own)
  const none = without({ from: struck, to: end }, [...mine, ...held(nodes[1], own)])
  const taken = held(nodes[1], own).find(({ to }) => to > struck)
  const gone = mine.find(({ from, to }) => from <= struck && to > struck)
  return {
    twoMs: ms(seenTwo), twoAfterCureMs: ms(lastTwo - cured), noneMs: ms(longest(none.filter(({ from }) => from < cured), blind)),
    noneAfterMs: ms(longest(none.filter(({ from }) => from >= cured), blind)),
    unansweredMs: ms(longest(silences(samples, struck, end), blind)),
    takenMs: taken === undefined ? null : ms(Math.max(0, taken.from - struck)),
    goneMs: gone === undefined || gone.to >= end ? null : ms(gone.to - struck),
    curedMs: ms(cured - struck),
    blindMs: ms(Math.max(0, ...blind.map(({ from, to }) => to - from))),
  }
}

/** The times between answers; a silence that had begun before counts from its beginning. */
function silences(samples: readonly Sample[], from: number, end: number): Span[] {
  const answers = samples.flatMap((sample) => (sample.e === 'answer' ? [sample.t] : []))
  if (answers.length === 0) return []
  const out: Span[] = []
  for (const [index, at] of answers.entries()) {
    const next = answers[index + 1] ?? end
    if (next > from && next > at) out.push({ from: at, to: next })
  }
  return out.filter(({ from: at, to }) => to - at > MS)
}

export interface Ending {
  /** From the cure until everything was as before; null: that never came. */
  readonly settledMs: number | null
  /** What else went wrong. */
  readonly problems: readonly string[]
}

/** Empty: as it has to be. */
export function judge(figures: Figures, rules: Rules, ending: Ending): string[] {
  const out = [...ending.problems]
  if (rules.twoMaxMs !== null && figures.twoMs > rules.twoMaxMs) {
    out.push(`two owners for ${figures.twoMs} ms, ${rules.twoMaxMs} ms allowed`)
  }
  if (figures.twoAfterCureMs > rules.twoAfterCureMaxMs) {
    out.push(`two owners until ${figures.twoAfterCureMs} ms after the fault was over, ${rules.twoAfterCureMaxMs} ms allowed`)
  }
  const noneMs = Math.max(figures.noneMs, figures.noneAfterMs)
  if (noneMs > rules.noneMaxMs) out.push(`nobody for ${noneMs} ms, ${rules.noneMaxMs} ms allowed`)
  if (ending.settledMs === null) out.push('not as before after the fault was over')
  else if (ending.settledMs > rules.settledMaxMs) out.push(`as before only ${ending.settledMs} ms after the fault was over`)
  if (rules.taken === 'yes' && figures.takenMs === null) out.push('the peer never took the address')
  if (rules.taken === 'no' && figures.takenMs !== null) out.push('the peer took the address')
  return out
}

/** Two owners outside what the sampler missed are never a matter of luck; all else may be the machine's own pause. */
export const isSure = (problems: readonly string[]): boolean => problems.some((problem) => problem.startsWith('two owners'))
