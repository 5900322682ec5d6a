// A run of two nodes: a phase of faults drawn from the seed, then a calm phase in which everything must
// come to rest with exactly one owner of each group. The same seed gives the same run, event for event.

import { groupId, nodeId } from '../../src/core/base/ids.js'
import { createPrng, type Prng } from '../../src/core/base/prng.js'
import { createCore } from '../../src/core/core.js'
import type { Effect } from '../../src/core/effects.js'
import type { OperatorVerb } from '../../src/core/events.js'
import { withoutDevices, type FenceDeviceConfig, type FencingConfig } from '../../src/core/fencing/model.js'
import type { CoreConfig, Field, GroupConfig, LeaseConfig, Protection } from '../../src/core/types.js'
import { Checkers } from './checkers/checkers.js'
import { Violation, type Scene } from './checkers/scene.js'
import { Clock } from './clock.js'
import { Etcd } from './etcd.js'
import type { SimEvent } from './events.js'
import { drawFaults, scheduleFaults, type Ambush, type Faults } from './faults.js'
import { FenceDevices, goodDevice } from './fence-device.js'
import { goodManners } from './machine.js'
import { SimEngine } from './engine.js'
import type { NativeEngineParts, NativeSimEngine } from './native-engine.js'
import { Network } from './network.js'
import { SimNode, type MakeCore, type NodeLimits, type NodeObserver, type NodeWires } from './node.js'
import { olderWords } from './older.js'
import type { Flaw } from './page.js'
import { RealHeartbeat } from './real-node.js'

export interface Options {
  readonly trace: ((line: string) => void) | null
  readonly mode: Protection
  readonly makeCore: MakeCore
  /** Rules below the core that are broken on purpose. */
  readonly flaws: readonly Flaw[]
  /** Makes the C++ engine of a node; null: the engine is simulated too. */
  readonly nativeEngine: ((parts: NativeEngineParts) => NativeSimEngine) | null
  /** The second node is a model of a real heartbeat. */
  readonly realPeer: boolean
  /** Restrict the faults; null: as the seed draws them. */
  readonly faults: Partial<Faults> | null
}

export interface Outcome {
  readonly seed: number
  readonly hash: string
  readonly violation: Violation | null
  readonly events: number
  readonly injected: number
}

export const defaults: Options = {
  trace: null, mode: 'accept', makeCore: createCore, flaws: [], nativeEngine: null, realPeer: false, faults: null,
}

const faultPhaseUs = 60_000_000
/** The last is the bound within which everything must have come to rest. */
const calmLooksUs = [50_000_000, 75_000_000, 100_000_000] as const
const someoneComesUs = 10_000_000
/** Any two clocks differ by at most one percent. */
const driftPpm = 5_000

const timing = { keepaliveUs: 250_000, deadtimeUs: 1_500_000, initdeadUs: 3_000_000 } as const
const leaseTiming: LeaseConfig = {
  ttlUs: 10_000_000, stopBudgetUs: 2_000_000, requestUs: 1_000_000, renewUs: 2_000_000, driftPpm: 2 * driftPpm,
}

const groups: readonly GroupConfig[] = [
  {
    id: groupId('vip'), home: nodeId('alpha'), digest: 'vip-1',
    members: [{ id: 'vip-ip', kind: 'address' }],
  },
  {
    id: groupId('web'), home: nodeId('alpha'), digest: 'web-1',
    members: [{ id: 'web-ip', kind: 'address' }, { id: 'httpd', kind: 'agent' }],
  },
  {
    id: groupId('db'), home: nodeId('beta'), digest: 'db-1',
    members: [{ id: 'db-ip', kind: 'address' }, { id: 'disk', kind: 'agent' }, { id: 'sql', kind: 'agent' }],
  },
]

