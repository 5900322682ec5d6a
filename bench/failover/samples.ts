// What one try of the benchmark is, and what is kept of it.

export const faults = ['kill', 'killall', 'cut', 'freeze', 'graceful', 'nic', 'link', 'serial'] as const
export type Fault = (typeof faults)[number]

export const faultTexts: Readonly<Record<Fault, string>> = {
  kill: 'the daemons are killed; the address and what answers on it stay',
  killall: 'as kill, and the process that guards the addresses with them',
  cut: 'the switch stops forwarding on every link of the node; it keeps its carrier, as behind a real switch',
  freeze: 'every process of the node stands still',
  graceful: 'the daemon is asked to stop',
  nic: 'the client-side port is down, heartbeats live on the other link',
  link: 'one of two heartbeat links is lost: nothing may move',
  serial: 'only the serial line is left, then the node freezes',
}

export type GroupKind = 'address' | 'service'

export interface TryKey {
  readonly system: string
  readonly fault: Fault
  readonly group: GroupKind
  readonly index: number
}

/** Times in milliseconds from the moment of the fault; null: did not happen, or cannot be said. */
export interface Measured {
  readonly takeoverMs: number | null
  readonly outageMs: number | null
  readonly addedMs: number | null
  /** The address left the node that was broken; absent: not before the heal. */
  readonly goneMs?: number
  readonly arpMs: number | null
  /** The last of many addresses. */
  readonly lastAddedMs?: number | null
  /** The address configured on both nodes, until the heal. */
  readonly twoOwnersMs: number
  /** They were still two when the node was healed. */
  readonly twoUntilHeal: boolean
  /** From the heal: how long a client could have reached either. */
  readonly reachableTwiceMs: number
  /** The prober's own lateness between the fault and the takeover. */
  readonly proberLateMs: number
  readonly faultTookMs: number
}

export interface Sample extends TryKey, Measured {
  readonly kind: 'try'
  readonly at: string
  readonly load: number
  readonly victim: string
  /** A try that says nothing about the system, and why; its times are not counted. */
  readonly voided: string | null
  /** What the engine itself says of this takeover, where it does. */
  readonly engine?: Readonly<Record<string, number>>
}

export const keyOf = (key: TryKey): string => `${key.system}/${key.group}/${key.fault}/${key.index}`

/** Two links or not, nothing may move: a takeover is a failure there. */
export const expectsTakeover = (fault: Fault): boolean => fault !== 'link'
