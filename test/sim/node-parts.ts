// What a simulated node is made of, and whom it tells what.

import type { Prng } from '../../src/core/base/prng.js'
import type { ArbiterRunEffect, Effect, FenceRunEffect, PlanArmEffect } from '../../src/core/effects.js'
import type { Core } from '../../src/core/core.js'
import type { Authority, CoreConfig, Field } from '../../src/core/types.js'
import type { Clock } from './clock.js'
import type { Gasp, Status } from './engine.js'
import type { ArbiterAnswer } from './etcd.js'
import type { SimEvent } from './events.js'
import type { FenceAnswer } from './fence-device.js'
import type { ActReason } from './guardian.js'
import type { NativeEngineParts, NativeSimEngine } from './native-engine.js'
import type { SimNode } from './node.js'
import type { Flaw, PageGroup } from './page.js'

export type MakeCore = (config: CoreConfig, prng: Prng) => Core

export interface ClaimedHow { readonly interfaceIncarnation: number; readonly byItself: boolean }

export interface NodeObserver {
  event(node: SimNode, event: SimEvent): void
  /** The engine says so now; the core may hear of it later. */
  record(node: SimNode, event: SimEvent): void
  effect(node: SimNode, effect: Effect): void
  claims(node: SimNode, plan: PlanArmEffect, authority: Authority, how: ClaimedHow): void
  /** The machine goes down. */
  down(node: SimNode): void
  /** What runs on a machine changed. */
  truth(): void
  guardian(node: SimNode, reason: ActReason | 'watchdog'): void
  gasp(node: SimNode, group: PageGroup, by: 'guardian' | 'engine', generation: number): void
  /** By the guardian of the life with that number. */
  removes(node: SimNode, group: PageGroup, life: number): void
}

export interface NodeWires {
  heartbeat(from: SimNode, status: Status): void
  message(from: SimNode, fields: readonly Field[], generation: number): void
  /** Of a native engine. */
  packet(from: SimNode, bytes: Uint8Array): void
  gasp(from: SimNode, gasp: Gasp): void
  arbiter(from: SimNode, order: ArbiterRunEffect, done: (answer: ArbiterAnswer) => void): void
  fence(from: SimNode, order: FenceRunEffect, done: (answer: FenceAnswer) => void): void
}

/** What the node is made of, besides its core. */
export interface NodeBuild {
  readonly index: 0 | 1
  readonly config: CoreConfig
  readonly world: Clock
  readonly prng: Prng
  readonly rate: number
  readonly makeCore: MakeCore
  /** What its heartbeats say of it; null: a real heartbeat, which has neither engine nor guardian of ours. */
  readonly twinbeat: string | null
  readonly flaws: ReadonlySet<Flaw>
  readonly limits: NodeLimits
  /** Null: the engine is simulated too. */
  readonly nativeEngine: ((parts: NativeEngineParts) => NativeSimEngine) | null
}

export interface NodeLimits {
  readonly withholdUs: number
  readonly releaseUs: number
  readonly freezeUs: number
  readonly stopBudgetUs: number
  /** 0: no watchdog. */
  readonly watchdogUs: number
  readonly killsServices: boolean
}
