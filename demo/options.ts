// The command line of the demonstration.

import { Command } from 'commander'

export interface DemoOptions {
  readonly json: boolean
  /** Leave the pair running at the end. */
  readonly keep: boolean
  /** This is the process that will stay; its starter waits only for the result. */
  readonly keeper: boolean
}

export function parseDemoOptions(argv: readonly string[]): DemoOptions {
  const program = new Command('demo')
    .description('two nodes and a client in network namespaces go through faults while the client keeps asking')
    .option('--json', 'the result as one JSON object on standard output, progress on standard error')
    .option('--keep', 'leave the pair running at the end and say how to talk to it')
    .option('--yes', 'install the missing Debian packages although another cluster daemon is there')
    .addHelpText('after', '\nExit code 0 only if every step ended with exactly one owner of the service address.')
  program.parse([...argv])
  const options = program.opts<{ json?: boolean, keep?: boolean }>()
  return {
    json: options.json === true,
    keep: options.keep === true,
    keeper: process.env['TWINBEAT_DEMO_KEEPER'] === '1',
  }
}
