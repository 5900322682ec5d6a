// twinbeatd on a node of the lab, driven by its own command line.

import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Daemon, Holding, Share } from './daemon.js'
import type { LabNode } from './node.js'
import { ask } from '../src/control/client.js'
import type { StatusReport } from '../src/control/report.js'
import { commandLine, exited, must, until, within } from './processes.js'
import type { RunResult } from './processes.js'

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
const DAEMON = join(PROJECT, 'bin/twinbeatd.mjs')
const TOOL = join(PROJECT, 'bin/twinbeat.mjs')
const RUN_DIR = '/run/twinbeat'
/** Of a machine that is busy with other things; on a quiet one it takes half a second. */
const SOCKET_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 60_000
const STATUS_TIMEOUT_MS = 5_000

export function twinbeatObstacle(): string | null {
  return existsSync(DAEMON) ? null : 'the daemon is not built'
}

export class TwinbeatNode implements Daemon {
  readonly kind = 'twinbeat'
  private readonly node: LabNode
  /** Added to the daemon's environment at its next start; a successor inherits it. */
  environment: Readonly<Record<string, string>> = {}
  /** What runs the daemon from its next start on, for example a shell that sets limits. */
  prefix: readonly string[] = []
  private child: ChildProcess | null = null

  constructor(node: LabNode) {
    this.node = node
  }

  static async prepare(node: LabNode): Promise<TwinbeatNode> {
    if (existsSync('/etc/ha.d')) await must(['cp', '-a', '/etc/ha.d/.', node.folders.haD])
    return new TwinbeatNode(node)
  }

  /** The command line that an operator would use inside the node. */
  toolArgv(words: readonly string[]): string[] {
    return [process.execPath, TOOL, '--run-dir', RUN_DIR, ...words]
  }

  async start(): Promise<void> {
    this.node.releaseSerial()
    const out = openSync(this.outputPath(), 'a')
    try {
      this.child = this.node.spawn([
        'env', ...Object.entries(this.environment).map(([name, value]) => `${name}=${value}`),
        ...this.prefix, process.execPath, DAEMON, '--ha-dir', this.node.folders.haD, '--state-dir', this.node.folders.state,
        '--run-dir', RUN_DIR, '--name', this.node.name,
      ], { stdio: ['ignore', out, out] })
    } finally {
      closeSync(out)
    }
    const child = this.child
    const up = await until(async () => child.exitCode !== null || (await this.status()) !== null, SOCKET_TIMEOUT_MS)
    if (!up || child.exitCode !== null) {
      throw new Error(`twinbeatd on ${this.node.name} did not start: ${this.output().slice(-2000)}`)
    }
  }

  async stop(): Promise<void> {
    const child = this.child
    const result = await this.tool(['stop'], STOP_TIMEOUT_MS)
    if (result.rc !== 0) throw new Error(`twinbeat stop: ${result.err}${result.out}`)
    if (child !== null) await within(exited(child), STOP_TIMEOUT_MS, 'stopping twinbeatd')
  }

  async kill(): Promise<void> {
    this.node.kill(this.pids())
    if (!(await until(() => this.pids().length === 0, 5_000))) throw new Error('twinbeatd survived SIGKILL')
  }

  async isRunning(): Promise<boolean> {
    return this.pids().length > 0
  }

  /** What was started last has ended, however; a successor of a planned restart is the same process. */
  get hasEnded(): boolean {
    return this.child !== null && (this.child.exitCode !== null || this.child.signalCode !== null)
  }

  /** Its exit code; null while it runs, and after a signal. */
  get exitCode(): number | null {
    return this.child?.exitCode ?? null
  }

  /** Asked over the daemon's own socket, which /proc shows from outside the node's mounts. */
  async status(): Promise<StatusReport | null> {
    if (!this.node.isOn) return null
    try {
      return (await this.ask('status', STATUS_TIMEOUT_MS)) as StatusReport
    } catch {
      return null
    }
  }

  /** A verb of the control socket, without the command line in between. */
  ask(verb: string, timeoutMs: number): Promise<unknown> {
    return ask(verb, {}, { runDir: `/proc/${this.node.pid}/root${RUN_DIR}`, timeoutMs })
  }

  async holding(): Promise<Holding | null> {
    return (await this.status())?.resources ?? null
  }

  async statusOf(name: string): Promise<string | null> {
    return (await this.status())?.nodes.find((node) => node.name === name)?.status ?? null
  }

  async standby(what: Share): Promise<void> {
    await this.command(['standby', what])
  }

  async takeover(what: Share): Promise<void> {
    await this.command(['takeover', what])
  }

  statusCommand(): readonly string[] {
    return this.toolArgv(['status'])
  }

  log(): string {
    const path = join(this.node.folders.log, 'ha-log')
    return existsSync(path) ? readFileSync(path, 'latin1') : ''
  }

  /** What the daemon printed, as opposed to what it logged. */
  output(): string {
    return existsSync(this.outputPath()) ? readFileSync(this.outputPath(), 'utf8') : ''
  }

  pids(): number[] {
    return this.node.processes().filter((pid) => {
      const words = commandLine(pid)
      return words.includes(DAEMON) || words[0]?.startsWith('twinbeatd') === true
    })
  }

  private outputPath(): string {
    return join(this.node.folders.log, 'twinbeatd.out')
  }

  private tool(words: readonly string[], timeoutMs: number): Promise<RunResult> {
    return this.node.exec(this.toolArgv(words), { timeoutMs })
  }

  private async command(words: readonly string[]): Promise<void> {
    const result = await this.tool(words, 30_000)
    if (result.rc !== 0) throw new Error(`twinbeat ${words.join(' ')}: ${result.err}${result.out}`)
  }
}
