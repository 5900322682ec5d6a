// Every program that the daemon runs is started by a small helper process, native/spawner: a fork of the daemon
// itself copies the page tables of a large process with locked memory and makes the engine late.
//
// One helper for the process, started when first needed, started again when it dies: what ran under the dead one
// ends as failed, with its process group killed, because nobody would learn of its end any more.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { constants as osConstants } from 'node:os'
import { join } from 'node:path'
import { TwinbeatError } from '../errors.js'
import { packageRoot } from './addon.js'

export interface SpawnRequest {
  /** Absolute path. */
  readonly program: string
  /** Without the program's own name. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What it reads on stdin; empty by default. Never shown anywhere: the way for secrets. */
  readonly input?: Uint8Array | string
  readonly uid?: number
  readonly gid?: number
  /** Keep the tail of stdout and stderr, at most `outputBytesMax` each; otherwise they lead nowhere. */
  readonly capture: boolean
  /** Killed with its process group when the daemon dies: right for a start, wrong for a stop. */
  readonly dieWithDaemon: boolean
  /** Folder of a control group (version 2) to run in; null: the daemon's own. */
  readonly cgroup?: string | null
}

export interface SpawnOutput {
  readonly stdout: string
  readonly stderr: string
}

export type SpawnEnd =
  | ({ readonly kind: 'exited'; readonly exitCode: number | null; readonly signal: string | null } & SpawnOutput)
  /** Nothing was run. `code` is the name of the errno. */
  | { readonly kind: 'unstartable'; readonly code: string; readonly stage: SpawnStage }
  /** The helper died: how the run ended is not known, its process group was killed. */
  | { readonly kind: 'lost' }

export type SpawnStage = 'request' | 'fork' | 'cgroup' | 'identity' | 'folder' | 'exec'

export interface Spawned {
  /** Also its process group and session; null when it could not be started. */
  readonly pid: Promise<number | null>
  /** When the program itself has ended, whatever it left behind. Never rejects. */
  readonly end: Promise<SpawnEnd>
  /** What it has printed so far; empty when it has ended or the helper does not answer. */
  peek(): Promise<SpawnOutput>
}

/** Kept of each stream; what was printed before is counted. */
export const outputBytesMax = 64 * 1024

const protocolVersion = 1
const frameMax = 4 * 1024 * 1024
const headerBytes = 9
const peekMs = 500
/** The helper answers an order within a second or so, also one whose disk hangs; one that says nothing for this long hangs itself. */
const silenceMaxMs = 10_000
const requests = { start: 1, peek: 2 } as const
const replies = { hello: 1, started: 2, failed: 3, output: 4, exited: 5 } as const
const stages: readonly SpawnStage[] = ['request', 'fork', 'cgroup', 'identity', 'folder', 'exec']
const nothing: SpawnOutput = { stdout: '', stderr: '' }

const signalNames = new Map(Object.entries(osConstants.signals).map(([name, number]) => [number, name]))
const errnoNames = new Map(Object.entries(osConstants.errno).map(([name, number]) => [number, name]))

interface Running {
  pid: number | null
  readonly started: (pid: number | null) => void
  readonly ended: (end: SpawnEnd) => void
  peeks: ((output: SpawnOutput) => void)[]
}

export function spawnerCandidates(root: string): string[] {
  const prebuild = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'twinbeat-spawner')
  return [join(root, 'build', 'Release', 'twinbeat-spawner'), prebuild]
}

export class Spawner {
  readonly #program: string
  readonly #silenceMaxMs: number
  readonly #running = new Map<number, Running>()
  #child: ChildProcess | null = null
  #socket: Socket | null = null
  #pid: number | null = null
  #nextId = 1
  #pending: Buffer = Buffer.alloc(0)
  #closed = false
  #watch: NodeJS.Timeout | null = null
  #heardAt = 0

  /** Only tests wait for less than `silenceMaxMs`. */
  constructor(candidates: readonly string[] = spawnerCandidates(packageRoot()), silenceMax = silenceMaxMs) {
    this.#silenceMaxMs = silenceMax
    const found = candidates.find((path) => existsSync(path))
    if (found === undefined) {
      throw new TwinbeatError('TB_ADDON_MISSING', `no helper to run programs: none of ${candidates.join(', ')} exists`)
    }
    this.#program = found
  }

