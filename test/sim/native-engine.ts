// The C++ engine in the simulated world: the same object as in the daemon, on the clock of its machine, with
// packets as they go on the wire. Slots, addresses and guardian stay those of the simulator.

import { groupId, micros, nodeId, type NodeId } from '../../src/core/base/ids.js'
import type { Field } from '../../src/core/types.js'
import type { EngineConfig, EngineRecord } from '../../src/engine/engine.js'
import { ManualEngine } from '../../src/engine/manual.js'
import type { MachineClock } from './clock.js'
import type { EngineTiming, Gasp, MembershipEngine } from './engine.js'
import type { SimEvent } from './events.js'

const linkName = 'wire'
const wallUs = 1_767_225_600_000_000
/** What a socket holds while nobody reads it. */
const socketMax = 200
const key = new TextEncoder().encode('simulated')

export interface NativeEngineParts {
  readonly clock: MachineClock
  readonly seed: number
  readonly self: NodeId
  readonly peer: NodeId
  readonly generation: number
  readonly timing: EngineTiming
  packet(bytes: Uint8Array): void
  record(event: SimEvent): void
}

export class NativeSimEngine implements MembershipEngine {
  generation: number
  peerDead = false
  peerHeard = false
  peerGeneration = 0
  muted = false
  frozen = false
  lateUs = 0
  readonly #native: ManualEngine
  #peerDeadtimeUs: number
  #stopped = false
  #silent = false
  #socket: Uint8Array[] = []
  #wake: () => void = () => undefined

  constructor(private readonly parts: NativeEngineParts) {
    this.generation = parts.generation
    this.#peerDeadtimeUs = parts.timing.initdeadUs
    this.#native = new ManualEngine({ seed: parts.seed, now: micros(parts.clock.now), wallUs })
    this.#native.configure(configOf(parts))
    this.#native.setGeneration(parts.generation)
    this.#native.start()
    this.#soon()
  }

  get speaks(): boolean {
    return !this.#stopped && !this.frozen && !this.muted && !this.#silent
  }

  get limitUs(): number {
    return this.#peerDeadtimeUs
  }

  setStatus(st: string, extraUs: number): void {
    this.#native.setStatus(st as 'init' | 'up' | 'active', { deadtimeExtraUs: extraUs })
    if (st === 'active') this.#native.setPhase('started')
    this.#soon()
  }

  send(fields: readonly Field[]): void {
    if (this.#silent || this.#stopped) return
    this.#native.send(fields)
    this.#soon()
  }

  raise(): number {
    this.generation += 1
    this.muted = false
    this.#native.setGeneration(this.generation)
    this.#soon()
    return this.generation
  }

  silence(): void {
    this.#silent = true
  }

  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  freeze(): void {
    this.frozen = true
    this.#wake()
  }

  /** It notices by itself how long it did not run; what came meanwhile lies in the socket. */
  thaw(): void {
    this.frozen = false
    for (const bytes of this.#socket.splice(0)) this.#native.inject(linkName, bytes)
    this.#cycle()
  }

  heard(bytes: Uint8Array): void {
    if (this.#stopped) return
    if (this.frozen) {
      if (this.#socket.length < socketMax) this.#socket.push(bytes)
      return
    }
    this.#native.inject(linkName, bytes)
    this.#soon()
  }

  lastWords(gasp: Gasp): void {
    if (this.#stopped || this.frozen || gasp.generation !== this.peerGeneration) return
    this.parts.record({ type: 'gasp', node: this.parts.peer, ...gasp, group: groupId(gasp.group) })
  }

  snapshot(): SimEvent[] {
    const { peer } = this.parts
    const { peers, muted } = this.#native.snapshot()
    const events: SimEvent[] = muted ? [{ type: 'stall', us: 0, muted: true }] : []
    const known = peers.find(({ name }) => name === peer)
    if (known === undefined || known.state === 'never') return events
    const { generation, status, deadtimeUs, twinbeat } = known
    if (known.state === 'dead') return [...events, { type: 'peer.dead', node: peer, generation, silentUs: 0, links: [] }]
    return [...events, { type: 'peer.status', node: peer, status, generation, deadtimeUs, twinbeat }]
  }

  // -------------------------------------------------------------------------------------------- duty cycles

  #soon(): void {
    this.#plan(this.parts.clock.now + 10)
  }

  #plan(at: number): void {
    this.#wake()
    this.#wake = this.parts.clock.at(at, () => { this.#cycle() })
  }

  #cycle(): void {
    if (this.#stopped || this.frozen) return
    const next = this.#native.advanceTo(micros(this.parts.clock.now))
    for (const packet of this.#native.collect()) if (!this.#silent) this.parts.packet(packet.bytes)
    // A record may make the core send, which asks for the next cycle: that must not be forgotten here.
    this.#plan(next ?? this.parts.clock.now + this.parts.timing.keepaliveUs)
    for (const record of this.#native.drain()) {
      if (this.#stopped) return
      this.#note(record)
      const event = eventOf(record)
      if (event !== null) this.parts.record(event)
    }
  }

  #note(record: EngineRecord): void {
    switch (record.type) {
      case 'peer.status':
        if (record.node !== this.parts.peer) return
        this.#peerDeadtimeUs = record.deadtimeUs
        return this.#heardOf(record.generation)
      case 'peer.up': case 'peer.returned': case 'peer.restarted': return this.#heardOf(record.generation)
      case 'peer.dead': this.peerDead = true; return
      case 'stall': this.muted ||= record.muted; return
      default: return
    }
  }

  #heardOf(generation: number): void {
    this.peerHeard = true
    this.peerDead = false
    this.peerGeneration = Math.max(generation, this.peerGeneration)
  }
}

/** As the daemon translates them; what decides nothing is left out. */
function eventOf(record: EngineRecord): SimEvent | null {
  switch (record.type) {
    case 'peer.status': {
      const { status, generation, deadtimeUs, twinbeat } = record
      return { type: 'peer.status', node: nodeId(record.node), status, generation, deadtimeUs, twinbeat }
    }
    case 'peer.up': case 'peer.returned': case 'peer.restarted':
      return { type: record.type, node: nodeId(record.node), generation: record.generation }
    case 'peer.late': return { type: 'peer.late', node: nodeId(record.node), silentUs: record.silentUs }
    case 'peer.dead': {
      const { generation, silentUs, links } = record
      return { type: 'peer.dead', node: nodeId(record.node), generation, silentUs, links }
    }
    case 'message': return { type: 'message', from: nodeId(record.from), fields: record.fields, link: record.link }
    case 'stall': return { type: 'stall', us: record.us, muted: record.muted }
    case 'send.history-full': return { type: 'send.history-full' }
    case 'overflow': return { type: 'overflow', lost: record.lost }
    default: return null
  }
}

function configOf({ self, peer, timing }: NativeEngineParts): EngineConfig {
  const uuid = (name: NodeId): Uint8Array => Buffer.from(name.padEnd(16, '.'))
  return {
    revision: 1,
    self: { name: self, uuid: uuid(self) },
    nodes: [self, peer].sort().map((name) => ({ name, uuid: uuid(name) })),
    timing: {
      ...timing, warntimeUs: timing.deadtimeUs / 2, deadpingUs: timing.deadtimeUs, maxRexmitDelayUs: timing.keepaliveUs,
    },
    hopfudge: 1,
    muteAfterPause: true,
    auth: { signIndex: 1, keys: [{ index: 1, method: 'sha1', key }] },
    links: [{ type: 'loopback', name: linkName, channel: 0, lossPercent: 0, duplicatePercent: 0, seed: 0 }],
  }
}
