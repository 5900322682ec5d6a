// A simulated engine: heartbeats, dead times, generations and the records that follow, with the same
// meaning as the native one. It decides nothing about resources.

import { nodeId, type NodeId } from '../../src/core/base/ids.js'
import type { EngineEvent } from '../../src/core/events.js'
import type { Field } from '../../src/core/types.js'
import type { Timeline } from './clock.js'
import type { SimEvent } from './events.js'
import type { Flaw } from './page.js'
import { stallLimitUs } from './slots.js'

export interface Status {
  readonly st: string
  readonly generation: number
  readonly deadtimeUs: number
  readonly twinbeat: string | null
  /** Of this conversation: a copy has the number of its original. */
  readonly seq: number
}

export type Gasp = Pick<Extract<EngineEvent, { type: 'gasp' }>, 'generation' | 'group' | 'claimEpoch' | 'digest'>

export interface Wire {
  heartbeat(status: Status): void
  message(fields: readonly Field[], generation: number): void
}

export interface EngineTiming {
  readonly keepaliveUs: number
  readonly deadtimeUs: number
  readonly initdeadUs: number
}

const startExtraUs = 2_000_000
const startExtraForUs = 5_000_000

/** What node and checkers know of an engine, simulated or native. */
export interface MembershipEngine {
  readonly generation: number
  readonly peerDead: boolean
  readonly peerHeard: boolean
  readonly peerGeneration: number
  readonly muted: boolean
  readonly frozen: boolean
  readonly lateUs: number
  readonly speaks: boolean
  readonly limitUs: number
  setStatus(st: string, extraUs: number): void
  send(fields: readonly Field[]): void
  raise(): number
  silence(): void
  stop(): void
  freeze(): void
  thaw(us: number): void
  lastWords(gasp: Gasp): void
  snapshot(): SimEvent[]
}

export class SimEngine implements MembershipEngine {
  generation: number
  peerDead = false
  peerHeard = false
  muted = false
  #st = 'init'
  #extraUs = 0
  #seq = 0
  #started = false
  #stopped = false
  frozen = false
  #lateUs = 0
  #lateUntil = 0
  #silent = false
  #beats = 0
  #peer: Status | null = null
  #heardAt = 0
  readonly #bornAt: number
  /** What lies in the socket buffers while the node is frozen; only the newest heartbeats matter. */
  #buffer: (() => void)[] = []

  constructor(
    private readonly clock: Timeline,
    private readonly timing: EngineTiming,
    private readonly twinbeat: string | null,
    private readonly peerId: NodeId,
    generation: number,
    private readonly wire: Wire,
    private readonly record: (event: EngineEvent) => void,
    private readonly flaws: ReadonlySet<Flaw>,
  ) {
    this.generation = generation
    this.#bornAt = clock.now
    this.#beat()
    this.#watch()
  }

  /** How long the engine did not run, until it has heard the peer or listened for a whole dead time since. */
  get lateUs(): number {
    return this.clock.now < this.#lateUntil ? this.#lateUs : 0
  }

  get peerGeneration(): number {
    return this.#peer?.generation ?? 0
  }

  get deadtimeUs(): number {
    const young = this.clock.now - this.#bornAt < startExtraForUs
    return this.timing.deadtimeUs + this.#extraUs + (young ? startExtraUs : 0)
  }

  setStatus(st: string, extraUs: number): void {
    this.#st = st
    this.#extraUs = extraUs
    if (st === 'active') this.#started = true
    this.#send()
  }

