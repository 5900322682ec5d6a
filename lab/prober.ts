// The prober: a small program that watches a pair from outside, see lab/prober/. Built on first use; its events arrive
// here as JSON lines, with CLOCK_MONOTONIC stamps in nanoseconds, the clock of process.hrtime.

import type { ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { compiledProgram, PROJECT } from './compiled.js'
import { exited, spawnChild, within } from './processes.js'

const SOURCES = join(PROJECT, 'lab', 'prober')
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
const COMMAND_TIMEOUT_MS = 30_000
/** The program keeps the first bytes of a line only. */
const TEXT_CHARS = 100

/** Stamps are nanoseconds since boot; exact in a double for a hundred days. */
export type ProbeEvent =
  | { readonly t: number, readonly e: 'begin', readonly realtime: boolean, readonly text: string }
  /** The node's kernel tells that the address was added or removed. */
  | { readonly t: number, readonly e: 'addr', readonly node: string, readonly address: string, readonly on: boolean }
  /** The same as found out by asking; told once at the start and then when it changes. */
  | { readonly t: number, readonly e: 'held', readonly node: string, readonly address: string, readonly on: boolean }
  /** Gratuitous ARP, or an unsolicited neighbour advertisement. */
  | { readonly t: number, readonly e: 'garp', readonly address: string, readonly mac: string, readonly where: Where }
  /** Somebody answers for the address when asked. */
  | { readonly t: number, readonly e: 'arp', readonly address: string, readonly mac: string, readonly where: Where }
  /** Two heartbeats of one sender were this far apart. */
  | { readonly t: number, readonly e: 'gap', readonly mac: string, readonly ns: number }
  | { readonly t: number, readonly e: 'sent', readonly seq: number }
  | ProbeAnswer
  /** The prober itself woke up this much too late: more than 1 ms, or more than 5 ms. */
  | { readonly t: number, readonly e: 'late', readonly ns: number }
  | { readonly t: number, readonly e: 'stall', readonly ns: number }
  /** `done` follows the mark of a fault that the prober itself makes, when it is made. */
  | { readonly t: number, readonly e: 'mark', readonly text: string }
  | { readonly t: number, readonly e: 'done', readonly text: string }
  | { readonly t: number, readonly e: 'error', readonly errno: number, readonly text: string }
  | { readonly t: number, readonly e: 'lost', readonly count: number }
  | { readonly t: number, readonly e: 'end', readonly sent: number, readonly answered: number }

export interface ProbeAnswer {
  readonly t: number
  readonly e: 'answer'
  readonly seq: number
  readonly rtt: number
  /** Null when the answer does not say: pings. */
  readonly from: string | null
  /** In brief mode: since the answer before. */
  readonly gap?: number
}

export type Where = 'client' | 'bridge'

/** Anything with a PID: a lab node, a namespace. */
interface InNetwork {
  readonly pid: number
}

export interface ProberOptions {
  readonly nodes: readonly ({ readonly name: string } & InNetwork)[]
  readonly client: InNetwork
  readonly clientInterface?: string
  readonly bridge?: { readonly space: InNetwork, readonly interface: string }
  /** Where heartbeats (UDP port 694, VRRP) pass, and how far apart they must be to be told. */
  readonly gaps?: { readonly space: InNetwork, readonly interface: string, readonly leastUs: number }
  /** What is asked each tick; without it the prober only watches. */
  readonly target?: { readonly kind: 'udp' | 'tcp', readonly address: string, readonly port: number }
  | { readonly kind: 'icmp', readonly address: string }
  /** Watched; what is asked if there are none. */
  readonly addresses?: readonly string[]
  readonly everyUs?: number
  /** Asks who has the first address, so often, without touching the client's own table. */
  readonly arpEveryUs?: number
  readonly durationMs?: number
  readonly raw?: boolean
  /** Answers are told only when the answering node changes or three ticks are missing. */
  readonly brief?: boolean
  /** Answers are told to `onEvent` only: a long watch would keep millions of them. */
  readonly forgetAnswers?: boolean
  /** Called for each event as it arrives, which is some 10 ms after it happened. */
  readonly onEvent?: (event: ProbeEvent) => void
}

/** What the prober itself does to processes and to ports of the switch, at once and with a stamp. */
export type ProberCommand =
  | { readonly kill: readonly number[] } | { readonly term: readonly number[] }
  | { readonly stop: readonly number[] } | { readonly cont: readonly number[] }
  /** The switch stops forwarding by these ports, given by their interface numbers in its namespace. */
  | { readonly port: 'down' | 'up', readonly indexes: readonly number[] }
  | { readonly link: 'down' | 'up', readonly indexes: readonly number[] }

export interface ProbeMark {
  readonly text: string
  /** When the fault began, and when it was complete. */
  readonly atNs: number
  readonly doneNs: number
}

/** Resolves with the path of the program, built if these sources were not built before. */
export function proberProgram(): Promise<string> {
  const files = readdirSync(SOURCES).filter((name) => /\.(cc|h)$/.test(name)).sort()
  return compiledProgram('prober', files.map((name) => join(SOURCES, name)))
}

const netOf = (space: InNetwork): string => `/proc/${space.pid}/ns/net`

function targetWords(target: ProberOptions['target']): string[] {
  if (target === undefined) return []
  if (target.kind === 'icmp') return ['--icmp', target.address]
  const host = target.address.includes(':') ? `[${target.address}]` : target.address
  return [target.kind === 'udp' ? '--target' : '--tcp', `${host}:${target.port}`]
}

export function proberWords(options: ProberOptions): string[] {
  const number = (word: string, value: number | undefined): string[] => (value === undefined ? [] : [word, String(value)])
  const { bridge, gaps, addresses = [] } = options
  return [
    ...options.nodes.flatMap((node) => ['--node', `${node.name}=${netOf(node)}`]),
    '--client', `${netOf(options.client)}:${options.clientInterface ?? 'eth0'}`,
    ...(bridge === undefined ? [] : ['--bridge', `${netOf(bridge.space)}:${bridge.interface}`]),
    ...(gaps === undefined ? [] : ['--gaps', `${netOf(gaps.space)}:${gaps.interface}`, '--gap-us', String(gaps.leastUs)]),
    ...targetWords(options.target),
    ...(addresses.length === 0 ? [] : ['--address', addresses.join(',')]),
    ...number('--every-us', options.everyUs), ...number('--arp-every-us', options.arpEveryUs),
    ...number('--duration-ms', options.durationMs),
    ...(options.raw === true ? ['--raw'] : []), ...(options.brief === true ? ['--brief'] : []),
  ]
}

function commandLine(command: ProberCommand): string {
  if ('port' in command) return `port ${command.port} ${command.indexes.join(' ')}`
  if ('link' in command) return `link ${command.link} ${command.indexes.join(' ')}`
  const words = Object.entries(command).map(([verb, pids]: [string, readonly number[]]) => `${verb} ${pids.join(' ')}`)
  return words.join()
}

interface Waiting {
  readonly text: string
  markNs: number | null
  readonly wantsDone: boolean
  readonly resolve: (mark: ProbeMark) => void
  readonly reject: (error: Error) => void
}

export class Prober {
  private readonly child: ChildProcess
  private readonly options: ProberOptions
  private events: ProbeEvent[] = []
  private readonly waiting: Waiting[] = []
  private printed = ''
  private begun: (() => void) | null = null
  /** Whether it was allowed real-time priority: without, it measures its own lateness as well. */
  realtime = false
  /** All lines have been read. */
  private readonly read: Promise<void>

  private constructor(child: ChildProcess, options: ProberOptions) {
    this.child = child
    this.options = options
    if (child.stdout === null) throw new Error('the prober has no output')
    child.stdin?.on('error', () => undefined)
    child.stderr?.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-4096)))
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => this.takeLine(line))
    this.read = new Promise((resolve) => lines.once('close', resolve))
    child.once('exit', () => this.abandon())
    child.once('error', () => this.abandon())
  }

  static async start(options: ProberOptions): Promise<Prober> {
    const program = await proberProgram()
    const child = spawnChild([program, ...proberWords(options)], { stdio: ['pipe', 'pipe', 'pipe'] })
    const prober = new Prober(child, options)
    const begun = new Promise<void>((resolve, reject) => {
      prober.begun = resolve
      child.once('error', reject)
      child.once('close', () => reject(new Error(`the prober ended: ${prober.printed.trim()}`)))
    })
    await within(begun, START_TIMEOUT_MS, 'starting the prober').catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })
    return prober
  }

  /** Puts a line into the stream; `atNs`, of process.hrtime, if it belongs to an earlier moment. */
  async mark(text: string, atNs?: bigint): Promise<ProbeMark> {
    return this.ask(`mark ${atNs === undefined ? '' : `@${atNs} `}${text}`, text, { done: false })
  }

  /** A fault, made by the thread that measures. Resolves when it is made; rejects if the kernel refused. */
  async order(command: ProberCommand): Promise<ProbeMark> {
    const line = commandLine(command)
    return this.ask(line, line, { done: true })
  }

  /** All events since the last time, in the order they were told: stamps may be a tick out of order. */
  takeAll(): ProbeEvent[] {
    const events = this.events
    this.events = []
    return events
  }

  async stop(): Promise<ProbeEvent[]> {
    this.child.stdin?.end()
    await within(exited(this.child), STOP_TIMEOUT_MS, 'stopping the prober').catch(() => this.child.kill('SIGKILL'))
    await within(this.read, STOP_TIMEOUT_MS, 'reading what the prober told')
    return this.takeAll()
  }

  private ask(line: string, text: string, { done }: { done: boolean }): Promise<ProbeMark> {
    const answer = new Promise<ProbeMark>((resolve, reject) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        reject(new Error(`the prober has ended: ${this.printed.trim()}`))
        return
      }
      this.waiting.push({ text: text.slice(0, TEXT_CHARS), markNs: null, wantsDone: done, resolve, reject })
      this.child.stdin?.write(`${line}\n`)
    })
    return within(answer, COMMAND_TIMEOUT_MS, `the prober's '${line.slice(0, 40)}'`)
  }

  /** One that was killed stops in the middle of a line. */
  private takeLine(line: string): void {
    let event: ProbeEvent
    try {
      event = JSON.parse(line) as ProbeEvent
    } catch {
      return
    }
    this.take(event)
  }

  private take(event: ProbeEvent): void {
    if (event.e === 'begin') {
      this.realtime = event.realtime
      this.begun?.()
    }
    if (event.e !== 'answer' || this.options.forgetAnswers !== true) this.events.push(event)
    if (event.e === 'mark' || event.e === 'done' || event.e === 'error') this.answerOf(event)
    this.options.onEvent?.(event)
  }

  private answerOf(event: Extract<ProbeEvent, { e: 'mark' | 'done' | 'error' }>): void {
    const at = this.waiting.findIndex((one) => event.text.slice(0, TEXT_CHARS) === one.text)
    const one = this.waiting[at]
    if (one === undefined) return
    if (event.e === 'mark' && one.wantsDone) {
      one.markNs = event.t
      return
    }
    this.waiting.splice(at, 1)
    if (event.e === 'error') one.reject(new Error(`the prober's '${one.text}' failed with errno ${event.errno}`))
    else one.resolve({ text: one.text, atNs: one.markNs ?? event.t, doneNs: event.t })
  }

  private abandon(): void {
    for (const one of this.waiting.splice(0)) one.reject(new Error(`the prober ended: ${this.printed.trim()}`))
  }
}

export function startProber(options: ProberOptions): Promise<Prober> {
  return Prober.start(options)
}

/** The answering side: a responder inside a node, frozen and killed with it. Resolves when it answers. */
export async function startResponder(
  node: { readonly name: string, spawn: (argv: readonly string[], options: { stdio: ['ignore', 'pipe', 'inherit'] }) => ChildProcess },
  port: number,
): Promise<ChildProcess> {
  const program = await proberProgram()
  const argv = [program, 'answer', '--netns', '/proc/self/ns/net', '--name', node.name, '--port', String(port)]
  const child = node.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', () => reject(new Error(`the responder of ${node.name} ended`)))
    child.once('error', reject)
  })
  await within(ready, START_TIMEOUT_MS, 'starting a responder')
  return child
}
