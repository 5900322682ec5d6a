// `twinbeat`: the operator's tool. It only talks: everything that decides runs in the daemon.
import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { errorTable } from '../errors.js'
import { checkCommand } from './commands/check.js'
import { drillCommand } from './commands/drill.js'
import { decodeCommand } from './commands/decode.js'
import { confirmFencedCommand, fenceCommand, fenceHistoryCommand } from './commands/fence.js'
import { measureCommand } from './commands/measure.js'
import {
  explainCommand,
  reloadCommand,
  restartCommand,
  standbyCommand,
  stopCommand,
  takeoverCommand,
} from './commands/operate.js'
import {
  holdCommand, maintenanceCommand, startAloneCommand, unblockCommand, unholdCommand,
} from './commands/order.js'
import { replayCommand } from './commands/replay.js'
import { statusCommand } from './commands/status.js'
import { tuneCommand } from './commands/tune.js'
import { defaultRunDir, reportError } from './output.js'

/** The commands, in the order of `--help`. A new one is a row here and a file beside the others. */
export const commands: readonly (() => Command)[] = [
  statusCommand,
  checkCommand,
  explainCommand,
  standbyCommand,
  takeoverCommand,
  holdCommand,
  unholdCommand,
  maintenanceCommand,
  startAloneCommand,
  unblockCommand,
  reloadCommand,
  stopCommand,
  restartCommand,
  fenceCommand,
  confirmFencedCommand,
  fenceHistoryCommand,
  decodeCommand,
  replayCommand,
  measureCommand,
  drillCommand,
  tuneCommand,
]

export function programVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export function buildProgram(): Command {
  const program = new Command('twinbeat')
    .description('high-availability pair: status, hand-over, checks')
    .version(programVersion())
    .option(
      '--run-dir <dir>',
      'where the daemon keeps its control socket',
      process.env['TWINBEAT_RUN_DIR'] ?? defaultRunDir,
    )
    .showHelpAfterError('(see twinbeat --help)')
    .addHelpText(
      'after',
      '\nExamples:\n  twinbeat status\n  twinbeat check\n  twinbeat standby local\n  twinbeat explain 10.0.0.100/24/eth0\n\n' +
        'Exit codes: 0 done, 1 errors found or no daemon, 2 cannot work here, 4 not allowed, 5 no answer in time,\n' +
        '6 refused by the cluster, 64 wrong usage',
    )
  for (const command of commands) program.addCommand(command())
  const all = [program, ...program.commands]
  for (const command of all) command.exitOverride()
  return program
}

/** Runs one command line; gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
  })
  try {
    await buildProgram().parseAsync([...argv])
    return typeof process.exitCode === 'number' ? process.exitCode : 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : errorTable.TB_USAGE.exit
    return reportError(error, { json: argv.includes('--json') })
  }
}
