// Throw-away machines. A switch with two bridges (service net 10.77.0.0/24, heartbeat net
// 10.78.0.0/24), two or more nodes and a client, each in namespaces of its own. Nothing has a global
// name, so labs run side by side; nothing outlives the process that made it.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { CLIENT_INIT, SWITCH_INIT } from './init-script.js'
import { Namespace, type SpaceTrace } from './namespace.js'
import { LabNode, linkName } from './node.js'
import { openSerialLine, SERIAL_DEVICE, type SerialLine, type SerialOptions } from './serial-line.js'
import { commandLine, namespaceId, pids, run, startTicks } from './processes.js'
import { removeEmptyCgroups } from '../src/lrm/cgroups.js'

export interface LabSpec {
  readonly name: string
  readonly nodes: readonly string[]
  /** A serial line between the first two nodes. */
  readonly serial?: SerialOptions
}

/** What was there, kept after cleanup so that a test can look for leftovers. */
export interface LabTraces {
  readonly dir: string
  readonly spaces: readonly SpaceTrace[]
}

export const CLIENT_ADDRESS = '10.77.0.253'
export const SWITCH_ADDRESS = '10.77.0.254'

export class Lab {
  readonly dir: string
  readonly switch: Namespace
  readonly client: Namespace
  readonly serial: SerialLine | null
  private readonly nodes: ReadonlyMap<string, LabNode>
  private readonly uninstall: () => void
  private closing: Promise<void> | null = null

  private constructor(parts: {
    dir: string, switch: Namespace, client: Namespace, serial: SerialLine | null, nodes: LabNode[]
  }) {
    this.dir = parts.dir
    this.switch = parts.switch
    this.client = parts.client
    this.serial = parts.serial
    this.nodes = new Map(parts.nodes.map((node) => [node.name, node]))
    this.uninstall = onInterrupt(() => this.cleanup())
  }

  static async create(spec: LabSpec): Promise<Lab> {
    const dir = mkdtempSync(join(tmpdir(), `twinbeat-lab-${spec.name}-`))
    let hub: Namespace | null = null
    try {
      hub = await Namespace.open({
        flags: ['--net', '--uts', '--ipc'], script: SWITCH_INIT, args: [dir], inside: null,
      })
      await buildSwitch(hub)
      const client = await openClient(hub)
      const folders = spec.nodes.map((name) => nodeFolders(dir, name))
      const serial = spec.serial === undefined ? null
        : await openSerialLine(hub, spec.serial, folders.map((folder) => join(folder, 'tty')).slice(0, 2))
      const open = hub
      const nodes = spec.nodes.map((name, index) => new LabNode({
        name, index, dir: join(dir, name), hub: open, serial, side: index,
        device: spec.serial?.device ?? SERIAL_DEVICE,
      }))
      const lab = new Lab({ dir, switch: hub, client, serial, nodes })
      await Promise.all(nodes.map((node) => node.powerOn()))
      return lab
    } catch (error) {
      await hub?.close()
      rmSync(dir, { recursive: true, force: true })
      throw error
    }
  }

  node(name: string): LabNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`the lab has no node '${name}'`)
    return node
  }

  allNodes(): LabNode[] {
    return [...this.nodes.values()]
  }

  /** To be asked for right before cleanup. */
  traces(): LabTraces {
    const spaces = [this.switch, this.client, ...this.allNodes().flatMap((node) => node.spaces)]
    return { dir: this.dir, spaces: spaces.map((space) => space.trace()) }
  }

  cleanup(): Promise<void> {
    this.closing ??= this.closeAll()
    return this.closing
  }

  private async closeAll(): Promise<void> {
    this.uninstall()
    try {
      await Promise.all(this.allNodes().map((node) => node.forget()))
      await this.serial?.close()
    } finally {
      await this.switch.close()
      removeEmptyCgroups()
    }
    // What was killed a moment ago may still be writing its last file.
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
  }
}

