// What every command shares: where the daemon is, how answers and errors are printed.
import { ask } from '../control/client.js'
import { TwinbeatError, messageOf } from '../errors.js'

export const defaultHaDir = '/etc/ha.d'
export const defaultRunDir = '/run/twinbeat'
export const defaultStateDir = '/var/lib/twinbeat'

export interface CommonOptions {
  readonly runDir: string
  readonly json?: boolean
  readonly timeout?: string
}

/** Asks the daemon; progress goes to standard error so that standard output stays the answer alone. */
export async function askDaemon(
  verb: string,
  args: Readonly<Record<string, unknown>>,
  options: CommonOptions,
  timeoutMs: number,
): Promise<unknown> {
  return await ask(verb, args, {
    runDir: options.runDir,
    timeoutMs,
    onProgress: (text) => {
      process.stderr.write(`${text}\n`)
    },
  })
}

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}
export const printJson = (value: unknown): void => {
  print(JSON.stringify(value, null, 2))
}

/** Prints an error as a person wants it and gives the exit code. */
export function reportError(error: unknown, options: { readonly json: boolean }): number {
  const known =
    error instanceof TwinbeatError
      ? error
      : new TwinbeatError('TB_INTERNAL', messageOf(error), { cause: error })
  if (options.json) {
    printJson({ error: { code: known.code, message: known.message, hint: known.hint } })
  } else {
    process.stderr.write(`twinbeat: ${known.code}: ${known.message}\n  hint: ${known.hint}\n`)
  }
  if (known.code === 'TB_INTERNAL' && process.env['TWINBEAT_DEBUG'] !== undefined && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ''}\n`)
  }
  return known.exitCode
}

/** `10`, `10s`, `1500ms`, `2m` -> milliseconds. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  if (match === null)
    throw new TwinbeatError('TB_USAGE', `'${text}' is not a duration`, {
      hint: "write '30s', '500ms' or '2m'",
    })
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1000
  return Number(match[1]) * unit
}
