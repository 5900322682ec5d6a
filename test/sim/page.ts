// The page that the daemon shares with its guardian, and what the mutants may do wrong below the core.

import type { GroupHolding } from '../../src/engine/authority.js'

/** Rules of engine, guardian, devices and arbiter that a mutant breaks. */
export type Flaw =
  | 'gasp-unverified' // sent after the first removal, before everything that was under way has ended
  | 'gasp-in-flight' // sent although the kernel still has an addition to carry out
  | 'gasp-while-busy' // sent although a script of the group is under way, or the group has services
  | 'gasp-of-old-generation' // taken for one of the life that is known
  | 'gasp-not-held' // for every group that was ever written ahead
  | 'guardian-late' // no lock between an old guardian and a new daemon
  | 'stale-interface' // plans are not voided by a changed interface
  | 'no-terminal' // JavaScript goes on after the lapse
  | 'refresh-after-release' // queued refreshes are not voided
  | 'pets-too-early' // a new life pets although the last one's services are not accounted for
  | 'pets-until-the-end' // of an ownership: the watchdog's own time is not counted
  | 'stall-is-silence' // judged before the socket buffers are read
  | 'queue-ignored' // the same after a moment too short to be called a stall
  | 'duplicate-is-life'
  | 'deadline-from-answer'
  | 'no-stop-budget'
  | 'drift-ignored'
  | 'fence-assumed' // a device that did not answer counts as confirmed
  | 'release-unverified' // the engine's own release is announced before it is done
  | 'progress-without-peer' // frozen for a moment: dropped although nobody is there to take

export interface PageGroup {
  readonly slot: number
  readonly name: string
  digest: string
  kind: 'address' | 'service'
  addresses: readonly string[]
  services: readonly string[]
  holding: GroupHolding
  /** Taken by the engine itself; the core has not said that it holds it, so nothing is said in its name. */
  unclaimed: boolean
  /** The engine has let go by then, or the guardian does. */
  releaseBy: number | null
  /** The watchdog is petted until then, as long as a service of the group is not released. */
  petUntil: number | null
}

export interface Page {
  readonly groups: Map<string, PageGroup>
  /** Last sign of life of the engine. */
  progressAt: number
  freezeUs: number
  /** A planned restart: nothing is removed until then. */
  keepUntil: number | null
  generation: number
}

export const nothingHeld: GroupHolding = { held: false, claimEpoch: 0, peerReady: false, agentBusy: false, leaving: false }

export const emptyPage = (generation: number, freezeUs: number): Page =>
  ({ groups: new Map(), progressAt: 0, freezeUs, keepUntil: null, generation })
