// The one public door of the configuration: files to a validated model, or to everything that is wrong with
// them. Pure: file access, the digest function and facts about the machine arrive as arguments.

import { nodeId, type NodeId } from '../core/base/ids.js'
import { hideSecrets, readAuthkeys } from './authkeys.js'
import { collectFindings, type Findings, type Reporter } from './diagnostics.js'
import { digestAuth, digestDirectives, digestGroups } from './digest.js'
import { booleanOf, numberOf, textOf } from './directive-reader.js'
import { hideFenceSecrets } from './fence-types.js'
import { checkFencing, checkWeights, withImpliedFencing } from './fencing-checks.js'
import { readFencing } from './fencing.js'
import { buildGroups } from './groups.js'
import { readHaCf, scriptDirectives, type HaCf } from './ha-cf.js'
import { readHaresources } from './haresources.js'
import { checkLease } from './lease.js'
import { kTextCharsMax, splitLines } from './lexer.js'
import { kUdpPortDefault } from './links.js'
import type {
  ClusterConfig, FencingSettings, FileResult, IdentityConfig, LoadInput, LoadResult, LogConfig, ProcessConfig, TwinbeatSettings,
  WatchdogConfig,
} from './model.js'
import { profileOf } from './profiles.js'
import { checkServiceProtection } from './service-rules.js'
import { fencingDefaults, readTwinbeatCf, type TwinbeatCf } from './twinbeat-cf.js'
import {
  checkAcceptWithout, checkHazards, checkLinks, checkLinkSpeed, checkProfile, checkSafety, checkTiming, resolveNodes, resolveTiming,
} from './validate.js'
import { readInteger } from './values.js'

/** What heartbeat tests of authkeys: readable for group or others. */
const kReadableByOthers = 0o044
const kAnyForOthers = 0o077

interface OpenFile {
  readonly path: string
  readonly text: string
  readonly report: Reporter
  /** Permission bits; null: there is no such file. */
  readonly mode: number | null
}

export function loadConfig(input: LoadInput): LoadResult {
  const findings = collectFindings()
  const haCf = openFile('ha.cf', input, findings, 'required')
  const twinbeatCf = openFile('twinbeat.cf', input, findings, 'optional')
  const authkeys = openFile('authkeys', input, findings, 'required')
  const haresources = openFile('haresources', input, findings, 'required')
  checkAcceptWithout(input.acceptWithout, findings.reporter('--accept-without', () => ''))

  const auth = authkeys === null ? null : readAuthkeys(authkeys.text, authkeys.report)
  const twinbeat = readTwinbeatCf(twinbeatCf.text, twinbeatCf.path, input.host, twinbeatCf.report)
  if (haCf === null) return { config: null, diagnostics: findings.list() }

  const { host, servicePort } = input
  const cf = readHaCf({ text: haCf.text, file: haCf.path, host, servicePort }, haCf.report, input.acceptWithout)
  const profile = profileOf(twinbeat.settings.profile)
  const timing = resolveTiming(cf, profile)
  checkTiming(cf, timing, haCf.report)
  checkProfile(cf, twinbeat, profile, twinbeatCf.report)
  const nodes = resolveNodes(cf, input.self.toLowerCase(), haCf.report)
  checkLinks(cf, nodes, haCf.report)
  checkLinkSpeed(cf.links, timing, haCf.report)
  const acceptedWithout = checkHazards(cf, input.acceptWithout, haCf.report)
  const { settings, fencing } = loadFencing({ input, cf, twinbeat, nodes, haCf, twinbeatCf })
  checkSafety(cf, twinbeat, settings, haCf.report, twinbeatCf.report)

  const lines = haresources === null ? [] : readHaresources(haresources.text, haresources.report)
  const groups = haresources === null ? [] : buildGroups({
    lines, nodes, twinbeat, file: haresources.path, hash: input.hash, host: input.host,
    report: haresources.report, twinbeatReport: twinbeatCf.report,
  })
  checkLease({
    cf, lease: twinbeat.settings.lease, arbiter: twinbeat.settings.arbiter, splitBrain: twinbeat.settings.splitBrain,
    stopTimeoutUs: twinbeat.settings.stopTimeoutUs, options: twinbeat.options, groups, readFile: input.readFile,
  }, twinbeatCf.report, haresources?.report ?? twinbeatCf.report)
  if (haresources !== null) {
    checkWeights(fencing, groups, twinbeatCf.report)
    const guarded = settings.splitBrain !== 'accept' || watchdogOf(cf, twinbeat) !== null
    checkServiceProtection(groups, { protected: guarded, killed: settings.guardianKill }, haresources.report)
  }
  const diagnostics = findings.list()
  if (findings.hasErrors() || auth === null) return { config: null, diagnostics }

  const config: ClusterConfig = {
    self: nodeId(input.self.toLowerCase()),
    nodes,
    timing,
    hopfudge: numberOf(cf.options, 'hopfudge', 1),
    udpPort: udpPort(cf, input.servicePort),
    autoFailback: cf.autoFailback ?? 'legacy',
    auth,
    links: cf.links,
    groups,
    respawn: cf.respawn,
    apiauth: cf.apiauth,
    log: logConfig(cf, twinbeat),
    process: processConfig(cf, twinbeat),
    watchdog: watchdogOf(cf, twinbeat),
    identity: identityConfig(cf),
    env: cf.env,
    directives: scriptDirectives(cf, timing),
    twinbeat: settings,
    fencing,
    acceptedWithout,
    files: {
      haCf: digestDirectives(withoutFenceSecrets(haCf.text), input.hash),
      authkeys: digestAuth(auth, input.hash),
      haresources: digestGroups(lines.map((line) => ({
        home: line.home.text.toLowerCase(), words: line.resources.map((word) => word.text),
      })), input.hash),
      twinbeatCf: twinbeatCf.missing ? null : digestDirectives(withoutFenceSecrets(twinbeatCf.text), input.hash),
    },
  }
  return { config, diagnostics }
}

