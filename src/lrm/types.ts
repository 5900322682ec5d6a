// What the local resource manager takes and gives. Everything here is plain data, so that the
// daemon can translate it to core events and the recorder can write it down.

import type { AddressSpec, MemberConfig } from '../config/model.js'

export type { AddressSpec } from '../config/model.js'

export type AgentClassName = 'heartbeat' | 'lsb' | 'ocf' | 'systemd'

export type AgentAction =
  | 'probe'
  | 'start'
  | 'stop'
  | 'monitor'
  | 'promote'
  | 'demote'
  | 'notify'
  | 'reload'
  | 'reload-agent'
  | 'recover'
  | 'migrate_to'
  | 'migrate_from'
  | 'validate-all'
  | 'meta-data'

/** How the run itself ended, apart from what the agent said. */
export type AgentExecution = 'done' | 'timeout' | 'cancelled' | 'not-installed' | 'error'

export type ResourceState =
  | 'running'
  | 'promoted'
  | 'stopped'
  | 'failed'
  /** The agent or the service manager is still busy with an earlier request. */
  | 'pending'
  | 'unknown'

export interface AgentResult {
  readonly resource: string
  readonly action: AgentAction
  readonly execution: AgentExecution
  /**
   * The action reached its aim: started, stopped, or (probe, monitor) the state is known for sure.
   * A monitor that finds the resource stopped is ok; only `state` says that it should not be so.
   */
  readonly ok: boolean
  /** What is known of the resource now. After a failed start or stop: 'unknown' or 'failed'. */
  readonly state: ResourceState
  /** OCF 190 and 191: works, but asks for attention. */
  readonly degraded: boolean
  readonly exitCode: number | null
  readonly signal: string | null
  /** One sentence for people; null when there is nothing to explain. */
  readonly reason: string | null
  /** At most `outputBytesMax` each, the tail kept, secrets masked. */
  readonly stdout: string
  readonly stderr: string
  readonly queuedMs: number
  readonly durationMs: number
}

/** One agent with all that is needed to call it. `id` names its queue. */
export interface AgentTarget {
  readonly id: string
  readonly class: AgentClassName
  /** Name as written: 'apache', 'IPaddr2', 'nginx.service'. */
  readonly name: string
  /** OCF provider, null for the other classes. */
  readonly provider: string | null
  /** The script; for systemd the unit file. */
  readonly path: string
  /** Positional arguments (heartbeat, lsb). */
  readonly args: readonly string[]
  /** Named parameters (ocf), without the OCF_RESKEY_ prefix. */
  readonly parameters: Readonly<Record<string, string>>
}

export type ResolvedMember =
  | { readonly kind: 'address'; readonly id: string; readonly address: AddressSpec }
  | { readonly kind: 'agent'; readonly id: string; readonly target: AgentTarget }
  | {
      readonly kind: 'unresolved'
      readonly id: string
      readonly reason: string
      /** Every place that was looked at, in order. */
      readonly tried: readonly string[]
    }

/** The part of a configured member that decides which agent it means. */
export type MemberWord = Pick<MemberConfig, 'id' | 'name' | 'args' | 'address' | 'by' | 'ocf'>

/** Folders that hold agents, in the order of search; tests bring their own. */
export interface AgentPlaces {
  readonly heartbeatDirs: readonly string[]
  readonly lsbDirs: readonly string[]
  readonly systemdDirs: readonly string[]
  readonly ocfDir: string
}

/** What a class adds to one run: the node's own name, folders and logging. */
export interface AgentContext {
  readonly nodeName: string
  readonly haDir: string
  /** 0: no limit. */
  readonly timeoutMs: number
  /** Milliseconds; 0 for probes and everything that does not recur. */
  readonly intervalMs: number
  /** Added last, wins: HA_* of the heartbeat class, OCF_CHECK_LEVEL, notify variables. */
  readonly extra: Readonly<Record<string, string>>
  readonly rscTmpDir: string
  /** Private folder of stand-in commands that OCF agents call; null for none. */
  readonly shimDir: string | null
}

export interface AgentStep {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Steps run one after the other under one timeout; the first that fails is the last. */
export type AgentCommand =
  | {
      readonly supported: true
      readonly steps: readonly AgentStep[]
      /** Written first where the content differs; then `reload` runs before the steps. */
      readonly files: readonly { readonly path: string; readonly content: string }[]
      readonly reload: AgentStep | null
    }
  | { readonly supported: false; readonly reason: string }

/** What a finished process left, before anybody judged it. */
export interface RawOutcome {
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface Judgement {
  readonly ok: boolean
  readonly state: ResourceState
  readonly degraded: boolean
  readonly reason: string | null
  readonly execution: 'done' | 'not-installed' | 'error'
}

/** One row of the registry. Pure but for `list`, which reads folders. */
export interface AgentClass {
  readonly name: AgentClassName
  /** Names a user may write after the class name. */
  list(places: AgentPlaces): readonly string[]
  command(target: AgentTarget, action: AgentAction, context: AgentContext): AgentCommand
  interpret(action: AgentAction, raw: RawOutcome): Judgement
}

export interface Operation {
  readonly resource: AgentTarget
  readonly action: AgentAction
  /** Counted from the moment the agent starts, not from queueing; 0: no limit. */
  readonly timeoutMs: number
  /** Added to the environment of the class, e.g. from `heartbeatEnvironment`. */
  readonly env?: Readonly<Record<string, string>>
}

export interface MonitorOperation {
  readonly resource: AgentTarget
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly startDelayMs?: number
  readonly env?: Readonly<Record<string, string>>
  /** The first result and every change; `consecutive` counts equal results before this one. */
  readonly report: (result: AgentResult, previous: MonitorPrevious | null) => void
}

export interface MonitorPrevious {
  readonly result: AgentResult
  readonly consecutive: number
}

/** For `status`: what runs, what waits, what came out last. */
export interface LrmDescription {
  readonly limit: number
  readonly running: number
  readonly resources: readonly ResourceDescription[]
}

export interface ResourceDescription {
  readonly id: string
  readonly agent: string
  /** Parameters with secrets masked. */
  readonly parameters: Readonly<Record<string, string>>
  readonly running: {
    readonly action: AgentAction
    /** Null for the moment between the order and the start. */
    readonly pid: number | null
    readonly sinceMs: number
  } | null
  /** A process that SIGKILL did not end; no operation can run until it goes. */
  readonly stuck: string | null
  readonly queued: readonly AgentAction[]
  readonly monitorIntervalMs: number | null
  readonly last: readonly AgentResult[]
}
