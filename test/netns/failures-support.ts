// Real daemons on machines of the lab that are given something broken: files, agents, prefixes of the command
// line, and what can be asked of them afterwards.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLab } from '../../lab/lab.js'
import type { LabNode } from '../../lab/node.js'
import { exited, signalProcess, until, within, type RunResult } from '../../lab/processes.js'
import { ask } from '../../src/control/client.js'
import type { GroupReport, StatusReport } from '../../src/control/report.js'

const project = fileURLToPath(new URL('../../../', import.meta.url))
export const runDir = '/run/twinbeat'
export const vip = '10.77.0.100'
/** Key of the group that `haresources` makes below. */
export const groupKey = `${vip}/24/eth0`
export const names = ['nodea', 'nodeb'] as const

export interface Files {
  /** Lines of ha.cf that name the links; bcast eth1 alone by default. */
  readonly links?: readonly string[]
  /** Further lines of ha.cf. */
  readonly haCf?: readonly string[]
  /** Members after the address of the only group, which is at home on nodea. */
  readonly members?: readonly string[]
  readonly twinbeatCf?: readonly string[]
  readonly logfile?: string
}

export interface Launch {
  /** What runs the daemon, for example setpriv with less privileges. */
  readonly prefix?: readonly string[]
  readonly args?: readonly string[]
  readonly stateDir?: string
}

export class Machine {
  #child: ChildProcess | null = null

  constructor(readonly node: LabNode) {}

  write(files: Files): void {
    const put = (name: string, lines: readonly string[], mode = 0o644): void => {
      const file = join(this.node.folders.haD, name)
      writeFileSync(file, `${lines.join('\n')}\n`)
      chmodSync(file, mode)
    }
    put('ha.cf', [
      `logfile ${files.logfile ?? '/var/log/ha-log'}`, 'keepalive 200ms', 'warntime 1', 'deadtime 2', 'initdead 3',
      'auto_failback off', ...(files.links ?? ['bcast eth1']), `node ${names.join(' ')}`, ...(files.haCf ?? []),
    ])
    put('authkeys', ['auth 1', '1 sha1 a-key-of-the-lab'], 0o600)
    put('haresources', [[names[0], groupKey, ...(files.members ?? [])].join(' ')])
    put('twinbeat.cf', files.twinbeatCf ?? ['announce_refresh 0'])
  }

  /** A heartbeat-style agent. `parts` replaces what it does for an action; every call is written down. */
  agent(name: string, parts: Readonly<Partial<Record<'start' | 'stop' | 'status', string>>> = {}): void {
    const folder = join(this.node.folders.haD, 'resource.d')
    mkdirSync(folder, { recursive: true })
    const mark = `/run/service-${name}`
    const text = ['#!/bin/sh', `echo "${name} $1" >> /var/log/agent-calls`, 'case $1 in',
      `start) ${parts.start ?? `touch ${mark}`};;`, `stop) ${parts.stop ?? `rm -f ${mark}`};;`,
      `status) ${parts.status ?? `if [ -e ${mark} ]; then echo running; else echo stopped; exit 3; fi`};;`, 'esac', '']
    writeFileSync(join(folder, name), text.join('\n'))
    chmodSync(join(folder, name), 0o755)
  }

  calls(): string[] {
    return this.#text('agent-calls').split('\n').filter((line) => line !== '')
  }

