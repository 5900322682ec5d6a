// Where agents live on a Linux machine. The folder of the given configuration comes first, so that
// a private `--ha-dir` needs nothing below /etc.

import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentPlaces } from './types.js'

export const OCF_ROOT = '/usr/lib/ocf'

export function defaultPlaces(haDir: string): AgentPlaces {
  const bases = [haDir, '/etc/ha.d', '/usr/local/etc/ha.d']
  const heartbeat = bases.map((dir) => join(dir, 'resource.d'))
  return {
    heartbeatDirs: [...new Set(heartbeat)],
    lsbDirs: ['/etc/init.d'],
    systemdDirs: [
      '/etc/systemd/system',
      '/run/systemd/system',
      '/usr/local/lib/systemd/system',
      '/lib/systemd/system',
      '/usr/lib/systemd/system',
    ],
    ocfDir: join(OCF_ROOT, 'resource.d'),
  }
}

export type FileVerdict = 'executable' | 'missing' | 'not-a-file' | 'not-executable'

/** What the kernel would say if the file were started now; the interpreter is not looked at. */
export function judgeScript(path: string): FileVerdict {
  try {
    if (!statSync(path).isFile()) return 'not-a-file'
  } catch {
    return 'missing'
  }
  try {
    // access(2) as root says yes as soon as one execute bit is set, which is what execve asks for.
    accessSync(path, constants.X_OK)
    return 'executable'
  } catch {
    return 'not-executable'
  }
}

/** Names of executable files in a folder, hidden ones left out; a missing folder is empty. */
export function listScripts(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => !name.startsWith('.') && judgeScript(join(dir, name)) === 'executable')
      .sort()
  } catch {
    return []
  }
}

const SHEBANG_BYTES_MAX = 256

/** Why a file that exists cannot be started: its interpreter is missing. Null if it is not that. */
export function missingInterpreter(path: string): string | null {
  let head: string
  try {
    head = readFileSync(path).subarray(0, SHEBANG_BYTES_MAX).toString('latin1')
  } catch {
    return null
  }
  const found = /^#![ \t]*([^\s]+)/.exec(head)
  const interpreter = found?.[1]
  if (interpreter === undefined) return null
  return judgeScript(interpreter) === 'executable' ? null : interpreter
}
