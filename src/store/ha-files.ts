// Files and facts of this machine for the pure configuration readers. The only place where configuration
// meets the file system; every call answers, none throws.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { controlGroupProblem } from '../system/control-groups.js'
import type { FileResult, HostFacts, LoadInput } from '../config/model.js'

/** Larger than any configuration; the reader reports what is cut off. */
const kFileBytesMax = 2 << 20

export function readHaFile(path: string): FileResult {
  let fd = -1
  try {
    // Nonblocking: a fifo in place of a file must not hang the daemon.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(fd)
    if (!stat.isFile()) return { ok: false, errorCode: 'not a regular file' }
    if (stat.size > kFileBytesMax) return { ok: false, errorCode: `larger than ${kFileBytesMax} bytes` }
    return { ok: true, text: readFileSync(fd, 'latin1'), mode: stat.mode & 0o7777, mtimeMs: stat.mtimeMs }
  } catch (error) {
    return { ok: false, errorCode: codeOf(error) }
  } finally {
    if (fd >= 0) closeSync(fd)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

export function hashText(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex')
}

/** Own node name: an explicit one, else the nodeinfo file, else uname -n. Lower case. */
export function ownNodeName(haDir: string, explicit: string | null): string {
  if (explicit !== null) return explicit.toLowerCase()
  const nodeinfo = readHaFile(`${haDir}/nodeinfo`)
  const named = nodeinfo.ok ? nodeinfo.text.trim().split(/\s+/)[0] : undefined
  return (named === undefined || named === '' ? hostname() : named).toLowerCase()
}

/** Port of ha-cluster/udp in the services database, null if it is not listed. */
export function haClusterPort(servicesPath = '/etc/services'): number | null {
  const services = readHaFile(servicesPath)
  const match = services.ok ? /^ha-cluster[ \t]+(\d+)\/udp\b/m.exec(services.text) : null
  return match === null ? null : Number(match[1])
}

export function hostFacts(): HostFacts {
  return {
    interfaces: interfaceNames(),
    deviceKind(path) {
      try {
        return statSync(path).isCharacterDevice() ? 'character' : 'other'
      } catch {
        return 'missing'
      }
    },
    controlGroupProblem: controlGroupProblem(),
    resolve: (name, family) => resolveByHostsFile(name, family),
    userExists,
    isExecutable(path) {
      try {
        accessSync(path, constants.X_OK)
        return statSync(path).isFile()
      } catch {
        return false
      }
    },
  }
}

/** Names from the network namespace of this process, whatever /sys was mounted in. */
function interfaceNames(): string[] {
  const dev = readProc('/proc/net/dev')
  const names = [...dev.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1] ?? '')
  if (names.length > 0) return names
  try {
    return readdirSync('/sys/class/net')
  } catch {
    return []
  }
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** The hosts file only: a resolver that waits for the network has no place in a start of the daemon. */
function resolveByHostsFile(name: string, family: 4 | 6): string | null {
  for (const line of readProc('/etc/hosts').split('\n')) {
    const [address, ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/)
    if (address === undefined || address.includes(':') !== (family === 6)) continue
    if (names.includes(name)) return address
  }
  return null
}

/** A directory service that hangs must not hold up the start; a name it knows is then called unknown. */
const kGetentTimeoutMs = 2000

function userExists(name: string): boolean {
  if (/^\d+$/.test(name)) return true
  const local = readProc('/etc/passwd')
    .split('\n')
    .some((line) => line.split(':')[0] === name)
  if (local) return true
  return (
    spawnSync('getent', ['passwd', '--', name], { timeout: kGetentTimeoutMs, stdio: 'ignore' }).status === 0
  )
}

export interface LoadInputOptions {
  readonly haDir: string
  readonly name: string | null
  readonly acceptWithout: readonly string[]
  /** False: check the text only, for another machine's files. */
  readonly checkHost: boolean
}

/** Everything `loadConfig` needs, from this machine. */
export function loadInputFromMachine(options: LoadInputOptions): LoadInput {
  return {
    haDir: options.haDir,
    self: ownNodeName(options.haDir, options.name),
    readFile: readHaFile,
    hash: hashText,
    acceptWithout: options.acceptWithout,
    servicePort: haClusterPort(),
    host: options.checkHost ? hostFacts() : null,
  }
}
