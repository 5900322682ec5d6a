// Between the guardian's watchdog and the core: when it may be opened, and whether it is petted.
import { servicesUnaccounted } from '../core/takeover/watchdog-word.js'
import type { ClusterConfig } from '../config/model.js'
import type { Core } from '../core/core.js'
import type { Engine } from '../engine/engine.js'
import type { Occurrence } from './shell.js'

export interface WatchdogReportParts {
  readonly config: () => ClusterConfig
  readonly core: () => Core
  readonly engine: () => Engine
  readonly feed: (event: Occurrence) => void
}

export class WatchdogReports {
  readonly #parts: WatchdogReportParts
  #booted = false
  #timeoutUs: number | null = null

  constructor(parts: WatchdogReportParts) {
    this.#parts = parts
  }

  /** What an earlier life may have left running of services that a lease protects; null: nothing. */
  unaccounted(timeoutUs: number): string | null {
    const { splitBrain, lease } = this.#parts.config().twinbeat
    if (splitBrain !== 'lease') return null
    // Nothing was looked at yet.
    if (!this.#booted) return 'every group'
    const how = { now: this.#parts.engine().now(), stopBudgetUs: lease.stopBudgetUs, timeoutUs }
    return servicesUnaccounted(this.#parts.core().snapshot().groups, how)
  }

  changed(timeoutUs: number | null): void {
    this.#timeoutUs = timeoutUs
    if (this.#booted) this.#parts.feed({ type: 'watchdog.changed', timeoutUs })
  }

  /** The core had its first event: before that it is told nothing. */
  booted(): void {
    this.#booted = true
    if (this.#timeoutUs !== null) this.changed(this.#timeoutUs)
  }
}
