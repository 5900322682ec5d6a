// Commands on a node, by whatever prefix the user gave: 'ssh root@alpha', 'nsenter ... --', nothing. The script goes to the
// standard input of a shell at the other end, so that nothing has to be quoted twice.
import { spawn, type ChildProcess } from 'node:child_process'
import { TwinbeatError } from '../../errors.js'

export interface Remote {
  readonly node: string
  readonly prefix: string
}

export interface RemoteResult {
  /** Null: it was ended by the time limit or a signal. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const outputMax = 8 * 1024 * 1024
const errorShown = 400

/** In a process group of its own: Ctrl-C is for the drill, which restores first. */
export function startOn(remote: Remote, script: string): ChildProcess {
  const child = spawn('/bin/sh', ['-c', `exec ${remote.prefix} sh -s`], { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  child.stdin.on('error', () => undefined)
  child.stdin.write(`${script}\n`)
  return child
}

/** A process group is ended whole: an ssh with its children. */
export function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

export async function runOn(remote: Remote, script: string, timeoutMs: number): Promise<RemoteResult> {
  const child = startOn(remote, script)
  child.stdin?.end()
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk: Buffer) => { if (out.length < outputMax) out += chunk.toString('utf8') })
  child.stderr?.on('data', (chunk: Buffer) => { if (err.length < outputMax) err += chunk.toString('utf8') })
  const timer = setTimeout(() => endGroup(child), timeoutMs)
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out, err })
    })
  })
}

/** As runOn, but anything other than success is an error that says what was printed. */
export async function mustRunOn(remote: Remote, script: string, timeoutMs: number, what: string): Promise<string> {
  const { code, out, err } = await runOn(remote, script, timeoutMs)
  if (code === 0) return out
  const how = code === null ? `no end within ${timeoutMs} ms` : `exit code ${code}`
  const said = (err || out).trim().slice(-errorShown)
  throw new TwinbeatError('TB_DRILL_NODE', `${what} on ${remote.node}: ${how}${said === '' ? '' : `: ${said}`}`)
}

/** A word for a shell, whatever it holds. */
export const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
