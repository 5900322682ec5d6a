// A member did not stop: this machine must go down before the peer may take over. The heartbeats go on until it
// does, because their end is what the peer takes for our death. A configured command comes first; whatever it
// answers, a machine that still runs after it is reset by reboot(2).
import { spawn } from 'node:child_process'
import type { Logger } from 'pino'
import { systemCalls } from '../system/system.js'
import { errnoName } from './link-words.js'

export interface ResetCommand {
  readonly path: string
  readonly args: readonly string[]
}

export interface ResetParts {
  readonly log: Logger
  /** Lets the last lines reach the disk, for a moment. */
  readonly flush: () => Promise<void>
  /** -errno; does not return when it works. */
  readonly rebootNow: () => number
  readonly commandMaxMs: number
  /** After a command that says it worked: how long the machine may take to go down. */
  readonly goneMaxMs: number
}

export const resetLimits = { commandMaxMs: 20_000, goneMaxMs: 5_000 } as const

export const defaultReboot = (): number => systemCalls().rebootNow()

/** Returns only if this machine could not be reset: the sentence that says why. */
export async function resetMachine(command: ResetCommand | null, parts: ResetParts): Promise<string> {
  if (command !== null) {
    const result = await runCommand(command, parts.commandMaxMs)
    parts.log.error({ event: 'reset.survived' }, `reset_command '${command.path}' ${result}: falling back to reboot(2)`)
    if (result === 'ended with status 0') await new Promise((resolve) => { setTimeout(resolve, parts.goneMaxMs) })
  }
  await parts.flush()
  const errno = -parts.rebootNow()
  return `reboot(2) failed (${errnoName(errno)}): this machine could not be reset`
}

async function runCommand(command: ResetCommand, maxMs: number): Promise<string> {
  return await new Promise<string>((resolve) => {
    const child = spawn(command.path, command.args, {
      cwd: '/', stdio: 'ignore', detached: true, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    })
    const timer = setTimeout(() => { resolve(`did not end within ${String(maxMs / 1000)} s`) }, maxMs)
    const end = (text: string): void => {
      clearTimeout(timer)
      resolve(text)
    }
    child.on('error', (error) => { end(`cannot be started: ${error.message}`) })
    child.on('exit', (code, signal) => { end(signal === null ? `ended with status ${String(code)}` : `died of ${signal}`) })
  })
}