export function configFor(self: 'alpha' | 'beta', prng: Prng, realPeer: boolean, protection: Protection): CoreConfig {
  const pick = <T>(values: readonly T[]): T => values[prng.below(values.length)] as T
  return {
    self: nodeId(self),
    nodes: [{ id: nodeId('alpha'), kind: 'normal' }, { id: nodeId('beta'), kind: 'normal' }],
    groups,
    tracks: [],
    monitors: prng.below(2) === 0 ? [] : [{ group: groupId('web'), everyUs: 3_000_000, failuresMax: 2 }],
    autoFailback: pick(realPeer ? ['on', 'off'] : ['on', 'off', 'legacy']),
    timing,
    stopFailure: pick(['reset', 'reset', 'block']),
    stopRetryMax: 3,
    fencing: protection === 'fence' ? fencingFor(prng) : withoutDevices,
    protection,
    lease: protection === 'lease' ? leaseTiming : null,
    handoverWaitUs: 5_000_000,
    grantWaitUs: 90_000_000,
  }
}

function fencingFor(prng: Prng): FencingConfig {
  const pick = <T>(values: readonly T[]): T => values[prng.below(values.length)] as T
  const device = (name: string): FenceDeviceConfig =>
    ({ name, targets: null, timeoutUs: 3_000_000, tries: 1 + prng.below(3), testEveryUs: pick([0, 20_000_000]) })
  const both = [nodeId('alpha'), nodeId('beta')]
  const topology = pick([[['board']], [['left', 'right']], [['board'], ['left', 'right']]])
  return {
    devices: [...new Set(topology.flat())].map(device),
    levels: both.flatMap((target) => topology.map((devices) => ({ target, devices }))),
    action: pick(['reboot', 'reboot', 'off']),
    // Both shoot at the same moment: one of them has to wait.
    delays: [{ target: pick(both), delayUs: 1_500_000 }], randomDelayUs: prng.below(500_000), priorityDelayUs: 0, weights: [],
  }
}

function actOf(effect: Effect): Ambush['act'] | null {
  switch (effect.type) {
    case 'member.run': return effect.action === 'start' || effect.action === 'stop' ? effect.action : null
    case 'plan.fire': case 'persist': return effect.type
    case 'send': return effect.fields.some(({ name, value }) => name === 't' && value === 'tb_handover') ? 'handover' : null
    default: return null
  }
}

function limitsFor(mode: Protection, prng: Prng): NodeLimits {
  const { deadtimeUs } = timing
  return {
    withholdUs: Math.max(2_000_000, deadtimeUs / 2), releaseUs: Math.max(10_000_000, 2 * deadtimeUs),
    freezeUs: Math.max(50_000, 0.8 * deadtimeUs), stopBudgetUs: leaseTiming.stopBudgetUs,
    // A service group may not be protected by a lease without one.
    watchdogUs: mode === 'lease' ? 3_000_000 : 0,
    killsServices: prng.below(3) === 0,
  }
}

export class World implements Scene {
  readonly clock = new Clock()
  readonly network: Network
  readonly nodes: [SimNode, SimNode]
  readonly groups = groups
  readonly faults: Faults
  readonly checkers: Checkers
  readonly etcd: Etcd
  readonly devices: FenceDevices
  readonly mode: Protection
  readonly realPeer: boolean
  readonly flaws: ReadonlySet<Flaw>
  readonly prng: Prng
  injected = 0
  ambush: Ambush | null = null
  #hash = 0x811c9dc5
  #events = 0
  #effects = 0
  #asked = 0
  readonly #off: [Set<string>, Set<string>] = [new Set(), new Set()]
  readonly #requests = new Map<string, (ok: boolean, text: string) => void>()

