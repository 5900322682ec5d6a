// The lines about lease protection: which arbiter is asked, and the times that must fit together so that a node
// has let go before another one may take.

import type { Micros } from '../core/base/ids.js'
import type { Reporter } from './diagnostics.js'
import { numberOf, placeOf, textOf, usOf, type DirectiveLine, type Options } from './directive-reader.js'
import type { HaCf } from './ha-cf.js'
import type { Place, Word } from './lexer.js'
import type { ArbiterSettings, FileResult, GroupConfig, LeaseSettings, Position } from './model.js'
import { formatTime, readIpv4, readIpv6 } from './values.js'

const kSecondUs = 1_000_000
const kEndpointsMax = 9
/** The kernel looks for expired addresses once a second, and up to a second late. */
const kKernelUs = 1_250_000
/** Between the last renewal that can work and the deadline: room for one that fails. */
const kSpareUs = 2 * kSecondUs
const kPpm = 1_000_000
const kKeys = ['endpoints', 'prefix', 'user', 'password_file', 'ca', 'cert', 'key'] as const
type Key = (typeof kKeys)[number]

export function readLeaseSettings(options: Options, fallbackUs: (name: string) => number): LeaseSettings {
  const time = (name: string): Micros => usOf(options, name, fallbackUs(name)) as Micros
  return {
    ttlUs: time('lease_ttl'),
    renewUs: time('lease_renew'),
    timeoutUs: time('lease_timeout'),
    driftPpm: numberOf(options, 'lease_drift', 10_000),
    stopBudgetUs: time('stop_budget'),
  }
}

export function readArbiter(
  lines: readonly DirectiveLine[], place: (word: Word) => Position, report: Reporter,
): ArbiterSettings | null {
  const [line, again] = lines
  if (line === undefined) return null
  if (again !== undefined) {
    report.error('TB_CONFIG_REPEATED', again.keyword, 'there is an arbiter already', 'one grants everything; give it several endpoints')
  }
  const [kind, ...words] = line.blankWords
  if (kind?.text !== 'etcd') {
    report.error('TB_CONFIG_SYNTAX', kind ?? line.keyword, 'the arbiter is no etcd', "write 'arbiter etcd endpoints=https://10.0.0.5:2379'")
    return null
  }
  const values = readPairs(words, report)
  if (values === null) return null
  const endpoints = readEndpoints(values.get('endpoints'), line.keyword, report)
  const text = (key: Key): string | null => values.get(key)?.text ?? null
  checkAccess(values, endpoints, report)
  const prefix = text('prefix') ?? '/twinbeat/'
  return {
    kind: 'etcd', endpoints, prefix: prefix.endsWith('/') ? prefix : `${prefix}/`, user: text('user'), passwordFile: text('password_file'),
    ca: text('ca'), cert: text('cert'), key: text('key'), at: place(line.keyword),
  }
}

type Pairs = ReadonlyMap<Key, Word>

function readPairs(words: readonly Word[], report: Reporter): Pairs | null {
  const pairs = new Map<Key, Word>()
  let wrong = false
  for (const word of words) {
    const match = /^([a-z_]+)=(.+)$/.exec(word.text)
    const key = kKeys.find((known) => known === match?.[1])
    if (match === null || key === undefined) {
      // Whatever was meant, it may be a password: it is not repeated.
      report.error('TB_CONFIG_SYNTAX', word, 'this is no key=value of an arbiter', `keys are: ${kKeys.join(', ')}`)
      wrong = true
    } else if (pairs.has(key)) {
      report.error('TB_CONFIG_REPEATED', word, `'${key}' is given twice`, null)
      wrong = true
    } else {
      pairs.set(key, { ...word, text: match[2] ?? '' })
    }
  }
  return wrong ? null : pairs
}

function readEndpoints(word: Word | undefined, keyword: Word, report: Reporter): string[] {
  if (word === undefined) {
    report.error('TB_CONFIG_SYNTAX', keyword, 'the arbiter has no endpoints',
      "write 'endpoints=https://10.0.0.5:2379,https://10.0.0.6:2379'")
    return []
  }
  const endpoints: string[] = []
  for (const part of word.text.split(',').filter((text) => text !== '')) {
    const match = /^(https?):\/\/(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})\/?$/.exec(part)
    const host = match?.[2] ?? ''
    if (match === null || Number(match[3]) > 65_535) {
      report.error('TB_CONFIG_VALUE', word, 'an endpoint is no http:// or https:// address with a port',
        'for example https://10.0.0.5:2379')
      continue
    }
    if (readIpv4(host) === null && readIpv6(host.replace(/^\[|\]$/g, '')) === null) {
      report.warning('TB_CONFIG_LEASE', word, `endpoint '${host}' is a name: without a name service there is no lease`, 'write its address')
    }
    endpoints.push(`${match[1]}://${host}:${match[3]}`)
  }
  if (endpoints.length > kEndpointsMax) report.error('TB_CONFIG_VALUE', word, `more than ${kEndpointsMax} endpoints`, null)
  return endpoints
}

