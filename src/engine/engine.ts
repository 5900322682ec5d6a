// The door between the heartbeat engine and everything that decides. The native addon implements it, the
// simulator implements it, and test/contract holds both to it.
//
// Rules of the boundary: plain values in, copied bytes out; every field is always present (`null`, never absent);
// units stand in the names; every moment is absolute CLOCK_BOOTTIME in microseconds. Records are hints, the
// snapshot is truth: after `overflow`, and after every `configure`, read the snapshot.
import type { Micros } from '../core/base/ids.js'
import type { AuthorityCalls, AuthorityRecord, StepGate } from './authority.js'

// ---------------------------------------------------------------------------------------------- messages

/** 0 text, 1 bytes, 2 nested message, 3 list. Text is one character per byte (latin1), bytes are Uint8Array. */
export type FieldType = 0 | 1 | 2 | 3

export interface Field {
  readonly name: string
  readonly type: FieldType
  readonly value: string | Uint8Array
}

/** Text field. */
export const text = (name: string, value: string): Field => ({ name, type: 0, value })
/** Binary field. */
export const bytes = (name: string, value: Uint8Array): Field => ({ name, type: 1, value })
/** Text of the first field of that name, null when there is none or when it is not text. */
export function textOf(fields: readonly Field[], name: string): string | null {
  for (const field of fields) {
    if (field.name === name) return typeof field.value === 'string' ? field.value : null
  }
  return null
}

// ---------------------------------------------------------------------------------------- configuration

export type AuthMethod = 'crc' | 'md5' | 'sha1' | 'sha256'

export interface AuthKey {
  readonly index: number // 0..15, the line number of authkeys
  readonly method: AuthMethod
  readonly key: Uint8Array // empty for crc
}

interface LinkBase {
  /** Shown in records and in the snapshot. Two links may share one name, as bcast and ucast on one interface do. */
  readonly name: string
}

export interface BroadcastLink extends LinkBase {
  readonly type: 'bcast'
  readonly interface: string
  /** Broadcast address; null = the one of the interface's first address, 255.255.255.255 when it has none. */
  readonly address: string | null
  readonly port: number
}

export interface UnicastLink extends LinkBase {
  readonly type: 'ucast' | 'ucast6'
  readonly interface: string | null // null = not bound to a device
  readonly address: string // of the peer
  readonly port: number // of the peer
  readonly localAddress: string | null // null = any
  readonly localPort: number // usually the same as port
}

export interface MulticastLink extends LinkBase {
  readonly type: 'mcast' | 'mcast6'
  readonly interface: string
  readonly group: string
  readonly port: number
  readonly ttl: number // 0..255, hop limit for mcast6
  readonly loop: boolean
}

export interface SerialLink extends LinkBase {
  readonly type: 'serial'
  readonly fd: number // an opened and set up line, see serial-port.ts; the engine duplicates it
  readonly baud: number
}

export interface PingLink extends LinkBase {
  /** `name` is the name of the ping node (host or group as configured); a group lives while one member answers. */
  readonly type: 'ping' | 'ping_group' | 'ping6'
  readonly hosts: readonly string[] // literal addresses; exactly one unless ping_group
}

/** For tests and examples: two engines of one process that name the same channel hear each other. */
export interface LoopbackLink extends LinkBase {
  readonly type: 'loopback'
  readonly channel: number // 0..63
  /** Seeded faults, applied to what is sent. */
  readonly lossPercent: number // 0..100
  readonly duplicatePercent: number // 0..100
  readonly seed: number
}

export type LinkConfig =
  BroadcastLink | UnicastLink | MulticastLink | SerialLink | PingLink | LoopbackLink
export type LinkType = LinkConfig['type']

export interface EngineTiming {
  readonly keepaliveUs: number
  readonly deadtimeUs: number
  readonly warntimeUs: number
  readonly initdeadUs: number
  readonly deadpingUs: number
  readonly maxRexmitDelayUs: number
}

