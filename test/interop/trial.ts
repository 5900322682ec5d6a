// One cell being tried: a scenario played on a running pair, and everything that is watched while it
// plays: who owned what, who was called dead, what the daemons warned about, whether lost packets are
// asked for without end.

import { warningsOf } from '../../lab/heartbeat-node.js'
import type { Holding } from '../../lab/daemon.js'
import { epochMs, type Overlap } from '../../lab/owners.js'
import type { Pair, PairMember } from '../../lab/pair.js'
import { pause } from '../../lab/processes.js'

/** After a scenario the pair is watched this long for requests that never end. */
const QUIET_WATCH_MS = 1_500
/** One late answer is no loop; a loop asks four times a second for each lost message. */
const QUIET_REQUESTS_MAX = 3

/** In the words of a real heartbeat, and in ours. */
const DEATH = /WARN: node (\S+): is dead|peer\.dead: (\S+) /g

/** Warnings of each real node, normalised, for comparison with those of a real pair. */
export type Warnings = Readonly<Partial<Record<'a' | 'b', readonly string[]>>>

export interface Findings {
  readonly problems: readonly string[]
  readonly warnings: Warnings
}

export class Trial {
  readonly pair: Pair
  readonly a: PairMember
  readonly b: PairMember
  private readonly startMs = epochMs()
  private readonly marks = new Map<PairMember, number>()
  private readonly mayDie = new Set<string>()
  private readonly inherent: { fromMs: number, toMs: number }[] = []

  constructor(pair: Pair) {
    this.pair = pair
    this.a = pair.a
    this.b = pair.b
    for (const member of [pair.a, pair.b]) this.marks.set(member, member.daemon.log().length)
  }

  /** 'a' and 'b' of a scenario that is played from either side. */
  side(name: 'a' | 'b'): PairMember {
    return name === 'a' ? this.a : this.b
  }

  expect(a: Holding, b: Holding, timeoutMs = 30_000): Promise<void> {
    return this.pair.expect(a, b, timeoutMs)
  }

  /** The same seen from one side: what it holds and what its peer holds. */
  expectOf(member: PairMember, own: Holding, peer: Holding, timeoutMs = 30_000): Promise<void> {
    return member === this.a ? this.expect(own, peer, timeoutMs) : this.expect(peer, own, timeoutMs)
  }

  /** From here on the death of this node is no false death. */
  deathIsDue(member: PairMember): void {
    this.mayDie.add(member.node.name)
  }

  /** Two owners are part of the scenario from now until the end of the work. */
  async ownersMayOverlap(work: () => Promise<void>): Promise<void> {
    const fromMs = epochMs()
    try {
      await work()
    } finally {
      this.inherent.push({ fromMs, toMs: epochMs() })
    }
  }

  async findings(failure: unknown): Promise<Findings> {
    const problems: string[] = []
    if (failure !== null) problems.push(failure instanceof Error ? failure.message : 'the scenario failed')
    else problems.push(...(await this.lostPacketLoop()))
    problems.push(...this.owners(), ...this.falseDeaths())
    return { problems, warnings: this.warnings() }
  }

  private logOf(member: PairMember): string {
    return member.daemon.log().slice(this.marks.get(member) ?? 0)
  }

  private owners(): string[] {
    const covered = (overlap: Overlap): boolean =>
      this.inherent.some((span) => overlap.fromMs >= span.fromMs && overlap.toMs <= span.toMs)
    return this.pair.owners.overlaps(this.startMs).filter((overlap) => !covered(overlap)).map((overlap) =>
      `${overlap.address} on both nodes for ${Math.round(overlap.toMs - overlap.fromMs)} ms`)
  }

  private falseDeaths(): string[] {
    return [this.a, this.b].flatMap((member) => {
      const dead = [...this.logOf(member).matchAll(DEATH)].map((match) => match[1] ?? match[2] ?? '')
      return [...new Set(dead)].filter((name) => !this.mayDie.has(name)).map((name) =>
        `${member.node.name} declared ${name} dead`)
    })
  }

  private warnings(): Warnings {
    const real = ([['a', this.a], ['b', this.b]] as const).filter(([, { daemon }]) => daemon.kind === 'heartbeat')
    return Object.fromEntries(real.map(([side, member]) => [side, warningsOf(this.logOf(member))]))
  }

  private async lostPacketLoop(): Promise<string[]> {
    const counts = async (): Promise<number[]> => Promise.all([this.a, this.b].map(async (member) => (
      member.node.isOn ? member.node.countRequests() : 0)))
    await pause(this.pair.retransmitSettleMs)
    const before = await counts()
    await pause(QUIET_WATCH_MS)
    const after = await counts()
    return after.flatMap((count, index) => {
      const more = count - (before[index] ?? 0)
      const name = [this.a, this.b][index]?.node.name ?? ''
      if (more <= QUIET_REQUESTS_MAX) return []
      return [`${name} is asked for lost packets without end: ${more} in ${QUIET_WATCH_MS} ms`]
    })
  }
}
