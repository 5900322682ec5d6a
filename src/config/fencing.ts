// What the files say about fencing: devices, levels, delays, and where their secrets are. ha.cf's `stonith` and
// `stonith_host` become devices like those of twinbeat.cf.

import { nodeId, type Micros, type NodeId } from '../core/base/ids.js'
import { suggest, type Reporter } from './diagnostics.js'
import type { DirectiveLine } from './directive-reader.js'
import { fenceProgram, fenceTypeProblem, isSecretName, isUnsafeName } from './fence-types.js'
import { kBlank, splitLines, splitWords, type Word } from './lexer.js'
import type { FenceDeviceConfig, FencingSettings, FileResult, HostFacts, Position } from './model.js'
import { readInteger, readLongTimeUs } from './values.js'

/** More devices than this test each other's patience. */
const kDevicesMax = 32
const kLevelsMax = 9
const kWeightMax = 1_000_000
const kPrivate = 0o077

export interface FencingContext {
  readonly haDir: string
  readonly self: string
  readonly readFile: (path: string) => FileResult
  readonly host: HostFacts | null
  readonly nodes: readonly NodeId[]
  /** Files that hold secrets in their lines: their modes. Null: not known. */
  readonly twinbeatMode: number | null
  readonly haCfMode: number | null
}

/** Lines by directive, with the reporter and the path of their file. */
export interface FencingLines {
  readonly of: (name: string) => readonly DirectiveLine[]
  readonly report: Reporter
  readonly file: string
}

export interface FencingDefaults {
  readonly timeoutUs: number
  readonly tries: number
  readonly testEveryUs: number
  readonly action: 'reboot' | 'off'
}

interface Draft {
  readonly word: Word
  readonly device: FenceDeviceConfig
}

export function readFencing(
  ctx: FencingContext, twinbeat: FencingLines, haCf: FencingLines, defaults: FencingDefaults,
): FencingSettings {
  const drafts = new Map<string, Draft>()
  for (const line of twinbeat.of('fence_device')) addDevice(drafts, readDevice(line, ctx, twinbeat, defaults), twinbeat.report)
  for (const line of twinbeat.of('fence_secret')) readSecret(line, drafts, ctx, twinbeat.report)
  for (const draft of readStonith(ctx, haCf, defaults)) addDevice(drafts, draft, haCf.report)
  if (drafts.size > kDevicesMax) twinbeat.report.error('TB_CONFIG_FENCE', null, `more than ${kDevicesMax} fence devices`, null)
  const devices = [...drafts.values()].map(({ device }) => device)
  return {
    devices,
    levels: readTopology(devices, ctx, twinbeat),
    action: defaults.action,
    ...readDelays(ctx, twinbeat),
    weights: readWeights(twinbeat),
  }
}

function addDevice(drafts: Map<string, Draft>, draft: Draft | null, report: Reporter): void {
  if (draft === null) return
  const { name } = draft.device
  if (drafts.has(name)) report.error('TB_CONFIG_REPEATED', draft.word, `fence device '${name}' is defined already`,
    'give this one another name')
  else drafts.set(name, draft)
}

// ------------------------------------------------------------------------------------- twinbeat.cf

/** Keys of a device line that are twinbeat's own; `param.KEY=` is a parameter of the device of that name. */
const kOwnKeys = ['type', 'targets', 'order_timeout', 'order_tries', 'test_every']

