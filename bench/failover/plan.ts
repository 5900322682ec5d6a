// Which tries are made, and in which order. Systems that react within milliseconds are timed alone, a few tries of each at a
// time and in turn, so that a quiet or a busy quarter of an hour of the machine falls on all of them; slow ones side by side.
import type { BenchOptions } from './options.js'
import type { GroupKind, TryKey } from './samples.js'
import type { System } from './systems/system.js'

/** One opening of a stage: these tries, in this order. */
export interface Block {
  readonly system: System
  readonly group: GroupKind
  readonly tries: readonly TryKey[]
}

/** Tries of one fault in a block: more amortise the start of a pair, fewer mix the systems better. */
const perBlock = 5

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items]
  for (let at = out.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1))
    const [a, b] = [out[at], out[other]]
    if (a !== undefined && b !== undefined) [out[at], out[other]] = [b, a]
  }
  return out
}

export function wantedTries(systems: readonly System[], options: Pick<BenchOptions, 'faults' | 'groups' | 'tries'>): TryKey[] {
  return systems.flatMap((system) =>
    system.groups.filter((group) => options.groups.includes(group)).flatMap((group) =>
      system.faults.filter((fault) => options.faults.includes(fault)).flatMap((fault) =>
        Array.from({ length: options.tries ?? system.tries }, (_, index) => ({ system: system.key, group, fault, index })))))
}

export function blocksOf(systems: readonly System[], tries: readonly TryKey[], random: () => number): Block[] {
  const rounds = new Map<number, Map<string, TryKey[]>>()
  for (const one of tries) {
    const round = Math.floor(one.index / perBlock)
    const blocks = rounds.get(round) ?? new Map<string, TryKey[]>()
    rounds.set(round, blocks)
    const name = `${one.system} ${one.group}`
    blocks.set(name, [...(blocks.get(name) ?? []), one])
  }
  return [...rounds].sort(([a], [b]) => a - b).flatMap(([, blocks]) =>
    shuffled([...blocks.values()], random).flatMap((some) => {
      const [first] = some
      const system = systems.find((one) => one.key === first?.system)
      return system === undefined || first === undefined ? [] : [{ system, group: first.group, tries: shuffled(some, random) }]
    }))
}