interface FencingParts {
  readonly input: LoadInput
  readonly cf: HaCf
  readonly twinbeat: TwinbeatCf
  readonly nodes: readonly NodeId[]
  readonly haCf: OpenFile
  readonly twinbeatCf: OpenFile
}

function loadFencing({ input, cf, twinbeat, nodes, haCf, twinbeatCf }: FencingParts): {
  readonly settings: TwinbeatSettings
  readonly fencing: FencingSettings
} {
  const asked = (name: string) => (input.acceptWithout.includes(name) ? [] : cf.linesOf(name))
  const settings = withImpliedFencing(twinbeat.settings, asked('stonith').length + asked('stonith_host').length)
  const self = input.self.toLowerCase()
  const { haDir, readFile, host } = input
  const fencing = readFencing(
    { haDir, self, readFile, host, nodes, twinbeatMode: twinbeatCf.mode, haCfMode: haCf.mode },
    { of: twinbeat.linesOf, report: twinbeatCf.report, file: twinbeatCf.path },
    { of: asked, report: haCf.report, file: haCf.path }, fencingDefaults(twinbeat.options),
  )
  const check = { cf: { ...cf, linesOf: asked }, twinbeat, settings, fencing, self, nodes }
  checkFencing({ ...check, report: twinbeatCf.report, haCfReport: haCf.report })
  return { settings, fencing }
}

type Presence = 'required' | 'optional'

function openFile(name: string, input: LoadInput, findings: Findings, presence: 'required'): OpenFile | null
function openFile(
  name: string, input: LoadInput, findings: Findings, presence: 'optional',
): OpenFile & { missing: boolean }
function openFile(
  name: string, input: LoadInput, findings: Findings, presence: Presence,
): (OpenFile & { missing: boolean }) | null {
  const path = `${input.haDir.replace(/\/+$/, '')}/${name}`
  const result = input.readFile(path)
  const lines = result.ok ? splitLines(result.text) : []
  const show = name === 'authkeys' ? hideSecrets : hideFenceSecrets
  const report = findings.reporter(path, (line) => show(lines[line - 1] ?? ''))
  if (!result.ok) {
    const absent = result.errorCode === 'ENOENT'
    if (!absent || presence === 'required') reportUnreadable(name, result.errorCode, report)
    return presence === 'required' ? null : { path, text: '', report, missing: true, mode: null }
  }
  if (result.text.length > kTextCharsMax) {
    report.error('TB_CONFIG_FILE', null, `the file is larger than ${kTextCharsMax} characters`,
      'this is hardly a configuration')
  }
  if (result.text.includes('\0')) {
    report.error('TB_CONFIG_FILE', null, 'the file contains zero bytes', 'this is hardly a text file')
  }
  if (name === 'authkeys') checkMode(result, path, report)
  return { path, text: result.text, report, missing: false, mode: result.mode }
}