function readDevice(line: DirectiveLine, ctx: FencingContext, { report, file }: FencingLines, defaults: FencingDefaults): Draft | null {
  const [name, ...words] = line.blankWords
  if (name === undefined || !/^[A-Za-z0-9._-]{1,63}$/.test(name.text)) {
    report.error('TB_CONFIG_SYNTAX', name ?? line.keyword, "'fence_device' needs a name of letters, digits, -, _ and .",
      "for example 'fence_device pdu type=external/rackpdu targets=beta pduip=10.0.0.9'")
    return null
  }
  const own = new Map<string, Word>()
  const parameters = new Map<string, string>()
  let sound = true
  for (const word of words) {
    const match = /^(param\.)?([A-Za-z_][A-Za-z0-9_-]*)=(.*)$/.exec(word.text)
    const key = match?.[2] ?? ''
    const isOwn = match !== null && match[1] === undefined && kOwnKeys.includes(key)
    if (match === null) {
      report.error('TB_CONFIG_SYNTAX', word, 'this is not key=value',
        'values contain no blanks; a value that does belongs into a fence_secret file')
    } else if (isOwn ? own.has(key) : parameters.has(key)) {
      report.error('TB_CONFIG_REPEATED', word, `'${key}' is given twice`, null)
    } else if (!isOwn && isUnsafeName(key)) {
      report.error('TB_CONFIG_FENCE', word, `'${key}' cannot be a parameter: it would change how the device's program runs`, null)
    } else {
      if (isOwn) own.set(key, { ...word, text: match[3] ?? '' })
      else parameters.set(key, match[3] ?? '')
      continue
    }
    sound = false
  }
  const type = own.get('type')
  if (type === undefined) {
    report.error('TB_CONFIG_SYNTAX', name, `fence device '${name.text}' has no type`,
      'write type=external/NAME, type=fence_NAME, type=meatware or another')
    return null
  }
  if (!checkType(type, ctx.host, report)) sound = false
  const inline = [...parameters].filter(([key]) => isSecretName(key))
  if (inline.length > 0 && ctx.twinbeatMode !== null && (ctx.twinbeatMode & kPrivate) !== 0) {
    report.error('TB_CONFIG_MODE', name, `'${inline[0]?.[0] ?? ''}' stands here and the file can be read by other users`,
      `chmod 600 the file, or move it: 'fence_secret ${name.text} FILE'`)
    sound = false
  }
  const targets = readTargets(own.get('targets'), ctx.nodes, report)
  const limits = readLimits(own, defaults, report)
  if (!sound || targets === false || limits === null) return null
  const at: Position = { file, line: name.line, column: name.column }
  const secrets = inline.map(([, value]) => value)
  return {
    word: name,
    device: { name: name.text, type: type.text, targets, parameters: [...parameters], positional: null, secrets, ...limits, at },
  }
}

function checkType(type: Word, host: HostFacts | null, report: Reporter): boolean {
  const problem = fenceTypeProblem(type.text)
  if (problem !== null) {
    report.error('TB_CONFIG_FENCE', type, problem.message, problem.hint)
    return false
  }
  const program = fenceProgram(type.text)
  if (host === null || program === null || host.isExecutable(program)) return true
  report.error('TB_CONFIG_FENCE', type, `'${type.text}' is not on this machine: '${program}' is not an executable file`,
    program.endsWith('/ssh') ? 'install openssh-client' : program.includes('stonith') ? 'install cluster-glue' : 'install fence-agents')
  return false
}

function readTargets(
  word: Word | undefined, nodes: readonly NodeId[], report: Reporter,
): FenceDeviceConfig['targets'] | false {
  if (word === undefined) return null
  const targets = word.text.split(',').filter((part) => part !== '').map((part) => {
    const at = part.indexOf(':')
    const node = (at < 0 ? part : part.slice(0, at)).toLowerCase()
    return { node: nodeId(node), as: at < 0 ? null : part.slice(at + 1) }
  })
  const stranger = targets.find(({ node }) => !nodes.includes(node))
  if (targets.length === 0 || stranger !== undefined || targets.some(({ as }) => as === '')) {
    const close = stranger === undefined ? null : suggest(stranger.node, nodes)
    report.error('TB_CONFIG_FENCE', word, stranger === undefined ? 'targets names no node' : `'${stranger.node}' is no node of ha.cf`,
      close === null ? 'write NODE, or NODE:NAME-AT-THE-DEVICE, separated by commas' : `did you mean '${close}'?`)
    return false
  }
  return targets
}

type Limits = Pick<FenceDeviceConfig, 'timeoutUs' | 'tries' | 'testEveryUs'>

function readLimits(own: ReadonlyMap<string, Word>, defaults: FencingDefaults, report: Reporter): Limits | null {
  const time = (key: string, fallback: number, leastUs: number): Micros | null => {
    const word = own.get(key)
    if (word === undefined) return fallback as Micros
    const us = readLongTimeUs(word.text)
    if (us !== null && (us >= leastUs || (us === 0 && key === 'test_every'))) return us
    report.error('TB_CONFIG_VALUE', word, `'${word.text}' is not a time of at least 1 second`, null)
    return null
  }
  const timeoutUs = time('order_timeout', defaults.timeoutUs, 1_000_000)
  const testEveryUs = time('test_every', defaults.testEveryUs, 1_000_000)
  const word = own.get('order_tries')
  const tries = word === undefined ? defaults.tries : readInteger(word.text)
  if (word !== undefined && (tries === null || tries < 1 || tries > 10)) {
    report.error('TB_CONFIG_VALUE', word, `'${word.text}' is not a number from 1 to 10`, null)
    return null
  }
  return timeoutUs === null || testEveryUs === null || tries === null ? null : { timeoutUs, tries, testEveryUs }
}

