// What a client of the service sees: it asks every few milliseconds, without waiting for the answer
// before, and writes down every request. The asking is done by a process of its own inside the
// client namespace, so that a busy test does not look like a lost request.

import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Lab } from './lab.js'
import type { LabNode } from './node.js'
import { LAB_ENV } from './namespace.js'
import { exited, spawnChild, within } from './processes.js'

export type ClientMode = 'http' | 'udp' | 'icmp'

export interface ClientOptions {
  readonly mode: ClientMode
  readonly address: string
  readonly port: number
  readonly everyMs: number
  readonly timeoutMs: number
}

/** One request. `answeredMs` is null when it got no answer in time. */
export interface Request {
  readonly sentMs: number
  readonly answeredMs: number | null
  /** What the answering node calls itself; null without an answer, and for icmp. */
  readonly by: string | null
}

export interface ClientReport {
  readonly asked: number
  readonly lost: number
  readonly longestOutageMs: number
  readonly answeredBy: Readonly<Record<string, number>>
}

export const ANSWER_PORT = 7777
const STOP_TIMEOUT_MS = 5_000
const script = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

export class Client {
  private readonly requests: Request[] = []
  private readonly child: ChildProcess
  private readonly timeoutMs: number

  private constructor(child: ChildProcess, timeoutMs: number) {
    this.child = child
    this.timeoutMs = timeoutMs
    if (child.stdout === null) throw new Error('the client has no output')
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.requests.push(JSON.parse(line) as Request)
    })
  }

  static start(lab: Lab, options: ClientOptions): Client {
    const child = spawnChild(
      [...lab.client.enter(), process.execPath, script('client-process.js'), JSON.stringify(options)],
      { stdio: ['pipe', 'pipe', 'inherit'], env: LAB_ENV },
    )
    child.stdin?.on('error', () => undefined)
    return new Client(child, options.timeoutMs)
  }

  /** All requests of that stretch, in the order they were sent. */
  between(fromMs: number, toMs = Infinity): Request[] {
    return this.requests
      .filter((request) => request.sentMs >= fromMs && request.sentMs < toMs)
      .sort((a, b) => a.sentMs - b.sentMs)
  }

  report(fromMs: number, toMs = Infinity): ClientReport {
    const requests = this.between(fromMs, toMs)
    const answeredBy: Record<string, number> = {}
    let longestOutageMs = 0
    let lastGoodMs: number | null = null
    for (const request of requests) {
      if (request.answeredMs === null) continue
      const by = request.by ?? 'somebody'
      answeredBy[by] = (answeredBy[by] ?? 0) + 1
      longestOutageMs = Math.max(longestOutageMs, request.answeredMs - (lastGoodMs ?? request.sentMs))
      lastGoodMs = request.answeredMs
    }
    const lost = requests.filter((request) => request.answeredMs === null).length
    return { asked: requests.length, lost, longestOutageMs, answeredBy }
  }

  /** How long until the client is served again: the first answer after the last loss, from `fromMs`. */
  servedAgainMs(fromMs: number, toMs = Infinity): number | null {
    const requests = this.between(fromMs, toMs)
    const lastLost = requests.findLastIndex((request) => request.answeredMs === null)
    const next = requests.slice(lastLost + 1).find((request) => request.answeredMs !== null)
    return next === undefined || next.answeredMs === null ? null : next.answeredMs - fromMs
  }

  lastAnswer(): Request | null {
    return this.requests.findLast((request) => request.answeredMs !== null) ?? null
  }

  /** Long enough for every request sent until now to be answered or given up. */
  get settleMs(): number {
    return this.timeoutMs + 50
  }

  async stop(): Promise<void> {
    this.child.stdin?.end()
    await within(exited(this.child), STOP_TIMEOUT_MS, 'stopping the client').catch(() => this.child.kill('SIGKILL'))
  }
}

/** On every node, whoever has the address: answers udp and http with the name of the node. */
export function startAnswering(node: LabNode): ChildProcess {
  const argv = [process.execPath, script('answer-process.js'), node.name, String(ANSWER_PORT)]
  return node.spawn(argv, { stdio: 'ignore' })
}
