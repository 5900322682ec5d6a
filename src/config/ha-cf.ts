// ha.cf: text to what it says, with places. Rules between several directives are in validate.ts.

import type { Reporter } from './diagnostics.js'
import {
  booleanOf, readDirectives, readOptions, reportNoEffect, textOf,
  type DirectiveFile, type DirectiveLine, type Options, type TimeSyntax,
} from './directive-reader.js'
import { HA_CF, kForeign } from './ha-cf-table.js'
import type { Word } from './lexer.js'
import { readLinks } from './links.js'
import type {
  ApiAuthConfig, AutoFailback, HostFacts, LinkConfig, Position, RespawnConfig, Timing,
} from './model.js'
import { readApiAuth, readEnv, readRespawn, type Hazard, type ProgramContext } from './programs.js'
import { TWINBEAT_CF } from './twinbeat-cf-table.js'
import { readBoolean, readTimeUs } from './values.js'

export interface HaCf {
  readonly options: Options
  /** Names as written; lower-cased later, where a difference can be told. */
  readonly nodes: readonly Word[]
  readonly links: readonly LinkConfig[]
  readonly respawn: readonly RespawnConfig[]
  readonly apiauth: readonly ApiAuthConfig[]
  readonly env: readonly (readonly [string, string])[]
  readonly hazards: readonly Hazard[]
  /** Lines of a directive of shape `line`, for readers in other files. */
  readonly linesOf: (name: string) => readonly DirectiveLine[]
  readonly autoFailback: AutoFailback | null
}

export interface HaCfInput {
  readonly text: string
  readonly file: string
  readonly host: HostFacts | null
  readonly servicePort: number | null
}

const kFile: DirectiveFile = {
  table: HA_CF,
  others: { file: 'twinbeat.cf', names: TWINBEAT_CF.map((entry) => entry.name) },
  foreign: kForeign,
}

const kTimes: TimeSyntax = {
  read: readTimeUs, hint: 'a number of seconds, or a number with ms or us: 2, 0.5, 500ms',
}

export function readHaCf(input: HaCfInput, report: Reporter, acceptWithout: readonly string[]): HaCf {
  const lines = readDirectives(input.text, kFile, report)
  const place = (word: Word): Position => ({ file: input.file, line: word.line, column: word.column })
  const hazards: Hazard[] = []
  const ctx: ProgramContext = { report, host: input.host, place, hazards }
  const options = readOptions(lines, report, kTimes)
  const of = (name: string) => lines.filter((line) => line.directive.name === name)

  reportNoEffect(lines, report)
  checkCrm(lines, report)
  checkRefused(options, report)
  collectHazards(lines, acceptWithout, hazards)
  const links = readLinks(lines, report, input.host, place, input.servicePort)
  const nodes = of('node').flatMap((line) => line.words)
  return {
    options,
    nodes,
    links,
    respawn: lines.filter(isProgram).map((line) => readRespawn(line, ctx)).filter((entry) => entry !== null),
    apiauth: of('apiauth').map((line) => readApiAuth(line, ctx)).filter((entry) => entry !== null),
    env: of('env').flatMap((line) => readEnv(line, report)),
    hazards,
    linesOf: of,
    autoFailback: readAutoFailback(options, report),
  }
}

function isProgram(line: DirectiveLine): boolean {
  return line.directive.name === 'respawn' || line.directive.name === 'failfast'
}

function checkCrm(lines: readonly DirectiveLine[], report: Reporter): void {
  let seen: Word | null = null
  for (const { directive, keyword, words } of lines) {
    if (directive.name !== 'crm' && directive.name !== 'pacemaker') continue
    if (seen !== null) {
      report.error('TB_CONFIG_REPEATED', keyword, `'${directive.name}' stands in line ${seen.line} already`,
        'heartbeat refuses a second one; remove it')
    }
    seen = keyword
    for (const word of words) {
      if (readBoolean(word.text) === false) continue
      report.error('TB_CONFIG_NOT_IMPLEMENTED', word, `'${directive.name} ${word.text}': the CRM is not there yet`,
        `write '${directive.name} off' and put the resources into haresources`)
    }
  }
}

function checkRefused(options: Options, report: Reporter): void {
  const autojoin = options.get('autojoin')
  if (autojoin !== undefined && textOf(options, 'autojoin') !== 'none') {
    report.error('TB_CONFIG_VALUE', autojoin.word, `'autojoin ${autojoin.word.text}' does not go with haresources`,
      "write 'autojoin none' and list every node")
  }
  const apphbd = options.get('use_apphbd')
  if (apphbd !== undefined && booleanOf(options, 'use_apphbd', false)) {
    report.warning('TB_CONFIG_NO_EFFECT', apphbd.word, 'apphbd will not watch this daemon', "write 'use_apphbd off'")
  }
}

/** Fencing that an operator agreed to run without is remarked like what does not exist. */
function collectHazards(lines: readonly DirectiveLine[], acceptWithout: readonly string[], hazards: Hazard[]): void {
  for (const { directive, keyword } of lines) {
    if ((directive.name === 'stonith' || directive.name === 'stonith_host') && acceptWithout.includes(directive.name)) {
      hazards.push({ what: directive.name, at: keyword, message: 'the peer is not fenced before a takeover' })
    }
  }
}

function readAutoFailback(options: Options, report: Reporter): AutoFailback | null {
  const text = textOf(options, 'auto_failback')
  const nice = options.get('nice_failback')
  if (nice !== undefined) {
    const means = booleanOf(options, 'nice_failback', true) ? 'off' : 'legacy'
    report.warning('TB_CONFIG_REPLACED', nice.word, `'nice_failback' is obsolete and means 'auto_failback ${means}'`,
      text === null ? `write 'auto_failback ${means}'` : 'remove it: auto_failback is set')
    if (text === null) return means
  }
  return text === 'on' || text === 'off' || text === 'legacy' ? text : null
}

/**
 * `HA_<name>` for scripts: every option of ha.cf as written, or its default where heartbeat passes one.
 */
export function scriptDirectives(cf: HaCf, effective: Timing): [string, string][] {
  const paced = effective.keepaliveUs !== 1_000_000 || effective.deadtimeUs !== 30_000_000
  const computed: Record<string, string> = {
    ...(paced ? { keepalive: `${effective.keepaliveUs / 1000}ms`, deadtime: `${effective.deadtimeUs / 1000}ms` } : {}),
    warntime: `${effective.warntimeUs / 1000}ms`,
    deadping: `${effective.deadpingUs / 1000}ms`,
    initdead: `${effective.initdeadUs / 1000}ms`,
    udpport: '694',
    auto_failback: cf.autoFailback ?? 'legacy',
    pacemaker: 'false',
    record_config_changes: 'on',
    record_pengine_inputs: 'on',
    enable_config_writes: 'on',
  }
  const silent = new Set(['crm', 'nice_failback', 'normalpoll', 'rtprio', 'use_apphbd', 'use_logd'])
  const pairs: [string, string][] = []
  for (const entry of HA_CF) {
    if (entry.shape !== 'option') continue
    const written = cf.options.get(entry.name)?.word.text
    const fallback = silent.has(entry.name) ? null : computed[entry.name] ?? entry.fallback
    const value = written ?? fallback
    if (value !== null) pairs.push([entry.name, value])
  }
  return pairs
}

