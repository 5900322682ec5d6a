// One emulated machine: its emulator, the program inside that carries out orders, and what can be done to it.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'

import { epochMs } from '../../lab/owners.js'
import { exited, pause, until, within } from '../../lab/processes.js'
import { EMULATOR } from './boot-files.js'
import { emulatorArgs, type BootFiles, type MachineShape } from './emulator.js'
import { encodeFrame, FrameReader, frameType, type Frame } from './frames.js'
import { Monitor, type MachineEvent } from './qmp.js'

export interface ExecResult {
  /** Null: the machine went away under it, or it took too long; `why` says so. */
  readonly rc: number | null
  readonly out: string
  readonly err: string
  readonly why: string
}

interface Job {
  readonly onFrame: (frame: Frame) => void
  readonly onLost: (why: string) => void
}

export interface Clocks {
  readonly boot: number
  readonly real: number
}

/** Two machines on a busy host of two processors. */
const BOOT_MS = 180_000
const EXEC_MS = 60_000
const SIGKILL = 9
/** Of what a machine or its emulator said last. */
const CONSOLE_CHARS = 1_500
const HISTORY_EVENTS = 20
const IDLE_EVENTS: ReadonlySet<string> = new Set(['NIC_RX_FILTER_CHANGED', 'RTC_CHANGE'])

export class Machine {
  readonly name: string
  readonly id: number
  readonly shape: MachineShape
  /** Everything that the emulator reported, and `BOOT` whenever the agent greets. */
  readonly events: MachineEvent[] = []
  /** Clocks at each greeting. */
  readonly boots: Clocks[] = []
  readonly #files: BootFiles
  readonly #nice: number
  readonly #reader = new FrameReader()
  readonly #jobs = new Map<number, Job>()
  #next = 1
  #agent: Socket | null = null
  #monitor: Monitor | null = null
  #child: ChildProcess | null = null
  #said = ''

  constructor(shape: MachineShape, files: BootFiles, nice: number) {
    this.name = shape.name
    this.id = shape.id
    this.shape = shape
    this.#files = files
    this.#nice = nice
    mkdirSync(shape.share, { recursive: true })
  }

  /** A file that is at the same place in every boot: /mnt/vm/PATH inside. */
  file(path: string): string {
    return join(this.shape.share, path)
  }

