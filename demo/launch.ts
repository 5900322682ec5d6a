// Where the demonstration runs. Root: here. Anybody else: the same command again inside a user
// namespace in which they are root. With --keep: in a process that stays behind.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

import type { DemoOptions } from './options.js'

/** Message of the process that stays to the one that waits for the result. */
export interface Kept {
  readonly type: 'kept'
  readonly exitCode: number
}

export type Launch = 'here' | { readonly exitCode: number }

export async function launch(options: DemoOptions): Promise<Launch> {
  const mapped = process.getuid?.() !== 0
  if (!mapped && (!options.keep || options.keeper)) return 'here'
  const self = [process.execPath, ...process.argv.slice(1)]
  const argv = mapped ? ['unshare', '--user', '--map-root-user', '--net', '--mount', '--', ...self] : self
  return { exitCode: await followed(argv, options.keep) }
}

/** True inside a user namespace made by launch: root of the namespace, somebody else outside. */
export function inUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'))
}

export function isKept(message: unknown): message is Kept {
  return typeof message === 'object' && message !== null && (message as Kept).type === 'kept'
}

function followed(argv: readonly string[], keep: boolean): Promise<number> {
  const [file = '', ...args] = argv
  const child = spawn(file, args, {
    detached: keep,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: keep ? { ...process.env, TWINBEAT_DEMO_KEEPER: '1' } : process.env,
  })
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on('SIGINT', pass).on('SIGTERM', pass)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 130))
    child.on('message', (message) => {
      if (!isKept(message)) return
      child.disconnect()
      child.unref()
      resolve(message.exitCode)
    })
  })
}
