// The pair on stage: two nodes that read the example's files, a client that asks without pause, and
// what is known about them at every moment.

import { Client } from '../lab/client.js'
import type { Daemon } from '../lab/daemon.js'
import { Lab } from '../lab/lab.js'
import type { LabNode } from '../lab/node.js'
import { epochMs, Owners } from '../lab/owners.js'
import { until } from '../lab/processes.js'
import { TwinbeatNode } from '../lab/twinbeat-node.js'
import { copyExample, type ExamplePair } from './files.js'

export interface Actor {
  readonly node: LabNode
  readonly daemon: Daemon
  /** What the demonstration has done to it, for the live view. */
  plight: string
}

export type Hire = (node: LabNode) => Promise<Daemon>

export interface StageOptions {
  readonly example: ExamplePair
  readonly slower: number
  readonly hire?: Hire
  /** The folder with the example's files, EXAMPLE_DIR if not said otherwise. */
  readonly dir?: string
}

const ASK_EVERY_MS = 20
const ANSWER_TIMEOUT_MS = 400
const HTTP_PORT = 80
/** One owner must last this long to count as one owner. */
const JUDGED_OVER_MS = 1_000

export class Stage {
  readonly lab: Lab
  readonly example: ExamplePair
  readonly owners: Owners
  readonly client: Client
  readonly actors: readonly [Actor, Actor]
  private readonly slower: number

  private constructor(
    lab: Lab, options: StageOptions, owners: Owners, client: Client, actors: [Actor, Actor],
  ) {
    this.lab = lab
    this.example = options.example
    this.slower = options.slower
    this.owners = owners
    this.client = client
    this.actors = actors
  }

  static async build(options: StageOptions): Promise<Stage> {
    const { example } = options
    const hire = options.hire ?? (async (node: LabNode) => new TwinbeatNode(node))
    const lab = await Lab.create({
      name: 'demo', nodes: example.nodes,
      ...(example.serialDevice === null ? {} : { serial: { baud: example.baud, device: example.serialDevice } }),
    })
    try {
      const [first, second] = lab.allNodes()
      if (first === undefined || second === undefined) throw new Error('a pair has two nodes')
      for (const node of [first, second]) copyExample(node.folders.haD, options.slower, options.dir)
      const owners = await Owners.watch(lab, [example.address])
      const client = Client.start(lab, {
        mode: 'http', address: example.address, port: HTTP_PORT, everyMs: ASK_EVERY_MS, timeoutMs: ANSWER_TIMEOUT_MS,
      })
      const actors: [Actor, Actor] = [
        { node: first, daemon: await hire(first), plight: '' },
        { node: second, daemon: await hire(second), plight: '' },
      ]
      return new Stage(lab, options, owners, client, actors)
    } catch (error) {
      await lab.cleanup()
      throw error
    }
  }

  get deadtimeMs(): number {
    return this.example.deadtimeMs * this.slower
  }

  /** Names of the nodes that have the service address now. */
  owning(): string[] {
    return this.owners.now(this.example.address)
  }

  /** The one node with the address. With none or two there is no active node to harm. */
  active(): Actor {
    const names = this.owning()
    const actor = this.actors.find((candidate) => candidate.node.name === names[0])
    if (names.length !== 1 || actor === undefined) {
      throw new Error(`the address is on ${names.join(' and ') || 'no node'}`)
    }
    return actor
  }

  other(actor: Actor): Actor {
    return actor === this.actors[0] ? this.actors[1] : this.actors[0]
  }

  /** Waits until the client was answered by this node, with a request sent after `sinceMs`. */
  servedBy(actor: Actor, sinceMs: number, timeoutMs: number): Promise<boolean> {
    return until(() => {
      const last = this.client.lastAnswer()
      return last !== null && last.sentMs >= sinceMs && last.by === actor.node.name
    }, timeoutMs, 10)
  }

  /**
   * Judges one owner over a full second in which the client is answered; gives its name, or null when
   * that did not come about in time.
   */
  async oneOwner(timeoutMs: number): Promise<string | null> {
    const end = epochMs() + timeoutMs
    let since = epochMs()
    let name = ''
    await until(() => {
      const names = this.owning()
      const served = this.client.lastAnswer()
      const fresh = epochMs() - (served?.sentMs ?? 0) < ANSWER_TIMEOUT_MS
      const good = names.length === 1 && served?.by === names[0] && fresh
      if (!good || names[0] !== name) since = epochMs()
      name = good ? (names[0] ?? '') : ''
      return name !== '' && epochMs() - since >= JUDGED_OVER_MS
    }, end - epochMs(), 20)
    return name !== '' && epochMs() - since >= JUDGED_OVER_MS ? name : null
  }

  async close(): Promise<void> {
    await this.client.stop()
    await this.owners.close()
    await this.lab.cleanup()
  }
}
