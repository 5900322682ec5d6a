// A set of namespaces held by one bash that is PID 1 in them. Entered with nsenter, ended by killing
// that bash: the kernel then kills every other process in it and returns the interfaces.

import type { ChildProcess, SpawnOptions } from 'node:child_process'

import {
  exited, must, namespaceId, namespaceInit, run, signalProcess, spawnChild, uptimeTicks, within,
} from './processes.js'
import type { RunOptions, RunResult } from './processes.js'

const READY_TIMEOUT_MS = 60_000
const END_TIMEOUT_MS = 10_000

/** A fixed environment: what the tester's shell exports must not change what a node does. */
export const LAB_ENV: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
}

export interface NamespaceSpec {
  /** Flags of unshare(1) for what is to be private, for example '--net'. */
  readonly flags: readonly string[]
  readonly script: string
  readonly args: readonly string[]
  /** The namespace inside which this one is created, null for the outermost. */
  readonly inside: Namespace | null
}

/** How to recognise what belonged to a namespace after its end. */
export interface SpaceTrace {
  /** Null once it has ended: the kernel lets PID 1 go only after everything else in it. */
  readonly pidNamespace: string | null
  readonly netNamespace: string
  /** Its end, or now, in clock ticks since boot: the kernel gives the names to new namespaces later. */
  readonly untilTicks: number
}

export class Namespace {
  readonly pid: number
  readonly pidNamespace: string
  readonly netNamespace: string
  /** Resolves when PID 1 has gone, whoever ended it. */
  readonly ended: Promise<void>
  private readonly holder: ChildProcess
  private endTicks: number | null = null
  /** The nsenter processes that wait, outside, for what was started inside. */
  private readonly waiters = new Set<ChildProcess>()

  private constructor(holder: ChildProcess, pid: number) {
    this.holder = holder
    this.pid = pid
    this.pidNamespace = namespaceId(pid, 'pid') ?? ''
    this.netNamespace = namespaceId(pid, 'net') ?? ''
    this.ended = exited(holder).then(() => {
      this.endTicks ??= uptimeTicks()
    })
  }

  static async open(spec: NamespaceSpec): Promise<Namespace> {
    const enter = spec.inside === null ? [] : [...nsenter(spec.inside.pid, ['-m', '-i', '-p']), '--']
    const argv = [...enter, 'unshare', ...spec.flags, '--mount', '--pid', '--fork', '--kill-child',
      // --norc: with a socket as standard input bash takes itself for a remote shell and would read it.
      '--mount-proc', 'bash', '--norc', '--noprofile', '-c', spec.script, 'init', ...spec.args]
    const holder = spawnChild(argv, { stdio: ['pipe', 'pipe', 'pipe'], env: LAB_ENV })
    holder.stdin?.on('error', () => undefined)
    let printed = ''
    const ready = new Promise<void>((resolve, reject) => {
      holder.stdout?.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('ready')) resolve()
      })
      holder.stderr?.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-4096)))
      holder.once('error', reject)
      holder.once('exit', () => reject(new Error(`a namespace ended while starting: ${printed.trim()}`)))
    })
    await within(ready, READY_TIMEOUT_MS, 'opening a namespace')
    const pid = namespaceInit(holder.pid ?? 0, spec.inside === null ? 1 : 2)
    if (pid === null) {
      holder.stdin?.end()
      throw new Error('PID 1 of a new namespace was not found')
    }
    return new Namespace(holder, pid)
  }

  trace(): SpaceTrace {
    const { pidNamespace, netNamespace } = this
    return { pidNamespace: this.isOpen ? pidNamespace : null, netNamespace, untilTicks: this.endTicks ?? uptimeTicks() }
  }

  get isOpen(): boolean {
    return this.holder.exitCode === null && this.holder.signalCode === null
  }

  /** Command prefix that runs what follows inside, as a process of this namespace. */
  enter(): string[] {
    return [...nsenter(this.pid, ['-m', '-u', '-i', '-n', '-p']), '--']
  }

  /** Only the network of this namespace: what runs there is neither frozen nor killed with it. */
  enterNetwork(): string[] {
    return [...nsenter(this.pid, ['-n']), '--']
  }

  exec(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run([...this.enter(), ...argv], { env: LAB_ENV, onSpawn: (child) => this.track(child), ...options })
  }

  spawn(argv: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawnChild([...this.enter(), ...argv], { env: LAB_ENV, ...options })
    this.track(child)
    return child
  }

  /**
   * nsenter stops itself when what it waits for is stopped. Until it runs again it reaps nothing,
   * and a PID namespace with an unreaped process never ends.
   */
  resumeWaiters(): void {
    for (const child of this.waiters) child.kill('SIGCONT')
  }

  private track(child: ChildProcess): void {
    this.waiters.add(child)
    child.once('error', () => this.waiters.delete(child))
    child.once('exit', () => this.waiters.delete(child))
  }

  /** Runs one batch of ip(8) commands in this network; the first failure is an error. */
  async ip(lines: readonly string[]): Promise<void> {
    await must([...this.enterNetwork(), 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
  }

  /** Ends it in order: standard input of PID 1 ends, the script after its loop runs. */
  async close(): Promise<void> {
    this.holder.stdin?.end()
    await within(this.ended, END_TIMEOUT_MS, 'closing a namespace').catch(() => this.kill())
  }

  /** Ends it at once, as a power cut does. */
  async kill(): Promise<void> {
    // Its end is noticed later than its name is free for another.
    this.endTicks ??= uptimeTicks()
    signalProcess(this.pid, 'SIGKILL')
    this.resumeWaiters()
    await within(this.ended, END_TIMEOUT_MS, 'the end of a namespace')
  }
}

function nsenter(pid: number, flags: readonly string[]): string[] {
  // A stopped nsenter would not notice that its own parent is gone; the kernel ends it instead.
  return ['setpriv', '--pdeathsig', 'KILL', 'nsenter', '-t', String(pid), ...flags]
}