  send(fields: readonly Field[]): void {
    if (this.muted || this.#stopped || this.#silent) return
    this.#seq += 1
    const own = (name: string, value: number): Field => ({ name, type: 0, value: value.toString(16) })
    this.wire.message([...fields, own('seq', this.#seq), own('hg', this.generation)], this.generation)
  }

  raise(): number {
    this.generation += 1
    this.#beats = 0
    this.muted = false
    return this.generation
  }

  stop(): void {
    this.#stopped = true
  }

  /** For ever: a life that has let go of everything says nothing more. */
  silence(): void {
    this.#silent = true
  }

  get speaks(): boolean {
    return !this.#stopped && !this.frozen && !this.muted && !this.#silent
  }

  freeze(): void {
    this.frozen = true
  }

  thaw(us: number): void {
    const muted = us > this.deadtimeUs
    this.frozen = false
    if (us <= stallLimitUs) {
      // Too short to be called a stall, and long enough to be late: what lies in the socket is read first.
      if (this.flaws.has('queue-ignored')) this.#judge()
      for (const deliver of this.#buffer.splice(0)) deliver()
      this.#judge()
      return
    }
    if (this.flaws.has('stall-is-silence')) this.#judge()
    this.#heardAt = Math.max(this.#heardAt, this.clock.now)
    this.#lateUs = us
    this.#lateUntil = this.clock.now + this.limitUs
    this.muted ||= muted
    this.record({ type: 'stall', us, muted })
    for (const deliver of this.#buffer.splice(0)) deliver()
  }

  hear(status: Status): void {
    if (this.#stopped) return
    if (this.frozen) {
      if (this.#buffer.length < 100) this.#buffer.push(() => { this.hear(status) })
      return
    }
    const known = this.#peer
    if (known !== null && status.generation < known.generation) return
    const copy = known !== null && status.generation === known.generation && status.seq <= known.seq
    if (copy && !this.flaws.has('duplicate-is-life')) return
    const node = this.peerId
    const { generation } = status
    this.#heardAt = this.clock.now
    this.#lateUntil = 0
    this.#peer = status
    const wasDead = this.peerDead
    this.peerHeard = true
    this.peerDead = false
    if (known !== null && generation > known.generation) this.record({ type: 'peer.restarted', node, generation })
    else if (known !== null && wasDead) this.record({ type: 'peer.returned', node, generation })
    if (known === null || known.st !== status.st || known.generation !== generation || wasDead) {
      const { st, deadtimeUs, twinbeat } = status
      this.record({ type: 'peer.status', node, status: st, generation, deadtimeUs, twinbeat })
    }
    if (known === null) this.record({ type: 'peer.up', node, generation })
  }

  receive(fields: readonly Field[], generation: number): void {
    if (this.#stopped) return
    if (this.frozen) {
      this.#buffer.push(() => { this.receive(fields, generation) })
      return
    }
    // Of an earlier life, or of one that no status has told of yet.
    if (this.#peer !== null && generation !== this.#peer.generation) return
    this.record({ type: 'message', from: nodeId(this.peerId), fields, link: 'eth0' })
  }

  /** What the shell feeds after records were lost. */
  snapshot(): EngineEvent[] {
    const node = this.peerId
    const events: EngineEvent[] = this.muted ? [{ type: 'stall', us: 0, muted: true }] : []
    if (this.peerDead) {
      events.push({ type: 'peer.dead', node, generation: this.peerGeneration, silentUs: this.clock.now - this.#heardAt, links: [] })
    } else if (this.#peer !== null) {
      const { st, generation, deadtimeUs, twinbeat } = this.#peer
      events.push({ type: 'peer.status', node, status: st, generation, deadtimeUs, twinbeat })
    }
    return events
  }

  /** Last words of the peer's guardian or engine: only of exactly the life that we know. */
  lastWords(gasp: Gasp): void {
    if (this.#stopped) return
    if (this.frozen) {
      this.#buffer.push(() => { this.lastWords(gasp) })
      return
    }
    const known = this.#peer?.generation ?? 0
    const exact = gasp.generation === known
    if (!exact && !this.flaws.has('gasp-of-old-generation')) return
    this.record({ type: 'gasp', node: this.peerId, ...gasp, generation: known })
  }

  #send(): void {
    if (!this.speaks) return
    const { generation, deadtimeUs, twinbeat } = this
    this.#beats += 1
    this.wire.heartbeat({ st: this.#st, generation, deadtimeUs, twinbeat, seq: this.#beats })
  }

  #beat(): void {
    if (this.#stopped) return
    this.#send()
    this.clock.after(this.timing.keepaliveUs, () => { this.#beat() })
  }

  /** After how much silence the peer counts as dead. */
  get limitUs(): number {
    return this.#started && this.#peer !== null ? this.#peer.deadtimeUs : this.timing.initdeadUs
  }

  #judge(): number {
    const since = this.#peer === null ? this.#bornAt : this.#heardAt
    const left = since + this.limitUs - this.clock.now
    if (!this.peerDead && !this.frozen && left <= 0) {
      this.peerDead = true
      this.record({
        type: 'peer.dead', node: this.peerId, generation: this.peerGeneration, silentUs: this.clock.now - since, links: [],
      })
    }
    return left
  }

  /** The dead time is a deadline: it is looked at exactly when it may have passed. */
  #watch(): void {
    if (this.#stopped) return
    // The peer may announce a shorter dead time meanwhile.
    const left = Math.min(this.#judge(), 2 * this.timing.keepaliveUs)
    this.clock.after(Math.max(left, this.timing.keepaliveUs / 4), () => { this.#watch() })
  }
}
