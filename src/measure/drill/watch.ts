// When each node got and lost the address, all on the clock of this machine. A node stamps its own events and says its
// time twice a second; the least difference to the arrival here is what its clock differs by, plus the shortest way.
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { endGroup, startOn, type Remote } from './remote.js'
import type { Holding } from './state.js'

const clockEveryS = 0.5
const holdingsMax = 10_000
const endMs = 1_000

export class AddressWatch {
  readonly #address: string
  readonly #children: ChildProcess[] = []
  readonly #holdings: { node: string; fromMs: number; toMs: number | null }[] = []
  readonly #offsets = new Map<string, number>()
  /** Events before the first word of the clock wait for it. */
  readonly #early = new Map<string, string[]>()

  constructor(address: string, remotes: readonly Remote[]) {
    this.#address = address.toLowerCase()
    for (const remote of remotes) this.#attach(remote)
  }

  /** Of the whole drill, in milliseconds of this machine's day. */
  get holdings(): readonly Holding[] {
    return this.#holdings
  }

  /** Nodes whose clock is known: their events can be believed. */
  get heard(): number {
    return this.#offsets.size
  }

  /** What a node has at the begin, as asked from it. */
  begin(node: string, atMs: number): void {
    if (!this.#holdings.some((holding) => holding.node === node && holding.toMs === null)) this.#note(node, atMs, true)
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.stdin?.end()
    await Promise.all(this.#children.map(async (child) => {
      const timer = setTimeout(() => endGroup(child), endMs)
      await new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) resolve()
        else child.once('exit', () => resolve())
      })
      clearTimeout(timer)
    }))
  }

  #attach(remote: Remote): void {
    // One line: a shell that reads its script from a pipe has read all of it, and `cat` waits for the end of this drill.
    const child = startOn(remote, `(while echo "clock $(date +%s.%N)"; do sleep ${clockEveryS}; done) & c=$!; ` +
      'TZ=UTC ip -ts -o monitor address & m=$!; cat >/dev/null; kill $c $m')
    this.#children.push(child)
    child.on('error', () => undefined)
    child.stderr?.resume()
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).on('line', (line) => this.#read(remote.node, line))
  }

  #read(node: string, line: string): void {
    const clock = /^clock (\d+\.\d+)$/.exec(line)?.[1]
    if (clock !== undefined) {
      const offset = Date.now() - Number(clock) * 1000
      this.#offsets.set(node, Math.min(this.#offsets.get(node) ?? Infinity, offset))
      for (const early of this.#early.get(node) ?? []) this.#event(node, early)
      this.#early.delete(node)
    } else if (this.#offsets.has(node)) {
      this.#event(node, line)
    } else {
      this.#early.set(node, [...(this.#early.get(node) ?? []), line])
    }
  }

  #event(node: string, line: string): void {
    const event = addressEvent(line)
    if (event === null || event.address !== this.#address) return
    this.#note(node, event.atMs + (this.#offsets.get(node) ?? 0), event.added)
  }

  #note(node: string, atMs: number, added: boolean): void {
    const held = this.#holdings.find((holding) => holding.node === node && holding.toMs === null)
    if (!added && held !== undefined) held.toMs = atMs
    if (added && held === undefined && this.#holdings.length < holdingsMax) this.#holdings.push({ node, fromMs: atMs, toMs: null })
  }
}

/** A line of `ip -ts -o monitor address`. */
export function addressEvent(line: string): { atMs: number; address: string; added: boolean } | null {
  const match = /^\[(\S+)\]\s*(Deleted )?.*\binet6? ([^\s/]+)/.exec(line)
  const [, stamp, deleted, address] = match ?? []
  if (stamp === undefined || address === undefined) return null
  const atMs = Date.parse(`${stamp}Z`)
  return Number.isNaN(atMs) ? null : { atMs, address: address.toLowerCase(), added: deleted === undefined }
}
