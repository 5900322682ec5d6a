// Every rule that is broken on purpose, each in a file of its own.

import { armsOnHold } from './arms-on-hold.js'
import { bootsWithoutWaiting } from './boots-without-waiting.js'
import { deadlineFromAnswer } from './deadline-from-answer.js'
import { deafToHeal } from './deaf-to-heal.js'
import { driftIgnored } from './drift-ignored.js'
import { droppedForNobody } from './dropped-for-nobody.js'
import { duplicateIsLife } from './duplicate-is-life.js'
import { epochsUnheard } from './epochs-unheard.js'
import { engineReleaseUnverified } from './engine-release-unverified.js'
import { exchangeForgotten } from './exchange-forgotten.js'
import { fenceAssumed } from './fence-assumed.js'
import { firesOnHold } from './fires-on-hold.js'
import { gaspOfOldGeneration } from './gasp-of-old-generation.js'
import { gaspUnverified } from './gasp-unverified.js'
import { gaspWithAddition } from './gasp-with-addition-in-flight.js'
import { gaspWithScript } from './gasp-with-script-in-flight.js'
import { givenAwayBeforeGasp } from './given-away-before-gasp.js'
import { guardianOfNewerDaemon } from './guardian-of-newer-daemon.js'
import { handoverWithoutLock } from './handover-without-lock.js'
import { leaseOfAnother } from './lease-of-another.js'
import { lossNotMadeGood } from './loss-not-made-good.js'
import { petsTooEarly } from './pets-too-early.js'
import { petsUntilTheEnd } from './pets-until-the-end.js'
import { promiseDuringAcquire } from './promise-during-acquire.js'
import { promiseForgotten } from './promise-forgotten.js'
import { promiseOfEarlierLife } from './promise-of-earlier-life.js'
import { promiseOfNobody } from './promise-of-nobody.js'
import { queueIgnored } from './queue-ignored.js'
import { refreshAfterRelease } from './refresh-after-release.js'
import { releasedBeforeDone } from './released-before-done.js'
import { resumesAfterLapse } from './resumes-after-lapse.js'
import { sleepsOn } from './sleeps-on.js'
import { staleInterface } from './stale-interface.js'
import { staleResultBelieved } from './stale-result-believed.js'
import { stallIsSilence } from './stall-is-silence.js'
import { startWithoutProbe } from './start-without-probe.js'
import { startsWithoutAuthority } from './starts-without-authority.js'
import { stopBudgetIgnored } from './stop-budget-ignored.js'
import { takeWhilePeerHolds } from './take-while-peer-holds.js'
import { takenBackUnasked } from './taken-back-unasked.js'
import { unequalClaims } from './unequal-claims.js'
import { verdictWithoutEcho } from './verdict-without-echo.js'
import { watchdogOfEarlierLife } from './watchdog-of-earlier-life.js'
import type { Mutant } from './mutant.js'
import type { Options } from '../world.js'
import { createCore } from '../../../src/core/core.js'

export type { Mutant } from './mutant.js'

/** For one run. */
export const optionsOf = (mutant: Mutant): Partial<Options> => ({
  mode: mutant.mode, makeCore: mutant.cores?.() ?? createCore, flaws: mutant.flaws ?? [], faults: mutant.faults ?? null,
})

export const mutants: readonly Mutant[] = [
  startWithoutProbe,
  releasedBeforeDone,
  takeWhilePeerHolds,
  handoverWithoutLock,
  takenBackUnasked,
  deafToHeal,
  startsWithoutAuthority,
  sleepsOn,
  staleResultBelieved,
  lossNotMadeGood,
  deadlineFromAnswer,
  stopBudgetIgnored,
  driftIgnored,
  fenceAssumed,
  gaspUnverified,
  gaspWithAddition,
  gaspWithScript,
  gaspOfOldGeneration,
  guardianOfNewerDaemon,
  givenAwayBeforeGasp,
  engineReleaseUnverified,
  staleInterface,
  stallIsSilence,
  duplicateIsLife,
  petsTooEarly,
  refreshAfterRelease,
  droppedForNobody,
  resumesAfterLapse,
  leaseOfAnother,
  promiseForgotten,
  promiseOfNobody,
  promiseOfEarlierLife,
  exchangeForgotten,
  armsOnHold,
  firesOnHold,
  queueIgnored,
  bootsWithoutWaiting,
  unequalClaims,
  watchdogOfEarlierLife,
  petsUntilTheEnd,
  epochsUnheard,
  verdictWithoutEcho,
  promiseDuringAcquire,
]
