import { Command } from 'commander'
import type { StatusReport } from '../../control/report.js'
import { colours, formatStatus, noColours } from '../format/status.js'
import { askDaemon, parseDurationMs, print, printJson, type CommonOptions } from '../output.js'

interface StatusOptions extends CommonOptions {
  readonly watch?: boolean
  readonly every: string
}

const answerMs = 5000

export function statusCommand(): Command {
  return new Command('status')
    .description('show what is held where, and who is heard on which link')
    .option('--json', 'as JSON')
    .option('--watch', 'again and again until interrupted')
    .option('--every <time>', 'interval of --watch', '1s')
    .addHelpText(
      'after',
      '\nExamples:\n  twinbeat status\n  twinbeat status --watch\n  twinbeat status --json | jq .groups',
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StatusOptions>()
      if (options.watch !== true) {
        await show(options)
        return
      }
      const everyMs = Math.max(100, parseDurationMs(options.every))
      for (;;) {
        if (options.json !== true && process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[2J')
        await show(options)
        await new Promise((resolve) => {
          setTimeout(resolve, everyMs)
        })
      }
    })
}

async function show(options: StatusOptions): Promise<void> {
  const report = (await askDaemon('status', {}, options, answerMs)) as StatusReport
  if (options.json === true) printJson(report)
  else
    print(
      formatStatus(
        report,
        process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? colours : noColours,
      ),
    )
}
