// The daemon's command line.
import { Command } from 'commander'

export interface DaemonOptions {
  readonly haDir: string
  readonly stateDir: string
  readonly runDir: string
  /** Null: nodeinfo, else the host name. */
  readonly name: string | null
  readonly acceptWithout: readonly string[]
  readonly heartbeatDir: string
  readonly logToStderr: boolean
  readonly debug: boolean
}

export function buildDaemonProgram(version: string): Command {
  return new Command('twinbeatd')
    .description('heartbeat daemon of a high-availability pair; stays in the foreground')
    .version(version)
    .option('--ha-dir <dir>', 'folder of ha.cf, authkeys, haresources and twinbeat.cf', '/etc/ha.d')
    .option(
      '--state-dir <dir>',
      'folder of uuid, generation and intents, which survive a restart',
      '/var/lib/twinbeat',
    )
    .option('--run-dir <dir>', 'folder of the control socket and the lock', '/run/twinbeat')
    .option(
      '--heartbeat-dir <dir>',
      "Heartbeat's own state folder: uuid and generation are taken over and written back",
      '/var/lib/heartbeat',
    )
    .option(
      '--name <node>',
      'own node name (default: nodeinfo in the configuration folder, else the host name)',
    )
    .option(
      '--accept-without <list>',
      'start although these are configured and not implemented: stonith,watchdog,...',
      '',
    )
    .option('--stderr', 'log to standard error as well')
    .option('--debug', 'log decisions with their reasons')
    .addHelpText(
      'after',
      '\nExamples:\n  twinbeatd\n  twinbeatd --ha-dir ./examples/pair/ha.d --name alpha --stderr\n' +
        '  twinbeatd --accept-without watchdog\n\n' +
        'Signals: TERM and INT stop (the peer takes the groups), HUP reloads and reopens the log files,\n' +
        'USR1 and USR2 turn debugging on and off.\n' +
        'Exit codes: 0 stopped, 1 errors in the files, 2 cannot work here, 3 already running or a rival is there,\n' +
        '70 fault of the program.',
    )
}

export function parseDaemonOptions(argv: readonly string[], version: string): DaemonOptions {
  const program = buildDaemonProgram(version)
  program.parse([...argv])
  const options = program.opts<Record<string, string | boolean | undefined>>()
  const word = (name: string): string => String(options[name])
  return {
    haDir: word('haDir'),
    stateDir: word('stateDir'),
    runDir: word('runDir'),
    name: typeof options['name'] === 'string' ? options['name'].toLowerCase() : null,
    acceptWithout: word('acceptWithout')
      .split(',')
      .filter((item) => item !== ''),
    heartbeatDir: word('heartbeatDir'),
    logToStderr: options['stderr'] === true || process.stderr.isTTY,
    debug: options['debug'] === true,
  }
}
