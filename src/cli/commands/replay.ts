// `twinbeat replay FILE`: what a node was told, run again by the core of this program, and where it decides otherwise.
import { Command } from 'commander'
import { openSync, readSync, closeSync } from 'node:fs'
import { TwinbeatError, errnoOf, messageOf } from '../../errors.js'
import { lineOf } from '../../observe/recorder.js'
import { describeReplay, replay, type ReplayResult } from '../../observe/replay.js'

const chunkBytes = 1 << 20
/** Of one line: a configuration with many groups is the longest. */
const lineMax = 16 << 20

export function replayCommand(): Command {
  return new Command('replay')
    .description("run a node's recorded events again and show where this program decides otherwise")
    .argument('<file>', 'a record of the state folder: record/life-GENERATION.jsonl')
    .option('--show', 'print every event with what was decided')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExamples:\n  twinbeat replay /var/lib/twinbeat/record/life-1767225600.jsonl\n\n' +
      'Nothing is carried out. Exit code 1 when a decision differs.')
    .action((file: string, options: { readonly show?: boolean; readonly json?: boolean }) => {
      const result = replay(linesOf(file), (event, decided) => {
        if (options.show === true) process.stdout.write(lineOf({ event, decided }))
      })
      process.stdout.write(options.json === true ? lineOf(shortened(result)) : `${describeReplay(result).join('\n')}\n`)
      process.exitCode = result.differing === 0 ? 0 : 1
    })
}

function shortened({ header, ...rest }: ReplayResult): unknown {
  const { config: _, ...head } = header
  return { ...head, ...rest }
}

/** A record may be larger than what one wants in memory. */
function* linesOf(file: string): Iterable<string> {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    throw new TwinbeatError('TB_RECORD_FORMAT', `cannot read '${file}': ${errnoOf(error) ?? messageOf(error)}`, { cause: error })
  }
  try {
    const chunk = Buffer.alloc(chunkBytes)
    let rest = Buffer.alloc(0)
    for (let size = readSync(descriptor, chunk); size > 0; size = readSync(descriptor, chunk)) {
      rest = Buffer.concat([rest, chunk.subarray(0, size)])
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield rest.toString('utf8', 0, end)
        rest = rest.subarray(end + 1)
      }
      if (rest.length > lineMax) throw new TwinbeatError('TB_RECORD_FORMAT', `'${file}' has a line longer than ${lineMax} bytes`)
    }
    if (rest.length > 0) yield rest.toString('utf8')
  } finally {
    closeSync(descriptor)
  }
}
