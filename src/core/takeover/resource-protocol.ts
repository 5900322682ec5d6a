// The resource protocol of haresources clusters, beside a real heartbeat node (modes on and off).
//
//   init -> starting (sent `starting`) -> both-starting (got `starting` too) -> received (any `resource`)
//        -> stable -> shutdown
// A node is stable once the other says that it is, or ten seconds after the first report; only then it
// takes its own groups. `mine` is what this node answers for: reconcile() takes what is missing of it and
// gives what is not. Unlike the original, reports tell what may be held here, not what is hoped for; and
// nothing is ever reported as released before it is.

import type { Context } from '../context.js'
import { seqOf, word } from '../context.js'
import type { Authority, Field, HoldWord } from '../types.js'
import type { Door, Verdict } from './authorise.js'
import { Doubts } from './doubts.js'
import type { Group, Outcome } from './group.js'
import type { Standby } from './standby.js'
import {
  allBits, bitsOf, covers, noBits, sides, wordOf, type Bits, type Side, type What, type World,
} from './world.js'

type Stage = 'init' | 'starting' | 'both-starting' | 'received' | 'stable' | 'shutdown'
type StageReason =
  | 'joined' | 'peer-starting' | 'report-received' | 'peer-stable' | 'ten-seconds' | 'peer-gone'
  | 'operator-stop' | 'new-conversation' | 'twinbeat-peer' | 'legacy-mode'

/** Fixed in the original: how long two starting nodes wait for each other. */
const bothStartingUs = 10_000_000
/** The original goes standby this long after a group did not start. */
const startFailureUs = 30_000_000
/** After an attempt that the peer left without an answer. */
const failbackLaterUs = 10_000_000
const failbackRetryUs = 1_000_000

export const settleTimer = 'resource.settle'
export const failbackTimer = 'resource.failback'
export const failureTimer = 'resource.failure'

const union = (one: Bits, other: Bits): Bits => ({
  local: one.local || other.local, foreign: one.foreign || other.foreign,
})

export class ResourceProtocol {
  stage: Stage = 'init'
  mine: Bits = noBits
  /** What the peer said it holds, from its point of view; null: nothing since it (re)started. */
  other: Bits | null = null
  otherStable = false
  /** How things stood before the peer's death was judged; a partition's heal may have to go back to it. */
  #beforeDeath: { mine: Bits; other: Bits | null; otherStable: boolean } | null = null
  #tookByDeath = false
  #announceOwn = false
  #announceMachDown = false
  #waited = false
  #owesReport = false
  /** Number of the newest report of this life of the peer; older ones arrive late and say nothing. */
  #reportSeq = 0
  #partial: { readonly hold: Bits; readonly seq: number } | null = null
  /** Said by a peer that was held for dead. */
  #heardDead: Bits | null = null
  /** What the last report said. */
  #said: HoldWord | null = null
  #published: HoldWord | null = null
  readonly doubts: Doubts
  door: Door | null = null
  /** A group is taken while nobody else is there to be asked. */
  onTakenAlone: (group: Group) => void = () => undefined
  /** A word of the peer forbids this take although the peer is held for dead. */
  vetoes: (group: Group) => boolean = () => false

  constructor(
    private readonly ctx: Context,
    private readonly world: World,
    private readonly standby: Standby,
  ) {
    this.doubts = new Doubts(ctx, world, standby, this)
  }

