// twinbeat.cf: text to settings. Same syntax as ha.cf; times may also carry `s` and `m` here, because no
// heartbeat reads this file.

import { profileOf } from './profiles.js'
import type { Micros } from '../core/base/ids.js'
import type { Reporter } from './diagnostics.js'
import {
  booleanOf,
  numberOf,
  readDirectives,
  readOptions,
  textOf,
  usOf,
  type DirectiveFile,
  type DirectiveLine,
  type Options,
  type TimeSyntax,
} from './directive-reader.js'
import type { FencingDefaults } from './fencing.js'
import { HA_CF } from './ha-cf-table.js'
import { readArbiter, readLeaseSettings } from './lease.js'
import type { Word } from './lexer.js'
import type { ArbiterSettings, HostFacts, OcfAgentConfig, Position, TwinbeatSettings } from './model.js'
import { readAddressLines, readTracks, type AddressLine } from './service-rules.js'
import { readKillLines } from './kill-rules.js'
import { TWINBEAT_CF } from './twinbeat-cf-table.js'
import { readInteger, readLongTimeUs } from './values.js'

/** Below this, the status calls themselves become the load. */
const kMonitorMinUs = 1_000_000

export interface MonitorLine {
  readonly group: Word
  readonly everyUs: Micros
  readonly failures: number
}

export interface TwinbeatCf {
  readonly settings: TwinbeatSettings
  readonly monitors: readonly MonitorLine[]
  readonly addressLines: readonly AddressLine[]
  /** The groups of the `guardian_kill` lines. */
  readonly killWords: readonly Word[]
  /** The words of the `agent` lines, in the order of `settings.agents`. */
  readonly agentWords: readonly Word[]
  readonly logFormat: 'text' | 'json'
  readonly realtimePriority: number | null
  readonly options: Options
  /** Lines of a directive of shape `line`, for readers in other files. */
  readonly linesOf: (name: string) => readonly DirectiveLine[]
}

const kFile: DirectiveFile = {
  table: TWINBEAT_CF,
  others: { file: 'ha.cf', names: HA_CF.map((entry) => entry.name) },
  foreign: {},
}

const kTimes: TimeSyntax = {
  read: readLongTimeUs,
  hint: 'a number of seconds, or a number with s, m, ms or us: 30, 30s, 2m, 500ms',
}

export function readTwinbeatCf(
  text: string,
  file: string,
  host: HostFacts | null,
  report: Reporter,
): TwinbeatCf {
  const lines = readDirectives(text, kFile, report)
  const place = (word: Word): Position => ({ file, line: word.line, column: word.column })
  const options = readOptions(lines, report, kTimes)
  const of = (name: string) => lines.filter((line) => line.directive.name === name)
  const agents = readAgents(of('agent'), place, report)
  const killWords = readKillLines(of('guardian_kill'), report)
  return {
    options,
    linesOf: of,
    settings: readSettings(
      options,
      agents.map(({ agent }) => agent),
      readResetCommand(of('reset_command'), host, report),
      readArbiter(of('arbiter'), place, report),
      readTracks(of('track'), host, report).map(({ interface: name, on }) => ({ interface: name.text, on })),
      killWords.map((word) => word.text),
    ),
    killWords,
    addressLines: readAddressLines(of('address'), report),
    monitors: of('monitor')
      .map((line) => readMonitor(line, report))
      .filter((entry) => entry !== null),
    agentWords: agents.map(({ word }) => word),
    logFormat: textOf(options, 'log_format') === 'json' ? 'json' : 'text',
    realtimePriority: options.has('realtime_priority') ? numberOf(options, 'realtime_priority', 1) : null,
  }
}

const kDefaultUs = new Map(
  TWINBEAT_CF.filter((entry) => entry.value.kind === 'time' && entry.fallback !== null).map((entry) => [
    entry.name,
    readLongTimeUs(entry.fallback ?? '') ?? 0,
  ]),
)

function readSettings(
  options: Options,
  agents: readonly OcfAgentConfig[],
  resetCommand: TwinbeatSettings['resetCommand'],
  arbiter: ArbiterSettings | null,
  tracks: TwinbeatSettings['tracks'],
  guardianKill: TwinbeatSettings['guardianKill'],
): TwinbeatSettings {
  const time = (name: string) => usOf(options, name, kDefaultUs.get(name) ?? 0) as Micros
  const stopFailure = textOf(options, 'stop_failure')
  return {
    addressAgent: textOf(options, 'address_agent') === 'script' ? 'script' : 'native',
    stopFailure: stopFailure === 'block' || stopFailure === 'fence' ? stopFailure : 'reset',
    stopRetryMax: numberOf(options, 'stop_retry_max', 10),
    splitBrain: splitBrainOf(textOf(options, 'split_brain')),
    arbiter,
    lease: readLeaseSettings(options, (name) => kDefaultUs.get(name) ?? 0),
    splitBrainImplied: !options.has('split_brain'),
    resetCommand,
    startTimeoutUs: time('start_timeout'),
    stopTimeoutUs: time('stop_timeout'),
    watchdogTimeoutUs: time('watchdog_timeout'),
    statusTimeoutUs: time('status_timeout'),
    handoverWaitUs: time('handover_wait'),
    grantWaitUs: time('grant_wait'),
    announceRefreshUs: time('announce_refresh'),
    profile: profileOf(textOf(options, 'profile'))?.name ?? null,
    tracks,
    guardianKill,
    serialLock: booleanOf(options, 'serial_lock', true),
    controlGroup: textOf(options, 'control_group') ?? 'haclient',
    agents,
  }
}

