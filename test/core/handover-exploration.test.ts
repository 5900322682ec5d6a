// The hand-over of one group between two cores, every interleaving of its messages, writes, actions and timers, with
// a lost message, a failed write and a restart of either daemon at any point. A path is played anew
// for each of its continuations; paths that lead to the same picture are continued once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId, micros, nodeId } from '../../src/core/base/ids.js'
import { createPrng } from '../../src/core/base/prng.js'
import { createCore, type Core } from '../../src/core/core.js'
import type { Effect } from '../../src/core/effects.js'
import type { CoreConfig, Field } from '../../src/core/types.js'
import { pairConfig, type StageEvent } from './stage.js'

type RunEffect = Extract<Effect, { type: 'member.run' }>
interface Flying { readonly to: 0 | 1; readonly fields: readonly Field[]; readonly lives: readonly [number, number] }
interface Budget { losses: number; failures: number; restarts: number; timers: number }

const ids = [nodeId('alpha'), nodeId('beta')] as const
const other = (index: 0 | 1): 0 | 1 => (index === 0 ? 1 : 0)
const textOf = (fields: readonly Field[], name: string): string => String(fields.find((field) => field.name === name)?.value ?? '')

function configOf(index: 0 | 1): CoreConfig {
  return {
    ...pairConfig({
      groups: [{ id: groupId('vip'), home: ids[0], digest: 'vip-1', members: [{ id: 'ip', kind: 'address' }] }],
      stopFailure: 'block',
    }),
    self: ids[index],
  }
}

class Node {
  core: Core
  running = false
  readonly facts: Record<string, string> = {}
  writes: { key: string; value: string | null }[] = []
  calls: RunEffect[] = []
  readonly timers = new Map<string, number>()
  generation: number

  constructor(readonly index: 0 | 1) {
    this.core = createCore(configOf(index), createPrng(1))
    this.generation = 100 * (index + 1)
  }
}

class Table {
  readonly nodes = [new Node(0), new Node(1)] as const
  readonly budget: Budget = { losses: 1, failures: 1, restarts: 1, timers: 2 }
  flying: Flying[] = []
  #talk: Flying[] = []
  #now = 1_000_000

  constructor() {
    for (const node of this.nodes) this.#boot(node)
    for (const node of this.nodes) this.#introduce(node)
    for (let round = 0; round < 40; round += 1) this.#calm()
    assert.ok(this.nodes[0].running && !this.nodes[1].running, 'alpha holds the group to begin with')
    this.#feed(this.nodes[0], { type: 'operator', id: 'move', verb: 'standby', what: 'vip' })
    this.#chat()
  }

  /** Everything that can happen next. */
  choices(): string[] {
    const list: string[] = []
    this.flying.forEach((_, index) => {
      list.push(`deliver ${index}`)
      if (this.budget.losses > 0) list.push(`lose ${index}`)
    })
    for (const { index, calls, writes, timers } of this.nodes) {
      if (calls.length > 0) list.push(`act ${index}`)
      if (writes.length > 0) list.push(`write ${index}`)
      if (writes.length > 0 && this.budget.failures > 0) list.push(`fail ${index}`)
      if (this.budget.timers > 0 && timers.has('handover:vip')) list.push(`timer ${index}`)
      if (this.budget.restarts > 0) list.push(`restart ${index}`)
    }
    return list
  }

  play(choice: string): void {
    const [what = '', which = '0'] = choice.split(' ')
    const node = this.nodes[Number(which) === 0 ? 0 : 1]
    this.#now += 1000
    switch (what) {
      case 'deliver': this.#deliver(this.flying.splice(Number(which), 1)[0]); break
      case 'lose': this.flying.splice(Number(which), 1); this.budget.losses -= 1; break
      case 'act': this.#act(node); break
      case 'write': this.#write(node, true); break
      case 'fail': this.#write(node, false); this.budget.failures -= 1; break
      case 'timer': this.budget.timers -= 1; this.#timer(node, 'handover:vip'); break
      case 'restart': this.budget.restarts -= 1; this.#restart(node); break
    }
    this.#chat()
    this.check()
  }

  check(): void {
    assert.ok(!(this.nodes[0].running && this.nodes[1].running), 'the address is on both nodes')
  }

  /** Nothing goes wrong any more: the group ends with exactly one owner. */
  end(): void {
    for (let round = 0; round < 60; round += 1) {
      this.#calm()
      this.check()
      for (const node of this.nodes) if (node.timers.has('handover:vip')) this.#timer(node, 'handover:vip')
    }
    const picture = this.nodes.map((node) => `${node.core.snapshot().groups[0]?.state ?? ''} ${node.running}`).join(', ')
    assert.equal(this.nodes.filter((node) => node.running).length, 1, picture)
    assert.ok(this.nodes.every((node) => node.core.snapshot().groups[0]?.exchange === null), 'an exchange is still open')
  }

  /** Two paths with the same picture have the same future. */
  picture(): string {
    const nodes = this.nodes.map((node) => {
      const [group] = node.core.snapshot().groups
      return {
        generation: node.generation, running: node.running, facts: node.facts, writes: node.writes, state: group?.state,
        calls: node.calls.map((call) => call.action), exchange: group?.exchange, reason: group?.reason, holder: group?.holder,
        takeNow: group?.takeNow, timers: [...node.timers.keys()].sort(), armed: group?.armed,
      }
    })
    const flying = this.flying.map(({ to, fields }) => `${to} ${textOf(fields, 'tb_op')} ${textOf(fields, 'tb_x')}`).sort()
    return JSON.stringify([nodes, flying, this.budget])
  }