  /** Of the helper process, once it has said so. */
  get pid(): number | null {
    return this.#pid
  }

  /** Starts the helper before it is needed, so that the first agent does not wait for a fork of the daemon. */
  prepare(): void {
    this.#connection()
  }

  run(request: SpawnRequest): Spawned {
    const id = this.#nextId
    this.#nextId = id === 0xffffffff ? 1 : id + 1
    let started: Running['started'] = () => undefined
    let ended: Running['ended'] = () => undefined
    const pid = new Promise<number | null>((resolve) => { started = resolve })
    const end = new Promise<SpawnEnd>((resolve) => { ended = resolve })
    const running: Running = { pid: null, started, ended, peeks: [] }
    if (this.#closed) {
      this.#finish(running, { kind: 'unstartable', code: 'ESHUTDOWN', stage: 'request' })
      return { pid, end, peek: async () => await Promise.resolve(nothing) }
    }
    const frame = startFrame(id, request)
    if (frame.length > 2 * 1024 * 1024) {
      this.#finish(running, { kind: 'unstartable', code: 'E2BIG', stage: 'request' })
      return { pid, end, peek: async () => await Promise.resolve(nothing) }
    }
    this.#connection()
    this.#running.set(id, running)
    this.#keepAlive(true)
    this.#watchHelper()
    this.#socket?.write(frame)
    return { pid, end, peek: async () => await this.#peek(id) }
  }

  /** What runs goes on; the helper ends after it. */
  close(): void {
    this.#closed = true
    this.#socket?.end()
  }

  #connection(): ChildProcess {
    if (this.#child !== null) return this.#child
    // Detached, and the helper leaves its parent: the process started here ends at once.
    // Its socket is no standard stream: Node closes stdin when the process that it started is gone.
    const child = spawn(this.#program, [], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true })
    const socket = child.stdio[3] as Socket | null
    this.#child = child
    this.#socket = socket
    this.#pid = null
    this.#pending = Buffer.alloc(0)
    const lost = (): void => { this.#lost(child) }
    child.once('error', lost)
    socket?.on('error', () => undefined)
    socket?.on('data', (chunk: Buffer) => { this.#read(child, chunk) })
    socket?.once('close', lost)
    child.unref()
    this.#keepAlive(false)
    return child
  }

  /** The socket holds the event loop only while something runs. */
  #keepAlive(on: boolean): void {
    if (on) this.#socket?.ref()
    else this.#socket?.unref()
  }

  /** While an order waits for its start: a helper that hangs must not take every deadline with it. */
  #watchHelper(): void {
    if (this.#watch !== null) return
    this.#heardAt = performance.now()
    this.#watch = setInterval(() => {
      const waits = [...this.#running.values()].some((running) => running.pid === null)
      if (!waits) return this.#unwatch()
      if (performance.now() - this.#heardAt < this.#silenceMaxMs) return
      this.#unwatch()
      if (this.#pid !== null) killProcess(this.#pid)
      this.#socket?.destroy()
    }, this.#silenceMaxMs / 10)
  }

  #unwatch(): void {
    if (this.#watch !== null) clearInterval(this.#watch)
    this.#watch = null
  }

  #lost(child: ChildProcess): void {
    if (this.#child !== child) return
    this.#child = null
    this.#socket = null
    this.#pid = null
    for (const running of [...this.#running.values()]) {
      if (running.pid !== null) killGroup(running.pid)
      this.#finish(running, running.pid === null ? { kind: 'unstartable', code: 'EPIPE', stage: 'request' } : { kind: 'lost' })
    }
    this.#running.clear()
  }

  #read(child: ChildProcess, chunk: Buffer): void {
    if (this.#child !== child) return
    this.#heardAt = performance.now()
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#pending.length >= headerBytes) {
      const size = this.#pending.readUInt32LE(0)
      if (size < headerBytes - 4 || size > frameMax) {
        this.#socket?.destroy()
        return
      }
      if (this.#pending.length < 4 + size) return
      const frame = this.#pending.subarray(0, 4 + size)
      this.#pending = this.#pending.subarray(4 + size)
      this.#take(frame)
    }
  }

  #take(frame: Buffer): void {
    const type = frame.readUInt8(4)
    const id = frame.readUInt32LE(5)
    const body = frame.subarray(headerBytes)
    if (type === replies.hello) {
      if (body.readUInt32LE(0) === protocolVersion) this.#pid = body.readUInt32LE(4)
      else this.#socket?.destroy()
      return
    }
    const running = this.#running.get(id)
    if (running === undefined) return
    switch (type) {
      case replies.started:
        running.pid = body.readUInt32LE(0)
        running.started(running.pid)
        return
      case replies.failed: {
        const code = errnoNames.get(body.readUInt32LE(0)) ?? `errno ${body.readUInt32LE(0)}`
        this.#forget(id)
        this.#finish(running, { kind: 'unstartable', code, stage: stages[body.readUInt32LE(4)] ?? 'request' })
        return
      }
      case replies.output:
        for (const answer of running.peeks.splice(0)) answer(readOutput(body))
        return
      case replies.exited: {
        const exitCode = body.readInt32LE(0)
        const signal = body.readInt32LE(4)
        this.#forget(id)
        this.#finish(running, {
          kind: 'exited',
          exitCode: exitCode < 0 ? null : exitCode,
          signal: signal === 0 ? null : (signalNames.get(signal) ?? `signal ${signal}`),
          ...readOutput(body.subarray(8)),
        })
      }
    }
  }

  #forget(id: number): void {
    this.#running.delete(id)
    if (this.#running.size === 0) this.#keepAlive(false)
  }

  #finish(running: Running, end: SpawnEnd): void {
    running.started(running.pid)
    const output = end.kind === 'exited' ? { stdout: end.stdout, stderr: end.stderr } : nothing
    for (const answer of running.peeks.splice(0)) answer(output)
    running.ended(end)
  }

  async #peek(id: number): Promise<SpawnOutput> {
    const running = this.#running.get(id)
    if (running === undefined || this.#socket === null) return nothing
    const frame = Buffer.alloc(headerBytes)
    frame.writeUInt32LE(headerBytes - 4, 0)
    frame.writeUInt8(requests.peek, 4)
    frame.writeUInt32LE(id, 5)
    this.#socket.write(frame)
    return await new Promise<SpawnOutput>((resolve) => {
      const timer = setTimeout(() => { resolve(nothing) }, peekMs)
      running.peeks.push((output) => {
        clearTimeout(timer)
        resolve(output)
      })
    })
  }
}

function startFrame(id: number, request: SpawnRequest): Buffer {
  const parts: Buffer[] = []
  const word = (value: number): void => {
    const part = Buffer.alloc(4)
    part.writeUInt32LE(value)
    parts.push(part)
  }
  const text = (value: string | Uint8Array): void => {
    const part = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)
    word(part.length)
    parts.push(part)
  }
  word((request.capture ? 1 : 0) | (request.dieWithDaemon ? 2 : 0))
  word(request.uid ?? 0xffffffff)
  word(request.gid ?? 0xffffffff)
  text(request.program)
  text(request.cwd ?? '/')
  text(request.cgroup ?? '')
  text(request.input ?? '')
  const argv = [request.program, ...request.args]
  word(argv.length)
  argv.forEach(text)
  const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`)
  word(env.length)
  env.forEach(text)
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(headerBytes)
  head.writeUInt32LE(headerBytes - 4 + body.length, 0)
  head.writeUInt8(requests.start, 4)
  head.writeUInt32LE(id, 5)
  return Buffer.concat([head, body])
}

function readOutput(body: Buffer): SpawnOutput {
  const [stdout, next] = readTail(body, 0)
  const [stderr] = readTail(body, next)
  return { stdout, stderr }
}

function readTail(body: Buffer, at: number): [text: string, next: number] {
  const dropped = Number(body.readBigUInt64LE(at))
  const size = body.readUInt32LE(at + 8)
  const text = body.toString('utf8', at + 12, at + 12 + size)
  return [dropped === 0 ? text : `[${dropped} bytes left out]\n${text}`, at + 12 + size]
}

const killGroup = (pid: number): void => { killProcess(-pid) }

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

let shared: Spawner | null = null

/** The helper of this process. */
export function spawner(): Spawner {
  shared ??= new Spawner()
  return shared
}