function checkAccess(values: Pairs, endpoints: readonly string[], report: Reporter): void {
  const [user, password] = [values.get('user'), values.get('password_file')]
  if ((user === undefined) !== (password === undefined)) {
    report.error('TB_CONFIG_SYNTAX', user ?? password ?? null, "'user' and 'password_file' belong together", null)
  }
  const [cert, key] = [values.get('cert'), values.get('key')]
  if ((cert === undefined) !== (key === undefined)) {
    report.error('TB_CONFIG_SYNTAX', cert ?? key ?? null, "'cert' and 'key' belong together", null)
  }
  for (const name of ['password_file', 'ca', 'cert', 'key'] as const) {
    const word = values.get(name)
    if (word !== undefined && !word.text.startsWith('/')) report.error('TB_CONFIG_VALUE', word, `'${name}' is not a full path`, null)
  }
  const plain = endpoints.some((endpoint) => endpoint.startsWith('http:'))
  if (plain && user !== undefined) {
    report.warning('TB_CONFIG_LEASE', user, 'the password is sent in clear text', 'use https:// endpoints')
  }
  const tls = values.get('ca') ?? cert
  if (plain && tls !== undefined) {
    report.error('TB_CONFIG_LEASE', tls, 'certificates mean nothing with http:// endpoints', 'write https://')
  }
}

export interface LeaseCheck {
  readonly cf: HaCf
  readonly lease: LeaseSettings
  readonly arbiter: ArbiterSettings | null
  readonly splitBrain: 'accept' | 'fence' | 'lease'
  readonly stopTimeoutUs: number
  readonly options: Options
  readonly groups: readonly GroupConfig[]
  readonly readFile: (path: string) => FileResult
}

export function checkLease(check: LeaseCheck, report: Reporter, groupReport: Reporter): void {
  const { arbiter, options } = check
  const at = placeOf(options, 'split_brain')
  if (arbiter !== null) checkFiles(arbiter, check.readFile, report)
  if (check.splitBrain !== 'lease') {
    if (arbiter !== null) {
      report.warning('TB_CONFIG_LEASE', { line: arbiter.at.line, column: arbiter.at.column }, 'the arbiter is not asked for anything',
        "write 'split_brain lease' as well")
    }
    return
  }
  if (arbiter === null) {
    report.error('TB_CONFIG_LEASE', at, "'split_brain lease' needs an arbiter", "write 'arbiter etcd endpoints=...'")
  }
  checkTimes(check, report)
  checkServices(check, report, groupReport)
}

function checkTimes({ lease, options }: LeaseCheck, report: Reporter): void {
  const at = firstOf(options, 'lease_ttl', 'stop_budget', 'lease_renew', 'split_brain')
  if (lease.ttlUs % kSecondUs !== 0) {
    report.error('TB_CONFIG_TIMING', at, `lease_ttl ${formatTime(lease.ttlUs)} is no number of whole seconds`, 'etcd counts in seconds')
  }
  if (lease.renewUs <= 0 || lease.timeoutUs <= 0) {
    report.error('TB_CONFIG_TIMING', at, 'lease_renew and lease_timeout must be above 0', null)
    return
  }
  const safeUs = Math.floor(lease.ttlUs * (1 - lease.driftPpm / kPpm))
  const spareUs = safeUs - Math.max(kKernelUs, lease.stopBudgetUs) - lease.renewUs - lease.timeoutUs
  if (spareUs >= kSpareUs) return
  const neededUs = Math.ceil((lease.ttlUs + kSpareUs - spareUs) * (1 + lease.driftPpm / kPpm) / kSecondUs) * kSecondUs
  report.error('TB_CONFIG_TIMING', at,
    `lease_ttl ${formatTime(lease.ttlUs)} leaves ${formatTime(Math.max(0, spareUs))} after drift, stop budget, `
    + `lease_renew and lease_timeout; ${formatTime(kSpareUs)} is the least`,
    `write 'lease_ttl ${formatTime(neededUs)}' or shorten the others`)
}

/** An expired lease must end services too, and only a watchdog ends those whose daemon is frozen. */
function checkServices(check: LeaseCheck, report: Reporter, groupReport: Reporter): void {
  const services = check.groups.filter((group) => group.members.some((member) => member.by === 'agent'))
  const first = services[0]
  if (first === undefined) return
  const watchdog = textOf(check.cf.options, 'watchdog')
  if (watchdog === null) {
    groupReport.error('TB_CONFIG_LEASE', { line: first.at.line, column: first.at.column },
      `'${first.key}' has services, and nothing ends them when this machine hangs: lease protection needs a watchdog`,
      "write 'watchdog /dev/watchdog' in ha.cf, or let the group hold addresses only")
  }
  const { stopTimeoutUs, lease } = check
  if (stopTimeoutUs === 0 || stopTimeoutUs > lease.stopBudgetUs) {
    const limit = stopTimeoutUs === 0 ? 'without a limit' : `up to ${formatTime(stopTimeoutUs)}`
    report.warning('TB_CONFIG_LEASE', firstOf(check.options, 'stop_budget', 'stop_timeout', 'split_brain'),
      `services may take ${limit} to stop, stop_budget is ${formatTime(lease.stopBudgetUs)}: a machine that loses its lease will be reset`,
      'raise stop_budget (and lease_ttl with it), or lower stop_timeout')
  }
}

function firstOf(options: Options, ...names: readonly string[]): Place | null {
  const name = names.find((candidate) => options.has(candidate))
  return name === undefined ? null : placeOf(options, name)
}

const kReadableByOthers = 0o044

function checkFiles(arbiter: ArbiterSettings, readFile: (path: string) => FileResult, report: Reporter): void {
  const at = { line: arbiter.at.line, column: arbiter.at.column }
  for (const [path, secret] of [[arbiter.passwordFile, true], [arbiter.key, true], [arbiter.cert, false], [arbiter.ca, false]] as const) {
    if (path === null) continue
    const result = readFile(path)
    if (!result.ok) {
      report.error('TB_CONFIG_FILE', at, `'${path}' cannot be read: ${result.errorCode}`, null)
    } else if (secret && (result.mode & kReadableByOthers) !== 0) {
      report.error('TB_CONFIG_MODE', at, `'${path}' can be read by other users`, `chmod 600 ${path}`)
    }
  }
}