export interface EngineConfig {
  /** Grows with every configure; an older or equal one is refused. */
  readonly revision: number
  readonly self: { readonly name: string; readonly uuid: Uint8Array }
  /** Every normal node including ourselves, in configured order. Ping nodes are named by their links. */
  readonly nodes: readonly { readonly name: string; readonly uuid: Uint8Array | null }[]
  readonly timing: EngineTiming
  readonly hopfudge: number // 0..255
  /**
   * After a pause of ours beyond the announced dead time: stay silent until `setGeneration`, because a real
   * heartbeat that hears the old generation again restarts itself.
   */
  readonly muteAfterPause: boolean
  readonly auth: { readonly signIndex: number; readonly keys: readonly AuthKey[] }
  readonly links: readonly LinkConfig[]
}

// ------------------------------------------------------------------------------------------------ steps

export interface EngineAddress {
  readonly family: 4 | 6
  readonly address: string
  readonly prefix: number
  readonly interface: string
  readonly label: string | null // IPv4 only, at most 15 bytes
  readonly broadcast: string | null // IPv4 only; null = the one that follows from the prefix, none for 31 and 32
}

/** One finished order for the netlink thread; nothing is computed there. */
export type AddressStep =
  | {
      readonly type: 'add' // announced by itself: in a burst, then slowly while it is held
      readonly address: EngineAddress
      /** Ask the neighbours first, 0.2 s; another owner is EADDRINUSE. A take after a death must not. */
      readonly checkDuplicate: boolean
    }
  | { readonly type: 'remove'; readonly address: EngineAddress }
  | {
      readonly type: 'announce' // gratuitous ARP or unsolicited neighbour advertisement
      readonly address: EngineAddress
      readonly count: number // 1..100
      readonly intervalUs: number
    }
  | { readonly type: 'probe'; readonly address: EngineAddress } // is it there? errno 0 yes, EADDRNOTAVAIL or ENODEV no

// ---------------------------------------------------------------------------------------------- records

export type NodeKind = 'normal' | 'ping'
/** How a node stands, judged here: never heard; up; silent beyond warntime; silent beyond its dead time. */
export type PeerState = 'never' | 'up' | 'late' | 'dead'
export type LinkState = 'never' | 'up' | 'down'

export type RejectReason =
  | 'malformed' // not a message of either encoding
  | 'auth' // no signature, unknown number or wrong digest
  | 'weak-auth' // crc although a keyed method signs here
  | 'unknown-node' // neither uuid nor name is configured
  | 'old-generation'
  | 'replay' // same generation from a node that was declared dead, at or below its last sequence number
  | 'field' // a mandatory field is absent or not a number
  | 'own-name' // somebody else sends under our name

interface At {
  readonly at: Micros
}

