// The validated configuration of one cluster, as every other part sees it. Plain data: every field
// is always present (`null`, never absent), names keep their unit last, nothing here can be invalid
// once `loadConfig` returned it. This file holds types only and imports nothing but core types.

import type { ProfileName } from './profiles.js'
import type { GroupId, Micros, NodeId } from '../core/base/ids.js'

/** A place in a configuration file. Line and column count from 1; line 0 means the whole file. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

export type Severity = 'error' | 'warning' | 'info'

/** One finding about the configuration. `text` is the source line as written. */
export interface Diagnostic {
  readonly severity: Severity
  readonly code: string
  readonly file: string
  readonly line: number
  readonly column: number
  readonly text: string
  readonly message: string
  readonly hint: string | null
}

/** An address the engine can add by itself. `null` interface: chosen by the route to the address. */
export interface AddressSpec {
  readonly family: 4 | 6
  readonly address: string
  /** Prefix length; null: taken from the route to the address. */
  readonly prefix: number | null
  readonly interface: string | null
  readonly label: string | null
  readonly broadcast: string | null
}

export interface Timing {
  readonly keepaliveUs: Micros
  readonly deadtimeUs: Micros
  readonly warntimeUs: Micros
  readonly initdeadUs: Micros
  readonly deadpingUs: Micros
  readonly maxRexmitDelayUs: Micros
}

export type AutoFailback = 'on' | 'off' | 'legacy'

export type AuthMethod = 'crc' | 'md5' | 'sha1' | 'sha256'

/**
 * `key` is null for crc only; one character per byte of the file (latin1). It is a secret: never logged,
 * never part of a diagnostic.
 */
export interface AuthKey {
  readonly index: number
  readonly method: AuthMethod
  readonly key: string | null
}

export interface AuthConfig {
  readonly signIndex: number
  readonly keys: readonly AuthKey[]
}

/** `name` is what peers and operators see (interface, device or host name); `id` is unique. */
interface LinkBase {
  readonly id: string
  readonly name: string
  readonly at: Position
}

export interface BcastLink extends LinkBase {
  readonly type: 'bcast'
  readonly interface: string
  readonly port: number
}
export interface UcastLink extends LinkBase {
  readonly type: 'ucast' | 'ucast6'
  readonly interface: string
  readonly address: string
  readonly port: number
}
export interface McastLink extends LinkBase {
  readonly type: 'mcast' | 'mcast6'
  readonly interface: string
  readonly group: string
  readonly port: number
  readonly ttl: number
  readonly loop: boolean
}
export interface SerialLink extends LinkBase {
  readonly type: 'serial'
  readonly device: string
  readonly baud: number
}
/** A ping node is a node of type ping whose only link has the same name. */
export interface PingLink extends LinkBase {
  readonly type: 'ping' | 'ping6' | 'ping_group'
  readonly hosts: readonly string[]
}
export type LinkConfig = BcastLink | UcastLink | McastLink | SerialLink | PingLink

/** What an `agent NAME ocf:PROVIDER:TYPE key=value...` line gives to a haresources word. */
export interface OcfAgentConfig {
  readonly name: string
  readonly provider: string
  readonly type: string
  readonly params: readonly (readonly [name: string, value: string])[]
  readonly at: Position
}

/** One device that can switch nodes off. Types and programs are known to src/fence. */
export interface FenceDeviceConfig {
  readonly name: string
  readonly type: string
  /** Null: the device says itself which hosts it controls. `as`: what it calls the node, null: as the cluster does. */
  readonly targets: readonly { readonly node: NodeId; readonly as: string | null }[] | null
  readonly parameters: readonly (readonly [name: string, value: string])[]
  /** Values of the one-line form of ha.cf, in the order that the plugin says; null: `parameters` count. */
  readonly positional: readonly string[] | null
  /** Values that must never be shown. */
  readonly secrets: readonly string[]
  readonly timeoutUs: Micros | number
  readonly tries: number
  readonly testEveryUs: Micros | number
  readonly at: Position
}

