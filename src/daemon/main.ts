// Entry of twinbeatd: command line, signals, exit. Everything else is in daemon.ts.
import { readFileSync, writeFileSync, writeSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { programVersion } from '../cli/main.js'
import { TwinbeatError, messageOf } from '../errors.js'
import { systemCalls } from '../system/system.js'
import { Daemon, type ExitKind } from './daemon.js'
import { parseDaemonOptions } from './options.js'

const exitCodes: Readonly<Record<Exclude<ExitKind, 'restart'>, number>> = { stop: 0, broken: 70, lapsed: 75 }

export async function main(argv: readonly string[]): Promise<void> {
  const version = programVersion()
  const options = parseDaemonOptions(argv, version)
  hurry()
  process.title = 'twinbeatd'
  const exit = (kind: ExitKind): void => {
    if (kind === 'restart') becomeSuccessor(argv)
    else systemCalls().exitNow(exitCodes[kind])
  }
  // Before anything else: a signal during the start must find somebody who knows what to do with it.
  const life: { daemon: Daemon | null; stopWanted: boolean } = { daemon: null, stopWanted: false }
  takeSignals(life)
  try {
    life.daemon = await Daemon.start(options, version, exit)
  } catch (error) {
    systemCalls().exitNow(reportFailure(error))
    return
  }
  if (life.stopWanted) life.daemon.requestStop()
}

/**
 * A decision is short and rare, and does not wait behind everything else. Where the kernel groups by sessions, a nice value
 * counts within the session only: then the group is what counts, if it is ours alone. What we start has its own session.
 */
function hurry(): void {
  const nice = constants.priority.PRIORITY_HIGH
  try {
    setPriority(nice)
    const session = /\) . \d+ \d+ (\d+) /.exec(readFileSync('/proc/self/stat', 'latin1'))?.[1]
    if (session === String(process.pid)) writeFileSync('/proc/self/autogroup', String(nice))
  } catch {
    // Without the privilege decisions take what the machine leaves for them; the engine has its own.
  }
}

function takeSignals(life: { readonly daemon: Daemon | null; stopWanted: boolean }): void {
  const stop = (): void => {
    life.stopWanted = true
    life.daemon?.requestStop()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // During the start the files are being read anyway.
  process.on('SIGHUP', () => {
    life.daemon?.reload().catch(() => {
      /* told by the log */
    })
  })
  process.on('SIGUSR1', () => {
    life.daemon?.setDebug(true)
  })
  process.on('SIGUSR2', () => {
    life.daemon?.setDebug(false)
  })
  // Nobody expected these: what is held is released, so that the peer takes over, and the process ends.
  const crash = (error: unknown): void => {
    const code = reportFailure(error)
    if (life.daemon === null) systemCalls().exitNow(code)
    else life.daemon.giveUp(error)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}

/** One error, one line and its hint; the stack only for those who ask for it. Gives the exit code. */
function reportFailure(error: unknown): number {
  const known = error instanceof TwinbeatError ? error : new TwinbeatError('TB_INTERNAL', messageOf(error))
  const stack = process.env['TWINBEAT_DEBUG'] !== undefined && error instanceof Error ? `${error.stack ?? ''}\n` : ''
  try {
    writeSync(2, `twinbeatd: ${known.code}: ${known.message}\n  hint: ${known.hint}\n${stack}`)
  } catch {
    // Nobody reads standard error: the exit code tells.
  }
  return known.exitCode
}

/** Same process, new program: pid files, supervisors and the process group stay right. */
function becomeSuccessor(argv: readonly string[]): void {
  const status = systemCalls().execReplace(
    process.execPath,
    [process.execPath, ...process.execArgv, ...argv.slice(1)],
    Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ''}`),
  )
  process.stderr.write(`twinbeatd: cannot start the successor: system error ${String(-status)}\n`)
  process.exit(70)
}
