// Environments are built from nothing: what the daemon inherited (NOTIFY_SOCKET, LISTEN_FDS, LD_*,
// NODE_OPTIONS, tokens) never reaches an agent.

import { createHash } from 'node:crypto'
import { OCF_ROOT } from './places.js'
import type { AgentAction, AgentContext, AgentTarget } from './types.js'

const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin'
/** Folders of the original's own programs, which its scripts call by bare name. */
const HEARTBEAT_PATH = '/usr/libexec/heartbeat:/usr/share/heartbeat'
const OCF_VERSION = { major: '1', minor: '1' } as const
/** Agents choose names of tools and options by it; this level knows promoted and `reload-agent`. */
const FEATURE_SET = '3.16.2'

export function baseEnvironment(): Record<string, string> {
  return { PATH: SYSTEM_PATH, LANG: 'C.UTF-8', HOME: '/', SHELL: '/bin/sh' }
}

/** What scripts of the heartbeat class find apart from the message that caused the call. */
export function heartbeatBase(context: AgentContext): Record<string, string> {
  return {
    ...baseEnvironment(),
    PATH: `${HEARTBEAT_PATH}:${SYSTEM_PATH}`,
    HA_CURHOST: context.nodeName,
    HA_DIR: context.haDir,
    HA_FUNCS: `${context.haDir}/shellfuncs`,
    HA_RCDIR: `${context.haDir}/rc.d`,
    HA_RESOURCEDIR: `${context.haDir}/resource.d`,
    HA_BIN: '/usr/libexec/heartbeat',
    HA_FIFO: '/var/lib/heartbeat/fifo',
    HA_DATEFMT: '%Y/%m/%d_%T ',
    HA_DOCDIR: '/usr/share/doc/heartbeat',
    HA_LOGD: 'no',
    HA_RSCTMP: context.rscTmpDir,
    HA_debug: '0',
    OCF_ROOT,
    ...context.extra,
  }
}

/** One message of the conversation and what the cluster looked like, as scripts see it. */
export interface HeartbeatScene {
  /** String fields of the message that led here: t, src, st, info, rsc_hold... */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Option directives of ha.cf with their value as written or default. */
  readonly directives: readonly (readonly [name: string, value: string])[]
  /** Own status, not that of the subject. */
  readonly ownStatus: string
  /** Modes on and off, not legacy. */
  readonly niceFailback: boolean
  /** No other node is active. */
  readonly dontAsk: boolean
  readonly logfile: string | null
  readonly debugfile: string | null
  readonly logfacility: string | null
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * HA_* variables for `Operation.env`. Fields come from the network: a name that is no variable
 * name is dropped, a value is cut at a zero byte, and a field never replaces a directive's value.
 */
export function heartbeatEnvironment(scene: HeartbeatScene): Record<string, string> {
  const env: Record<string, string> = {}
  const put = (name: string, value: string): void => {
    if (VARIABLE_NAME.test(name)) env[`HA_${name}`] = value.split('\0')[0] ?? ''
  }
  for (const [name, value] of scene.fields) put(name, value)
  for (const [name, value] of scene.directives) put(name, value)
  put('OSTATUS', scene.ownStatus)
  if (scene.niceFailback) put('NICEFAILBACK', 'yes')
  if (scene.dontAsk) put('DONTASK', 'yes')
  if (scene.logfile !== null) put('LOGFILE', scene.logfile)
  if (scene.debugfile !== null) put('DEBUGLOG', scene.debugfile)
  if (scene.logfacility !== null) put('LOGFACILITY', scene.logfacility)
  return env
}

export function ocfEnvironment(
  target: AgentTarget,
  action: AgentAction,
  context: AgentContext,
): Record<string, string> {
  const env: Record<string, string> = baseEnvironment()
  for (const [name, value] of Object.entries(target.parameters)) env[`OCF_RESKEY_${name}`] = value
  if (context.shimDir !== null) env['PATH'] = `${context.shimDir}:${SYSTEM_PATH}`
  return {
    ...env,
    OCF_ROOT,
    OCF_RA_VERSION_MAJOR: OCF_VERSION.major,
    OCF_RA_VERSION_MINOR: OCF_VERSION.minor,
    OCF_RESOURCE_INSTANCE: instanceName(target.id),
    OCF_RESOURCE_TYPE: target.name,
    OCF_RESOURCE_PROVIDER: target.provider ?? 'heartbeat',
    OCF_EXIT_REASON_PREFIX: 'ocf-exit-reason:',
    OCF_RESKEY_crm_feature_set: FEATURE_SET,
    OCF_RESKEY_CRM_meta_name: action === 'probe' ? 'monitor' : action,
    OCF_RESKEY_CRM_meta_interval: String(action === 'monitor' ? context.intervalMs : 0),
    OCF_RESKEY_CRM_meta_timeout: String(context.timeoutMs === 0 ? UNLIMITED_MS : context.timeoutMs),
    OCF_RESKEY_CRM_meta_on_node: context.nodeName,
    HA_RSCTMP: context.rscTmpDir,
    HA_LOGFACILITY: 'none',
    ...context.extra,
  }
}

/**
 * Agents make file names of the instance name and cut it at a colon, but ids hold haresources
 * words. What had to be replaced is told apart by a digest, the same on every node and every run.
 */
export function instanceName(id: string): string {
  const plain = id.replace(/[^A-Za-z0-9_.-]/g, '_')
  if (plain === id && plain.length <= INSTANCE_LENGTH_MAX) return plain
  const digest = createHash('sha256').update(id).digest('hex').slice(0, 8)
  return `${plain.slice(0, INSTANCE_LENGTH_MAX)}-${digest}`
}

/** A file name holds 255 bytes, and agents add prefixes and suffixes. */
const INSTANCE_LENGTH_MAX = 100

/** Agents compute deadlines from the timeout and take 0 as "at once". */
const UNLIMITED_MS = 24 * 3_600_000