export interface FencingSettings {
  readonly devices: readonly FenceDeviceConfig[]
  /** In ascending order for each target. */
  readonly levels: readonly { readonly target: NodeId; readonly devices: readonly string[] }[]
  readonly action: 'reboot' | 'off'
  readonly delays: readonly { readonly target: NodeId; readonly delayUs: Micros }[]
  readonly randomDelayUs: Micros
  readonly priorityDelayUs: Micros
  readonly weights: readonly { readonly group: string; readonly weight: number; readonly at: Position }[]
}

export interface MemberConfig {
  /** Unique within its group; the word as written, `#2` and so on appended to a repeated one. */
  readonly id: string
  /** Agent name (`IPaddr` for a bare address) and its arguments, action not included. */
  readonly name: string
  readonly args: readonly string[]
  /** The word of haresources exactly as written. */
  readonly word: string
  /** The address this member stands for, whoever configures it; null for any other service. */
  readonly address: AddressSpec | null
  /** `engine`: `address` is added by netlink. `agent`: a program is run. */
  readonly by: 'engine' | 'agent'
  readonly ocf: OcfAgentConfig | null
  readonly at: Position
}

export interface GroupConfig {
  readonly key: GroupId
  readonly home: NodeId
  readonly members: readonly MemberConfig[]
  readonly monitor: MonitorConfig | null
  /** When the address comes up: where it stands in the line, after everything else, or at once but closed to new connections. */
  readonly addressOrder: AddressOrder
  /** Digest of the definition (home, members, agents); equal text, equal digest on both nodes. */
  readonly digest: string
  readonly at: Position
}

export type AddressOrder = 'first' | 'last' | 'blocked'

export interface MonitorConfig {
  readonly everyUs: Micros
  readonly failures: number
}

export interface RespawnConfig {
  readonly user: string
  readonly path: string
  readonly args: readonly string[]
  /** This machine is reset when it dies abnormally. */
  readonly failfast: boolean
  readonly at: Position
}

export interface ApiAuthConfig {
  readonly client: string
  readonly uids: readonly string[]
  readonly gids: readonly string[]
}

export interface LogConfig {
  readonly logfile: string | null
  readonly debugfile: string | null
  /** Syslog facility; null: no syslog. With none of the three set, it is `daemon`. */
  readonly facility: string | null
  readonly debug: number
  /** False: silent on malformed and unauthentic packets. */
  readonly badPackets: boolean
  readonly format: 'text' | 'json'
}

/** The hardware timer that resets this machine when nothing pets it. */
export interface WatchdogConfig {
  readonly device: string
  readonly timeoutS: number
}

export interface ProcessConfig {
  readonly realtime: boolean
  readonly realtimePriority: number
  readonly coredumps: boolean
  readonly coreroot: string | null
}

export interface IdentityConfig {
  readonly cluster: string
  readonly generationMethod: 'file' | 'time'
  readonly uuidFrom: 'file' | 'nodename'
  /** `classic` adds the inner `auth` field that a real node's serial writer reuses. */
  readonly messageFormat: 'classic' | 'netstring'
}

/** A third place that grants each group to one node at a time. */
export interface ArbiterSettings {
  readonly kind: 'etcd'
  readonly endpoints: readonly string[]
  /** Begins every key; ends with a slash. */
  readonly prefix: string
  readonly user: string | null
  readonly passwordFile: string | null
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
  readonly at: Position
}

export interface LeaseSettings {
  readonly ttlUs: Micros
  readonly renewUs: Micros
  readonly timeoutUs: Micros
  readonly driftPpm: number
  readonly stopBudgetUs: Micros
}