  get isOn(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  attachAgent(socket: Socket): void {
    this.#agent = socket
    this.#reader.reset()
    socket.on('error', () => { /* 'close' follows */ })
    socket.on('data', (part: Buffer) => { for (const frame of this.#reader.push(part)) this.#take(frame) })
    socket.on('close', () => { if (this.#agent === socket) this.#loseJobs('the emulator has ended') })
  }

  attachMonitor(socket: Socket): void {
    this.#monitor = new Monitor(socket, (event) => {
      this.events.push(event)
      if (event.name === 'RESET') this.#loseJobs('the machine was reset')
    })
  }

  /** The emulator dies with this process, whatever ends it. */
  powerOn(): void {
    if (this.isOn) throw new Error(`${this.name} is on`)
    const words = ['--pdeathsig', 'KILL', 'nice', '-n', String(this.#nice), EMULATOR, ...emulatorArgs(this.shape, this.#files)]
    const child = spawn('setpriv', words, { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
    this.#said = ''
    child.stderr.setEncoding('utf8').on('data', (part: string) => { this.#said = (this.#said + part).slice(-CONSOLE_CHARS) })
    this.#child = child
  }

  /** As a power cut. */
  async powerOff(): Promise<void> {
    const child = this.#child
    if (child === null) return
    child.kill('SIGKILL')
    await exited(child)
  }

  /** The agent has greeted that many times. */
  async booted(times: number, timeoutMs = BOOT_MS): Promise<void> {
    await this.#greeted(() => this.boots.length >= times, timeoutMs)
  }

  /** The agent has greeted since then. Resets do not tell how often: one bite of a watchdog may be many of them. */
  async bootedSince(atMs: number, timeoutMs = BOOT_MS): Promise<void> {
    await this.#greeted(() => this.events.some((event) => event.name === 'BOOT' && event.atMs > atMs), timeoutMs)
  }

  async #greeted(has: () => boolean, timeoutMs: number): Promise<void> {
    await until(() => has() || !this.isOn, timeoutMs, 50)
    if (!has()) throw new Error(`${this.name} did not boot: ${this.history()}\n${this.#said}${this.console().slice(-CONSOLE_CHARS)}`)
  }

  /** In a line: how often it has booted, and what its emulator reported last. */
  history(): string {
    const told = this.events.filter(({ name }) => !IDLE_EVENTS.has(name)).slice(-HISTORY_EVENTS)
      .map(({ name, atMs }) => `${name} ${new Date(atMs).toISOString().slice(11, 23)}`)
    return `${this.boots.length} boots, ${this.isOn ? 'on' : 'off'}; ${told.join(', ') || 'no events'}`
  }

  console(): string {
    const file = join(this.shape.dir, `console${this.id}.log`)
    return existsSync(file) ? readFileSync(file, 'latin1') : ''
  }

  /** A command of the shell inside. */
  async exec(command: string, timeoutMs = EXEC_MS): Promise<ExecResult> {
    const id = this.#next++
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    return await new Promise((resolve) => {
      const end = (rc: number | null, why: string): void => {
        clearTimeout(timer)
        this.#jobs.delete(id)
        resolve({ rc, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString(), why })
      }
      const timer = setTimeout(() => {
        this.#send(frameType.signal, id, Buffer.from([SIGKILL]))
        end(null, `no end within ${timeoutMs} ms`)
      }, timeoutMs)
      this.#jobs.set(id, {
        onLost: (why) => { end(null, why) },
        onFrame: ({ type, payload }) => {
          if (type === frameType.out) out.push(payload)
          if (type === frameType.err) err.push(payload)
          if (type === frameType.exit) end(payload.readInt32LE(0), '')
        },
      })
      this.#send(frameType.exec, id, command)
    })
  }

  /** What it prints; anything but status 0 is an error. */
  async sh(command: string, timeoutMs = EXEC_MS): Promise<string> {
    const { rc, out, err, why } = await this.exec(command, timeoutMs)
    if (rc !== 0) throw new Error(`${this.name}: '${command}' ended with ${rc ?? why}: ${out}${err}`.slice(0, 2000))
    return out.trimEnd()
  }

  /** Its clocks now; null: it does not answer. */
  async clocks(timeoutMs = 5_000): Promise<Clocks | null> {
    const id = this.#next++
    const answer = new Promise<Clocks | null>((resolve) => {
      this.#jobs.set(id, {
        onLost: () => { resolve(null) },
        onFrame: ({ payload }) => { resolve(JSON.parse(payload.toString()) as Clocks) },
      })
      this.#send(frameType.ping, id)
    })
    return await within(answer, timeoutMs, 'an answer').catch(() => null).finally(() => { this.#jobs.delete(id) })
  }

  /** The first event of that name since a moment; null: none came in time. */
  async event(name: string, sinceMs: number, timeoutMs: number): Promise<MachineEvent | null> {
    const find = (): MachineEvent | undefined => this.events.find((event) => event.name === name && event.atMs >= sinceMs)
    await until(() => find() !== undefined, timeoutMs, 20)
    return find() ?? null
  }

  async ask(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#monitor === null) throw new Error(`${this.name} has no monitor`)
    return await this.#monitor.ask(command, args)
  }

  /** The machine stands still and its clocks with it: nothing inside can notice. */
  async freeze(): Promise<void> {
    await this.ask('stop')
  }

  async thaw(): Promise<void> {
    await this.ask('cont')
  }

  /** The machine stands still while its clocks run on. */
  stall(): void {
    this.#child?.kill('SIGSTOP')
  }

  unstall(): void {
    this.#child?.kill('SIGCONT')
  }

  async reset(): Promise<void> {
    await this.ask('system_reset')
  }

  /** The kernel stops for good; there is no answer any more. */
  async panic(): Promise<void> {
    void this.exec('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger', 1_000)
    await pause(0)
  }

  /** A step of the wall clock. */
  async stepClock(seconds: number): Promise<void> {
    await this.sh(`date -u -s @$(( $(date +%s) + (${seconds}) ))`)
  }

  #send(type: number, id: number, payload: Buffer | string = ''): void {
    this.#agent?.write(encodeFrame(type, id, payload))
  }

  #take(frame: Frame): void {
    if (frame.type !== frameType.hello) {
      this.#jobs.get(frame.id)?.onFrame(frame)
      return
    }
    this.#loseJobs('the machine has booted again')
    this.boots.push(JSON.parse(frame.payload.toString()) as Clocks)
    this.events.push({ atMs: epochMs(), name: 'BOOT', data: {} })
  }

  #loseJobs(why: string): void {
    for (const { onLost } of [...this.#jobs.values()]) onLost(why)
    this.#jobs.clear()
  }
}
