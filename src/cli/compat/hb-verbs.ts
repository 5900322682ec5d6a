// `hb_standby` and `hb_takeover` as shipped with Heartbeat: same words, same exit codes; neither waits
// for the result, as scripts rely on.
import { TwinbeatError } from '../../errors.js'

export interface HbVerbIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly now: () => Date
  readonly ask: (verb: 'standby' | 'takeover', what: string) => Promise<void>
}

const words: ReadonlyMap<string, string> = new Map([
  ['all', 'all'],
  ['foreign', 'foreign'],
  ['local', 'local'],
  ['failback', 'foreign'],
])

/** Gives the exit code: 0 as soon as the request was taken, 1 for a wrong word or no daemon. */
export async function hbVerb(
  name: 'hb_standby' | 'hb_takeover',
  args: readonly string[],
  io: HbVerbIo,
): Promise<number> {
  const word = args[0] ?? 'all'
  // A real hb_takeover maps `failback` to nothing, which its peer reads as `all`.
  const what = name === 'hb_takeover' && word === 'failback' ? 'all' : words.get(word)
  if (args.length > 1 || what === undefined) {
    io.err(`usage: ${name} [all|foreign|local|failback]`)
    return 1
  }
  if (name === 'hb_standby')
    io.out(`${dateLine(io.now())} Going standby [${word === 'failback' ? 'foreign' : word}].`)
  try {
    await io.ask(name === 'hb_standby' ? 'standby' : 'takeover', what)
    return 0
  } catch (error) {
    io.err(`${name}: ${error instanceof TwinbeatError ? error.message : String(error)}`)
    return 1
  }
}

/** `2026/11/22_10:11:12`, the date form of Heartbeat's scripts. */
function dateLine(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  return (
    `${String(date.getFullYear())}/${two(date.getMonth() + 1)}/${two(date.getDate())}_` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  )
}
