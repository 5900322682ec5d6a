// The part of the engine's door that is about holding and letting go: what this node could ever add (written
// ahead), armed plans, the controller lease, ownership that ends by itself, and the guardian. The rules behind
// it: a take needs an authority at the moment of acting; letting go needs none and works without JavaScript.
import type { Micros } from '../core/base/ids.js'
import type { AddressStep, EngineAddress } from './engine.js'

/** Groups of one node; the index of a group is its place in the shared page and its plan slot. */
export const groupsMax = 64

/** Everything of one group that this node could ever add: its removal is written ahead, for engine and guardian. */
export interface EngineGroup {
  /** 0..groupsMax-1, the same for a group name as long as the daemon lives. */
  readonly index: number
  readonly name: string // at most 127 bytes
  readonly digest: string // of the definition, at most 64 bytes
  /**
   * `address`: nothing but addresses that the engine adds. `killed`: services too, all of them processes that the guardian
   * ends with the daemon. Only these two have last words.
   */
  readonly kind: 'address' | 'service' | 'killed'
  readonly addresses: readonly EngineAddress[]
}

/** What is true of a group now; replaces what was said before. */
export interface GroupHolding {
  /** May be held: from before the first start until after the verified release. */
  readonly held: boolean
  readonly claimEpoch: number
  /** A live peer said that it could take this group. Without it the engine and the guardian do not let go early. */
  readonly peerReady: boolean
  /** An agent action of the group is in flight: no last gasp. */
  readonly agentBusy: boolean
  /**
   * With `held`: this node ends and lets go of the group for good. The engine removes the addresses of an address-only
   * group at once, looks, and says so to the other node, which may take it without waiting for anybody's JavaScript.
   */
  readonly leaving: boolean
}

export type AuthorityKind = 'agreed' | 'held' | 'fence' | 'lease' | 'handover' | 'gasp' | 'accept' | 'operator'

/** The authority as the engine judges it again at the claim and after the last step. */
export interface PlanAuthority {
  readonly kind: AuthorityKind
  /** Incarnation of the peer that it is about; 0: none. */
  readonly peerGeneration: number
  /** No step from then on; null: no deadline. */
  readonly notAfterUs: Micros | null
}

/**
 * Finished steps for one group, additions only; nothing is computed when it fires. The slot is the group's index.
 * `epoch` grows from plan to plan of a slot. Every removal in the slot (`runSteps`) voids a plan that is armed.
 */
export interface TakePlan {
  readonly slot: number
  /** Of the plan, never reused in a process; the engine keeps it in the slot word. */
  readonly epoch: number
  /**
   * `staged`: only by `firePlan`. `peer-dead`: also by itself, as soon as exactly this incarnation of the peer is judged
   * dead and nothing else forbids it; what forbids it is looked at again in every cycle, without a record.
   */
  readonly condition: 'staged' | 'peer-dead'
  readonly peer: { readonly node: string; readonly generation: number } | null
  /** Goes off by itself also on this incarnation's last words about the claim with this epoch; 0: it does not. */
  readonly gaspEpoch: number
  /** The group's ownership (`renewOwnership`) must be valid as well. */
  readonly needsOwnership: boolean
  readonly steps: readonly AddressStep[]
}

export type Guard =
  | 'late' // our own lateness is above the stall limit
  | 'peer-incarnation'
  | 'controller' // JavaScript has not renewed its lease
  | 'peer-alive' // a fresh status on some link
  | 'interface' // a named interface is gone, recreated or down
  | 'ownership'
  | 'guardian' // not there, or has not acknowledged the write-ahead
  | 'expired' // notAfterUs
  | 'voided' // a release came between

