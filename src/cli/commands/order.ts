// What operators forbid and permit: holds, maintenance, a start without the peer, the end of a block.
import type { Command } from 'commander'
import { createInterface } from 'node:readline/promises'
import { TwinbeatError } from '../../errors.js'
import { parseDurationMs } from '../output.js'
import { operate, verb } from './operate.js'

const groupWords = "a group's key as 'twinbeat status' shows it, or all, local, foreign"
const exitCodes = 'Exit codes: 0 done, 1 no daemon, 4 not allowed, 5 no answer in time, 6 refused, 64 wrong usage'
const forDefault = '1h'
const forMaxMs = 24 * 3_600_000
/** Only the machines themselves are looked at: everything is answered within this time. */
const answerWithin = '30s'

function order(name: string, description: string, examples: string): Command {
  const command = verb(name, description, `${examples}\n\n${exitCodes}`)
  command.options.find((option) => option.long === '--timeout')?.default(answerWithin)
  return command
}

export function holdCommand(): Command {
  return order(
    'hold',
    'keep a group where it is: nobody takes it, hands it over or fails it back, on either node, until unhold',
    '  twinbeat hold 10.0.0.100/24/eth0\n  twinbeat hold all --json',
  )
    .argument('<group>', groupWords)
    .action(async (what: string, _: unknown, command: Command) => {
      await operate('hold', { what }, command, `on hold: ${what}`)
    })
}

export function unholdCommand(): Command {
  return order(
    'unhold',
    'end the hold of a group on both nodes',
    '  twinbeat unhold 10.0.0.100/24/eth0\n  twinbeat unhold all',
  )
    .argument('<group>', groupWords)
    .action(async (what: string, _: unknown, command: Command) => {
      await operate('unhold', { what }, command, `no longer on hold: ${what}`)
    })
}

export function maintenanceCommand(): Command {
  return order(
    'maintenance',
    'no takes, no hand-over and no monitors on either node; resources run on; ends by itself',
    '  twinbeat maintenance on\n  twinbeat maintenance on --for 20m\n  twinbeat maintenance off',
  )
    .argument('<on|off>', 'begin (or begin again) or end it')
    .option('--for <time>', 'how long, at most 24h', forDefault)
    .action(async (word: string, _: unknown, command: Command) => {
      if (word !== 'on' && word !== 'off') throw new TwinbeatError('TB_USAGE', `'${word}' is neither 'on' nor 'off'`)
      const forMs = parseDurationMs(command.opts<{ for: string }>().for)
      if (forMs < 1000 || forMs > forMaxMs) {
        throw new TwinbeatError('TB_USAGE', '--for must be from 1s to 24h', {
          hint: 'a maintenance that does not end is a pair that does not fail over; say it again if it takes longer',
        })
      }
      const what = word === 'on' ? `on ${String(Math.ceil(forMs / 1000))}` : 'off'
      await operate('maintenance', { what }, command, word === 'on' ? 'maintenance' : 'maintenance is over')
    })
}

export function startAloneCommand(): Command {
  return order(
    'start-alone',
    'let this node take groups although it has not seen its peer since the machine booted',
    '  twinbeat start-alone\n  twinbeat start-alone --yes --json',
  )
    .option('--yes', 'the peer is off or holds nothing: do not ask')
    .action(async (_: unknown, command: Command) => {
      if (command.opts<{ yes?: boolean }>().yes !== true) await confirm()
      await operate('start-alone', {}, command, 'this node may take its groups alone')
    })
}

export function unblockCommand(): Command {
  return order(
    'unblock',
    'say that nothing of a blocked group runs here any more; every member is looked at before it is believed',
    '  twinbeat unblock 10.0.0.100/24/eth0',
  )
    .argument('<group>', "a group's key as 'twinbeat status' shows it")
    .action(async (what: string, _: unknown, command: Command) => {
      await operate('unblock', { what }, command, `unblocked: ${what}`)
    })
}

const question =
  'Look at the other machine first. If it runs the groups behind a broken cable, both nodes will hold them.\n' +
  'Is it off, or surely without the groups? (yes/no) '

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) throw new TwinbeatError('TB_CONFIRM', 'nobody is there to confirm that the peer is off')
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await prompt.question(question)
    if (answer.trim().toLowerCase() !== 'yes') throw new TwinbeatError('TB_CONFIRM', 'not confirmed: nothing was done')
  } finally {
    prompt.close()
  }
}
