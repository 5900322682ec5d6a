// What has to be there, and what must not, before the daemon is built: folders, the lock, a configuration
// without errors, no rival. Everything here refuses with one sentence and a next step.
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import { formatDiagnostics, placeOf } from '../config/diagnostics.js'
import type { ClusterConfig, Diagnostic } from '../config/model.js'
import { TwinbeatError, messageOf } from '../errors.js'
import type { LogTargets } from '../observe/log.js'
import { privilegeWarnings } from '../system/capabilities.js'
import type { DaemonOptions } from './options.js'
import { takeRunLock, type RunLock } from './run-lock.js'

/** Makes the folders and takes the lock, which is held until this process and its guardian have ended. */
export async function prepareFolders(options: Pick<DaemonOptions, 'runDir' | 'stateDir'>): Promise<RunLock> {
  makeFolder('TB_RUN_DIR', options.runDir, 0o755)
  const lock = await takeRunLock(options.runDir, (text) => { process.stderr.write(`twinbeatd: ${text}\n`) })
  makeFolder('TB_STATE_WRITE', options.stateDir, 0o700)
  return lock
}

function makeFolder(code: 'TB_RUN_DIR' | 'TB_STATE_WRITE', folder: string, mode: number): void {
  try {
    makePath(path.resolve(folder), mode)
  } catch (cause) {
    throw new TwinbeatError(code, `cannot make the folder '${folder}': ${messageOf(cause)}`, { cause })
  }
}

/** Not mkdir's own recursion: where a file system answers ENOENT to every mkdir, as /proc does, that never ends. */
function makePath(folder: string, mode: number): void {
  if (existsSync(folder)) return
  const parent = path.dirname(folder)
  if (parent !== folder) makePath(parent, mode)
  mkdirSync(folder, { mode })
}

export function configError(diagnostics: readonly Diagnostic[]): TwinbeatError {
  const errors = diagnostics.filter((finding) => finding.severity === 'error')
  const count = errors.length === 1 ? 'an error' : `${String(errors.length)} errors`
  return new TwinbeatError('TB_CONFIG', `the configuration has ${count}\n${formatDiagnostics(errors)}`)
}

/** Addresses that this cluster brings up: nobody else may. */
export function addressesOf(config: ClusterConfig): string[] {
  return config.groups.flatMap((group) =>
    group.members.flatMap((member) => (member.address === null ? [] : [member.address.address])),
  )
}

/** What this configuration needs and this process is not allowed to do. */
export function privilegesMissing(config: ClusterConfig): string[] {
  const ports = config.links.flatMap((link) => ('port' in link ? [link.port] : []))
  return privilegeWarnings({
    addresses: config.groups.some((group) => group.members.some((member) => member.by === 'engine')),
    pings: config.links.some((link) => 'hosts' in link),
    lowestPort: ports.length === 0 ? null : Math.min(...ports),
    reboots: config.twinbeat.stopFailure === 'reset',
    realtime: config.process.realtime,
  })
}

export function logWarnings(diagnostics: readonly Diagnostic[], log: Logger): void {
  for (const { severity, code, file, line, message } of diagnostics) {
    if (severity === 'warning') log.warn({ event: 'config.warning', code }, `${placeOf(file, line)}: ${message}`)
  }
}

/** Each on a line of its own: what the one who sent the signal finds in the log. */
export function logErrors(diagnostics: readonly Diagnostic[], log: Logger): void {
  for (const { severity, file, line, code, message, hint } of diagnostics) {
    const next = hint === null ? '' : `; ${hint}`
    if (severity === 'error') log.error({ event: 'config.error', code }, `${placeOf(file, line)}: ${message}${next}`)
  }
}

export function logTargetsOf({ log }: ClusterConfig, options: DaemonOptions): LogTargets {
  return {
    logFile: log.logfile,
    debugFile: log.debugfile,
    facility: log.facility,
    format: log.format,
    stderr: options.logToStderr,
    debug: options.debug || log.debug > 0,
  }
}
