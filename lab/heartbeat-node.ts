// The packaged Linux-HA heartbeat 3.0.6 on a node of the lab: the reference.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Daemon, Holding, Share } from './daemon.js'
import type { LabNode } from './node.js'
import { commandLine, must, processState, run, until } from './processes.js'

const DAEMON = '/usr/libexec/heartbeat/heartbeat'
const TOOLS = '/usr/share/heartbeat'
const STOP_TIMEOUT_MS = 90_000
const HOLDINGS: readonly string[] = ['all', 'local', 'foreign', 'none', 'transition']

/** Null if the real heartbeat can be run here, else why not. */
export function heartbeatObstacle(): string | null {
  if (!existsSync(DAEMON)) return 'the Debian package heartbeat is not installed'
  return process.getuid?.() === 0 ? null : 'a real heartbeat needs root'
}

export class HeartbeatNode implements Daemon {
  readonly kind = 'heartbeat'
  private readonly node: LabNode

  private constructor(node: LabNode) {
    this.node = node
  }

  /** Gives the node the package's /etc/ha.d and an empty /var/lib/heartbeat; ha.cf comes later. */
  static async prepare(node: LabNode): Promise<HeartbeatNode> {
    await must(['cp', '-a', '/etc/ha.d/.', node.folders.haD])
    await must(['cp', '-a', '/var/lib/heartbeat/.', node.folders.lib])
    await must(['rm', '-f', ...['hb_uuid', 'hb_generation', 'hostcache'].map((f) => join(node.folders.lib, f))])
    return new HeartbeatNode(node)
  }

  /** On a node whose files are there already: another daemon ran before. */
  static adopt(node: LabNode): HeartbeatNode {
    return new HeartbeatNode(node)
  }

  async start(): Promise<void> {
    this.node.releaseSerial()
    const result = await this.node.exec([DAEMON])
    if (result.rc !== 0) throw new Error(`heartbeat did not start: ${result.err}${result.out}`)
  }

  async stop(): Promise<void> {
    const result = await this.node.exec([DAEMON, '-k'], { timeoutMs: STOP_TIMEOUT_MS })
    if (result.rc !== 0) throw new Error(`heartbeat did not stop: ${result.err}${result.out}`)
    if (!(await until(() => this.pids().length === 0, 10_000))) throw new Error('heartbeat is still running')
  }

  async kill(): Promise<void> {
    const killed = this.pids()
    this.node.kill(killed)
    // Also reaped: its pid file names a process as long as a zombie has the pid, and the next start then says 'already running'.
    const gone = (): boolean => this.pids().length === 0 && killed.every((pid) => processState(pid) === null)
    if (!(await until(gone, 10_000))) throw new Error('heartbeat survived SIGKILL')
  }

  async isRunning(): Promise<boolean> {
    return this.pids().length > 0
  }

  async holding(): Promise<Holding | null> {
    const word = await this.ask(['rscstatus'])
    return word !== null && HOLDINGS.includes(word) ? (word as Holding) : null
  }

  statusOf(name: string): Promise<string | null> {
    return this.ask(['nodestatus', name])
  }

  async standby(what: Share): Promise<void> {
    await this.command('hb_standby', what)
  }

  async takeover(what: Share): Promise<void> {
    await this.command('hb_takeover', what)
  }

  statusCommand(): readonly string[] {
    return ['cl_status', 'hbstatus', '-v']
  }

  log(): string {
    const path = join(this.node.folders.log, 'ha-log')
    return existsSync(path) ? readFileSync(path, 'latin1') : ''
  }

  private pids(): number[] {
    return this.node.processes().filter((pid) => {
      const name = commandLine(pid)[0] ?? ''
      // `send_arp` lies beside them and belongs to an agent.
      return name.startsWith('heartbeat:') || (name.startsWith('/usr/libexec/heartbeat/') && !name.endsWith('/send_arp'))
    })
  }

  private async ask(words: readonly string[]): Promise<string | null> {
    if (!this.node.isOn) return null
    const { out } = await this.node.exec(['cl_status', ...words], { timeoutMs: 5_000 })
    return out.trim() === '' ? null : out.trim()
  }

  private async command(tool: string, what: Share): Promise<void> {
    const result = await this.node.exec([join(TOOLS, tool), what])
    if (result.rc !== 0) throw new Error(`${tool} ${what}: ${result.err}${result.out}`)
  }
}

/** The lines of a heartbeat log at WARN and above, without what differs between two runs. */
export function warningsOf(log: string): string[] {
  const found = new Set<string>()
  for (const line of log.split('\n')) {
    const match = /\b(WARN|ERROR|CRIT|EMERG|ALERT):\s+(.*)$/.exec(line)
    if (match === null) continue
    const text = (match[2] ?? '')
      .replace(/node[ab]\b/g, 'NODE')
      .replace(/\b\d{4}\/\d\d\/\d\d_\d\d:\d\d:\d\d\b/g, 'TIME')
      .replace(/0x[0-9a-f]+/gi, 'N')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UUID')
      .replace(/\b\d+(\.\d+)*\b/g, 'N')
      // A message that is thrown away is shown field by field.
      .replace(/^MSG(\[N\] :|: Dumping message).*$/, 'MSG')
      .trim()
    found.add(`${match[1]}: ${text}`)
  }
  return [...found].sort()
}

export async function heartbeatVersion(): Promise<string> {
  return (await run([DAEMON, '-V'])).out.trim()
}
