// A model of a real heartbeat node, written from what is known of its behaviour: optimistic reports, the
// ten second wait, messages that leave out of order because own messages are handled first, a standby
// protocol that ignores what it does not expect, and a restart of itself after every healed partition.
// It stands behind the same door as our core, so that the same machine and engine can carry it.

import { micros, type GroupId } from '../../src/core/base/ids.js'
import type { Core } from '../../src/core/core.js'
import { fencingAtRest } from '../../src/core/fencing/model.js'
import type { Effect } from '../../src/core/effects.js'
import type { CoreEvent } from '../../src/core/events.js'
import type { CoreConfig, CoreSnapshot, GroupConfig, HoldWord, MemberConfig } from '../../src/core/types.js'

interface Bits { local: boolean; foreign: boolean }
type What = 'all' | 'local' | 'foreign'
type Stage = 'init' | 'starting' | 'both-starting' | 'received' | 'stable' | 'shutdown'
type Script = { readonly kind: 'take' | 'give'; readonly group: GroupConfig } | { readonly kind: 'then'; readonly act: () => void }
type Words = Readonly<Record<string, string>>

const second = 1_000_000
const wordOf = (bits: Bits): HoldWord => (bits.local ? (bits.foreign ? 'all' : 'local') : bits.foreign ? 'foreign' : 'none')
const bitsOf = (word: string): Bits => ({ local: word === 'local' || word === 'all', foreign: word === 'foreign' || word === 'all' })
const mirrored = (what: string): What => (what === 'local' ? 'foreign' : what === 'foreign' ? 'local' : 'all')

export class RealHeartbeat implements Core {
  #out: Effect[] = []
  #now = 0
  #status: 'init' | 'up' | 'active' = 'init'
  #stage: Stage = 'init'
  #hold: Bits = { local: false, foreign: false }
  #other: Bits | null = null
  #otherStable = false
  #peer = { heard: false, dead: false, generation: 0 }
  #standby: 'not' | 'me' | 'other' | 'done' = 'not'
  #standbyWhat: What = 'all'
  #standbyUntil = 0
  #tookByDeath = false
  #asking = false
  #leaving: 'stop' | 'restart' | null = null
  #scripts: Script[] = []
  /** The running script: the member it is at, and the call that is awaited. */
  #at: { script: Extract<Script, { group: GroupConfig }>; index: number; tries: number; phase: 'probe' | 'act' } | null = null
  #call = 0
  #took = new Set<GroupId>()
  #clean = true

  constructor(private readonly config: CoreConfig) {}

  step(event: CoreEvent): readonly Effect[] {
    this.#out = []
    this.#now = event.at
    this.#expire()
    this.#dispatch(event)
    return this.#out
  }

  snapshot(): CoreSnapshot {
    const busy = this.#at?.script.group.id
    return {
      self: this.config.self, generation: 0, status: this.#status, resources: wordOf(this.#hold),
      standby: { state: this.#standby, what: null }, peers: [], requests: [], fencing: fencingAtRest,
      maintenanceLeftUs: null, startAlone: false,
      groups: this.config.groups.map((group) => ({
        id: group.id, home: group.home, digest: group.digest, holder: null, members: [], since: micros(0), epoch: 0,
        reason: this.#clean ? '' : 'claimed-by-peer',
        state: busy === group.id ? (this.#at?.script.kind === 'take' ? 'taking' as const : 'giving' as const)
          : this.#took.has(group.id) ? 'held' as const : this.#clean ? 'stopped' as const : 'found' as const,
        claimEpoch: 0, armed: false, authority: null, lease: null, takeNow: { withheld: '' }, obstacles: [], exchange: null,
      })),
    }
  }

  // --------------------------------------------------------------------------------------------- events

  #dispatch(event: CoreEvent): void {
    switch (event.type) {
      case 'boot': return this.#boot()
      case 'peer.status': case 'peer.up': return this.#heard(event.generation)
      case 'peer.restarted': return this.#heard(event.generation)
      case 'peer.returned':
        this.#peer.dead = false
        return this.#timer('heal', 2 * second)
      case 'peer.dead': return this.#died()
      case 'stall': if (event.muted) this.#timer('heal', 0); return
      case 'message': {
        const words = Object.fromEntries(event.fields.map((field) => [field.name, String(field.value)]))
        return this.#received(words)
      }
      case 'member.result': return this.#result(event.call, event.outcome)
      case 'timer': return this.#due(event.key)
      case 'operator': return this.#operator(event.verb, event.what)
      default: return
    }
  }

  #boot(): void {
    this.#out.push({ type: 'status', st: 'init', deadtimeExtraUs: 0 }, { type: 'status', st: 'up', deadtimeExtraUs: 0 })
    this.#status = 'up'
  }