export type EngineRecord =
  | AuthorityRecord
  /** First status, and every change of what the node says of itself. */
  | (At & {
      readonly type: 'peer.status'
      readonly node: string
      readonly kind: NodeKind
      readonly status: string
      readonly generation: number
      readonly deadtimeUs: number
      readonly twinbeat: string | null // null: a real heartbeat
      readonly uuid: string // hex, empty when it sends none
    })
  | (At & { readonly type: 'peer.up'; readonly node: string; readonly kind: NodeKind; readonly generation: number })
  | (At & { readonly type: 'peer.late'; readonly node: string; readonly kind: NodeKind; readonly silentUs: number })
  | (At & {
      readonly type: 'peer.dead'
      readonly node: string
      readonly kind: NodeKind
      readonly generation: number // 0: it was never heard
      readonly silentUs: number
      readonly links: readonly { readonly name: string; readonly silentUs: number }[]
    })
  /** Heard again after death with the same generation: a partition has healed, nothing was restarted. */
  | (At & {
      readonly type: 'peer.returned'
      readonly node: string
      readonly kind: NodeKind
      readonly generation: number
    })
  | (At & {
      readonly type: 'peer.restarted'
      readonly node: string
      readonly generation: number
      readonly previousGeneration: number
      readonly wasDead: boolean
    })
  | (At & { readonly type: 'link.up'; readonly node: string; readonly link: string })
  | (At & { readonly type: 'link.down'; readonly node: string; readonly link: string; readonly silentUs: number })
  /** The link itself: its socket or line opened or failed. `errno` 0 when open. */
  | (At & { readonly type: 'link.state'; readonly link: string; readonly open: boolean; readonly errno: number })
  /** Every accepted sequenced message of a peer that is not a status and is addressed to us or to all. */
  | (At & {
      readonly type: 'message'
      readonly from: string
      readonly link: string
      readonly fields: readonly Field[]
    })
  | (At & {
      readonly type: 'steps.done'
      readonly token: number
      readonly ok: boolean
      readonly results: readonly { readonly index: number; readonly errno: number }[]
    })
  | (At & { readonly type: 'address.lost'; readonly address: string; readonly interface: string })
  | (At & {
      readonly type: 'address.conflict'
      readonly address: string
      readonly interface: string
      readonly mac: string
    })
  | (At & { readonly type: 'interface'; readonly name: string; readonly up: boolean; readonly carrier: boolean })
  /** At most one a second for each link and reason; `count` since the last one. */
  | (At & {
      readonly type: 'auth.rejected'
      readonly link: string
      readonly reason: RejectReason
      readonly count: number
    })
  /**
   * We ourselves did not run for this long; it does not count as silence of others. `muted`: longer than the dead
   * time we announced, so the others hold us for dead: the engine says nothing until `setGeneration` raises it.
   */
  | (At & { readonly type: 'stall'; readonly us: number; readonly muted: boolean })
  /** A receiver does not acknowledge: the oldest message was dropped from the history. */
  | (At & { readonly type: 'send.history-full'; readonly unacknowledged: number })
  /** Records were lost: read the snapshot. */
  | (At & { readonly type: 'overflow'; readonly lost: number })

// --------------------------------------------------------------------------------------------- snapshot

/** Times in classes, four to each doubling, without the empty ones. */
export interface GapSnapshot {
  readonly maxUs: number
  /** Shortest time of the class (the first class begins at 0, the last one never ends) and how many. */
  readonly classes: readonly (readonly [fromUs: number, count: number])[]
}

export interface LinkSnapshot {
  readonly name: string
  readonly type: LinkType
  readonly open: boolean
  readonly errno: number // why it is not open, 0 otherwise
  readonly state: LinkState // heard from anybody within its dead time
  readonly intervalUs: number
  readonly deadtimeUs: number
  readonly lastHeardAt: Micros | null
  readonly packetsIn: number
  readonly bytesIn: number
  readonly packetsOut: number
  readonly bytesOut: number
  readonly sendErrors: number // EPERM, ENOBUFS and their like: counted as loss
  readonly queueDrops: number // serial: frames that found the line busy
  readonly gaps: GapSnapshot // between the statuses of each peer on this link
  readonly rejected: Readonly<Record<RejectReason, number>>
}

export interface PeerLinkSnapshot {
  readonly name: string
  readonly state: LinkState
  readonly lastHeardAt: Micros | null
}

export interface PeerSnapshot {
  readonly name: string
  readonly kind: NodeKind
  readonly self: boolean
  readonly uuid: string // hex, empty when unknown
  readonly state: PeerState
  readonly status: string // what it says of itself: init up active; `dead` when declared so here
  readonly generation: number
  readonly deadtimeUs: number // announced by it; 0 when never heard
  readonly twinbeat: string | null
  readonly lastStatusAt: Micros | null
  readonly lastHeardAt: Micros | null
  readonly missing: number // sequence numbers waited for
  readonly acknowledged: number // highest own sequence number it acknowledged
  readonly load: string
  readonly latenessUs: number // of its own engine, as its last heartbeat said; 0 also when it says none
  readonly latenessMaxUs: number // the worst that this life of it has said
  readonly gaps: GapSnapshot // between statuses, whichever link brought them first
  readonly links: readonly PeerLinkSnapshot[]
}

