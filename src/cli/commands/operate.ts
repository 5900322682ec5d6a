// The commands that change something on a running node: one request each, progress on standard error.
import { Command } from 'commander'
import type { StatusReport } from '../../control/report.js'
import { TwinbeatError } from '../../errors.js'
import type { GroupSnapshot } from '../../core/types.js'
import { formatExplanation } from '../format/explain.js'
import { askDaemon, parseDurationMs, print, printJson, type CommonOptions } from '../output.js'

const answerWithin = '5s'
const whatWords = "all (default), local (this node's own groups), foreign (the peer's), or a group's key"

export async function operate(
  verb: string,
  args: Readonly<Record<string, unknown>>,
  command: Command,
  done: string,
): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>()
  const result = await askDaemon(verb, args, options, parseDurationMs(options.timeout ?? '120s'))
  if (options.json === true) printJson({ ok: true, result })
  else print(typeof result === 'string' && result !== '' ? result : done)
}

async function explain(group: string, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>()
  const limitMs = parseDurationMs(options.timeout ?? answerWithin)
  const result = (await askDaemon('explain', { group }, options, limitMs)) as GroupSnapshot
  if (options.json === true) printJson({ ok: true, result })
  else print(formatExplanation(result))
}

export function verb(name: string, description: string, examples: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'the result as JSON')
    .option('--timeout <time>', 'give up waiting (the daemon goes on)', '120s')
    .addHelpText('after', `\nExamples:\n${examples}`)
}

export function standbyCommand(): Command {
  return verb(
    'standby',
    'hand groups to the peer and wait until it has them',
    '  twinbeat standby\n  twinbeat standby local\n  twinbeat standby 10.0.0.100/24/eth0 --timeout 10m',
  )
    .argument('[what]', whatWords, 'all')
    .action(async (what: string, _: unknown, command: Command) => {
      await operate('standby', { what }, command, `handed over: ${what}`)
    })
}

export function takeoverCommand(): Command {
  return verb(
    'takeover',
    'take groups from the peer and wait until they run here',
    '  twinbeat takeover\n  twinbeat takeover local\n  twinbeat takeover 10.0.0.100/24/eth0',
  )
    .argument('[what]', whatWords, 'all')
    .action(async (what: string, _: unknown, command: Command) => {
      await operate('takeover', { what }, command, `taken: ${what}`)
    })
}

export function reloadCommand(): Command {
  return verb(
    'reload',
    'read the files again; keeps the old configuration on any error',
    '  twinbeat check && twinbeat reload\n  twinbeat reload --json',
  ).action(async (_: unknown, command: Command) => {
    await operate('reload', {}, command, 'reloaded')
  })
}

export function stopCommand(): Command {
  return verb(
    'stop',
    'stop all groups of this node, let the peer take them, end the daemon',
    '  twinbeat stop\n  twinbeat stop --timeout 10m',
  ).action(async (_: unknown, command: Command) => {
    await operate('stop', {}, command, 'stopped')
  })
}

export function restartCommand(): Command {
  return verb('restart', 'replace the running daemon by a new one', '  twinbeat restart --keep')
    .option('--keep', 'resources run on and the new daemon adopts them (required)')
    .action(async (_: unknown, command: Command) => {
      if (command.opts<{ keep?: boolean }>().keep !== true) {
        throw new TwinbeatError(
          'TB_USAGE',
          "'restart' without --keep is not offered: it would stop and start every service",
          { hint: "use 'twinbeat restart --keep', or 'twinbeat stop' and start it again" },
        )
      }
      await restartKeep(command)
    })
}

const successorPollMs = 100

/** Asks for the restart and waits until the successor has looked at what it found; joining may take initdead. */
async function restartKeep(command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>()
  const limitMs = parseDurationMs(options.timeout ?? '120s')
  const endMs = performance.now() + limitMs
  const { generation } = (await askDaemon('status', {}, options, limitMs)) as StatusReport
  await askDaemon('restart-keep', {}, options, limitMs)
  while (performance.now() < endMs) {
    const now = await successorStatus(options)
    if (now !== null && now.generation !== generation && now.groups.every((group) => group.state !== 'unknown')) {
      if (options.json === true) printJson({ ok: true, result: 'restarted', generation: now.generation })
      else print(`restarted; held here: ${heldHere(now) || 'nothing'}`)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, successorPollMs))
  }
  throw new TwinbeatError('TB_CONTROL_TIMEOUT', 'the successor does not answer yet')
}

const heldHere = (status: StatusReport): string =>
  status.groups.filter((group) => group.state === 'held').map((group) => group.id).join(' ')

/** Null while there is nobody to ask. */
async function successorStatus(options: CommonOptions): Promise<StatusReport | null> {
  try {
    return (await askDaemon('status', {}, options, successorPollMs * 10)) as StatusReport
  } catch {
    return null
  }
}

export function explainCommand(): Command {
  return new Command('explain')
    .description('say why a group is where it is: the last change, its authority, what is in the way')
    .argument('<group>', "key of the group: the first resource of its line, as 'twinbeat status' shows it")
    .option('--json', 'the result as JSON')
    .option('--timeout <time>', 'give up waiting', answerWithin)
    .addHelpText('after', '\nExamples:\n  twinbeat explain 10.0.0.100/24/eth0\n  twinbeat explain IPaddr2::10.0.0.100/24/eth0 --json')
    .action(async (group: string, _: unknown, command: Command) => {
      await explain(group, command)
    })
}
