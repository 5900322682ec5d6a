// Entry of twinbeatd: command line, signals, exit. Everything else is in daemon.ts.
import { programVersion } from '../cli/main.js'
import { TwinbeatError, messageOf } from '../errors.js'
import { systemCalls } from '../system/system.js'
import { Daemon, type ExitKind } from './daemon.js'
import { parseDaemonOptions, type DaemonOptions } from './options.js'

const exitCodes: Readonly<Record<Exclude<ExitKind, 'reset' | 'restart'>, number>> = { stop: 0, broken: 70 }

export async function main(argv: readonly string[]): Promise<void> {
  const version = programVersion()
  const options = parseDaemonOptions(argv, version)
  const exit = (kind: ExitKind): void => {
    if (kind === 'reset') reset(options)
    else if (kind === 'restart') becomeSuccessor(argv)
    else process.exit(exitCodes[kind])
  }
  try {
    const daemon = await Daemon.start(options, version, exit)
    process.on('SIGTERM', () => {
      daemon.requestStop()
    })
    process.on('SIGINT', () => {
      daemon.requestStop()
    })
    process.on('SIGHUP', () => {
      daemon.reload().catch(() => {
        /* told by the log */
      })
    })
    process.on('SIGUSR1', () => {
      daemon.setDebug(true)
    })
    process.on('SIGUSR2', () => {
      daemon.setDebug(false)
    })
  } catch (error) {
    const known = error instanceof TwinbeatError ? error : new TwinbeatError('TB_INTERNAL', messageOf(error))
    process.stderr.write(`twinbeatd: ${known.code}: ${known.message}\n  hint: ${known.hint}\n`)
    if (process.env['TWINBEAT_DEBUG'] !== undefined && error instanceof Error)
      process.stderr.write(`${error.stack ?? ''}\n`)
    process.exit(known.exitCode)
  }
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

/** A member did not stop: this machine must go down before the peer may take over. */
function reset(options: DaemonOptions): void {
  const status = systemCalls().rebootNow()
  process.stderr.write(
    `twinbeatd: reboot(2) failed: system error ${String(-status)}; ` +
      `the peer must be kept from taking over by hand (${options.haDir})\n`,
  )
  process.exit(70)
}