export type AuthorityRecord = { readonly at: Micros } & (
  | {
      readonly type: 'plan.fired'
      readonly slot: number
      readonly epoch: number
      readonly detectedAt: Micros
      readonly firstAddressAt: Micros | null
      readonly firstAnnounceAt: Micros | null
      readonly results: readonly { readonly index: number; readonly errno: number }[]
    }
  | { readonly type: 'plan.withheld'; readonly slot: number; readonly epoch: number; readonly guard: Guard }
  /** `withhold`: no takes until renewed. `release`: terminal, everything that may be is released and we are silent. */
  | { readonly type: 'controller.lapsed'; readonly stage: 'withhold' | 'release' | 'reset'; readonly lateUs: number }
  /** Addresses of the group are verified absent; by the engine after a lapse or at the end of an ownership. */
  | { readonly type: 'group.released'; readonly slot: number; readonly claimEpoch: number; readonly ok: boolean }
  | { readonly type: 'ownership.expired'; readonly slot: number }
  /** The other node's last words about one group: its addresses are gone there, verified. */
  | {
      readonly type: 'gasp'
      readonly node: string
      readonly generation: number
      readonly group: string
      readonly claimEpoch: number
      readonly digest: string
    }
  /** `revision` of `setGroups` that the guardian holds now; from then on those addresses may be added. */
  | { readonly type: 'guardian.ready'; readonly revision: number }
  | { readonly type: 'guardian.lost' }
)

/** What an ordinary addition (`runSteps`) acts under: refused natively when it is not true any more. */
export interface StepGate {
  /** Of the group that the steps belong to; null: of none. */
  readonly slot: number | null
  /** No addition from then on. */
  readonly notAfterUs: Micros | null
}

export interface ControllerLimits {
  /** No takes when JavaScript has not renewed for this long. */
  readonly withholdUs: number
  /** Address-only groups are released, and we fall silent, if a peer is ready for them or an ownership is in force. */
  readonly releaseUs: number
  /** 0: never. Release, and no more petting of the watchdog. */
  readonly resetUs: number
  /** Guardian: no progress of the engine for this long counts as frozen. */
  readonly freezeUs: number
  /** Everything of a group has stopped so long after the deadline of its ownership; half of it is the guardian's. */
  readonly stopBudgetUs: number
}

export interface AuthorityCalls {
  /** Who the guardian is and the page shared with it; before `start`. Without it nothing can be taken. */
  attachGuardian(guardian: { readonly pageFd: number; readonly socketFd: number }): void
  setLimits(limits: ControllerLimits): void
  /** Write-ahead; answered by `guardian.ready`. A group that left the list keeps its removal until it is not held. */
  setGroups(revision: number, groups: readonly EngineGroup[]): void
  setHolding(slot: number, holding: GroupHolding): void
  /** Publish a plan; the steps are those of a group that was written ahead. */
  armPlan(plan: TakePlan): 'armed' | 'busy' | 'invalid' | 'unguarded'
  /** Final when it returns; `firing` is followed by exactly one `plan.fired` or `plan.withheld`. */
  disarmPlan(slot: number, epoch: number): 'disarmed' | 'fired' | 'firing' | 'unknown'
  /**
   * Only marks; claimed in the engine's judging step under the guards that this authority needs. Each mark is answered
   * by exactly one `plan.fired` or `plan.withheld`, unless the plan was `disarmed` before: then nothing follows. After
   * `plan.withheld` the plan is armed still and waits for another mark. `fired`: it has gone off by itself, and the
   * record of that is the answer. From then on the group counts as held; `setHolding` with `held` takes it over, and what
   * is not taken over within two seconds, although JavaScript runs, is released again.
   */
  firePlan(slot: number, epoch: number, authority: PlanAuthority): 'marked' | 'fired' | 'unknown'
  /**
   * Sign of life of JavaScript; the lease begins with the first. Throws TB_LAPSED once this life has ended: the engine
   * has released and is silent for good. So does every call that takes or speaks; what only lets go or looks does not.
   */
  renewController(): void
  /**
   * deadlineAtUs from before the request; refused if past, too far away, or with a lower token. null ends it. It must
   * lie at least 1.25 s before the moment from which another node may own the group: so late may the kernel be with
   * the lifetimes that follow from it.
   */
  renewOwnership(slot: number, token: number, deadlineAtUs: Micros | null): 'renewed' | 'refused'
}
