// A drill: one fault after the other on a pair in service, seen from this machine. It begins a try only in the right
// state, restores after each, and ends at the first thing that should not be. It gives no orders but those of faults.ts.
import { TwinbeatError, messageOf } from '../../errors.js'
import type { OutageReport } from '../report.js'
import { measure, type Measurement, type MeasureOptions } from '../session.js'
import { inflict, restore, type Fault, type FaultInput } from './faults.js'
import { mustRunOn, runOn, type Remote } from './remote.js'
import { parseSettings, settingsScript } from './settings.js'
import { longestOverlap, rightState, type NodeView, type Right, type StatusView } from './state.js'
import { AddressWatch } from './watch.js'

export interface DrillOptions {
  readonly address: string
  readonly remotes: readonly Remote[]
  readonly faults: readonly Fault[]
  readonly tries: number
  /** How the tool and the start of the daemon are called on the nodes. */
  readonly tool: string
  readonly start: string
  /** Null: the interface of the address. */
  readonly nic: string | null
  /** Until somebody else must have the address and answer. */
  readonly limitMs: number
  /** Until the pair must stand right again. */
  readonly settleMs: number
  /** Two nodes may have the address for this long, which is what clocks and monitors are worth. */
  readonly overlapMaxMs: number
  readonly probe: Omit<MeasureOptions, 'signal' | 'address' | 'forMs'>
  readonly signal: AbortSignal
  readonly sample: (line: Readonly<Record<string, unknown>>) => void
  readonly progress: (text: string) => void
}

export interface TryResult {
  readonly fault: Fault
  readonly number: number
  readonly from: string
  readonly to: string | null
  /** The longest outage from the fault on, 0 if none was long enough to be one. */
  readonly outageMs: number
  /** Until the other node had the address, as far as its clock can say. */
  readonly takenAfterMs: number | null
  readonly twoOwnersMs: number
  readonly ownerChanges: number
  readonly anomaly: string | null
}

export interface DrillResult {
  readonly tries: readonly TryResult[]
  /** Null: everything was as it should be. */
  readonly anomaly: string | null
  readonly interrupted: boolean
}

const commandMs = 15_000
const pollMs = 200
/** The right state must last: a group that is about to move back looks right for a moment. */
const rightForMs = 1_000
/** So that a fault does not always meet the same moment between two heartbeats. */
const phaseMaxMs = 1_000
/** Beyond the limit: the drill restores first unless it is cut off from the node. */
const ownRestoreMs = 15_000
const faultLeadMs = 50

interface Seen {
  readonly fault: Fault
  readonly number: number
  readonly right: Right
  readonly to: string | null
  /** Of the fault, and when the client was served again; time of day. */
  readonly atMs: number
  readonly servedMs: number
  readonly anomaly: string | null
}

class Anomaly extends Error {}

export async function drill(options: DrillOptions): Promise<DrillResult> {
  const running = new Drill(options)
  return await running.run()
}

class Drill {
  readonly #options: DrillOptions
  readonly #outages: OutageReport[] = []
  readonly #changes: { atMs: number; to: string }[] = []
  readonly #ended = new AbortController()
  #measurement: Measurement | null = null
  #watch: AddressWatch | null = null
  /** Time of day at the begin of the measurement. */
  #dayMs = 0

  constructor(options: DrillOptions) {
    this.#options = options
  }