  // --------------------------------------------------------------------------------------------- parts

  /** Whatever is not about the hand-over takes its course at once. */
  #chat(): void {
    for (let count = 0; this.#talk.length > 0; count += 1) {
      assert.ok(count < 500, 'the nodes talk without end')
      this.#deliver(this.#talk.shift())
    }
  }

  #calm(): void {
    this.#now += 300_000
    while (this.flying.length > 0) this.#deliver(this.flying.shift())
    for (const node of this.nodes) {
      for (const [key, at] of [...node.timers]) if (at <= this.#now) this.#timer(node, key)
      while (node.writes.length > 0) this.#write(node, true)
      while (node.calls.length > 0) this.#act(node)
    }
    this.#chat()
  }

  #boot(node: Node): void {
    this.#feed(node, { type: 'boot', generation: node.generation, persisted: { ...node.facts } })
    while (node.calls.length > 0) this.#act(node)
  }

  /** Both engines hear each other. */
  #introduce(node: Node): void {
    const peer = this.nodes[other(node.index)]
    for (const status of ['up', 'active']) {
      this.#feed(node, {
        type: 'peer.status', node: ids[peer.index], status, generation: peer.generation, deadtimeUs: 10_000_000, twinbeat: '1',
      })
      this.#chat()
    }
  }

  /** The daemon only: what runs goes on, an action in flight ends as it would. */
  #restart(node: Node): void {
    const [call] = node.calls
    if (call !== undefined && call.action !== 'probe') node.running = call.action === 'start'
    this.flying = this.flying.filter(({ to }) => to !== node.index)
    this.#talk = this.#talk.filter(({ to }) => to !== node.index)
    node.timers.clear()
    node.calls = []
    // A write under way reaches the disk or does not; here it does not.
    node.writes = []
    node.generation += 1
    node.core = createCore(configOf(node.index), createPrng(1))
    this.#boot(node)
    const peer = this.nodes[other(node.index)]
    this.#feed(peer, { type: 'peer.restarted', node: ids[node.index], generation: node.generation })
    this.#introduce(node)
    this.#introduce(peer)
  }

  #feed(node: Node, event: StageEvent): void {
    for (const effect of node.core.step({ ...event, at: micros(this.#now) })) this.#apply(node, effect)
  }

  #apply(node: Node, effect: Effect): void {
    switch (effect.type) {
      case 'send': {
        const flying: Flying = { to: other(node.index), fields: effect.fields, lives: [this.nodes[0].generation, this.nodes[1].generation] }
        if (textOf(effect.fields, 't') === 'tb_handover') this.flying.push(flying)
        else this.#talk.push(flying)
        return
      }
      case 'member.run': node.calls.push(effect); if (effect.action === 'start') node.running = true; return
      case 'persist': node.writes.push(effect); return
      case 'timer.set': node.timers.set(effect.key, effect.at); return
      case 'timer.cancel': node.timers.delete(effect.key); return
      default: return
    }
  }

  #deliver(one: Flying | undefined): void {
    if (one === undefined || one.lives[one.to] !== this.nodes[one.to].generation) return
    const sender = other(one.to)
    const hg: Field = { name: 'hg', type: 0, value: (one.lives[sender] ?? 0).toString(16) }
    this.#feed(this.nodes[one.to], { type: 'message', from: ids[sender], fields: [...one.fields, hg], link: 'eth0' })
  }

  #act(node: Node): void {
    const call = node.calls.shift()
    if (call === undefined) return
    const { group, member, action } = call
    if (action === 'stop') node.running = false
    this.#feed(node, {
      type: 'member.result', call: call.call, group, member, action, outcome: node.running ? 'running' : 'stopped', text: '',
    })
  }

  #write(node: Node, ok: boolean): void {
    const write = node.writes.shift()
    if (write === undefined) return
    if (ok && write.value === null) delete node.facts[write.key]
    else if (ok && write.value !== null) node.facts[write.key] = write.value
    this.#feed(node, { type: 'persisted', key: write.key, ok })
  }

  #timer(node: Node, key: string): void {
    this.#now = Math.max(this.#now, node.timers.get(key) ?? 0)
    node.timers.delete(key)
    this.#feed(node, { type: 'timer', key })
  }
}

/** More than any path needs: the search ends because nothing new is found. */
const depthMax = 60

test('no interleaving of a hand-over ends with two owners, none, or an exchange that is left open', () => {
  const seen = new Set<string>()
  let paths: string[][] = [[]]
  let played = 0
  for (let depth = 0; depth <= depthMax && paths.length > 0; depth += 1) {
    const next: string[][] = []
    for (const path of paths) {
      const table = new Table()
      try {
        for (const choice of path) table.play(choice)
        played += 1
        const picture = table.picture()
        if (seen.has(picture)) continue
        seen.add(picture)
        for (const choice of table.choices()) next.push([...path, choice])
        table.end()
      } catch (error) {
        throw new Error(`after ${path.join(', ')}`, { cause: error })
      }
    }
    paths = next
  }
  assert.equal(paths.length, 0, 'every path was followed to its end')
  assert.ok(seen.size > 500, `only ${seen.size} pictures in ${played} paths`)
})