  #heard(generation: number): void {
    if (generation > this.#peer.generation && this.#peer.heard) {
      this.#other = null
      this.#otherStable = false
      this.#standby = 'not'
    }
    this.#peer = { heard: true, dead: false, generation: Math.max(generation, this.#peer.generation) }
    if (this.#status === 'up' && !this.#asking) {
      this.#asking = true
      this.#ask()
    }
  }

  #ask(): void {
    if (this.#status !== 'up' || this.#peer.dead) return
    this.#send({ t: 'reqnodes', dest: this.#peerId })
    this.#timer('ask', second)
  }

  #activate(): void {
    if (this.#status !== 'up' || this.#leaving !== null) return
    this.#status = 'active'
    this.#out.push({ type: 'status', st: 'active', deadtimeExtraUs: 0 })
    this.#stage = 'starting'
    this.#send({ t: 'starting' })
    if (this.#peer.dead) this.#takeover()
  }

  #died(): void {
    this.#peer.dead = true
    this.#standby = 'not'
    const unneeded = this.#peer.heard && this.#other !== null && wordOf(this.#other) === 'none'
    this.#send({ t: 'stonith', node: this.#peerId, result: unneeded ? 'unneeded' : 'n_stnth' })
    this.#other = { local: false, foreign: false }
    this.#otherStable = true
    if (this.#status === 'up') return this.#activate()
    if (this.#stage !== 'shutdown') this.#takeover()
  }

  #takeover(): void {
    if (!this.#hold.foreign) {
      this.#tookByDeath = true
      this.#hold.foreign = true
      this.#queue('take', 'foreign', () => { this.#send({ t: 'resource', rsc_hold: 'foreign', info: 'mach_down' }) })
    }
    this.#ownGroups()
    this.#stage = 'stable'
  }

  #ownGroups(): void {
    this.#stage = 'stable'
    if (this.#hold.local) return this.#report()
    this.#hold.local = true
    this.#queue('take', 'local', () => { this.#report('req_our_resources()') })
  }

  // ------------------------------------------------------------------------------------------- messages

  #received(words: Words): void {
    if (words['dest'] !== undefined && words['dest'] !== this.config.self) return
    switch (words['t']) {
      case 'reqnodes': {
        const nodes = this.config.nodes.map((node) => `${node.id} `).join('')
        return this.#send({ t: 'repnodes', dest: this.#peerId, nodelist: nodes, delnodelist: ' ' })
      }
      case 'repnodes': return this.#activate()
      case 'starting': {
        if (this.#stage === 'starting') this.#stage = 'both-starting'
        this.#otherStable = false
        if (this.#stage !== 'init' && this.#stage !== 'shutdown') this.#report()
        return
      }
      case 'resource': return this.#resource(words)
      case 'ask_resources': return this.#asked(words['info'] ?? '', mirrored(words['rsc_hold'] ?? 'all'))
      case 'hb_takeover': return this.#operator('standby', mirrored(words['rsc_hold'] ?? 'all'))
      case 'shutdone': return this.#shutdone()
      default: return
    }
  }

  #resource(words: Words): void {
    if (this.#stage === 'init') return
    this.#firstReport()
    const hold = bitsOf(words['rsc_hold'] ?? 'none')
    const full = words['rtype'] === 'full' || words['rsc_hold'] === 'none'
    this.#other = full || this.#other === null ? hold
      : { local: this.#other.local || hold.local, foreign: this.#other.foreign || hold.foreign }
    if (words['isstable'] === '0') this.#otherStable = false
    if (words['isstable'] === '1' && !this.#otherStable) {
      this.#otherStable = true
      this.#report()
      this.#failback()
    }
    if (this.#stage !== 'stable' && this.#stage !== 'shutdown' && this.#otherStable) this.#stabilise()
  }

  #firstReport(): void {
    if (this.#stage !== 'starting' && this.#stage !== 'both-starting') return
    this.#stage = 'received'
    this.#timer('settle', 10 * second)
  }

  #stabilise(): void {
    if (this.#other?.foreign === true) {
      this.#stage = 'stable'
      this.#report()
    } else {
      this.#ownGroups()
    }
  }

  #failback(): void {
    if (this.config.autoFailback !== 'on' || !this.#tookByDeath || !this.#hold.foreign || this.#peer.dead) return
    if (this.#stage !== 'stable' || this.#leaving !== null) return
    if (this.#standby !== 'not' || !this.#otherStable || this.#at !== null) return this.#timer('failback', second)
    this.#operator('standby', 'foreign')
  }

  #shutdone(): void {
    this.#other = { local: false, foreign: false }
    this.#otherStable = true
    this.#standby = 'not'
    if (this.#stage !== 'shutdown' && this.#status === 'active') this.#takeover()
  }

  /** `what` is this node's view. */
  #asked(info: string, what: What): void {
    const key = `${info} ${this.#standby}`
    if (info === 'me') {
      if (this.#standby !== 'not' || this.#stage !== 'stable' || !this.#otherStable) return
      this.#enterStandby('other', what, 3600 * second)
      this.#send({ t: 'ask_resources', rsc_hold: mirrored(what), info: 'other' })
    } else if (key === 'other me') {
      // The sender names the giver's view, which is ours.
      this.#enterStandby('me', mirrored(what), 3600 * second)
      this.#release(mirrored(what))
    } else if (key === 'done other') {
      this.#enterStandby('done', what, 3600 * second)
      if (what !== 'local') this.#hold.foreign = true
      if (what !== 'foreign') this.#hold.local = true
      this.#queue('take', what, () => {
        this.#send({ t: 'ask_resources', rsc_hold: mirrored(what), info: 'done' })
        this.#endStandby()
      })
    } else if (key === 'done done') {
      this.#endStandby()
    }
  }

  #release(what: What): void {
    if (what !== 'local') this.#hold.foreign = false
    if (what !== 'foreign') this.#hold.local = false
    this.#tookByDeath = false
    // Said before it is true: the original is an optimist.
    this.#report('standby', '0')
    this.#queue('give', what, () => {
      this.#enterStandby('done', what, 3600 * second)
      this.#send({ t: 'ask_resources', rsc_hold: what, info: 'done' })
    })
  }

  #endStandby(): void {
    this.#standby = 'not'
    this.#report()
  }

  #enterStandby(state: 'me' | 'other' | 'done', what: What, us: number): void {
    this.#standby = state
    this.#standbyWhat = what
    this.#standbyUntil = this.#now + us
  }

  #expire(): void {
    if (this.#standby !== 'not' && this.#now > this.#standbyUntil) this.#standby = 'not'
  }

  // ------------------------------------------------------------------------------------ operator, timers

  #operator(verb: string, what: string): void {
    if (verb === 'stop') return this.#leave('stop')
    if (what !== 'all' && what !== 'local' && what !== 'foreign') return
    if (verb === 'takeover') return this.#send({ t: 'hb_takeover', rsc_hold: what })
    if (verb !== 'standby' || this.#stage !== 'stable' || !this.#otherStable || this.#standby !== 'not' || this.#peer.dead) return
    this.#enterStandby('me', what, 10 * second)
    this.#send({ t: 'ask_resources', rsc_hold: what, info: 'me' })
  }

  #due(key: string): void {
    if (key === 'ask') this.#ask()
    if (key === 'heal') this.#leave('restart')
    if (key === 'settle' && this.#stage === 'received') this.#stabilise()
    if (key === 'failback') this.#failback()
    if (key === 'gone') this.#out.push({ type: 'halt', how: 'stop', reason: this.#leaving ?? '' })
  }

  #leave(how: 'stop' | 'restart'): void {
    if (this.#leaving !== null) return
    this.#leaving = how
    this.#stage = 'shutdown'
    this.#standby = 'not'
    this.#hold = { local: false, foreign: false }
    if (this.#status === 'active') this.#send({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'shutdown' })
    this.#scripts = []
    this.#queue('give', 'all', () => {
      this.#send({ t: 'shutdone', st: 'dead' })
      this.#timer('gone', 2 * second)
    })
  }

  // -------------------------------------------------------------------------------------------- scripts

  #queue(kind: 'take' | 'give', what: What, then: () => void): void {
    const groups = this.config.groups.filter((group) => what === 'all' || (group.home === this.config.self) === (what === 'local'))
    for (const group of groups) this.#scripts.push({ kind, group })
    this.#scripts.push({ kind: 'then', act: then })
    this.#next()
  }

  #next(): void {
    while (this.#at === null) {
      const script = this.#scripts.shift()
      if (script === undefined) return
      if (script.kind === 'then') {
        script.act()
        continue
      }
      this.#clean = true
      const index = script.kind === 'take' ? 0 : script.group.members.length - 1
      this.#at = { script, index, tries: 0, phase: script.kind === 'take' ? 'probe' : 'act' }
      this.#run()
    }
  }

  #run(): void {
    const at = this.#at
    if (at === null) return
    const member: MemberConfig | undefined = at.script.group.members[at.index]
    if (member === undefined) {
      this.#at = null
      if (at.script.kind === 'take') this.#took.add(at.script.group.id)
      else this.#took.delete(at.script.group.id)
      return
    }
    this.#call += 1
    const action = at.phase === 'probe' ? 'probe' : at.script.kind === 'take' ? 'start' : 'stop'
    this.#out.push({
      type: 'member.run', call: this.#call, group: at.script.group.id, member: member.id, action,
      digest: at.script.group.digest, authority: { kind: 'operator', request: 'model' },
    })
  }

  #result(call: number, outcome: 'running' | 'stopped' | 'failed'): void {
    const at = this.#at
    if (at === null || call !== this.#call) return
    if (at.script.kind === 'give') {
      if (outcome !== 'stopped' && at.tries < 9) this.#at = { ...at, tries: at.tries + 1 }
      else if (outcome !== 'stopped') return void this.#out.push({ type: 'halt', how: 'reset', reason: 'stop failed' })
      else this.#at = { ...at, index: at.index - 1, tries: 0 }
    } else if (outcome === 'running') {
      this.#at = { ...at, index: at.index + 1, phase: 'probe' }
    } else if (at.phase === 'probe') {
      this.#at = { ...at, phase: 'act' }
    } else {
      this.#at = { script: { kind: 'give', group: at.script.group }, index: at.script.group.members.length - 1, tries: 0, phase: 'act' }
    }
    this.#run()
    this.#next()
  }

  // ---------------------------------------------------------------------------------------------- parts

  get #peerId(): string {
    return this.config.nodes.find((node) => node.id !== this.config.self)?.id ?? ''
  }

  #report(info: string | null = null, stable = this.#stage === 'stable' ? '1' : '0'): void {
    const words: Words = { t: 'resource', rsc_hold: wordOf(this.#hold), rtype: 'full', isstable: stable }
    this.#send(info === null ? words : { ...words, info })
  }

  #send(words: Words): void {
    // Own messages come back first; what that makes it send leaves earlier.
    if (words['t'] === 'resource') this.#firstReport()
    this.#out.push({ type: 'send', fields: Object.entries(words).map(([name, value]) => ({ name, type: 0, value })) })
  }

  #timer(key: string, us: number): void {
    this.#out.push({ type: 'timer.set', key, at: micros(this.#now + us) })
  }

  get standbyWhat(): string {
    return this.#standbyWhat
  }
}