  async run(): Promise<DrillResult> {
    const { address, remotes, probe, faults, tries } = this.#options
    const done: TryResult[] = []
    let anomaly: string | null = null
    await this.#settings()
    this.#watch = new AddressWatch(address, remotes)
    this.#measurement = await measure({ ...probe, address, forMs: null, signal: this.#ended.signal }, {
      outage: (outage) => { this.#outages.push(outage) },
      ownerChanged: (change) => { this.#changes.push(change) },
    })
    this.#dayMs = Date.now() - this.#measurement.sinceStartMs()
    try {
      for (let number = 1; number <= tries && anomaly === null; number++) {
        for (const fault of faults) {
          if (this.#options.signal.aborted) break
          const result = await this.#try(fault, number)
          if (result === null) break
          done.push(result)
          this.#options.sample({ type: 'try', ...result })
          anomaly = result.anomaly
          if (anomaly !== null) break
        }
      }
      if (anomaly === null && !this.#options.signal.aborted) await this.#settled()
    } catch (error) {
      if (!(error instanceof Anomaly || error instanceof TwinbeatError)) throw error
      anomaly = messageOf(error)
    } finally {
      await this.#close()
    }
    const interrupted = this.#options.signal.aborted
    this.#options.sample({ type: 'end', anomaly, interrupted, tries: done.length })
    return { tries: done, anomaly, interrupted }
  }

  async #close(): Promise<void> {
    this.#ended.abort()
    const report = await this.#measurement?.done
    await this.#watch?.close()
    if (report !== undefined) this.#options.sample({ type: 'measurement', ...report })
    this.#options.sample({ type: 'holdings', holdings: this.#watch?.holdings ?? [] })
  }

  /** Null: interrupted before it began. */
  async #try(fault: Fault, number: number): Promise<TryResult | null> {
    this.#options.progress(`${fault} ${number}: waiting for the right state`)
    const right = await this.#settled()
    if (right === null) return null
    const [owner, view] = [this.#remote(right.owner), await this.#view(this.#remote(right.owner))]
    this.#watch?.begin(right.owner, Date.now())
    await pause(Math.random() * phaseMaxMs)
    const input = this.#input(view, right)
    this.#options.progress(`${fault} ${number} on ${right.owner}`)
    const atMs = Date.now()
    let anomaly: string | null = null
    let to: string | null = null
    let servedMs = Infinity
    try {
      await this.#inflict(fault, owner, input)
      to = await this.#moved(right)
      servedMs = Date.now()
      if (to === null) anomaly = `${fault} ${number}: nobody else answered for ${this.#options.address} within ${this.#options.limitMs} ms`
    } catch (error) {
      anomaly = messageOf(error)
    } finally {
      await this.#restore(fault, owner, input)
    }
    return this.#judge({ fault, number, right, to, atMs, servedMs, anomaly })
  }

  #input(view: NodeView, right: Right): FaultInput {
    const device = this.#options.nic ?? view.interface
    if (view.status === null || device === null) throw new Anomaly(`${right.owner} changed right before the fault`)
    const { limitMs, tool } = this.#options
    return {
      pid: view.status.pid, interface: checkedDevice(device), group: right.group, tool, limitMs,
      restoreAfterMs: limitMs + ownRestoreMs,
    }
  }

