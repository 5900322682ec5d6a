// What is the same for every system: two machines, a switch with two networks, a client, something that answers, and the
// prober that sees all of it.
import { Lab, type LabTraces, assertNothingLeft } from '../../lab/lab.js'
import type { LabNode } from '../../lab/node.js'
import { until } from '../../lab/processes.js'
import { startProber, startResponder, type ProbeEvent, type Prober } from '../../lab/prober.js'
import type { SerialOptions } from '../../lab/serial-line.js'

export const vip = '10.77.0.100'
export const answerPort = 7007
export const probeEveryUs = 500
/** Several of those that take seconds are watched at a time. */
export const slowProbeEveryUs = 2000

/** Longer holes than this in the answers are no steady state. */
const steadyHoleNs = 50e6
const answerAgeMs = 1_000

export interface StageOptions {
  readonly name: string
  readonly serial?: SerialOptions
  readonly probe: 'udp' | 'tcp'
  /** A service is started by the system itself. */
  readonly responders: boolean
  readonly everyUs?: number
  readonly addresses?: readonly string[]
  /** Gaps between heartbeats from this on are told; answers are then not kept: this goes on for long. */
  readonly gapUs?: number
}

export class Stage {
  private readonly held = new Map<string, boolean>()
  private lastAnswer: { readonly from: string | null, readonly t: number } = { from: null, t: 0 }
  private steadySince = 0
  private readMs = -Infinity
  prober!: Prober

  private constructor(readonly lab: Lab) {}

  static async open(options: StageOptions): Promise<Stage> {
    const lab = await Lab.create({
      name: options.name, nodes: ['nodea', 'nodeb'], ...(options.serial === undefined ? {} : { serial: options.serial }),
    })
    const stage = new Stage(lab)
    try {
      if (options.responders) await Promise.all(lab.allNodes().map((node) => startResponder(node, answerPort)))
      stage.prober = await startProber({
        nodes: lab.allNodes(), client: lab.client, bridge: { space: lab.switch, interface: 'br0' },
        target: { kind: options.probe, address: vip, port: answerPort },
        everyUs: options.everyUs ?? probeEveryUs, addresses: options.addresses ?? [vip],
        ...(options.gapUs === undefined ? {}
          : { forgetAnswers: true, gaps: { space: lab.switch, interface: 'br1', leastUs: options.gapUs } }),
        onEvent: (event) => stage.note(event),
      })
    } catch (error) {
      await lab.cleanup()
      throw error
    }
    return stage
  }

  get nodes(): readonly [LabNode, LabNode] {
    return [this.lab.node('nodea'), this.lab.node('nodeb')]
  }

  node(name: string): LabNode {
    return this.lab.node(name)
  }

  other(name: string): LabNode {
    return this.lab.node(name === 'nodea' ? 'nodeb' : 'nodea')
  }

  owners(): string[] {
    return [...this.held].filter(([, on]) => on).map(([name]) => name)
  }

  /** Who answered last, if it was a moment ago: what the prober tells may be read late on a busy machine. */
  answering(): string | null {
    return performance.now() - this.readMs < answerAgeMs ? this.lastAnswer.from : null
  }

  /** One node has the address, and it has answered without a hole for so long. */
  isSteady(forMs: number): boolean {
    const owners = this.owners()
    const nowNs = Number(process.hrtime.bigint())
    return owners.length === 1 && this.answering() === owners[0] && nowNs - this.steadySince > forMs * 1e6
  }

  async steady(forMs: number, timeoutMs: number): Promise<boolean> {
    return until(() => this.isSteady(forMs), timeoutMs, 10)
  }

  describe(): string {
    return `the address is on ${this.owners().join('+') || 'nobody'}, ${this.answering() ?? 'nobody'} answers`
  }

  async evidence(): Promise<string> {
    const seen = [await this.lab.client.exec(['ip', 'neigh'])]
    for (const node of this.nodes) seen.push(await node.exec(['sh', '-c', 'ip -br link; ip -br -4 addr; ps -e']))
    return `\n${seen.map(({ out }) => out).join('\n')}`
  }

  /** Everything gone, and checked. */
  async close(): Promise<void> {
    await this.prober.stop()
    const traces: LabTraces = this.lab.traces()
    await this.lab.cleanup()
    assertNothingLeft(traces)
  }

  private note(event: ProbeEvent): void {
    if ((event.e === 'held' || event.e === 'addr') && event.address === vip) {
      if (this.held.get(event.node) !== event.on) this.steadySince = event.t
      this.held.set(event.node, event.on)
    }
    if (event.e !== 'answer') return
    if (event.from !== this.lastAnswer.from || event.t - this.lastAnswer.t > steadyHoleNs) this.steadySince = event.t
    this.lastAnswer = event
    this.readMs = performance.now()
  }
}
