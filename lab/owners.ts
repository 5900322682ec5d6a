// Who has which address, and when. `ip monitor` runs in the network of each node, outside its PID
// namespace, so a frozen or dying node is still seen. Times are epoch milliseconds of this machine.

import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

import type { Lab } from './lab.js'
import type { LabNode } from './node.js'
import { exited, run } from './processes.js'

export interface Holding {
  readonly address: string
  readonly node: string
  readonly fromMs: number
  /** Null while it lasts. */
  readonly toMs: number | null
}

export interface Overlap {
  readonly address: string
  readonly nodes: readonly [string, string]
  readonly fromMs: number
  readonly toMs: number
}

const REALTIME = ['chrt', '-f', '40'] as const

export const epochMs = (): number => performance.timeOrigin + performance.now()

export class Owners {
  private readonly holdings: { address: string, node: string, fromMs: number, toMs: number | null }[] = []
  private readonly monitors = new Map<string, ChildProcess>()
  private readonly addresses: ReadonlySet<string>
  private readonly unlisten: (() => void)[] = []

  private readonly promptly: readonly string[]

  private constructor(addresses: readonly string[], promptly: readonly string[]) {
    this.addresses = new Set(addresses)
    this.promptly = promptly
  }

  static async watch(lab: Lab, addresses: readonly string[]): Promise<Owners> {
    const realtime = (await run([...REALTIME, 'true'])).rc === 0
    const owners = new Owners(addresses, realtime ? REALTIME : [])
    for (const node of lab.allNodes()) {
      const on = (): void => void owners.attach(node)
      const off = (): void => owners.detach(node)
      node.on('on', on).on('off', off)
      owners.unlisten.push(() => node.off('on', on).off('off', off))
      if (node.isOn) await owners.attach(node)
    }
    return owners
  }

  /** The nodes that have the address at this moment. */
  now(address: string): string[] {
    return this.holdings.filter((h) => h.address === address && h.toMs === null).map((h) => h.node)
  }

  timeline(sinceMs = 0): Holding[] {
    return this.holdings.filter((h) => (h.toMs ?? Infinity) >= sinceMs)
  }

  /** Every stretch since then in which two nodes had one address. */
  overlaps(sinceMs: number, untilMs = epochMs()): Overlap[] {
    const found: Overlap[] = []
    const all = this.timeline(sinceMs)
    all.forEach((first, index) => {
      for (const second of all.slice(index + 1)) {
        if (first.address !== second.address || first.node === second.node) continue
        const fromMs = Math.max(first.fromMs, second.fromMs, sinceMs)
        const toMs = Math.min(first.toMs ?? untilMs, second.toMs ?? untilMs, untilMs)
        if (toMs > fromMs) found.push({ address: first.address, nodes: [first.node, second.node], fromMs, toMs })
      }
    })
    return found
  }

  /** When the node last got the address since then; null if it did not. */
  takenAt(address: string, node: string, sinceMs: number): number | null {
    const found = this.holdings.filter((h) => h.address === address && h.node === node && h.fromMs >= sinceMs)
    return found.at(-1)?.fromMs ?? null
  }

  async close(): Promise<void> {
    this.unlisten.forEach((undo) => undo())
    const monitors = [...this.monitors.values()]
    monitors.forEach((child) => child.kill('SIGKILL'))
    await Promise.all(monitors.map(exited))
  }

  private async attach(node: LabNode): Promise<void> {
    const watch = ['ip', '-o', '-ts', 'monitor', 'address']
    // The time is taken when ip(8) prints: on a busy machine late, unless it may run at once.
    const child = node.spawnObserver([...this.promptly, ...watch], { stdio: ['ignore', 'pipe', 'ignore'] })
    this.monitors.set(node.name, child)
    child.once('error', () => undefined)
    if (child.stdout === null) throw new Error('no output of ip monitor')
    createInterface({ input: child.stdout }).on('line', (line) => this.read(node, line))
    // Asked after the monitor has begun, so that nothing falls between the two.
    const { out } = await node.exec(['ip', '-o', '-4', 'addr', 'show'])
    for (const line of out.split('\n')) this.read(node, line)
  }

  private detach(node: LabNode): void {
    this.monitors.get(node.name)?.kill('SIGKILL')
    this.monitors.delete(node.name)
    const at = epochMs()
    for (const holding of this.holdings) {
      if (holding.node === node.name && holding.toMs === null) holding.toMs = at
    }
  }

  private read(node: LabNode, line: string): void {
    const match = /^(?:\[(\S+)\])?\s*(Deleted )?.*\binet6? (\S+?)\//.exec(line)
    const address = match?.[3]
    if (match === null || address === undefined || !this.addresses.has(address)) return
    const stamp = match[1] === undefined ? NaN : Date.parse(match[1])
    const at = Number.isNaN(stamp) ? epochMs() : stamp
    const held = this.holdings.find((h) => h.address === address && h.node === node.name && h.toMs === null)
    if (match[2] !== undefined) {
      if (held !== undefined) held.toMs = at
    } else if (held === undefined) {
      this.holdings.push({ address, node: node.name, fromMs: at, toMs: null })
    }
  }
}
