// What a scenario needs of a cluster daemon, whichever of the two kinds it is.

export type Holding = 'all' | 'local' | 'foreign' | 'none' | 'transition'
export type Share = 'all' | 'local' | 'foreign'

export interface Daemon {
  readonly kind: 'heartbeat' | 'twinbeat'
  /** Returns when the daemon has been started, not when it has joined. */
  start(): Promise<void>
  /** Graceful; returns when every process of it has gone. */
  stop(): Promise<void>
  /** SIGKILL of every process of the daemon, by pid; what it configured stays. */
  kill(): Promise<void>
  isRunning(): Promise<boolean>
  /** What the daemon itself says it holds; null when it does not answer. */
  holding(): Promise<Holding | null>
  /** The state of a node in the eyes of this one: init, up, active, dead; null without an answer. */
  statusOf(node: string): Promise<string | null>
  standby(what: Share): Promise<void>
  takeover(what: Share): Promise<void>
  /** What an operator types inside the node to see its state. */
  statusCommand(): readonly string[]
  /** Everything logged so far, over all runs. */
  log(): string
}