  /** Legacy mode knows none of these messages. */
  get #speaks(): boolean {
    return this.ctx.config.autoFailback !== 'legacy'
  }

  // ------------------------------------------------------------------------------------------- reports

  /** What may be held here right now. An empty half counts as held while we answer for it. */
  get stable(): boolean {
    return this.stage === 'stable'
  }

  /** Both nodes have said what they hold, and both stand by it. */
  get quiet(): boolean {
    return this.stable && this.otherStable && this.other !== null
  }

  get held(): Bits {
    return { local: this.#holds('local'), foreign: this.#holds('foreign') }
  }

  get snapshotWord(): HoldWord | 'transition' {
    const busy = [...this.world.groups.values()].some((group) => !group.atRest)
    if (busy || !this.world.joined || this.standby.running) return 'transition'
    if (!this.world.peerIsTwinbeat && this.stage !== 'stable') return 'transition'
    return wordOf(this.held)
  }

  #holds(side: Side): boolean {
    const groups = this.world.groupsOf(side)
    if (groups.some((group) => group.mayHold || group.takenByEngine)) return true
    // A take that waits its turn is claimed already; one that failed for good, or lacks its authority, is not.
    const claimed = (group: Group): boolean =>
      !group.failed && !this.#lacksAuthority(group) && this.world.ordered(group.id) === null
    return this.mine[side] && !this.world.stopping && (groups.length === 0 || groups.some(claimed))
  }

  #lacksAuthority(group: Group): boolean {
    return this.ctx.config.protection !== 'accept' && !('authority' in this.grantFor(group))
  }

  report(info: string | null = null, stable = this.stage === 'stable' && !this.standby.running): void {
    if (!this.#speaks) return
    const words: [string, string][] = [
      ['rsc_hold', wordOf(this.held)], ['rtype', 'full'], ['isstable', stable ? '1' : '0'],
    ]
    if (info !== null) words.push(['info', info])
    this.#said = wordOf(this.held)
    this.ctx.send('resource', words)
    if (this.stage === 'starting' || this.stage === 'both-starting') this.#received()
  }

  // ------------------------------------------------------------------------------------------ messages

  message(t: string, fields: readonly Field[]): void {
    if (!this.#speaks || this.world.stopping) return
    if (t === 'starting') this.#starting()
    if (t === 'resource') this.#resource(fields)
  }

  #starting(): void {
    this.otherStable = false
    if (this.stage === 'starting') this.#enter('both-starting', 'peer-starting')
    if (this.stage === 'init') this.#owesReport = true
    else this.report()
  }

  #resource(fields: readonly Field[]): void {
    const hold = bitsOf(word(fields, 'rsc_hold'))
    const seq = seqOf(fields)
    if (hold === null || (seq !== null && seq < this.#reportSeq)) return
    this.doubts.heard()
    const full = word(fields, 'rtype') === 'full' || wordOf(hold) === 'none'
    // A node that stops or stands by reports the end before its scripts have begun; `shutdone` and `done` are
    // the words that count.
    const releasing = word(fields, 'info') === 'shutdown' || word(fields, 'info') === 'standby'
    if (releasing) this.otherStable = false
    else if (full) this.#fullReport(hold, seq)
    else this.#partial = { hold, seq: seq ?? 0 }
    if (releasing || full) this.#reportSeq = Math.max(this.#reportSeq, seq ?? 0)
    if (!full && !releasing && this.other !== null) this.other = union(this.other, hold)
    if (this.stage === 'starting' || this.stage === 'both-starting') this.#received()
    const stable = word(fields, 'isstable')
    if (stable === '0') this.otherStable = false
    // A starting peer that never heard from this life what it holds would take its own groups in the end.
    const untold = this.#said === null && this.stage !== 'init' && wordOf(this.held) !== 'none'
    if (untold && !this.#mustClear()) this.report()
    if (stable === '1' && !this.otherStable) {
      this.otherStable = true
      // Leftovers that the peer claims are stopped first: the answer then tells the truth without alarm.
      if (this.stage !== 'init' && !this.#mustClear()) this.report()
      this.#checkFailback()
    }
    if (this.#waiting && (this.otherStable || this.#waited)) this.#stabilise('peer-stable')
  }

  /** A full report may arrive after the partial one that was said later. */
  #fullReport(hold: Bits, seq: number | null): void {
    const later = this.#partial !== null && seq !== null && this.#partial.seq > seq ? this.#partial.hold : noBits
    this.other = union(hold, later)
  }

  // --------------------------------------------------------------------------------------- life of the peer

  joined(): void {
    this.#waited = false
    this.#said = null
    this.#enter('starting', 'joined')
    if (this.#speaks) this.ctx.send('starting')
    // The peer asked before we took part: without an answer it would take what we may hold.
    if (this.#owesReport && !this.world.alone) this.report()
    this.#owesReport = false
    if (this.world.alone) this.takeAll()
  }

  /** The peer is gone: everything is ours, under `accept` after a death, `agreed` after a farewell. */
  peerGone(): void {
    const heldNothing = !this.world.peerIsTwinbeat && this.other !== null && wordOf(this.other) === 'none'
    this.#beforeDeath ??= { mine: this.mine, other: this.other, otherStable: this.otherStable }
    if (this.world.peer?.dead === true) {
      const unneeded = this.world.peer.left || (this.world.peer.heard && heldNothing)
      this.ctx.send('stonith', [['node', this.world.peer.id], ['result', unneeded ? 'unneeded' : 'n_stnth']])
    }
    this.#heardDead = null
    this.other = noBits
    this.otherStable = true
    if (this.world.joined && !this.world.stopping) this.takeAll()
  }

  takeAll(): void {
    const missing = (side: Side): boolean =>
      !this.mine[side] || this.world.groupsOf(side).some((group) => group.state !== 'held')
    this.#announceOwn ||= missing('local')
    this.#announceMachDown ||= missing('foreign')
    if (this.world.peer !== null) this.#tookByDeath ||= missing('foreign')
    this.mine = allBits
    // Nobody else is left to run what did not start here.
    for (const group of this.world.groups.values()) group.failed = false
  }

  /** The peer was not dead and does not step back: give up what was taken because of its silence. */
  yieldAfterPartition(): void {
    if (this.#beforeDeath === null) {
      // It may not have heard what was taken, and would take its own groups when its wait is over. Said only
      // now: one that restarts itself would log that both hold everything, and needs no report.
      if (this.world.joined && !this.world.stopping && this.stage !== 'init') this.report()
      return
    }
    const { mine, other, otherStable } = this.#beforeDeath
    this.#beforeDeath = null
    this.#announceMachDown = false
    if (this.other !== null) {
      // It has spoken since, so that only what it holds itself is in dispute.
      this.mine = { local: this.mine.local && !this.peerHolds('local'), foreign: this.mine.foreign && !this.peerHolds('foreign') }
      return
    }
    this.mine = mine
    this.other = other
    this.otherStable = otherStable
    this.#tookByDeath = false
    this.#announceOwn = true
    // What it holds is only known from before: it is made to say it again.
    if (this.#speaks) this.doubts.provoke()
  }

  /** The peer is back from the dead: what it said before counts no more. */
  peerReturned(): void {
    this.other = this.#heardDead
    this.#heardDead = null
    this.otherStable = false
    if (this.#waiting && wordOf(this.mine) !== 'none') this.#enter('stable', 'peer-gone')
  }

  /** A report can overtake the status that ends a death. */
  messageWhileDead(t: string, fields: readonly Field[]): void {
    const hold = bitsOf(word(fields, 'rsc_hold'))
    if (t === 'resource' && word(fields, 'rtype') === 'full' && hold !== null) this.#heardDead = hold
  }

  /** The peer says that it has taken what we gave: true before its next report is here. */
  givenAway(what: What, seq: number | null): void {
    if (this.other === null) return
    this.other = {
      local: this.other.local || covers(what, 'foreign'), foreign: this.other.foreign || covers(what, 'local'),
    }
    this.#reportSeq = Math.max(this.#reportSeq, seq ?? 0)
  }

  /** The peer's `done` as giver: the word that it has let go. */
  released(what: What, seq: number | null): void {
    if (this.other === null) return
    this.other = {
      local: this.other.local && !covers(what, 'foreign'), foreign: this.other.foreign && !covers(what, 'local'),
    }
    this.#reportSeq = Math.max(this.#reportSeq, seq ?? 0)
  }

  /** `sameLife`: presumed dead and now heard for the first time, so that what it said meanwhile counts. */
  peerRestarted(how: { readonly sameLife: boolean }): void {
    this.#beforeDeath = null
    this.#reportSeq = 0
    this.#partial = null
    this.other = how.sameLife ? this.#heardDead : null
    this.#heardDead = null
    this.otherStable = false
    // What was begun while nobody else was there goes on, and the newcomer is told.
    if (this.#waiting && wordOf(this.mine) !== 'none') this.#enter('stable', 'peer-gone')
    if (how.sameLife && this.stage === 'stable' && !this.world.stopping && !this.world.peerIsTwinbeat) this.report()
  }

  /** The last life took the peer's groups because of its death and handed them on to this one. */
  inheritFailback(): void {
    this.#tookByDeath = true
  }

  /** What is held decides what we answer for: after a time beside a twinbeat peer, group by group. */
  adoptFromGroups(): void {
    this.mine = this.#fromGroups()
    this.#published = null
    if (this.stage !== 'shutdown' && this.world.joined) this.stage = 'stable'
  }

  reset(): void {
    this.mine = noBits
    this.other = null
    this.otherStable = false
    this.#tookByDeath = false
    this.#announceOwn = false
    this.#announceMachDown = false
    this.ctx.cancel(settleTimer)
    this.#enter('init', 'new-conversation')
  }

  shutdown(): void {
    this.ctx.cancel(settleTimer)
    this.#enter('shutdown', 'operator-stop')
    this.report()
  }

  farewell(): void {
    if (this.#speaks) {
      this.ctx.send('resource', [
        ['rsc_hold', 'none'], ['rtype', 'full'], ['isstable', '0'], ['info', 'shutdown'],
      ])
    }
    this.ctx.send('shutdone', [['st', 'dead']])
  }

  // -------------------------------------------------------------------------------------------- timers

  settleDue(): void {
    this.#waited = true
    // Without a word of the peer nobody knows what it holds; its own start or death brings it.
    if (!this.#waiting) return
    if (this.other !== null) return this.#stabilise('ten-seconds')
    if (this.#speaks && this.world.peer?.active === true) this.ctx.send('starting')
    this.ctx.timer(settleTimer, bothStartingUs)
  }

  failbackDue(): void {
    this.#checkFailback()
  }

  /** Half a minute after a failed start: to the peer if it is fit, else try again here. */
  failureDue(): void {
    if (this.world.stopping) return
    if ([...this.world.groups.values()].some((group) => group.failed)) this.ctx.timer(failureTimer, startFailureUs)
    if ((this.world.peerIsTwinbeat || !this.#speaks) && !this.world.alone) {
      for (const group of this.world.groups.values()) group.failed = false
      return
    }
    for (const side of sides) {
      const failed = this.world.groupsOf(side).filter((group) => group.failed && !group.mayHold)
      if (failed.length === 0 || !this.mine[side]) continue
      const refusal = this.world.alone ? 'no peer' : this.standby.request(side, null)
      if (refusal === null) return
      this.ctx.note('warn', 'start.retried', `no peer takes the ${side} groups (${refusal}): trying here again`, { side })
      for (const group of failed) group.failed = false
    }
  }

  groupSettled(_group: Group, outcome: Outcome): void {
    if (outcome === 'start-failed') this.ctx.timer(failureTimer, startFailureUs)
  }

  // ----------------------------------------------------------------------------------------- decisions

  get #waiting(): boolean {
    return this.stage === 'starting' || this.stage === 'both-starting' || this.stage === 'received'
  }

  #received(): void {
    this.#enter('received', 'report-received')
    this.ctx.timer(settleTimer, bothStartingUs)
  }

  /** Something an earlier life left here is claimed by the peer. */
  #mustClear(): boolean {
    return sides.some((side) => this.peerHolds(side) &&
      this.world.groupsOf(side).some((group) => group.state === 'found'))
  }

  peerHolds(side: Side): boolean {
    if (this.other === null) return true
    return side === 'local' ? this.other.foreign : this.other.local
  }

  #stabilise(reason: 'peer-stable' | 'ten-seconds'): void {
    this.ctx.cancel(settleTimer)
    const found = this.world.groupsOf('foreign').some((group) => group.mayHold)
    // A stable peer that does not hold its own groups does not take them either: they would have no owner.
    const ownerless = reason === 'peer-stable' && this.otherStable
    this.mine = { local: !this.peerHolds('local'), foreign: (found || ownerless) && !this.peerHolds('foreign') }
    if (ownerless && this.mine.foreign) this.#tookByDeath = true
    this.#enter('stable', reason)
    this.#announceOwn = true
  }

  #checkFailback(): void {
    const { peer } = this.world
    if (this.ctx.config.autoFailback !== 'on' || this.world.contested || !this.#tookByDeath || !this.mine.foreign) return
    if (peer === null || !peer.active || this.world.peerIsTwinbeat || this.world.stopping) return
    if (this.doubts.disputed().length > 0) return this.ctx.timer(failbackTimer, failbackLaterUs)
    const refusal = this.otherStable && this.world.quiet('all') ? this.standby.request('foreign', null) : 'in flux'
    if (refusal !== null) this.ctx.timer(failbackTimer, failbackRetryUs)
  }

  standbyEnded(outcome: { readonly finished: boolean }): void {
    if (outcome.finished) this.#tookByDeath = false
    else if (this.#tookByDeath) this.ctx.timer(failbackTimer, failbackLaterUs)
    // Nobody takes what did not start here: it is tried here again.
    if (!outcome.finished) for (const group of this.world.groups.values()) group.failed = false
    // Also after no reply: reports that overtook each other may have left us unstable in its eyes.
    if (this.stage === 'stable') this.report()
  }

  /** A doubt was settled. */
  answerFor(side: Side, responsible: boolean): void {
    this.mine = { ...this.mine, [side]: responsible }
    if (!responsible) return
    this.#tookByDeath ||= side === 'foreign'
    this.#announceOwn = true
  }

  setMine(side: Side, responsible: boolean): void {
    this.mine = { ...this.mine, [side]: responsible }
    if (!responsible) for (const group of this.world.groupsOf(side)) group.failed = false
  }

  /** The authority that a take of this group would have now. */
  grantFor(group: Group): Verdict {
    if (this.door === null) return { withheld: 'no-authority', needs: 'nothing' }
    return this.door.inMode(group, this.#verdictFor(group, this.door))
  }

  #verdictFor(group: Group, door: Door): Verdict {
    const { peer, alone } = this.world
    const side = this.world.side(group)
    const no = (withheld: string): Verdict => ({ withheld, needs: 'nothing' })
    if (this.world.contested) return no('contested')
    if (peer === null || peer.dead) return door.afterDeath(group)
    const agreed: Authority = { kind: 'agreed', peer: peer.id, peerGeneration: peer.generation }
    if (alone) return { authority: agreed, reason: 'peer-left' }
    const exchange = this.standby.exchangeFor(side)
    if (exchange !== null) return { authority: { kind: 'handover', exchange }, reason: 'standby' }
    if (this.other === null) return no('peer-has-not-said-what-it-holds')
    if (this.peerHolds(side)) return no('peer-holds-it')
    return { authority: agreed, reason: side === 'local' ? 'own-group' : 'responsible' }
  }

  /**
   * Beside another twinbeat node the claims decide; what is held is still reported in the old words, for
   * the day on which the other node is a real heartbeat again.
   */
  publish(): void {
    if (!this.world.joined || this.world.stopping || this.world.paused) return
    if (this.#waiting) {
      this.ctx.cancel(settleTimer)
      this.#enter('stable', this.#speaks ? 'twinbeat-peer' : 'legacy-mode')
    }
    this.mine = this.#fromGroups()
    if (!this.world.quiet('all') || this.#published === wordOf(this.held)) return
    this.report()
    this.#published = wordOf(this.held)
  }

  #fromGroups(): Bits {
    const any = (side: Side): boolean => this.world.groupsOf(side).some((group) => group.mayHold)
    return { local: any('local'), foreign: any('foreign') }
  }

  /** Level, not edge: called at the end of every step. */
  reconcile(): void {
    const { world } = this
    if (!world.joined || world.stopping || world.paused || world.halted) return
    const decided = this.stage === 'stable' || world.alone
    for (const group of decided ? world.groups.values() : []) this.#reconcileGroup(group)
    if (!world.alone) this.doubts.watch()
    if (this.#waiting && world.alone && world.quiet('all')) this.#enter('stable', 'peer-gone')
    this.#announce()
  }

  #reconcileGroup(group: Group): void {
    const side = this.world.side(group)
    if (!this.mine[side]) {
      if (group.state === 'found') group.give('claimed-by-peer')
      else if (group.state === 'held' || group.state === 'taking') {
        group.give(this.standby.running ? 'standby' : 'not-responsible')
      }
      return
    }
    if ((group.state !== 'stopped' && group.state !== 'found') || group.failed || group.retired) return
    const grant = this.grantFor(group)
    const lacking = !('authority' in grant) && grant.needs === 'nothing' && !this.world.alone
    if (this.door === null || lacking || this.vetoes(group)) return
    const verdict = 'authority' in grant && group.state === 'found' ? { ...grant, reason: 'adopted' as const } : grant
    if (this.door.take(group, verdict) && this.world.alone) this.onTakenAlone(group)
  }

  #announce(): void {
    if (!this.#speaks || this.stage !== 'stable') return
    if (this.#announceOwn && this.world.quiet('local')) {
      this.#announceOwn = false
      this.report('req_our_resources()')
    }
    if (this.#announceMachDown && this.world.quiet('foreign') && this.#holds('foreign')) {
      this.#announceMachDown = false
      this.ctx.send('resource', [['rsc_hold', 'foreign'], ['info', 'mach_down']])
      this.#said = wordOf(this.held)
    }
    // Whatever else changed what is held (a start that failed, a partition): the peer is told.
    if (this.world.quiet('all') && !this.standby.running && this.#said !== wordOf(this.held)) this.report()
  }

  #enter(stage: Stage, reason: StageReason): void {
    const from = this.stage
    this.stage = stage
    this.ctx.note('info', `resources.${stage}`, `resource protocol: ${from} -> ${stage} (${reason})`, {
      reason, mine: wordOf(this.mine), other: this.other === null ? null : wordOf(this.other),
    })
  }
}