export interface RealtimeSnapshot {
  readonly scheduling: 'fifo' | 'normal'
  readonly schedulingErrno: number
  readonly memoryLocked: boolean
  readonly memoryErrno: number
}

export interface EngineSnapshot {
  readonly at: Micros
  readonly revision: number
  readonly running: boolean
  readonly muted: boolean
  readonly started: boolean // false: initdead counts
  readonly status: string
  readonly generation: number
  readonly sequence: number
  readonly deadtimeUs: number // announced by us, without extension
  readonly historyKept: number
  readonly countedSince: Micros | null // since when the gaps and the lateness count: the last configure or start
  readonly lateness: GapSnapshot // of the engine's own thread
  readonly rescues: number // how often it was late, and was moved to another processor and woken
  readonly stands: number // how often the others were asked to wait, because processors stood
  readonly realtime: RealtimeSnapshot
  readonly peers: readonly PeerSnapshot[]
  readonly links: readonly LinkSnapshot[]
}

export interface EngineCounters {
  readonly cycles: number
  readonly stalls: number
  readonly latenessMaxUs: number
  readonly heartbeatsSent: number
  readonly messagesSent: number
  readonly messagesReceived: number
  readonly duplicates: number
  readonly gaps: number
  readonly rexmitRequested: number
  readonly rexmitAnswered: number
  readonly nakSent: number
  readonly nakReceived: number
  readonly acksSent: number
  readonly acksReceived: number
  readonly recordsLost: number
  /** How often the engine was late and another processor had to be found for it. */
  readonly rescues: number
  /** How often the others were asked to wait for it, and how often it was asked that. */
  readonly stands: number
  readonly standsHeard: number
}

// ----------------------------------------------------------------------------------------------- engine

export interface Engine extends AuthorityCalls {
  /** The whole picture. Peers and open links that stay the same keep their state. */
  configure(config: EngineConfig): void
  /** Starts beating: `status` with the status set so far (init first), then one each keepalive. */
  start(): void
  /** Ends the thread. `farewell` sends two last statuses; other last words are messages sent before. */
  stop(options: { readonly farewell: boolean }): void
  /** What every heartbeat says of us; one leaves at once. The extra is added to the announced dead time. */
  setStatus(status: 'init' | 'up' | 'active', options: { readonly deadtimeExtraUs: number }): void
  /** `starting`: initdead counts for everybody. `started`: the start handshake is over. */
  setPhase(phase: 'starting' | 'started'): void
  /** A new conversation: sequence numbers from 1, history and acknowledgements forgotten. Must grow. */
  setGeneration(generation: number): void
  /** The engine adds src, srcuuid, seq, hg, ts, ld, ttl and auth. Delivers nothing locally. Never blocks. */
  send(fields: readonly Field[]): 'queued' | 'full'
  /**
   * Answered by one `steps.done`. Additions pass the gate before each of them and after the last: errno ETIME too late,
   * ECANCELED a removal came between, ESTALE JavaScript was late, EOWNERDEAD not written ahead or no guardian, ENOLCK
   * no ownership, ESHUTDOWN this life has ended. Removals always pass.
   */
  runSteps(token: number, steps: readonly AddressStep[], gate: StepGate): 'queued' | 'full'
  /** Addresses that are ours now: their loss and foreign owners become records. Further interfaces: their state does. */
  watchAddresses(addresses: readonly EngineAddress[], interfaces?: readonly string[]): void
  /** All pending records, oldest first. */
  drain(): EngineRecord[]
  snapshot(): EngineSnapshot
  counters(): EngineCounters
  now(): Micros
}
