// Child processes of the lab: bounded runs, long-lived children, and what /proc says about them.
// Nothing here kills by name: every process is known by its pid or by the namespace it lives in.

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface RunResult {
  /** Exit code; 128 + signal number is never invented: a signal leaves rc at -1. */
  readonly rc: number
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly timeoutMs?: number
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
  readonly onSpawn?: (child: ChildProcess) => void
}

/** A run that prints more than this is cut; the lab reads tables and logs, not streams. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const RUN_TIMEOUT_MS = 30_000

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawnChild(argv, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  options.onSpawn?.(child)
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(options.input)
  const out = collect(child.stdout)
  const err = collect(child.stderr)
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? RUN_TIMEOUT_MS)
  try {
    const { code, signal } = await closed(child)
    return { rc: code ?? -1, signal, out: out(), err: err() }
  } finally {
    clearTimeout(timer)
  }
}

/** Like run, but anything other than exit code 0 is an error that carries what was printed. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, options)
  if (result.rc !== 0) {
    const how = result.signal ?? `exit code ${result.rc}`
    throw new Error(`'${argv.join(' ')}' failed (${how}): ${(result.err || result.out).trim()}`)
  }
  return result.out
}

export function spawnChild(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [file, ...args] = argv
  if (file === undefined) throw new Error('empty command')
  return spawn(file, args, { cwd: '/', ...options })
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= OUTPUT_BYTES_MAX) chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

function closed(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
}

/** Resolves when the child has exited; at once if it already has. */
export function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => child.once('exit', () => resolve()))
}

export async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms))

/** Asks until the answer is true or the time is over; returns whether it became true. */
export async function until(
  ask: () => boolean | Promise<boolean>,
  timeoutMs: number,
  everyMs = 50,
): Promise<boolean> {
  const end = performance.now() + timeoutMs
  for (;;) {
    if (await ask()) return true
    if (performance.now() >= end) return false
    await pause(everyMs)
  }
}

/** The single line of descent below `pid` down to the process that is PID 1 of a namespace. */
export function namespaceInit(pid: number, depth: number): number | null {
  let current = pid
  for (let level = 0; level < depth; level++) {
    const child = childrenOf(current)[0]
    if (child === undefined) return null
    current = child
  }
  const nspid = /^NSpid:\s+(.*)$/m.exec(readStatus(current))?.[1]?.trim().split(/\s+/)
  return nspid !== undefined && nspid.length > 1 && nspid.at(-1) === '1' ? current : null
}

function childrenOf(pid: number): number[] {
  return pids().filter((p) => Number(/^PPid:\s+(\d+)$/m.exec(readStatus(p))?.[1]) === pid)
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return ''
  }
}

export function pids(): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
}

export type NamespaceKind = 'net' | 'pid' | 'mnt'

export function namespaceId(pid: number, kind: NamespaceKind): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`)
  } catch {
    return null
  }
}

export function processesIn(id: string, kind: NamespaceKind): number[] {
  return pids().filter((pid) => namespaceId(pid, kind) === id)
}

/** 'T' while stopped by a signal, 'Z' when dead but not reaped, null when gone. */
export function processState(pid: number): string | null {
  return /^State:\s+(\S)/m.exec(readStatus(pid))?.[1] ?? null
}

/** When a process began, in clock ticks since boot; for ever in the future when it is gone. */
export function startTicks(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return Infinity
  }
}

/** Linux tells user space a hundred ticks a second, whatever the kernel's own rate. */
export function uptimeTicks(): number {
  return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 100
}

export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter((word) => word !== '')
  } catch {
    return []
  }
}