  constructor(readonly seed: number, readonly options: Options) {
    const prng = createPrng(seed)
    this.prng = prng
    this.mode = options.mode
    this.realPeer = options.realPeer
    this.flaws = new Set(options.flaws)
    this.faults = { ...drawFaults(prng), ...options.faults }
    this.network = new Network(this.clock, createPrng(prng.below(1 << 30)))
    this.network.duplicatePercent = this.faults.duplicates ? 3 : 0
    this.etcd = new Etcd(this.clock, createPrng(prng.below(1 << 30)), this.#rate(), leaseTiming, this.flaws)
    this.devices = new FenceDevices(this.clock, createPrng(prng.below(1 << 30)), {
      off: (target, device) => { this.#supply(this.#named(target), device, false) },
      on: (target, device) => { this.#supply(this.#named(target), device, true) },
    }, this.flaws)
    const shared = prng.below(1 << 30)
    this.nodes = [this.#makeNode(0, shared), this.#makeNode(1, shared)]
    this.checkers = new Checkers(this, options.realPeer)
  }

  #makeNode(index: 0 | 1, shared: number): SimNode {
    const { options, prng } = this
    const real = options.realPeer && index === 1
    const config = configFor(index === 0 ? 'alpha' : 'beta', createPrng(shared), options.realPeer, options.mode)
    return new SimNode({
      index, config, world: this.clock, prng: createPrng(prng.below(1 << 30)), rate: this.#rate(),
      makeCore: real ? (one) => new RealHeartbeat(one) : options.makeCore,
      nativeEngine: options.nativeEngine, twinbeat: real ? null : '1', flaws: this.flaws,
      limits: limitsFor(options.mode, createPrng(shared + 1)),
    }, this.#wires(), this.#observer())
  }

  #rate(): number {
    return 1 + (this.prng.below(2 * driftPpm + 1) - driftPpm) / 1e6
  }

  // ---------------------------------------------------------------------------------------- between the nodes

  #wires(): NodeWires {
    return {
      heartbeat: (from, status) => {
        const to = this.#other(from)
        this.network.datagram(from.index, () => {
          this.#reach(to, () => {
            this.checkers.detection.arrived(to, status)
            this.checkers.authority.heard(to)
            if (to.engine instanceof SimEngine) to.engine.hear(status)
          })
        })
      },
      message: (from, fields, generation) => { this.#message(from, fields, generation) },
      packet: (from, bytes) => {
        const to = this.#other(from)
        this.network.datagram(from.index, () => {
          this.#reach(to, () => {
            this.checkers.authority.heard(to)
            if (to.engine !== null && 'heard' in to.engine) (to.engine as NativeSimEngine).heard(bytes)
          })
        })
      },
      gasp: (from, gasp) => {
        const to = this.#other(from)
        if (to.twinbeat === null || from.older || to.older) return
        this.network.datagram(from.index, () => { this.#reach(to, () => { to.engine?.lastWords(gasp) }) }, { lateCopyPercent: 30 })
      },
      arbiter: (from, order, done) => { this.etcd.run(order, from, from.clock, done) },
      fence: (from, order, done) => { this.devices.run(order, from.clock, done) },
    }
  }

  #message(from: SimNode, fields: readonly Field[], generation: number): void {
    const to = this.#other(from)
    const lives = [from.life, to.life]
    const { engine } = to
    const words = from.older || to.older ? olderWords(fields) : fields
    if (words === null) return
    this.network.message(
      from.index, () => { this.#reach(to, () => {
        if (to.engine instanceof SimEngine) to.engine.receive(words, generation)
      }) },
      () => from.life === lives[0] && to.life === lives[1] && from.generation === generation && to.engine === engine,
    )
  }

  /** A machine that stands still has its packets when it goes on. */
  #reach(to: SimNode, act: () => void): void {
    if (to.clock.hidden) to.clock.at(to.clock.now, act)
    else act()
  }

  #observer(): NodeObserver {
    const { trace } = this.options
    const said = (line: () => string): void => { trace?.(`${this.stamp} ${line()}`) }
    return {
      event: (node, event) => { this.#event(node, event, trace) },
      record: (node, event) => { this.checkers.detection.record(node, event) },
      effect: (node, effect) => { this.#effect(node, effect, trace) },
      claims: (node, plan, authority, incarnation) => { this.checkers.authority.claims(node, plan, authority, incarnation) },
      down: (node) => { this.checkers.authority.machineDown(node, node.generation) },
      truth: () => { this.checkers.holders() },
      guardian: (node, reason) => {
        said(() => `${node.id} ! guardian acts: ${reason}`)
        this.checkers.authority.acts(node, reason)
      },
      gasp: (node, group, by, generation) => {
        said(() => `${node.id} ! last words of ${group.name} #${group.holding.claimEpoch} by the ${by}`)
        this.checkers.authority.gasp(node, group, by, generation)
      },
      removes: (node, group, life) => { this.checkers.authority.removes(node, group, life) },
    }
  }

  #event(node: SimNode, event: SimEvent, trace: Options['trace']): void {
    this.#events += 1
    this.#effects = 0
    this.#after()
    this.#mix(`${this.clock.now} ${node.id} ${event.type}`)
    this.checkers.authority.event(node, event)
    this.checkers.epochs.event(node, event)
    if (event.type === 'boot') this.checkers.detection.awake(node)
    if (trace !== null && event.type !== 'timer' && event.type !== 'member.result') {
      trace(`${this.stamp} ${node.id} < ${JSON.stringify(event)}`)
    }
  }

  #effect(node: SimNode, effect: Effect, trace: Options['trace']): void {
    if (trace !== null && !effect.type.startsWith('timer')) {
      const text = effect.type === 'note' ? `${effect.event}: ${effect.text}` : JSON.stringify(effect)
      trace(`${this.stamp} ${node.id} > ${text}`)
    }
    this.#effects += 1
    this.checkers.authority.bounded(node, this.#effects)
    this.checkers.effect(node, effect)
    const { ambush } = this
    if (ambush !== null && ambush.node === node && actOf(effect) === ambush.act) {
      this.ambush = null
      ambush.go()
    }
    if (effect.type === 'reply' && effect.done) {
      this.#requests.get(effect.id)?.(effect.ok, effect.text)
      this.#requests.delete(effect.id)
    }
  }

  // --------------------------------------------------------------------------------- what faults are made of

  /** An operator asks; what nobody hears is not asked. */
  ask(node: SimNode, verb: OperatorVerb, what: string, answered: (ok: boolean, text: string) => void = () => undefined): void {
    if (!node.up || node.busy) return
    this.#asked += 1
    const id = `op${this.#asked}`
    this.#requests.set(id, answered)
    node.feed({ type: 'operator', id, verb, what })
  }

  start(node: SimNode): void {
    node.start()
  }

  down(node: SimNode, how: { readonly power: boolean }): void {
    if (!how.power) this.inject(`${node.id}: no power`)
    node.crash('machine', how)
  }

  powerOn(node: SimNode): void {
    if (node.machine.powered) return
    this.inject(`${node.id}: power`)
    node.machine.powered = true
    const { life } = node
    this.clock.after(2_000_000 + this.prng.below(6_000_000), () => { if (node.life === life) node.start() })
  }

  /** A board switches the machine; of two supplies one is enough. */
  #supply(node: SimNode, device: string, on: boolean): void {
    const off = this.#off[node.index]
    if (on) off.delete(device)
    else off.add(device)
    const powered = !off.has('board') && !(off.has('left') && off.has('right'))
    if (!powered && node.machine.powered) this.down(node, { power: false })
    if (powered) this.powerOn(node)
    // In the calm somebody comes and switches on again what was switched off for good.
    else if (this.clock.now >= faultPhaseUs) this.clock.after(someoneComesUs, () => { this.#switchOn(node) })
  }

  #switchOn(node: SimNode): void {
    this.#off[node.index].clear()
    this.powerOn(node)
  }

  standsStill(node: SimNode): void {
    this.checkers.authority.standsStill(node)
  }

  thaw(node: SimNode): void {
    if (node.frozen) this.checkers.authority.thaws(node)
    node.thaw()
    this.checkers.detection.awake(node)
  }

  wake(node: SimNode): void {
    this.checkers.authority.woke(node)
    node.clock.show()
    this.checkers.detection.awake(node)
  }

  inject(what: string): void {
    this.injected += 1
    this.#after()
    this.checkers.detection.look()
    this.#mix(`${this.clock.now} ${what}`)
    this.options.trace?.(`${this.stamp} *** ${what}`)
  }

  // --------------------------------------------------------------------------------------------------- scene

  get stamp(): string {
    return (this.clock.now / 1e6).toFixed(6)
  }

  get excused(): Scene['excused'] {
    if (this.faults.lyingDevices && this.mode === 'fence') return 'lying-device'
    return this.faults.hiddenPauses ? 'hidden-pause' : 'no'
  }

  cutOff(): boolean {
    return ([0, 1] as const).some((index) => this.etcd.paths[index].cut && this.network.paths[index === 0 ? 1 : 0].cut)
  }

  get mendedAt(): number {
    return this.network.mendedAt
  }

  now(): number {
    return this.clock.now
  }

  owner(group: string): ReturnType<Etcd['owner']> {
    return this.etcd.owner(group)
  }

  ownedUntil(group: string, node: SimNode, token: number): number {
    const owner = this.etcd.owner(group)
    const key = owner !== null && owner.node === node.id && owner.token === token ? this.etcd.endOf(group) : 0
    const other = this.#other(node)
    const known = other.core?.snapshot().groups ?? []
    // Before its next life has begun nobody there takes anything, and that is bound for as long as it can ever have promised.
    if (known.length === 0) return Infinity
    const bound = known.find((one) => one.id === group)?.lease?.boundUntil ?? null
    return Math.max(key, bound === null ? 0 : other.clock.worldAt(bound))
  }

  together(): boolean {
    return this.network.whole && this.nodes.every((node) =>
      node.engine !== null && !node.busy && node.engine.speaks && node.engine.peerHeard && !node.engine.peerDead &&
      node.engine.peerGeneration === this.#other(node).generation)
  }

  // --------------------------------------------------------------------------------------------------- phases

  run(): Outcome {
    let violation: Violation | null = null
    try {
      for (const node of this.nodes) this.clock.after(this.prng.below(4_000_000), () => { node.start() })
      scheduleFaults(this, this.prng, faultPhaseUs)
      this.clock.runUntil(faultPhaseUs)
      this.#calm()
      this.#comeToRest()
    } catch (error) {
      const text = error instanceof Error ? String(error.stack) : String(error)
      violation = error instanceof Violation ? error : new Violation('invariant', this.clock.now, text)
    }
    return {
      seed: this.seed, hash: this.#hash.toString(16).padStart(8, '0'), violation, events: this.#events, injected: this.injected,
    }
  }

  /** Whatever is at rest in time stays so: the rest of the calm is only for those that need it. */
  #comeToRest(): void {
    for (const us of calmLooksUs) {
      this.clock.runUntil(faultPhaseUs + us)
      try {
        return this.checkers.end()
      } catch (error) {
        if (!(error instanceof Violation) || us === calmLooksUs.at(-1)) throw error
      }
    }
  }

  #calm(): void {
    this.inject('calm')
    this.ambush = null
    for (const from of [0, 1] as const) this.network.set(from, { cut: false, lossPercent: 0 })
    for (const path of this.etcd.paths) Object.assign(path, { cut: false, slowUs: 2000, loseAnswersPercent: 0 })
    this.etcd.outage(false)
    this.devices.mood = goodDevice
    for (const node of this.nodes) {
      node.machine.misbehaviour = goodManners
      node.diskFails = false
      node.diskHangs = false
      node.echoes = false
      node.machine.watchdogFails = false
      if (node.clock.hidden) this.wake(node)
      node.unblock(null)
      this.thaw(node)
      node.carrier(true)
      node.olderNext = false
      if (!node.machine.powered) this.#switchOn(node)
      const { life } = node
      this.clock.after(15_000_000, () => { if (node.life === life || !node.up) node.start() })
    }
    this.checkers.authority.released(null)
    for (const us of [20_000_000, 30_000_000]) this.clock.after(us, () => { this.#permitAll() })
  }

  /** Whoever forbade something takes it back. */
  #permitAll(): void {
    if (!this.faults.holds) return
    this.checkers.authority.released(null)
    for (const node of this.nodes) {
      if (node.twinbeat === null) continue
      for (const { id } of this.groups) this.ask(node, 'unhold', id)
      this.ask(node, 'maintenance', 'off')
    }
  }

  #after(): void {
    this.checkers.holders()
  }

  #named(id: string): SimNode {
    return this.nodes[0].id === id ? this.nodes[0] : this.nodes[1]
  }

  #other(node: SimNode): SimNode {
    return this.nodes[node.index === 0 ? 1 : 0]
  }

  #mix(text: string): void {
    for (let index = 0; index < text.length; index += 1) {
      this.#hash ^= text.charCodeAt(index)
      this.#hash = Math.imul(this.#hash, 0x01000193) >>> 0
    }
  }
}

export function runSeed(seed: number, options: Options = defaults): Outcome {
  return new World(seed, options).run()
}