/** `fence_secret DEVICE FILE`: lines key=value that only root may read. Its values are secrets, whatever they are called. */
function readSecret(line: DirectiveLine, drafts: Map<string, Draft>, ctx: FencingContext, report: Reporter): void {
  const [name, path, extra] = line.blankWords
  const draft = drafts.get(name?.text ?? '')
  if (name === undefined || path === undefined || extra !== undefined || !path.text.startsWith('/')) {
    return report.error('TB_CONFIG_SYNTAX', extra ?? path ?? line.keyword, "'fence_secret' needs a device and a full path",
      "for example 'fence_secret ipmi-beta /etc/ha.d/ipmi-beta.secret'")
  }
  if (draft === undefined) return report.error('TB_CONFIG_FENCE', name, `there is no fence device '${name.text}'`,
    'its fence_device line has an error, or comes under another name')
  const file = ctx.readFile(path.text)
  if (!file.ok) return report.error('TB_CONFIG_FILE', path, `'${path.text}' cannot be read: ${file.errorCode}`, null)
  if ((file.mode & kPrivate) !== 0) {
    return report.error('TB_CONFIG_MODE', path, `other users can read or change '${path.text}'`, `chmod 600 ${path.text}`)
  }
  const found: (readonly [string, string])[] = []
  for (const [index, raw] of splitLines(file.text).entries()) {
    if (raw.trim() === '' || raw.trim().startsWith('#')) continue
    const match = /^\s*([A-Za-z_][A-Za-z0-9_-]*)=(.*?)\r?$/.exec(raw)
    if (match?.[1] === undefined || isUnsafeName(match[1])) {
      return report.error('TB_CONFIG_SYNTAX', path, `line ${index + 1} of '${path.text}' is not key=value`,
        'the value is the whole rest of the line')
    }
    found.push([match[1], match[2] ?? ''])
  }
  const { device } = draft
  const kept = device.parameters.filter(([key]) => !found.some(([other]) => other === key))
  drafts.set(name.text, {
    ...draft,
    device: { ...device, parameters: [...kept, ...found], secrets: [...device.secrets, ...found.map(([, value]) => value)] },
  })
}

function readTopology(
  devices: readonly FenceDeviceConfig[], ctx: FencingContext, { of, report }: FencingLines,
): FencingSettings['levels'] {
  const levels: { target: NodeId; level: number; devices: readonly string[] }[] = []
  for (const line of of('fence_topology')) {
    const [node, word, number, names, extra] = line.blankWords
    const level = readInteger(number?.text ?? '')
    const inRange = level !== null && level >= 1 && level <= kLevelsMax
    if (node === undefined || word?.text !== 'level' || !inRange || names === undefined || extra !== undefined) {
      report.error('TB_CONFIG_SYNTAX', extra ?? line.keyword, 'this is not a level',
        `write 'fence_topology NODE level 1 DEVICE+DEVICE', levels 1 to ${kLevelsMax}`)
      continue
    }
    const target = nodeId(node.text.toLowerCase())
    const list = names.text.split('+')
    const wrong = list.find((name) => !devices.some((device) => device.name === name && canReach(device, target)))
    if (!ctx.nodes.includes(target)) report.error('TB_CONFIG_FENCE', node, `'${target}' is no node of ha.cf`, null)
    else if (wrong !== undefined) report.error('TB_CONFIG_FENCE', names, `'${wrong}' is no fence device that can reach ${target}`,
      'see its targets')
    else if (levels.some((one) => one.target === target && one.level === level)) {
      report.error('TB_CONFIG_REPEATED', number ?? line.keyword, `level ${level} of ${target} is there already`,
        'devices of one level are joined by +')
    } else levels.push({ target, level, devices: list })
  }
  return levels.sort((a, b) => a.level - b.level).map(({ target, devices: names }) => ({ target, devices: names }))
}

export const canReach = (device: FenceDeviceConfig, node: NodeId): boolean =>
  device.targets === null || device.targets.some((target) => target.node === node)

type Delays = Pick<FencingSettings, 'delays' | 'randomDelayUs' | 'priorityDelayUs'>

