// The coordinator of fencing on a stage of its own: the test plays the devices, the peer and the clock.
import { groupId, micros, nodeId } from '../../src/core/base/ids.js'
import { createPrng } from '../../src/core/base/prng.js'
import { Context } from '../../src/core/context.js'
import type { FenceRunEffect } from '../../src/core/effects.js'
import type { FenceResultEvent } from '../../src/core/events.js'
import { Fencing } from '../../src/core/fencing/coordinator.js'
import { withoutDevices, type FenceDeviceConfig, type FencingConfig } from '../../src/core/fencing/model.js'
import { Peer } from '../../src/core/membership/peers.js'
import type { Group } from '../../src/core/takeover/group.js'
import { World } from '../../src/core/takeover/world.js'
import { pairConfig } from '../core/stage.js'

export const restUs = 10_000_000

export function device(name: string, change: Partial<FenceDeviceConfig> = {}): FenceDeviceConfig {
  return { name, targets: [nodeId('beta')], timeoutUs: 60_000_000, tries: 2, testEveryUs: 0, ...change }
}

interface Scene {
  readonly alive?: boolean
  readonly holds?: readonly string[]
  readonly seed?: number
  readonly forbidden?: boolean
  readonly unseen?: boolean
}

export class FencingStage {
  readonly orders: string[] = []
  readonly notes: string[] = []
  readonly replies: string[] = []
  readonly records: string[] = []
  readonly persisted: Record<string, string | null> = {}
  readonly fencing: Fencing
  readonly #ctx: Context
  readonly #world: World
  #now = 1_000_000_000
  #timers = new Map<string, number>()
  #last: FenceRunEffect | null = null
  #ids = 0

  constructor(config: Partial<FencingConfig>, scene: Scene = {}) {
    this.#ctx = new Context(pairConfig({ protection: 'fence', fencing: { ...withoutDevices, ...config } }))
    this.#world = new World(this.#ctx)
    const peer = new Peer(nodeId('beta'), 'normal')
    peer.heard = true
    peer.generation = 100
    peer.dead = scene.alive !== true
    this.#world.peer = peer
    for (const { id } of this.#ctx.config.groups) {
      this.#world.groups.set(id, { id, mayHold: scene.holds?.includes(id) === true } as unknown as Group)
    }
    this.fencing = new Fencing(this.#ctx, this.#world, createPrng(scene.seed ?? 1), () => scene.forbidden === true)
    this.#world.peerSeen = scene.unseen !== true
  }

  /** A step of the core in which a group waits for the peer to be fenced. */
  needed(): void {
    this.#step(() => { this.fencing.request(nodeId('beta'), 100, groupId('db')) })
  }

  boot(persisted: Readonly<Record<string, string>> = {}): void {
    this.#step(() => { this.fencing.boot(persisted) })
  }

  heard(change: 'returned' | 'restarted', generation = 100): void {
    const { peer } = this.#world
    if (peer === null) return
    peer.dead = false
    peer.generation = generation
    this.#step(() => { this.fencing.peerChanged(change) })
  }

  dead(silentUs = 10_000_000): void {
    const { peer } = this.#world
    if (peer === null) return
    peer.dead = true
    peer.silentUs = silentUs
    this.#step(() => { this.fencing.peerChanged('dead') })
  }

  order(action: 'off' | 'reboot' | 'confirm', target = 'beta'): void {
    this.#ids += 1
    const id = String(this.#ids)
    this.#step(() => { this.fencing.order({ type: 'fence.order', id, target: nodeId(target), action, by: 'root' }) })
  }

  /** Answers the last order; gives its call. */
  answer(outcome: FenceResultEvent['outcome']): number {
    const order = this.#last
    if (order === null) throw new Error('no order is under way')
    this.#last = null
    this.#result({ ...order, outcome })
    return order.call
  }

  answerCall(call: number, name: string, outcome: FenceResultEvent['outcome']): void {
    this.#result({ call, device: name, target: nodeId('beta'), action: 'reboot', outcome })
  }

  run(us: number): void {
    const until = this.#now + us
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a[1] - b[1])[0]
      if (next === undefined || next[1] > until) break
      this.#timers.delete(next[0])
      this.#now = next[1]
      this.#step(() => { this.fencing.timer(next[0].slice('fencing:'.length)) })
    }
    this.#now = until
  }

  #result(order: Pick<FenceResultEvent, 'call' | 'device' | 'target' | 'action' | 'outcome'>): void {
    const { call, device: name, target, action, outcome } = order
    this.#step(() => {
      this.fencing.result({ type: 'fence.result', call, device: name, target, action, outcome, text: outcome })
    })
  }

  #step(act: () => void): void {
    this.#ctx.begin(micros(this.#now))
    act()
    this.fencing.advance()
    for (const effect of this.#ctx.end()) {
      switch (effect.type) {
        case 'fence.run':
          this.#last = effect
          this.orders.push(`${effect.device} ${effect.action}`)
          break
        case 'fence.record': this.records.push(`${effect.action} ${effect.outcome} ${effect.devices} ${effect.by}`); break
        case 'note': if (effect.level !== 'debug' && important.test(effect.event)) this.notes.push(effect.event); break
        case 'reply': if (effect.done) this.replies.push(`${String(effect.ok)} ${effect.code}`); break
        case 'persist': this.persisted[effect.key] = effect.value; break
        case 'timer.set': this.#timers.set(effect.key, effect.at); break
        case 'timer.cancel': this.#timers.delete(effect.key); break
        default: break
      }
    }
  }
}

/** What somebody must see; the rest is the course of things. */
const important = /^fence\.(impossible|exhausted|failed|lied|expired|waiting|device-failed|device-ready)$/
