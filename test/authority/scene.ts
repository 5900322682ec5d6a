// A pair under one kind of protection, ready to be broken: both daemons run, each node has its own address, and
// somebody answers on both for the client. The first node is the one that is struck.
import { writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { EtcdCluster } from '../../lab/etcd.js'
import { assertNothingLeft, type LabTraces } from '../../lab/lab.js'
import { Pair, type PairMember } from '../../lab/pair.js'
import { VIPS, type PairSettings } from '../../lab/pair-files.js'
import { commandLine, pause, until } from '../../lab/processes.js'
import { TwinbeatNode } from '../../lab/twinbeat-node.js'
import type { StatusReport } from '../../src/control/report.js'
import { doorOptions } from './order.js'

export const MODES = ['accept', 'fence', 'lease'] as const
export type Mode = (typeof MODES)[number]

export const KEEPALIVE_MS = 200
export const DEADTIME_MS = 2_000
export const TTL_MS = 6_000
const SETTLE_MS = 60_000
const EVERY_MS = 25
const HOME_EVERY_MS = 1_000
const HOME_ASK_MS = 4_000
const RELOAD_MS = 30_000
/** A claim, a grant and a plan have gone round. */
const CALM_MS = 4 * KEEPALIVE_MS

export interface SceneSpec {
  readonly name: string
  readonly mode: Mode
  /** Further lines of ha.cf. */
  readonly haCf?: readonly string[]
  /** Further words of NODE_OPTIONS of the struck node's daemon. */
  readonly nodeOptions?: readonly string[]
  /** What runs it. */
  readonly prefix?: readonly string[]
}

export interface Supervision {
  /** With which code the daemons ended that were started again; null: by a signal. */
  readonly exits: readonly (number | null)[]
  /** Rejects if one could not be started. */
  readonly end: () => Promise<void>
}

const PAIR: Partial<PairSettings> = {
  keepalive: `${String(KEEPALIVE_MS)}ms`, warntime: '1', deadtime: String(DEADTIME_MS / 1000), initdead: '4', autoFailback: 'off',
}

/** A third group, there in every other version of the files. */
const GUEST = '10.77.0.102'

export class Scene {
  readonly pair: Pair
  readonly mode: Mode
  readonly #etcd: EtcdCluster | null
  readonly #traces: LabTraces
  #edits = 0

  private constructor(pair: Pair, mode: Mode, etcd: EtcdCluster | null, traces: LabTraces) {
    this.pair = pair
    this.mode = mode
    this.#etcd = etcd
    this.#traces = traces
  }

  static async open(spec: SceneSpec): Promise<Scene> {
    const pair = await Pair.create({
      name: spec.name, kinds: ['twinbeat', 'twinbeat'], settings: { ...PAIR, extra: spec.haCf ?? [] },
    })
    const traces = pair.lab.traces()
    let etcd: EtcdCluster | null = null
    try {
      if (spec.mode === 'lease') etcd = await EtcdCluster.start(pair.lab, 1)
      const lines = protection(spec.mode, pair, etcd)
      for (const { folders } of [pair.a.node, pair.b.node]) writeFileSync(join(folders.haD, 'twinbeat.cf'), `${lines.join('\n')}\n`)
      const scene = new Scene(pair, spec.mode, etcd, etcd === null ? traces : pair.lab.traces())
      scene.struck.environment = { NODE_OPTIONS: doorOptions(...(spec.nodeOptions ?? [])) }
      scene.struck.prefix = spec.prefix ?? []
      await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
      await scene.home()
      if (!(await scene.settled(SETTLE_MS))) throw new Error('the nodes do not see each other')
      return scene
    } catch (error) {
      await etcd?.close()
      await pair.close()
      throw error
    }
  }

  get struck(): TwinbeatNode {
    return daemonOf(this.pair.a)
  }

  get peer(): TwinbeatNode {
    return daemonOf(this.pair.b)
  }

  /** Each address has one owner, and the nodes see each other. */
  settled(timeoutMs: number): Promise<boolean> {
    return until(async () => {
      if (VIPS.some((vip) => this.owners(vip).length !== 1)) return false
      const [mine, its] = await Promise.all([this.struck.status(), this.peer.status()])
      const sees = (report: StatusReport | null, name: string): boolean =>
        report !== null && report.resources !== 'transition' && report.nodes.some((node) => node.name === name && node.status === 'active')
      return sees(mine, this.pair.b.node.name) && sees(its, this.pair.a.node.name)
    }, timeoutMs, EVERY_MS)
  }

  /** Everything as at the beginning: each node has its own. */
  async home(timeoutMs = SETTLE_MS): Promise<void> {
    const endMs = performance.now() + timeoutMs
    do {
      if (await this.pair.settled('local', 'local')) return
      if (await this.settled(HOME_EVERY_MS)) await this.#bringHome()
    } while (performance.now() < endMs && !(await until(() => this.pair.settled('local', 'local'), HOME_EVERY_MS, EVERY_MS)))
    await this.pair.expect('local', 'local', HOME_EVERY_MS)
  }

  /** An interface that has only just come back makes the node refuse for a while: asked for again. */
  async #bringHome(): Promise<void> {
    const words = ['takeover', 'local', '--timeout', `${String(HOME_ASK_MS)}ms`]
    await this.pair.a.node.exec(this.struck.toolArgv(words), { timeoutMs: 2 * HOME_ASK_MS })
  }

  /** Nothing is left of the beginning: each announces its ordinary dead time, and has told the other what it holds. */
  async calm({ atOnce }: { readonly atOnce: boolean }): Promise<void> {
    const ordinary = (report: StatusReport | null): boolean =>
      report?.nodes.every((node) => node.self || node.kind === 'ping' || node.deadtimeMs === DEADTIME_MS) === true
    const both = (): Promise<(StatusReport | null)[]> => Promise.all([this.struck.status(), this.peer.status()])
    const calm = atOnce || await until(async () => (await both()).every(ordinary), SETTLE_MS, EVERY_MS)
    if (!calm) throw new Error('the nodes announce more than their ordinary dead time')
    await pause(CALM_MS)
  }

  owners(address: string = VIPS[0]): string[] {
    return this.pair.owners.now(address)
  }

  /** Starts the daemon of the struck node again whenever it has ended, as whatever started it at boot does. */
  supervise(): Supervision {
    const exits: (number | null)[] = []
    let problem: Error | null = null
    let ending = false
    const watch = async (): Promise<void> => {
      while (!ending) {
        if (this.struck.hasEnded) {
          exits.push(this.struck.exitCode)
          await this.struck.start()
        }
        await pause(EVERY_MS)
      }
    }
    const watching = watch().catch((error: unknown) => { problem = error instanceof Error ? error : new Error(String(error)) })
    return {
      exits,
      end: async () => {
        ending = true
        await watching
        if (problem !== null) throw problem
      },
    }
  }

  /** Waits until the peer has the address of the struck node. */
  takenByPeer(timeoutMs: number): Promise<boolean> {
    const name = this.pair.b.node.name
    return until(() => this.owners().includes(name), timeoutMs, 5)
  }

  /** Pids of the guardian of the struck node; more than one while one follows another. */
  guardians(): number[] {
    return this.pair.a.node.processes().filter((pid) => commandLine(pid)[0]?.endsWith('twinbeat-guardian') === true)
  }

  /** Other files for both nodes, and the order to read them. Nobody waits for the end of it. */
  reload(): Promise<unknown> {
    this.#edits += 1
    const guest = this.#edits % 2 === 1
    const home = this.pair.b.node.name
    for (const { node } of [this.pair.a, this.pair.b]) {
      edit(join(node.folders.haD, 'haresources'), (text) => withGuest(text, home, guest))
      edit(join(node.folders.haD, 'ha.cf'), (text) => text.replace(/^warntime .*$/m, `warntime ${guest ? '1200ms' : '1'}`))
    }
    return Promise.allSettled([this.struck, this.peer].map((daemon) => daemon.ask('reload', RELOAD_MS)))
  }

  async close(): Promise<void> {
    await this.#etcd?.close()
    await this.pair.close()
    assertNothingLeft(this.#traces)
  }
}

function daemonOf(member: PairMember): TwinbeatNode {
  if (member.daemon instanceof TwinbeatNode) return member.daemon
  throw new Error(`${member.node.name} runs another kind of daemon`)
}

function protection(mode: Mode, { a, b }: Pair, etcd: EtcdCluster | null): string[] {
  switch (mode) {
    case 'accept': return ['split_brain accept']
    case 'fence': return ['split_brain fence', `fence_device pretend type=null targets=${a.node.name},${b.node.name}`]
    case 'lease': return ['split_brain lease', etcd?.arbiterLine ?? '', `lease_ttl ${String(TTL_MS / 1000)}s`]
  }
}

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}

function withGuest(text: string, home: string, guest: boolean): string {
  const lines = text.split('\n').filter((line) => line !== '' && !line.includes(GUEST))
  return [...lines, ...(guest ? [`${home} IPaddr2::${GUEST}/24/eth0`] : []), ''].join('\n')
}
