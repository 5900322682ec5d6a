// What the sampler says: a process of its own that looks at every node's addresses and asks as a client does, each
// half millisecond. Times are nanoseconds of the monotonic clock.

export type Sample =
  | { readonly t: number; readonly e: 'addr'; readonly node: string; readonly address: string; readonly on: boolean }
  | { readonly t: number; readonly e: 'held'; readonly node: string; readonly address: string; readonly on: boolean }
  | { readonly t: number; readonly e: 'garp'; readonly address: string; readonly mac: string }
  | { readonly t: number; readonly e: 'answer' }
  | { readonly t: number; readonly e: 'late' | 'stall'; readonly ns: number }
  | { readonly t: number; readonly e: 'mark'; readonly text: string }

/** Half open, in nanoseconds. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Time in which the sampler itself was not run: nothing that is said of it was seen. */
export function blindSpans(samples: readonly Sample[]): Span[] {
  return merged(samples.flatMap((sample) =>
    (sample.e === 'late' || sample.e === 'stall' ? [{ from: sample.t - sample.ns, to: sample.t }] : [])))
}

export function merged(spans: readonly Span[]): Span[] {
  const out: Span[] = []
  for (const span of [...spans].filter(({ from, to }) => to > from).sort((a, b) => a.from - b.from)) {
    const last = out.at(-1)
    if (last !== undefined && span.from <= last.to) out[out.length - 1] = { from: last.from, to: Math.max(last.to, span.to) }
    else out.push(span)
  }
  return out
}

export function intersection(first: readonly Span[], second: readonly Span[]): Span[] {
  return merged(first.flatMap((one) => second.map((other) => (
    { from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) }))))
}

/** The rest of `whole` without the spans. */
export function without(whole: Span, spans: readonly Span[]): Span[] {
  const out: Span[] = []
  let from = whole.from
  for (const span of merged(spans)) {
    if (span.to <= from) continue
    if (span.from >= whole.to) break
    if (span.from > from) out.push({ from, to: span.from })
    from = Math.max(from, span.to)
  }
  if (from < whole.to) out.push({ from, to: whole.to })
  return out
}

export const lengthOf = (spans: readonly Span[]): number => merged(spans).reduce((sum, { from, to }) => sum + to - from, 0)

/** Of each span only what is not blind. */
export function seenLength(span: Span, blind: readonly Span[]): number {
  return span.to - span.from - lengthOf(intersection([span], blind))
}

/**
 * When a node had the address. Its kernel tells of each change, and it is asked each half millisecond: whatever says so
 * first counts, for a beginning as for an end.
 */
export function holdings(samples: readonly Sample[], node: string, address: string, end: number): Span[] {
  const out: Span[] = []
  let since: number | null = null
  for (const sample of samples) {
    if ((sample.e !== 'addr' && sample.e !== 'held') || sample.node !== node || sample.address !== address) continue
    if (sample.on) since ??= sample.t
    else if (since !== null) {
      out.push({ from: since, to: sample.t })
      since = null
    }
  }
  if (since !== null) out.push({ from: since, to: end })
  return merged(out)
}
