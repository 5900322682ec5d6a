// A set of emulated machines with their cables, in a folder of their own that goes when they go.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { pids } from '../../lab/processes.js'
import { bootFiles } from './boot-files.js'
import { NullModem, Segment } from './cables.js'
import { socketName } from './emulator.js'
import { Machine } from './machine.js'

export interface MachinesOptions {
  readonly nodes: readonly string[]
  /** A further machine with only the clients' network. */
  readonly arbiter: boolean
  readonly management: boolean
  readonly nice: number
}

const PREFIX = 'twinbeat-vm-'
const NODE_MB = 512
const ARBITER_MB = 384

export class Machines {
  readonly all: readonly Machine[]
  /** 0: clients, 1: heartbeats. */
  readonly segments: readonly Segment[]
  readonly nullModem: NullModem
  readonly dir: string
  readonly #servers: Server[] = []

  private constructor(options: MachinesOptions) {
    removeAbandoned()
    this.dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
    const files = bootFiles()
    const names = [...options.nodes, ...(options.arbiter ? ['arbiter'] : [])]
    this.all = names.map((name, index) => {
      const isNode = index < options.nodes.length
      const share = join(this.dir, name)
      mkdirSync(share)
      return new Machine({
        id: index + 1, name, dir: this.dir, share, memoryMb: isNode ? NODE_MB : ARBITER_MB, hardwareWatchdog: isNode,
        segments: isNode ? 2 : 1, serialLine: isNode && options.nodes.length === 2, management: isNode && options.management,
        panicS: 0,
      }, files, options.nice)
    })
    this.segments = [new Segment(), new Segment()]
    this.nullModem = new NullModem()
  }

  /** All of them, booted. */
  static async boot(options: MachinesOptions): Promise<Machines> {
    const machines = new Machines(options)
    try {
      for (const machine of machines.all) await machines.#plugIn(machine)
      for (const machine of machines.all) machine.powerOn()
      await Promise.all(machines.all.map((machine) => machine.booted(1)))
      return machines
    } catch (error) {
      await machines.close()
      throw error
    }
  }

  async close(): Promise<void> {
    for (const machine of this.all) await machine.powerOff()
    for (const server of this.#servers) server.close()
    rmSync(this.dir, { recursive: true, force: true })
  }

  async #plugIn(machine: Machine): Promise<void> {
    const { id, shape } = machine
    await this.#listen(socketName.agent(id), (socket) => { machine.attachAgent(socket) })
    await this.#listen(socketName.monitor(id), (socket) => { machine.attachMonitor(socket) })
    if (shape.serialLine) await this.#listen(socketName.serial(id), (socket) => { this.nullModem.attach(id, socket) })
    for (const [number, segment] of this.segments.slice(0, shape.segments).entries()) {
      await this.#listen(socketName.segment(number, id), (socket) => { segment.attach(id, socket) })
    }
  }

  async #listen(name: string, onSocket: (socket: Socket) => void): Promise<void> {
    const server = createServer(onSocket)
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(join(this.dir, name), resolve)
    })
  }
}

/** Of runs that were killed outright: their emulators died with them, their folders did not. */
function removeAbandoned(): void {
  const alive = new Set(pids())
  for (const name of readdirSync(tmpdir())) {
    const owner = /^twinbeat-vm-(\d+)-/.exec(name)?.[1]
    if (owner !== undefined && !alive.has(Number(owner))) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}
