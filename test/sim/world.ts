// A run of two nodes: a phase of faults drawn from the seed, then a calm phase in which everything must
// come to rest with exactly one owner of each group. The same seed gives the same run, event for event.

import { groupId, nodeId } from '../../src/core/base/ids.js'
import { createPrng, type Prng } from '../../src/core/base/prng.js'
import { createCore } from '../../src/core/core.js'
import { withoutDevices } from '../../src/core/fencing/model.js'
import type { CoreConfig, GroupConfig } from '../../src/core/types.js'
import { Checkers, Violation, type Scene } from './checkers.js'
import { Clock } from './clock.js'
import { drawFaults, scheduleFaults, type Faults } from './faults.js'
import { Network } from './network.js'
import { SimNode, type MakeCore } from './node.js'
import { RealHeartbeat } from './real-node.js'

export interface Options {
  readonly trace: ((line: string) => void) | null
  readonly makeCore: MakeCore
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

export const defaults: Options = { trace: null, makeCore: createCore, realPeer: false, faults: null }

const faultPhaseUs = 60_000_000
const calmPhaseUs = 100_000_000

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

export function configFor(self: 'alpha' | 'beta', prng: Prng, realPeer: boolean): CoreConfig {
  const pick = <T>(values: readonly T[]): T => values[prng.below(values.length)] as T
  return {
    self: nodeId(self),
    nodes: [{ id: nodeId('alpha'), kind: 'normal' }, { id: nodeId('beta'), kind: 'normal' }],
    groups,
    tracks: [],
    monitors: prng.below(2) === 0 ? [] : [{ group: groupId('web'), everyUs: 3_000_000, failuresMax: 2 }],
    autoFailback: pick(realPeer ? ['on', 'off'] : ['on', 'off', 'legacy']),
    timing: { keepaliveUs: 250_000, deadtimeUs: 1_500_000, initdeadUs: 3_000_000 },
    stopFailure: pick(['reset', 'reset', 'block']),
    stopRetryMax: 3,
    fencing: withoutDevices,
    protection: 'accept',
    lease: null,
    watchdog: false,
    handoverWaitUs: 5_000_000,
    grantWaitUs: 90_000_000,
  }
}

export class World implements Scene {
  readonly clock = new Clock()
  readonly network: Network
  readonly nodes: [SimNode, SimNode]
  readonly groups = groups
  readonly faults: Faults
  readonly checkers: Checkers
  injected = 0
  #hash = 0x811c9dc5
  #events = 0

  constructor(readonly seed: number, readonly options: Options) {
    const prng = createPrng(seed)
    this.faults = { ...drawFaults(prng), ...options.faults }
    this.network = new Network(this.clock, createPrng(prng.below(1 << 30)))
    this.network.duplicatePercent = this.faults.duplicates ? 3 : 0
    const shared = prng.below(1 << 30)
    const make = (index: 0 | 1): SimNode => new SimNode(
      index, configFor(index === 0 ? 'alpha' : 'beta', createPrng(shared), options.realPeer), this.clock, createPrng(prng.below(1 << 30)),
      { heartbeat: (from, status) => {
          const to = this.#other(from)
          this.network.heartbeat(from.index, () => { to.engine?.hear(status) })
        },
        message: (from, fields, generation) => {
          const to = this.#other(from)
          const lives = [from.life, to.life]
          const { engine } = to
          this.network.message(
            from.index, () => { to.engine?.receive(fields, generation) },
            () => from.life === lives[0] && to.life === lives[1] && from.generation === generation && to.engine === engine,
          )
        } },
      { event: (node, event) => {
          this.#events += 1
          this.#after()
          this.#mix(`${this.clock.now} ${node.id} ${event.type}`)
          if (options.trace !== null && event.type !== 'timer' && event.type !== 'member.result') {
            options.trace(`${this.stamp} ${node.id} < ${JSON.stringify(event)}`)
          }
        },
        effect: (node, effect) => {
          if (options.trace !== null && !effect.type.startsWith('timer')) {
            const text = effect.type === 'note' ? `${effect.event}: ${effect.text}` : JSON.stringify(effect)
            options.trace(`${this.stamp} ${node.id} > ${text}`)
          }
          this.checkers.effect(node, effect)
        },
        truth: () => { this.#after() } },
      options.realPeer && index === 1 ? (config) => new RealHeartbeat(config) : options.makeCore,
      options.realPeer && index === 1 ? null : '1',
    )
    this.nodes = [make(0), make(1)]
    this.checkers = new Checkers(this, options.realPeer)
    this.prng = prng
  }

  readonly prng: Prng

  get stamp(): string {
    return (this.clock.now / 1e6).toFixed(6)
  }

  now(): number {
    return this.clock.now
  }

  together(): boolean {
    return this.network.whole && this.nodes.every((node) =>
      node.engine !== null && !node.busy && !node.engine.muted && node.engine.peerHeard && !node.engine.peerDead &&
      node.engine.peerGeneration === this.#other(node).generation)
  }

  inject(what: string): void {
    this.injected += 1
    this.#after()
    this.#mix(`${this.clock.now} ${what}`)
    this.options.trace?.(`${this.stamp} *** ${what}`)
  }

  run(): Outcome {
    let violation: Violation | null = null
    try {
      for (const node of this.nodes) this.clock.after(this.prng.below(4_000_000), () => { node.start() })
      scheduleFaults(this, this.prng, faultPhaseUs)
      this.clock.runUntil(faultPhaseUs)
      this.#calm()
      this.clock.runUntil(faultPhaseUs + calmPhaseUs)
      this.checkers.end()
    } catch (error) {
      const text = error instanceof Error ? String(error.stack) : String(error)
      violation = error instanceof Violation ? error : new Violation('invariant', this.clock.now, text)
    }
    return {
      seed: this.seed, hash: this.#hash.toString(16).padStart(8, '0'), violation, events: this.#events, injected: this.injected,
    }
  }

  #calm(): void {
    this.inject('calm')
    for (const from of [0, 1] as const) this.network.set(from, { cut: false, lossPercent: 0 })
    for (const node of this.nodes) {
      node.machine.misbehaviour = { startFails: 0, startLies: 0, stopFails: 0, stopLies: 0, hangs: 0 }
      node.diskFails = false
      node.diskHangs = false
      node.echoes = false
      node.unblock(null)
      node.thaw()
      const { life } = node
      this.clock.after(15_000_000, () => { if (node.life === life || !node.up) node.start() })
    }
  }

  #after(): void {
    this.checkers.holders()
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
