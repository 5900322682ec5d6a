// What `status` answers. Every moment is wall time for display or an age in milliseconds; nothing here is
// ever used for a decision.

/** As of at most a second ago with a watchdog, five without. */
export interface GuardianReport {
  readonly state: string
  readonly pid: number
  readonly realtime: boolean
  readonly memoryLocked: boolean
  /** Ways on which last words would go. */
  readonly ways: number
  /** Age of the engine's last sign of life; null: it has not begun. */
  readonly progressUs: number | null
  /** The last link of the chain: main loop, engine, guardian, device. Null: none is configured, or it could not be opened. */
  readonly watchdog: {
    readonly state: 'petted' | 'starving' | 'failed'
    readonly timeoutS: number
    readonly nowayout: boolean
    readonly pettedUs: number | null
  } | null
}

export interface LinkReport {
  readonly name: string
  readonly type: string
  readonly open: boolean
  /** System error why it is not open; empty otherwise. */
  readonly problem: string
  readonly state: 'never' | 'up' | 'down'
  readonly intervalMs: number
  readonly deadtimeMs: number
  readonly lastHeardAgoMs: number | null
  readonly packetsIn: number
  readonly packetsOut: number
  readonly sendErrors: number
  readonly rejected: Readonly<Record<string, number>>
}

export interface NodeReport {
  readonly name: string
  readonly self: boolean
  readonly kind: 'normal' | 'ping'
  /** As judged here. */
  readonly state: 'never' | 'up' | 'late' | 'dead'
  /** As it says itself: init up active; `dead` when declared so here. */
  readonly status: string
  /** What it speaks: `twinbeat`, `heartbeat`, or null while it was never heard. */
  readonly speaks: string | null
  readonly generation: number
  readonly deadtimeMs: number
  readonly lastStatusAgoMs: number | null
  /** How late its engine ran before its last heartbeat, as it said; null of this node and of what does not say it. */
  readonly latenessUs: number | null
  /** The worst that was said in this life of it; of this node since the last start or reload. */
  readonly latenessMaxUs: number | null
  readonly links: readonly {
    readonly name: string
    readonly state: string
    readonly lastHeardAgoMs: number | null
  }[]
}

export interface MemberReport {
  readonly id: string
  readonly kind: 'address' | 'agent'
  /** Class and file of the agent, or interface of the address. */
  readonly runs: string
  readonly state: string
  readonly lastResult: string | null
}

/** What the arbiter says about a group. */
export interface LeaseReport {
  readonly state: string
  readonly token: number | null
  /** Until the deadline of this ownership, stop budget taken off. */
  readonly leftMs: number | null
  /** The arbiter is silent; the peer's promise holds it. */
  readonly byPromise: boolean
  /** For this long this node does not take the group: it promised so, or may have before it was restarted. */
  readonly boundMs: number | null
  readonly problem: string | null
}

export interface ArbiterReport {
  readonly kind: string
  /** Null: nothing was asked yet. */
  readonly reachable: boolean | null
  readonly endpoint: string | null
  readonly lastAnswerAgoMs: number | null
  readonly lastMs: number | null
  readonly problem: string | null
}

export interface GroupReport {
  readonly id: string
  readonly home: string
  readonly addressOnly: boolean
  readonly state: string
  /** Node that holds it as far as is known here; null: nobody, or nobody knows. */
  readonly holder: string | null
  readonly authority: string | null
  /** Null without lease protection. */
  readonly lease: LeaseReport | null
  readonly reason: string
  readonly onHold: boolean
  readonly members: readonly MemberReport[]
}

export interface FenceDeviceReport {
  readonly name: string
  readonly type: string
  /** Empty: the device says itself whom it controls. */
  readonly targets: readonly string[]
  readonly lastTestAgoMs: number | null
  readonly lastGoodAgoMs: number | null
  /** What the last test said if it failed. */
  readonly problem: string | null
}

export interface FencingReport {
  /** Nothing of a dead node is taken before it is fenced. */
  readonly required: boolean
  readonly state: string
  readonly text: string
  /** Incarnation of the other node that surely does not run; null: none. */
  readonly confirmedGeneration: number | null
  readonly devices: readonly FenceDeviceReport[]
}

/** One line of `fence-history`. */
export interface FenceHistoryEntry {
  /** Time of day, for people. */
  readonly at: string
  readonly target: string
  readonly action: string
  readonly outcome: string
  readonly devices: string
  readonly by: string
  readonly reason: string
  readonly text: string
  readonly tookMs: number
}

/** Times in classes, four to each doubling, without the empty ones: shortest of the class and how many. */
export interface GapReport {
  readonly maxUs: number
  readonly classes: readonly (readonly [fromUs: number, count: number])[]
}

/** How long the silences between heartbeats were since the last start or reload: what `tune` judges. */
export interface GapsReport {
  /** 0: the engine has not begun. */
  readonly countedForMs: number
  /** How late the engine's own thread ran. */
  readonly lateness: GapReport
  /** How often it was late because its processor stood, and was moved to another one. */
  readonly rescues: number
  /** How often the other node was asked to wait: the processor stood on which the engine ran, or all did. */
  readonly stands: number
  /** Whichever link brought a heartbeat first. */
  readonly peers: readonly { readonly node: string; readonly kind: 'normal' | 'ping'; readonly gaps: GapReport }[]
  readonly links: readonly { readonly link: string; readonly intervalMs: number; readonly gaps: GapReport }[]
}

export interface StatusReport {
  readonly at: string
  readonly version: string
  readonly node: string
  readonly pid: number
  readonly startedAt: string
  readonly haDir: string
  /** What this node holds, in Heartbeat's words. */
  readonly resources: 'all' | 'local' | 'foreign' | 'none' | 'transition'
  /** Own place in the membership: starting, init, up, active, stopping. */
  readonly membership: string
  readonly operation: string | null
  /** What is left of a maintenance of the pair; null: there is none. */
  readonly maintenanceLeftMs: number | null
  readonly autoFailback: string
  readonly splitBrain: string
  readonly stopFailure: string
  readonly acceptedWithout: readonly string[]
  readonly generation: number
  readonly uuid: string
  readonly realtime: boolean
  readonly logLinesDropped: number
  /** The process that lets go of the addresses when the daemon cannot; null: there is none, nothing can be taken. */
  readonly guardian: GuardianReport | null
  readonly timing: {
    readonly keepaliveMs: number
    readonly deadtimeMs: number
    readonly warntimeMs: number
    readonly initdeadMs: number
  }
  readonly gaps: GapsReport
  readonly nodes: readonly NodeReport[]
  readonly links: readonly LinkReport[]
  readonly groups: readonly GroupReport[]
  /** Null: none is configured. */
  readonly arbiter: ArbiterReport | null
  readonly fencing: FencingReport
  /** `same`, or which files differ from the peer's; null: the peer has not said. */
  readonly peerFiles: string | null
  /** Standing warnings: protection that is missing, a peer that cannot read us. */
  readonly warnings: readonly string[]
  /** Values of ha.cf as written or default, for `cl_status hbparameter`. */
  readonly parameters: Readonly<Record<string, string>>
}
