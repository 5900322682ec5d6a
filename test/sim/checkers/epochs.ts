// Claim epochs: a new claim is above everything that its life claimed of the group, and was told of it by the other node.
// It cannot be above what its life does not know, because the other node was not heard in it; last words name the life
// beside the epoch for that reason. And what both nodes judge by after a partition is one verdict: they do not both let
// go by it.

import type { Effect, HoldingEffect } from '../../../src/core/effects.js'
import type { SimEvent } from '../events.js'
import type { SimNode } from '../node.js'
import { Violation, type CheckerName, type Scene } from './scene.js'

type Message = Extract<SimEvent, { type: 'message' }>

const textOf = (message: Message, name: string): string =>
  String(message.fields.find((field) => field.name === name)?.value ?? '')

export class EpochCheckers {
  /** By life and group: the last claim. */
  readonly #claims = new Map<string, number>()
  /** By life and group: the greatest that the other node said of it. */
  readonly #told = new Map<string, number>()
  /** Nodes to which the other one spoke last as an older version does: without a frozen claim there is no one verdict. */
  readonly #plainly = new Set<SimNode>()
  /** By node and group: let go beside an older version. */
  readonly #lostPlainly = new Set<string>()

  constructor(private readonly scene: Scene) {}

  effect(node: SimNode, effect: Effect): void {
    if (node.twinbeat === null) return
    if (effect.type === 'holding') return this.#holds(node, effect)
    if (effect.type === 'note' && effect.event === 'owners.two') this.#lost(node, String(effect.details['group']))
  }

  #holds(node: SimNode, { group, held, claimEpoch }: HoldingEffect): void {
    if (!held || claimEpoch === 0) return
    const key = `${node.id}#${node.life} ${group}`
    const before = this.#claims.get(key) ?? 0
    if (claimEpoch === before) return
    this.#claims.set(key, claimEpoch)
    const what = `${node.id} claims ${group} with ${claimEpoch}`
    if (claimEpoch < before) this.#fail('epochs', `${what}, after ${before}`)
    const told = this.#told.get(key) ?? 0
    if (claimEpoch <= told) this.#fail('epochs', `${what}, and was told of ${told}`)
  }

  /** What is said by a life that the core does not have in mind does not count. */
  event(node: SimNode, event: SimEvent): void {
    if (event.type !== 'message' || node.twinbeat === null || textOf(event, 't') !== 'tb_claims') return
    const peer = node.core?.snapshot().peers.find((one) => one.id === event.from)
    if (peer === undefined || textOf(event, 'tb_gen') !== `${peer.generation}`) return
    if (textOf(event, 'tb_heal') === '') this.#plainly.add(node)
    else this.#plainly.delete(node)
    for (const part of textOf(event, 'tb_epochs').split(' ')) {
      const at = part.indexOf(':')
      if (at <= 0) continue
      const key = `${node.id}#${node.life} ${part.slice(at + 1)}`
      this.#told.set(key, Math.max(this.#told.get(key) ?? 0, Number(part.slice(0, at))))
    }
  }

  /** A verdict is about one pair of claims: one of the two keeps the group. */
  #lost(node: SimNode, id: string): void {
    const other = this.scene.nodes.find((one) => one !== node)
    const plainly = this.#plainly.has(node)
    if (plainly) this.#lostPlainly.add(`${node.id} ${id}`)
    else this.#lostPlainly.delete(`${node.id} ${id}`)
    if (plainly || this.#lostPlainly.has(`${other?.id ?? ''} ${id}`)) return
    const group = other?.core?.snapshot().groups.find((one) => one.id === id)
    if (group?.state !== 'giving' || group.reason !== 'heal-lost') return
    this.#fail('one-verdict', `${node.id} lets go of ${id}, which ${other?.id ?? ''} lets go of by the verdict too`)
  }

  #fail(checker: CheckerName, detail: string): never {
    throw new Violation(checker, this.scene.now(), detail)
  }
}
