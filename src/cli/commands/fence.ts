// fence, confirm-fenced, fence-history: what is done to the other node, by devices or by hand.
import { Command } from 'commander'
import { createInterface } from 'node:readline/promises'
import type { FenceHistoryEntry } from '../../control/report.js'
import { TwinbeatError } from '../../errors.js'
import { formatFenceHistory } from '../format/fence-history.js'
import { askDaemon, parseDurationMs, print, printJson, type CommonOptions } from '../output.js'

interface FenceOptions extends CommonOptions {
  readonly off?: boolean
  readonly reboot?: boolean
  readonly yes?: boolean
}

const answerWithin = '5s'

export const confirmWarning = (node: string): string =>
  `You are about to say that '${node}' is OFF. Nobody checks it: what it held is started here at once.\n`
  + `If '${node}' still runs, both nodes run the same services on the same data, and the data is destroyed.\n`
  + `Look at the machine itself: no light, no console, or its power cord in your hand.\n`

export function fenceCommand(): Command {
  return new Command('fence')
    .description('switch the other node off, or reboot it, by its fence devices')
    .argument('<node>', 'name of the other node')
    .option('--off', 'switch it off and leave it off')
    .option('--reboot', 'switch it off and on again')
    .option('--yes', 'do not ask')
    .option('--json', 'the result as JSON')
    .option('--timeout <time>', 'give up waiting (the daemon goes on)', '10m')
    .addHelpText('after', '\nExamples:\n  twinbeat fence beta --reboot\n  twinbeat fence beta --off --yes')
    .action(async (node: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<FenceOptions>()
      if ((options.off === true) === (options.reboot === true)) {
        throw new TwinbeatError('TB_USAGE', 'say --off or --reboot', { hint: `twinbeat fence ${node} --reboot` })
      }
      const action = options.off === true ? 'off' : 'reboot'
      await agreed(node, options, `'${node}' is ${action === 'off' ? 'switched off' : 'reset'} without a shutdown: what it does is lost.\n`)
      await order('fence', { node, action }, options)
    })
}

export function confirmFencedCommand(): Command {
  return new Command('confirm-fenced')
    .description('say that the other node is off, having looked: what it held is taken')
    .argument('<node>', 'name of the node that is off')
    .option('--yes', 'do not ask')
    .option('--json', 'the result as JSON')
    .option('--timeout <time>', 'give up waiting', answerWithin)
    .addHelpText('after', '\nExamples:\n  twinbeat confirm-fenced beta\n\nThe name, the user and the time are kept in fence-history.')
    .action(async (node: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<FenceOptions>()
      await agreed(node, options, confirmWarning(node))
      await order('confirm-fenced', { node }, options)
    })
}

export function fenceHistoryCommand(): Command {
  return new Command('fence-history')
    .description('who was fenced when, by what, on whose order, and how it ended')
    .option('--json', 'as JSON')
    .option('--timeout <time>', 'give up waiting', answerWithin)
    .addHelpText('after', '\nExamples:\n  twinbeat fence-history\n  twinbeat fence-history --json')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>()
      const limitMs = parseDurationMs(options.timeout ?? answerWithin)
      const entries = (await askDaemon('fence-history', {}, options, limitMs)) as FenceHistoryEntry[]
      if (options.json === true) printJson(entries)
      else print(formatFenceHistory(entries))
    })
}

async function order(verb: string, args: Readonly<Record<string, unknown>>, options: FenceOptions): Promise<void> {
  const user = process.env['SUDO_USER'] ?? process.env['USER'] ?? ''
  const limitMs = parseDurationMs(options.timeout ?? '10m')
  const result = await askDaemon(verb, { ...args, user }, options, limitMs)
  if (options.json === true) printJson({ ok: true, result })
  else print(String(result))
}

/** A person types the node's name: a slip of the history of a shell is no confirmation. */
async function agreed(node: string, options: FenceOptions, warning: string): Promise<void> {
  process.stderr.write(warning)
  if (options.yes === true) return
  if (!process.stdin.isTTY) {
    throw new TwinbeatError('TB_USAGE', 'nobody is here to be asked', { hint: 'add --yes if you are sure' })
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const typed = await lines.question(`Type the name of the node to go on: `)
    if (typed.trim() !== node) throw new TwinbeatError('TB_USAGE', 'not confirmed: nothing was done', { hint: `type exactly '${node}'` })
  } finally {
    lines.close()
  }
}