/** A process that was killed still shows for a moment on a busy machine; one that stays longer was forgotten. */
const DYING_MS = 5_000
const DYING_STEP_MS = 50

/** Throws, naming it, if any process, mount or file of these labs is still there. */
export function assertNothingLeft(traces: LabTraces): void {
  let left = leftovers(traces)
  for (let waited = 0; left.length > 0 && waited < DYING_MS; waited += DYING_STEP_MS) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DYING_STEP_MS)
    left = leftovers(traces)
  }
  if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`)
}

function leftovers(traces: LabTraces): string[] {
  const left: string[] = []
  const outside = namespaceId(process.pid, 'pid')
  for (const pid of pids()) {
    const [inPid, inNet] = [namespaceId(pid, 'pid'), namespaceId(pid, 'net')]
    // Names of namespaces are given again: what lives in the process namespace of another lab is that one's.
    if (inPid === null || inNet === null) continue
    const canBeOurs = inPid === outside || traces.spaces.some((one) => one.pidNamespace === inPid)
    const space = traces.spaces.find((one) => one.pidNamespace === inPid || (canBeOurs && one.netNamespace === inNet))
    if (space !== undefined && startTicks(pid) <= space.untilTicks) left.push(`process ${pid} (${commandLine(pid).join(' ').slice(0, 80)})`)
  }
  if (existsSync(traces.dir)) left.push(`folder ${traces.dir}`)
  if (readFileSync('/proc/self/mountinfo', 'utf8').includes(traces.dir)) left.push(`mount below ${traces.dir}`)
  return left
}

/** Runs `body` with a lab that is gone afterwards, whatever happened. */
export async function withLab<T>(spec: LabSpec, body: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = await Lab.create(spec)
  try {
    return await body(lab)
  } finally {
    const traces = lab.traces()
    await lab.cleanup()
    assertNothingLeft(traces)
  }
}

/** Null if machines can be built here, else the reason why not, in one line. */
export async function labObstacle(): Promise<string | null> {
  for (const tool of ['ip', 'bridge', 'unshare', 'nsenter', 'socat']) {
    if ((await run(['sh', '-c', `command -v ${tool}`])).rc !== 0) return `program '${tool}' is missing`
  }
  const probe = await run(['unshare', '--net', '--mount', '--pid', '--fork', 'true']).catch(() => null)
  return probe?.rc === 0 ? null : 'namespaces cannot be made (neither root nor in a user namespace)'
}

function nodeFolders(dir: string, name: string): string {
  const root = join(dir, name)
  for (const part of ['log', 'lib', 'state', 'ha.d']) mkdirSync(join(root, part), { recursive: true })
  return root
}

async function buildSwitch(hub: Namespace): Promise<void> {
  await hub.ip(['br0', 'br1'].flatMap((bridge) => [
    `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set ${bridge} up`,
  ]))
  await hub.ip([`addr add ${SWITCH_ADDRESS}/24 dev br0`])
}

async function openClient(hub: Namespace): Promise<Namespace> {
  const client = await Namespace.open({
    flags: ['--net', '--uts', '--ipc'], script: CLIENT_INIT, args: [], inside: hub,
  })
  const port = linkName('client', 0, 0)
  await hub.ip([
    `link add ${port} type veth peer name eth0 netns ${client.pid}`,
    `link set ${port} master br0 up`,
  ])
  await client.ip([`addr add ${CLIENT_ADDRESS}/24 dev eth0`, 'link set eth0 up'])
  return client
}

/** Cleans up on SIGINT and SIGTERM, then dies of the same signal as if there were no handler. */
function onInterrupt(cleanup: () => Promise<void>): () => void {
  const handler = (signal: NodeJS.Signals): void => {
    void cleanup().finally(() => {
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    })
  }
  process.on('SIGINT', handler)
  process.on('SIGTERM', handler)
  return () => {
    process.off('SIGINT', handler)
    process.off('SIGTERM', handler)
  }
}