function readDelays(ctx: FencingContext, { of, report }: FencingLines): Delays {
  const delays: { target: NodeId; delayUs: Micros }[] = []
  let [randomDelayUs, priorityDelayUs] = [0 as Micros, 0 as Micros]
  for (const line of of('fence_delay')) {
    const [what, time, extra] = line.blankWords
    const us = readLongTimeUs(time?.text ?? '')
    if (what === undefined || us === null || extra !== undefined) {
      report.error('TB_CONFIG_SYNTAX', extra ?? time ?? line.keyword, 'this is not a delay',
        "write 'fence_delay NODE TIME', 'fence_delay random TIME' or 'fence_delay priority TIME'")
      continue
    }
    const target = nodeId(what.text.toLowerCase())
    if (what.text === 'random') randomDelayUs = us
    else if (what.text === 'priority') priorityDelayUs = us
    else if (ctx.nodes.includes(target)) delays.push({ target, delayUs: us })
    else report.error('TB_CONFIG_FENCE', what, `'${what.text}' is no node of ha.cf`, "a node's name, 'random' or 'priority'")
  }
  return { delays, randomDelayUs, priorityDelayUs }
}

function readWeights({ of, report, file }: FencingLines): FencingSettings['weights'] {
  return of('fence_weight').flatMap((line) => {
    const [group, number, extra] = line.blankWords
    const weight = readInteger(number?.text ?? '')
    if (group !== undefined && weight !== null && weight >= 0 && weight <= kWeightMax && extra === undefined) {
      return [{ group: group.text, weight, at: { file, line: group.line, column: group.column } }]
    }
    report.error('TB_CONFIG_SYNTAX', extra ?? number ?? line.keyword, 'this is not a weight',
      `write 'fence_weight GROUP NUMBER', 0 to ${kWeightMax}`)
    return []
  })
}

// ------------------------------------------------------------------------------------------- ha.cf

function readStonith(ctx: FencingContext, { of, report, file }: FencingLines, defaults: FencingDefaults): Draft[] {
  const drafts: Draft[] = []
  const add = (line: DirectiveLine, type: Word | undefined, values: readonly string[]): void => {
    if (type === undefined || values.length === 0 || !checkType(type, ctx.host, report)) {
      if (type === undefined || values.length === 0) {
        report.error('TB_CONFIG_SYNTAX', type ?? line.keyword, `'${line.directive.name}' needs a type and its parameters`,
          `write '${line.directive.syntax}'`)
      }
      return
    }
    const { timeoutUs, tries, testEveryUs } = defaults
    drafts.push({
      word: type,
      device: {
        name: `${line.directive.name}-${String(line.keyword.line)}`, type: type.text, targets: null, parameters: [], positional: values,
        // Which of them is a password only the plugin knows; names of nodes are none.
        secrets: values.filter((value) => !ctx.nodes.some((node) => node === value.toLowerCase())),
        timeoutUs, tries, testEveryUs,
        at: { file, line: line.keyword.line, column: line.keyword.column },
      },
    })
  }
  for (const line of of('stonith')) {
    const [type, path] = line.blankWords
    const values = path === undefined ? [] : readStonithFile(path, ctx, report)
    if (values !== null) add(line, type, values)
  }
  for (const line of of('stonith_host')) {
    const [from, type, ...values] = line.blankWords
    if (from === undefined || (from.text !== '*' && from.text.toLowerCase() !== ctx.self)) {
      if (from === undefined) report.error('TB_CONFIG_SYNTAX', line.keyword, "'stonith_host' needs a node, a type and parameters",
        `write '${line.directive.syntax}'`)
      continue
    }
    const others = values.filter((word) => !ctx.nodes.some((node) => node === word.text.toLowerCase()))
    if (others.length > 1 && ctx.haCfMode !== null && (ctx.haCfMode & kPrivate) !== 0) {
      report.warning('TB_CONFIG_MODE', type ?? from, 'parameters of a fence device stand here and other users can read the file',
        'chmod 600 ha.cf if one of them is a password')
    }
    add(line, type, values.map((word) => word.text))
  }
  return drafts
}

/** The file of `stonith TYPE FILE`: its first line that is no comment. */
function readStonithFile(path: Word, ctx: FencingContext, report: Reporter): string[] | null {
  const file = ctx.readFile(path.text)
  if (!file.ok) {
    report.error('TB_CONFIG_FILE', path, `'${path.text}' cannot be read: ${file.errorCode}`, null)
    return null
  }
  if ((file.mode & kPrivate) !== 0) report.warning('TB_CONFIG_MODE', path, `other users can read or change '${path.text}'`,
    `chmod 600 ${path.text}`)
  const line = splitLines(file.text).find((raw) => raw.trim() !== '' && !raw.trim().startsWith('#')) ?? ''
  return splitWords(line, 1, 1, kBlank).map((word) => word.text)
}