function readResetCommand(
  lines: readonly DirectiveLine[],
  host: HostFacts | null,
  report: Reporter,
): TwinbeatSettings['resetCommand'] {
  let command: TwinbeatSettings['resetCommand'] = null
  for (const line of lines) {
    const [program, ...args] = line.blankWords
    if (program === undefined || !program.text.startsWith('/')) {
      report.error(
        'TB_CONFIG_SYNTAX',
        program ?? line.keyword,
        "'reset_command' needs a program by its full path",
        null,
      )
      continue
    }
    if (host !== null && !host.isExecutable(program.text)) {
      report.error('TB_CONFIG_VALUE', program, `'${program.text}' is not an executable file`, null)
    }
    if (command !== null) {
      report.warning(
        'TB_CONFIG_REPEATED',
        line.keyword,
        "there is a 'reset_command' already",
        'the last one counts; remove the others',
      )
    }
    command = { path: program.text, args: args.map((word) => word.text) }
  }
  return command
}

function readAgents(
  lines: readonly DirectiveLine[],
  place: (word: Word) => Position,
  report: Reporter,
): { word: Word; agent: OcfAgentConfig }[] {
  const agents = new Map<string, { word: Word; agent: OcfAgentConfig }>()
  for (const line of lines) {
    const [name, type, ...params] = line.blankWords
    const parts = /^ocf:([A-Za-z0-9_-]+):([A-Za-z0-9_.-]+)$/.exec(type?.text ?? '')
    if (name === undefined || parts === null) {
      report.error(
        'TB_CONFIG_SYNTAX',
        type ?? line.keyword,
        "'agent' needs a name and an OCF agent",
        "for example 'agent web ocf:heartbeat:nginx port=80'",
      )
      continue
    }
    if (/::|[/\\#]/.test(name.text)) {
      report.error(
        'TB_CONFIG_AGENT',
        name,
        `'${name.text}' cannot stand as a resource in haresources`,
        'use letters, digits, - and _',
      )
      continue
    }
    if (agents.has(name.text)) {
      report.error(
        'TB_CONFIG_REPEATED',
        name,
        `agent '${name.text}' is defined already`,
        'give this one another name',
      )
      continue
    }
    const pairs = readParams(params, report)
    if (pairs === null) continue
    const agent = {
      name: name.text,
      provider: parts[1] ?? '',
      type: parts[2] ?? '',
      params: pairs,
      at: place(name),
    }
    agents.set(name.text, { word: name, agent })
  }
  return [...agents.values()]
}

function readParams(words: readonly Word[], report: Reporter): (readonly [string, string])[] | null {
  const pairs = new Map<string, string>()
  let wrong = false
  for (const word of words) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(word.text)
    const name = match?.[1] ?? ''
    if (match === null) {
      report.error('TB_CONFIG_SYNTAX', word, `'${word.text}' is not key=value`, 'values contain no blanks')
      wrong = true
    } else if (pairs.has(name)) {
      report.error('TB_CONFIG_REPEATED', word, `parameter '${name}' is given twice`, null)
      wrong = true
    } else {
      pairs.set(name, match[2] ?? '')
    }
  }
  return wrong ? null : [...pairs]
}

function readMonitor(line: DirectiveLine, report: Reporter): MonitorLine | null {
  const [group, every, time, failuresWord, count, extra] = line.blankWords
  if (
    !group ||
    every?.text !== 'every' ||
    !time ||
    failuresWord?.text !== 'failures' ||
    !count ||
    extra !== undefined
  ) {
    report.error(
      'TB_CONFIG_SYNTAX',
      extra ?? line.keyword,
      'this is not a monitor line',
      "write 'monitor GROUP every TIME failures NUMBER', for example 'monitor 10.0.0.10 every 10s failures 3'",
    )
    return null
  }
  const everyUs = readLongTimeUs(time.text)
  if (everyUs === null || everyUs < kMonitorMinUs) {
    report.error('TB_CONFIG_VALUE', time, `'${time.text}' is not a time of at least 1 second`, null)
    return null
  }
  const failures = readInteger(count.text)
  if (failures === null || failures < 0 || failures > 1000) {
    report.error('TB_CONFIG_VALUE', count, `'${count.text}' is not a number from 0 to 1000`, null)
    return null
  }
  return { group, everyUs, failures }
}

/** Settings of fencing that hold for every device that does not say otherwise. */
export function fencingDefaults(options: Options): FencingDefaults {
  return {
    timeoutUs: usOf(options, 'fence_timeout', kDefaultUs.get('fence_timeout') ?? 0),
    tries: numberOf(options, 'fence_tries', 2),
    testEveryUs: usOf(options, 'fence_test', kDefaultUs.get('fence_test') ?? 0),
    action: textOf(options, 'fence_action') === 'off' ? 'off' : 'reboot',
  }
}

const splitBrainOf = (word: string | null): TwinbeatSettings['splitBrain'] =>
  word === 'fence' || word === 'lease' ? word : 'accept'