  async #inflict(fault: Fault, owner: Remote, input: FaultInput): Promise<void> {
    const script = inflict(fault, input)
    if (fault !== 'nic') {
      await mustRunOn(owner, script, commandMs + (fault === 'standby' ? input.limitMs : 0), fault)
      return
    }
    // The way to the node may be the interface that goes down.
    const { code, err } = await runOn(owner, script, commandMs)
    if (code !== null && code !== 0 && code !== 255) throw new Anomaly(`nic on ${owner.node}: ${err.trim().slice(-200)}`)
  }

  async #restore(fault: Fault, owner: Remote, input: FaultInput): Promise<void> {
    this.#options.progress(`restoring ${owner.node}`)
    await runOn(owner, restore(fault, input), commandMs).catch(() => undefined)
    if (fault !== 'kill' && fault !== 'freeze') return
    const endMs = performance.now() + this.#options.settleMs
    // A supervisor may be faster; a daemon that was thawed too late ends itself first.
    await pause(rightForMs)
    while (performance.now() < endMs) {
      if ((await this.#view(owner)).status !== null) return
      await runOn(owner, this.#options.start, commandMs).catch(() => undefined)
      await pause(rightForMs)
    }
  }

  /** The node that has the address instead, once the client is served again; null when that took too long. */
  async #moved(right: Right): Promise<string | null> {
    const endMs = performance.now() + this.#options.limitMs
    while (performance.now() < endMs) {
      const other = await this.#view(this.#remote(right.other))
      if (other.interface !== null && this.#measurement?.running() === null) return right.other
      await pause(pollMs)
    }
    return null
  }

  /** Null when interrupted. */
  async #settled(): Promise<Right | null> {
    const endMs = performance.now() + this.#options.settleMs
    let since: number | null = null
    let last: Right | string = 'nothing is known'
    while (!this.#options.signal.aborted) {
      last = rightState(await Promise.all(this.#options.remotes.map((remote) => this.#view(remote))), this.#options.address)
      if (typeof last !== 'string' && this.#measurement?.running() !== null) last = `${this.#options.address} does not answer here`
      since = typeof last === 'string' ? null : since ?? performance.now()
      if (typeof last !== 'string' && since !== null && performance.now() - since >= rightForMs) return last
      if (performance.now() > endMs) throw new Anomaly(`wrong state before a try: ${typeof last === 'string' ? last : 'it does not last'}`)
      await pause(pollMs)
    }
    return null
  }

  /** What came after the client was served again belongs to the restoring; two owners are wrong at any time. */
  #judge(seen: Seen): TryResult {
    const { fault, number, right, to, atMs, servedMs } = seen
    const sinceMs = atMs - this.#dayMs - faultLeadMs
    const untilMs = servedMs - this.#dayMs
    const outageMs = Math.max(0, ...this.#outages
      .filter((outage) => outage.toMs >= sinceMs && outage.fromMs <= untilMs).map((outage) => outage.lengthMs))
    const ownerChanges = this.#changes.filter((change) => change.atMs >= sinceMs && change.atMs <= untilMs).length
    const holdings = this.#watch?.holdings ?? []
    const overlap = longestOverlap(holdings, atMs, Date.now())
    const taken = holdings.find((holding) => holding.node === right.other && holding.fromMs >= atMs - faultLeadMs)
    const two = overlap.lengthMs > this.#options.overlapMaxMs
      ? `${fault} ${number}: two owners for ${Math.round(overlap.lengthMs)} ms` : null
    return {
      fault, number, from: right.owner, to, outageMs, takenAfterMs: taken === undefined ? null : Math.round(taken.fromMs - atMs),
      twoOwnersMs: Math.round(overlap.lengthMs), ownerChanges, anomaly: seen.anomaly ?? two,
    }
  }

  async #view(remote: Remote): Promise<NodeView> {
    const { address, tool } = this.#options
    const { out } = await runOn(remote, `ip -o address show to ${address}; echo; ${tool} status --json 2>/dev/null`, commandMs)
    return parseView(remote.node, out)
  }

  async #settings(): Promise<void> {
    for (const remote of this.#options.remotes) {
      const script = `ip -o address show to ${this.#options.address}; ${this.#options.tool} status --json`
      const out = await mustRunOn(remote, script, commandMs, 'status')
      const view = parseView(remote.node, out)
      const device = checkedDevice(this.#options.nic ?? view.interface ?? 'eth0')
      const settings = parseSettings((await runOn(remote, settingsScript(device), commandMs)).out)
      this.#options.sample({ type: 'settings', node: remote.node, interface: device, ...settings, timing: view.status?.timing ?? null })
    }
  }

  #remote(node: string): Remote {
    const found = this.#options.remotes.find((remote) => remote.node === node)
    if (found === undefined) throw new TwinbeatError('TB_DRILL_NODE', `no way to run commands on '${node}' was given`)
    return found
  }
}

/** What `ip -o address show to ADDRESS` and then `twinbeat status --json` print. */
export function parseView(node: string, out: string): NodeView {
  const device = /^\d+:\s+([^\s@]+)[^\n]*\binet6?\s/m.exec(out)?.[1] ?? null
  const begin = out.indexOf('{')
  return { node, interface: device, status: begin < 0 ? null : parseStatus(out.slice(begin)) }
}

function parseStatus(text: string): StatusView | null {
  try {
    const value = JSON.parse(text) as Partial<StatusView>
    return value.nodes !== undefined && value.groups !== undefined ? (value as StatusView) : null
  } catch {
    return null
  }
}

function checkedDevice(name: string): string {
  if (!/^[A-Za-z0-9_.:-]{1,15}$/.test(name)) throw new TwinbeatError('TB_USAGE', `'${name}' is not the name of an interface`)
  return name
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })
