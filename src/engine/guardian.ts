// The guardian: a small program of its own that removes this node's addresses when the daemon cannot. It is nobody's
// child, outlives the daemon that started it, and ends when there is nothing left to guard. Here it is started, heard
// and told; what it does is in native/guardian.
import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TwinbeatError, messageOf } from '../errors.js'
import { loadAddon, packageRoot } from '../system/addon.js'

export interface GuardCalls {
  createPage(): number
  /** The engine's end and the guardian's end; a negative number is -errno. */
  bellPair(): readonly [number, number] | number
  ownPidfd(): number
  openLock(file: string): number
  /** 0, or -errno; whoever shares the descriptor shares the lock. */
  lock(fd: number): number
  dumpNoCore(): number
}

let loaded: GuardCalls | null = null

export function guardCalls(): GuardCalls {
  loaded ??= loadAddon<{ guard: GuardCalls }>().guard
  return loaded
}

export const guardianSocketName = 'guardian.sock'
export const guardianJournalName = 'guardian.log'
/** Starting takes milliseconds; a machine that stands still is no reason to be without a guardian. */
const startMaxMs = 5_000
const answerMaxMs = 1_000

export type GuardianState = 'none' | 'guarding' | 'keeping' | 'acting' | 'done'

export interface GuardianStatus {
  readonly state: GuardianState
  readonly pid: number
  /** The process that it guards. */
  readonly daemon: number
  readonly layout: number
  readonly revision: number
  /** Ways on which last words would go. */
  readonly ways: number
  readonly realtime: boolean
  readonly memoryLocked: boolean
  /** Age of the engine's last sign of life; null: it has not begun. */
  readonly progressUs: number | null
  readonly watchdog: WatchdogStatus | null
}

export interface WatchdogStatus {
  readonly state: 'petted' | 'starving' | 'failed'
  readonly timeoutS: number
  /** Nothing can stop it any more, not even an orderly end. */
  readonly nowayout: boolean
  readonly pettedUs: number | null
}

/** One connection to a guardian; commands are answered in order. */
export class GuardianLine {
  readonly #socket: Socket
  readonly #waiting: ((line: string | null) => void)[] = []
  #text = ''
  #ended = false

  private constructor(socket: Socket, onEnd: () => void) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => { this.#take(part) })
    socket.on('error', () => { /* 'close' follows */ })
    socket.on('close', () => {
      this.#ended = true
      for (const answer of this.#waiting.splice(0)) answer(null)
      onEnd()
    })
  }

  /** Null: nobody listens there. */
  static async open(runDir: string, onEnd: () => void = () => { /* asked for */ }): Promise<GuardianLine | null> {
    const socket = connect(path.join(runDir, guardianSocketName))
    return await new Promise((resolve) => {
      socket.once('connect', () => {
        socket.removeAllListeners('error')
        resolve(new GuardianLine(socket, onEnd))
      })
      socket.once('error', () => { resolve(null) })
    })
  }

  /** The answer without its first word `ok`; a refusal or silence throws. */
  async ask(command: string): Promise<string> {
    const line = await this.#exchange(command)
    if (line?.startsWith('ok') === true) return line.slice(2).trim()
    throw new TwinbeatError('TB_GUARDIAN', `the guardian answers '${command}' with ${line === null ? 'nothing' : `'${line}'`}`)
  }

  close(): void {
    this.#socket.destroy()
  }

  /** A daemon does not stay only because its guardian listens. */
  unref(): this {
    this.#socket.unref()
    return this
  }

  async #exchange(command: string): Promise<string | null> {
    if (this.#ended) return null
    return await new Promise((resolve) => {
      const timer = setTimeout(() => { answer(null) }, answerMaxMs)
      const answer = (line: string | null): void => {
        clearTimeout(timer)
        resolve(line)
      }
      this.#waiting.push(answer)
      this.#socket.write(`${command}\n`, 'latin1')
    })
  }

  #take(part: string): void {
    this.#text += part
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end)
      this.#text = this.#text.slice(end + 1)
      this.#waiting.shift()?.(line)
    }
  }
}

const states: readonly string[] = ['none', 'guarding', 'keeping', 'acting', 'done']
const watchdogStates = [null, 'petted', 'starving', 'failed'] as const

export function parseGuardianStatus(answer: string): GuardianStatus {
  const words = new Map(answer.split(' ').map((word) => {
    const at = word.indexOf('=')
    return [word.slice(0, at), word.slice(at + 1)]
  }))
  const number = (name: string): number => {
    const value = Number(words.get(name) ?? NaN)
    return Number.isFinite(value) ? value : -1
  }
  const age = (name: string): number | null => (number(name) < 0 ? null : number(name))
  const state = words.get('state') ?? ''
  const watchdog = watchdogStates[number('watchdog')] ?? null
  return {
    state: states.includes(state) ? state as GuardianState : 'none',
    pid: number('pid'),
    daemon: number('daemon'),
    layout: number('layout'),
    revision: number('revision'),
    ways: number('ways'),
    realtime: number('fifo') === 1,
    memoryLocked: number('locked') === 1,
    progressUs: age('progress_us'),
    watchdog: watchdog === null
      ? null
      : { state: watchdog, timeoutS: number('timeout'), nowayout: number('nowayout') === 1, pettedUs: age('petted_us') },
  }
}

export interface GuardianFiles {
  readonly runDir: string
  /** Opened, not necessarily locked yet; the guardian shares it. */
  readonly lockFd: number
  readonly pageFd: number
  /** The guardian's end of the bell. */
  readonly bellFd: number
  readonly pidfd: number
}

export function guardianProgram(): string {
  const candidates = [
    path.join(packageRoot(), 'build', 'Release', 'twinbeat-guardian'),
    path.join(packageRoot(), 'prebuilds', `${process.platform}-${process.arch}`, 'twinbeat-guardian'),
  ]
  const found = candidates.find((file) => existsSync(file))
  if (found === undefined) {
    throw new TwinbeatError('TB_GUARDIAN', `there is no guardian program: ${candidates.join(', ')}`)
  }
  return found
}

/** Resolves when it guards and listens. */
export async function startGuardian(files: GuardianFiles, program = guardianProgram()): Promise<void> {
  const { runDir, pageFd, bellFd, lockFd, pidfd } = files
  const folder = path.resolve(runDir)
  const args = [
    '3', '4', '5', '6', String(process.pid), path.join(folder, guardianSocketName), path.join(folder, guardianJournalName),
  ]
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe', pageFd, bellFd, lockFd, pidfd], env: {}, cwd: '/',
  })
  let said = ''
  child.stderr?.setEncoding('latin1').on('data', (part: string) => { said = (said + part).slice(-400) })
  const why = await new Promise<string | null>((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      resolve('it does not answer')
    }, startMaxMs)
    const end = (text: string | null): void => {
      clearTimeout(timer)
      resolve(text)
    }
    child.on('error', (error) => { end(messageOf(error)) })
    child.on('close', (code) => { end(code === 0 ? null : said.trim() || `it ended with ${String(code)}`) })
  })
  if (why !== null) throw new TwinbeatError('TB_GUARDIAN', `the guardian '${program}' did not start: ${why}`)
}