  launch(options: Launch = {}): ChildProcess {
    const out = openSync(join(this.node.folders.log, 'out'), 'a')
    try {
      this.#child = this.node.spawn([
        ...(options.prefix ?? []), process.execPath, join(project, 'bin/twinbeatd.mjs'), '--ha-dir', this.node.folders.haD,
        '--state-dir', options.stateDir ?? this.node.folders.state, '--run-dir', runDir, '--name', this.node.name,
        ...(options.args ?? []),
      ], { stdio: ['ignore', out, out] })
    } finally {
      closeSync(out)
    }
    return this.#child
  }

  async start(options: Launch = {}): Promise<void> {
    const child = this.launch(options)
    const up = await until(async () => child.exitCode !== null || (await this.status()) !== null, 30_000)
    assert.ok(up && child.exitCode === null, `twinbeatd on ${this.node.name} did not start: ${this.output()}`)
  }

  /** Exit code of the daemon, which must end by itself. */
  async exitCode(): Promise<number | null> {
    assert.ok(this.#child !== null)
    await within(exited(this.#child), 30_000, `the end of twinbeatd on ${this.node.name}`)
    return this.#child.exitCode
  }

  /** Starts a daemon that must refuse; gives what it said. */
  async refused(code: number, options: Launch = {}): Promise<string> {
    const before = this.output().length
    this.launch(options)
    const exit = await this.exitCode()
    const said = this.output().slice(before)
    assert.equal(exit, code, said)
    assertPlain(said)
    assert.match(said, /^twinbeatd: TB_\w+: .*\n(.*\n)*? {2}hint: .+\n$/)
    return said
  }

  async status(): Promise<StatusReport | null> {
    if (!this.node.isOn) return null
    try {
      const path = `/proc/${String(this.node.pid)}/root${runDir}`
      return (await ask('status', {}, { runDir: path, timeoutMs: 2000 })) as StatusReport
    } catch {
      return null
    }
  }

  async group(): Promise<GroupReport | null> {
    return (await this.status())?.groups[0] ?? null
  }

  async warnings(): Promise<string> {
    return (await this.status())?.warnings.join('\n') ?? ''
  }

  /** Waits until the report satisfies; the error shows the last one. */
  async when(what: string, wanted: (report: StatusReport) => boolean, timeoutMs = 20_000): Promise<StatusReport> {
    let last: StatusReport | null = null
    const seen = await until(async () => {
      last = (await this.status()) ?? last
      return last !== null && wanted(last)
    }, timeoutMs, 100)
    assert.ok(seen && last !== null, `${this.node.name}: ${what} within ${String(timeoutMs)} ms; ` +
      `${JSON.stringify(last, ['groups', 'state', 'reason', 'lastResult', 'members', 'warnings', 'links', 'name', 'open', 'problem',
        'nodes', 'status', 'resources', 'membership'])}\n${this.log().slice(-3000)}`)
    return last
  }

  async holds(timeoutMs = 20_000): Promise<StatusReport> {
    const report = await this.when('holds the group', ({ groups }) => groups[0]?.state === 'held', timeoutMs)
    return report
  }

  async hasAddress(): Promise<boolean> {
    return (await this.node.exec(['ip', '-o', '-4', 'addr', 'show', 'to', vip])).out.includes(vip)
  }

  tool(...words: string[]): Promise<RunResult> {
    return this.node.exec([process.execPath, join(project, 'bin/twinbeat.mjs'), '--run-dir', runDir, ...words], { timeoutMs: 60_000 })
  }

  /** Pids of the daemon as this process sees them. */
  daemonPids(): number[] {
    return this.node.processes().filter((pid) => comm(pid) === 'twinbeatd')
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.node.kill(this.daemonPids(), signal)
  }

  /** So that nobody is left to let go of what the daemon held. */
  killWithGuardian(): void {
    // The kernel keeps 15 characters of a name.
    const all = this.node.processes().map((pid) => ({ pid, name: comm(pid) }))
    const named = (wanted: string): number[] => all.filter(({ name }) => name === wanted).map(({ pid }) => pid)
    // Stopped, not killed: for a dead one the daemon would have another before its own end comes.
    this.node.kill(named('twinbeat-guardi'), 'SIGSTOP')
    this.node.kill(named('twinbeatd'))
    this.node.kill(named('twinbeat-guardi'))
  }

  /** A signal to one process that may be gone. */
  tell(pid: number, signal: NodeJS.Signals): void {
    if (this.node.processes().includes(pid)) signalProcess(pid, signal)
  }

  output(): string {
    return this.#text('out')
  }

  log(): string {
    return this.#text('ha-log')
  }

  /** A line is written a moment after what it tells of. */
  async line(pattern: RegExp): Promise<string> {
    const find = (): string | undefined => this.log().split('\n').find((candidate) => pattern.test(candidate))
    await until(() => find() !== undefined, 10_000, 20)
    const line = find()
    assert.ok(line !== undefined, `no line matches ${String(pattern)} in:\n${this.log().slice(-4000)}`)
    return line
  }

  #text(name: string): string {
    const file = join(this.node.folders.log, name)
    return existsSync(file) ? readFileSync(file, 'latin1') : ''
  }
}

const comm = (pid: number): string => {
  try {
    return readFileSync(`/proc/${String(pid)}/comm`, 'latin1').trim()
  } catch {
    return ''
  }
}

/** No stack trace, nothing of Node's own: what an operator reads is a sentence. */
export function assertPlain(text: string): void {
  assert.doesNotMatch(text, /^\s+at .*[:(]|node:internal|TB_INTERNAL|\[object |undefined/m)
}

/** One line of the log that matches; gives it. */
export async function withPair(name: string, body: (a: Machine, b: Machine) => Promise<void>): Promise<void> {
  await withLab({ name, nodes: names }, async (lab) => {
    const machines = names.map((node) => new Machine(lab.node(node))) as [Machine, Machine]
    await body(...machines)
    for (const machine of machines) {
      assertPlain(machine.output())
      assertPlain(machine.log())
    }
  })
}

export async function withOne(name: string, body: (machine: Machine) => Promise<void>): Promise<void> {
  await withLab({ name, nodes: [names[0]] }, async (lab) => {
    const machine = new Machine(lab.node(names[0]))
    await body(machine)
    assertPlain(machine.output())
    assertPlain(machine.log())
  })
}