/** Everything only twinbeat.cf can say, defaults filled in. */
export interface TwinbeatSettings {
  readonly addressAgent: 'native' | 'script'
  readonly watchdogTimeoutUs: Micros
  readonly stopFailure: 'reset' | 'block' | 'fence'
  /** Attempts to stop before a stop has failed; 0: for ever. */
  readonly stopRetryMax: number
  /** What protects the data when the nodes cannot talk to each other. */
  readonly splitBrain: 'accept' | 'fence' | 'lease'
  /** True: `split_brain` was not written, ha.cf without stonith implies it. */
  readonly splitBrainImplied: boolean
  /** Null: none is configured. */
  readonly arbiter: ArbiterSettings | null
  readonly lease: LeaseSettings
  readonly resetCommand: { readonly path: string; readonly args: readonly string[] } | null
  /** 0 means no limit in the three agent timeouts. */
  readonly startTimeoutUs: Micros
  readonly stopTimeoutUs: Micros
  readonly statusTimeoutUs: Micros
  readonly handoverWaitUs: Micros
  readonly grantWaitUs: Micros
  /** Addresses held are announced again at this interval; 0: only when taken. */
  readonly announceRefreshUs: Micros
  /** Heartbeat times by name; null: what ha.cf says. */
  readonly profile: ProfileName | null
  /** Interfaces that an operator named; the others that carry addresses are tracked beside a twinbeat peer. */
  readonly tracks: readonly { readonly interface: string; readonly on: boolean }[]
  /** Groups whose services the guardian ends with the daemon. */
  readonly guardianKill: readonly string[]
  readonly serialLock: boolean
  readonly controlGroup: string
  readonly agents: readonly OcfAgentConfig[]
}

/** Things an operator can agree to run without, by `--accept-without`. */
export type Acceptable = 'stonith' | 'stonith_host' | 'watchdog' | 'failfast' | 'ipfail' | 'dopd'

export interface FileDigests {
  readonly haCf: string
  readonly authkeys: string
  readonly haresources: string
  /** Null: no such file. */
  readonly twinbeatCf: string | null
}

export interface ClusterConfig {
  readonly self: NodeId
  /** All normal nodes in the order of ha.cf, self included, ping nodes not. */
  readonly nodes: readonly NodeId[]
  readonly timing: Timing
  readonly hopfudge: number
  /** Port of the last `udpport` line, or the default. Each UDP link carries its own. */
  readonly udpPort: number
  readonly autoFailback: AutoFailback
  readonly auth: AuthConfig
  readonly links: readonly LinkConfig[]
  readonly groups: readonly GroupConfig[]
  readonly respawn: readonly RespawnConfig[]
  readonly apiauth: readonly ApiAuthConfig[]
  readonly log: LogConfig
  readonly process: ProcessConfig
  readonly watchdog: WatchdogConfig | null
  readonly identity: IdentityConfig
  readonly env: readonly (readonly [name: string, value: string])[]
  /** Every option directive with its value as written or default: `HA_<name>` for scripts. */
  readonly directives: readonly (readonly [name: string, value: string])[]
  readonly twinbeat: TwinbeatSettings
  readonly fencing: FencingSettings
  readonly acceptedWithout: readonly Acceptable[]
  readonly files: FileDigests
}

/** What the file access says about one file. `mode` holds the permission bits. */
export type FileResult =
  | { readonly ok: true; readonly text: string; readonly mode: number; readonly mtimeMs: number }
  | { readonly ok: false; readonly errorCode: string }

/** Facts about this machine, for checks that the text alone cannot answer. */
export interface HostFacts {
  readonly interfaces: readonly string[]
  deviceKind(path: string): 'character' | 'other' | 'missing'
  /** What the hosts file of this machine knows a name as; null if nothing. */
  resolve(name: string, family: 4 | 6): string | null
  userExists(name: string): boolean
  isExecutable(path: string): boolean
  /** Why no control groups (version 2) can be made here; null: they can, or nobody has looked. */
  readonly controlGroupProblem?: string | null
}

export interface LoadInput {
  readonly haDir: string
  /** Own node name: `--name`, else nodeinfo, else `uname -n`. */
  readonly self: string
  readonly readFile: (path: string) => FileResult
  /** Digest of a text as lower-case hex; the same function on both nodes. */
  readonly hash: (text: string) => string
  /** Names given with `--accept-without`. */
  readonly acceptWithout: readonly string[]
  /** Port of service `ha-cluster/udp` in the services database, null if it is not there. */
  readonly servicePort: number | null
  /** Null: interfaces and devices are not checked. */
  readonly host: HostFacts | null
}

/** `config` is null if and only if a diagnostic has severity `error`. */
export interface LoadResult {
  readonly config: ClusterConfig | null
  readonly diagnostics: readonly Diagnostic[]
}