/** A digest travels: nobody shall be able to try passwords on it. */
function withoutFenceSecrets(text: string): string {
  return splitLines(text).map(hideFenceSecrets).join('\n')
}

const kFilePurpose: Readonly<Record<string, string>> = {
  'ha.cf': 'it names the nodes and the links between them',
  authkeys: 'it holds the key that both nodes share',
  haresources: 'it names the resources; a file with only a comment means there are none',
}

function reportUnreadable(name: string, errorCode: string, report: Reporter): void {
  const purpose = kFilePurpose[name] ?? null
  if (errorCode === 'ENOENT') report.error('TB_CONFIG_FILE', null, 'the file does not exist', purpose)
  else report.error('TB_CONFIG_FILE', null, `the file cannot be read: ${errorCode}`, purpose)
}

function checkMode(result: Extract<FileResult, { ok: true }>, path: string, report: Reporter): void {
  const mode = (result.mode & 0o7777).toString(8).padStart(4, '0')
  const hint = `chmod 600 ${path}`
  if ((result.mode & kReadableByOthers) !== 0) {
    report.error('TB_CONFIG_MODE', null, `mode ${mode} lets other users read the keys`, hint)
  } else if ((result.mode & kAnyForOthers) !== 0) {
    report.warning('TB_CONFIG_MODE', null, `mode ${mode} lets other users change the keys`, hint)
  }
}

function udpPort(cf: HaCf, servicePort: number | null): number {
  const written = cf.options.get('udpport')
  return (written === undefined ? null : readInteger(written.word.text)) ?? servicePort ?? kUdpPortDefault
}

function logConfig(cf: HaCf, twinbeat: TwinbeatCf): LogConfig {
  const logfile = textOf(cf.options, 'logfile')
  const debugfile = textOf(cf.options, 'debugfile')
  const facility = textOf(cf.options, 'logfacility')
  const silent = logfile === null && debugfile === null && facility === null
  return {
    logfile,
    debugfile,
    facility: silent ? 'daemon' : facility === 'none' ? null : facility,
    debug: numberOf(cf.options, 'debug', 0),
    badPackets: booleanOf(cf.options, 'log_badpack', true),
    format: twinbeat.logFormat,
  }
}

function watchdogOf(cf: HaCf, twinbeat: TwinbeatCf): WatchdogConfig | null {
  const device = textOf(cf.options, 'watchdog')
  // The device counts in seconds.
  return device === null ? null : { device, timeoutS: Math.max(1, Math.ceil(twinbeat.settings.watchdogTimeoutUs / 1_000_000)) }
}

function processConfig(cf: HaCf, twinbeat: TwinbeatCf): ProcessConfig {
  return {
    realtime: booleanOf(cf.options, 'realtime', true),
    realtimePriority: twinbeat.realtimePriority ?? numberOf(cf.options, 'rtprio', 1),
    coredumps: booleanOf(cf.options, 'coredumps', false),
    coreroot: textOf(cf.options, 'coreroot'),
  }
}

function identityConfig(cf: HaCf): IdentityConfig {
  return {
    cluster: textOf(cf.options, 'cluster') ?? 'linux-ha',
    generationMethod: textOf(cf.options, 'hbgenmethod') === 'time' ? 'time' : 'file',
    uuidFrom: textOf(cf.options, 'uuidfrom') === 'nodename' ? 'nodename' : 'file',
    messageFormat: textOf(cf.options, 'msgfmt') === 'netstring' ? 'netstring' : 'classic',
  }
}

