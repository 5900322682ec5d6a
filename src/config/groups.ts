// Lines of haresources and agents of twinbeat.cf to groups of members: who is at home where, which words
// are addresses, which agent a word means.

import { groupId, nodeId, type NodeId } from '../core/base/ids.js'
import { isAddressAgent, isBareAddress, readAddress } from './addresses.js'
import { digestGroup, type Hash } from './digest.js'
import { suggest, type Reporter } from './diagnostics.js'
import type { GroupLine } from './haresources.js'
import type { Word } from './lexer.js'
import type {
  AddressSpec,
  GroupConfig,
  HostFacts,
  MemberConfig,
  MonitorConfig,
  OcfAgentConfig,
  Position,
} from './model.js'
import type { MonitorLine, TwinbeatCf } from './twinbeat-cf.js'
import { checkKillLines } from './kill-rules.js'
import { checkAddressLines, inOrder, orderOf } from './service-rules.js'
import { canonicalIpv6, readIpv4 } from './values.js'

export interface GroupsInput {
  readonly lines: readonly GroupLine[]
  readonly nodes: readonly NodeId[]
  readonly twinbeat: TwinbeatCf
  readonly file: string
  readonly hash: Hash
  readonly host: HostFacts | null
  /** Reports into haresources. */
  readonly report: Reporter
  /** Reports into twinbeat.cf. */
  readonly twinbeatReport: Reporter
}

interface Context extends GroupsInput {
  readonly agents: ReadonlyMap<string, OcfAgentConfig>
  readonly usedAgents: Set<string>
  readonly addresses: Map<string, { word: Word; by: 'engine' | 'agent'; key: string }>
  readonly seenWords: Map<string, { word: Word; key: string }>
}

export function buildGroups(input: GroupsInput): GroupConfig[] {
  const ctx: Context = {
    ...input,
    agents: new Map(input.twinbeat.settings.agents.map((agent) => [agent.name, agent])),
    usedAgents: new Set(),
    addresses: new Map(),
    seenWords: new Map(),
  }
  const keys = new Map<string, Word>()
  const groups: GroupConfig[] = []
  for (const line of input.lines) {
    const keyWord = line.resources[0]
    if (!checkHome(line.home, ctx) || keyWord === undefined) continue
    const same = keys.get(keyWord.text)
    if (same !== undefined) {
      ctx.report.error(
        'TB_CONFIG_GROUP',
        keyWord,
        `'${keyWord.text}' is the first resource of line ${same.line} too`,
        'the first resource names its group: use it only once, or put another one first',
      )
      continue
    }
    keys.set(keyWord.text, keyWord)
    groups.push(buildGroup(line, keyWord, ctx))
  }
  reportUnused(ctx)
  checkMonitors(input.twinbeat.monitors, groups, input.twinbeatReport)
  checkAddressLines(input.twinbeat.addressLines, groups, input.host, input.twinbeatReport)
  checkKillLines(input.twinbeat.killWords, groups, input.host, input.twinbeatReport)
  return groups
}

function checkHome(home: Word, ctx: Context): boolean {
  const name = home.text.toLowerCase()
  if (ctx.nodes.length === 0 || ctx.nodes.some((node) => node === name)) return true
  const close = suggest(name, ctx.nodes)
  const looksLikeResource = isBareAddress(home.text) || home.text.includes('::')
  ctx.report.error(
    'TB_CONFIG_NODE',
    home,
    `'${home.text}' is not a node of ha.cf`,
    looksLikeResource
      ? 'a line begins with the name of the home node'
      : close === null
        ? `nodes are: ${ctx.nodes.join(', ')}`
        : `did you mean '${close}'?`,
  )
  return false
}

function buildGroup(line: GroupLine, keyWord: Word, ctx: Context): GroupConfig {
  const home = nodeId(line.home.text.toLowerCase())
  const members: MemberConfig[] = []
  const repeats = new Map<string, number>()
  for (const word of line.resources) {
    const count = (repeats.get(word.text) ?? 0) + 1
    repeats.set(word.text, count)
    const id = count === 1 ? word.text : `${word.text}#${count}`
    const member = buildMember(word, id, keyWord.text, ctx)
    if (member === null) continue
    warnShared(word, keyWord.text, member, ctx)
    members.push(member)
  }
  const order = orderOf(keyWord.text, ctx.twinbeat.addressLines)
  const ordered = inOrder(members, order)
  return {
    key: groupId(keyWord.text),
    home,
    members: ordered,
    addressOrder: order,
    monitor: monitorOf(keyWord.text, ctx.twinbeat.monitors),
    digest: digestGroup(home, ordered, ctx.hash),
    at: position(line.home, ctx),
  }
}

const position = (word: Word, ctx: Context): Position => ({
  file: ctx.file,
  line: word.line,
  column: word.column,
})

function monitorOf(key: string, monitors: readonly MonitorLine[]): MonitorConfig | null {
  const line = monitors.findLast((monitor) => monitor.group.text === key)
  return line === undefined ? null : { everyUs: line.everyUs, failures: line.failures }
}

function buildMember(word: Word, id: string, key: string, ctx: Context): MemberConfig | null {
  const [name = '', ...args] = isBareAddress(word.text) ? ['IPaddr', word.text] : word.text.split('::')
  const base = { id, name, args, word: word.text, at: position(word, ctx) }
  const ocf = ctx.agents.get(name)
  if (ocf !== undefined) return ocfMember(base, ocf, word, key, ctx)
  if (!checkAgentName(name, word, ctx)) return null
  if (!isAddressAgent(name)) return { ...base, address: null, by: 'agent', ocf: null }
  return addressMember(base, word, key, ctx)
}

type MemberBase = Pick<MemberConfig, 'id' | 'name' | 'args' | 'word' | 'at'>

function ocfMember(
  base: MemberBase,
  ocf: OcfAgentConfig,
  word: Word,
  key: string,
  ctx: Context,
): MemberConfig {
  ctx.usedAgents.add(ocf.name)
  if (base.args.length > 0) {
    ctx.report.error(
      'TB_CONFIG_AGENT',
      word,
      `'${ocf.name}' is an OCF agent and takes no arguments here`,
      'its parameters stand in twinbeat.cf',
    )
  }
  const address = ocfAddress(ocf)
  if (address !== null) claimAddress(address, 'agent', word, key, ctx)
  return { ...base, address, by: 'agent', ocf }
}

/** The address an OCF address agent will configure, so that nobody else configures it too. */
function ocfAddress(ocf: OcfAgentConfig): AddressSpec | null {
  if (!isAddressAgent(ocf.type)) return null
  const ip = ocf.params.find(([name]) => name === 'ip' || name === 'ipv6addr')?.[1]
  const reading = ip === undefined ? null : readAddress('IPaddr2', [ip])
  return reading?.kind === 'address' ? reading.address : null
}

function checkAgentName(name: string, word: Word, ctx: Context): boolean {
  if (name === '') {
    ctx.report.error('TB_CONFIG_GROUP', word, `'${word.text}' has no name before '::'`, null)
    return false
  }
  if (!name.includes('/')) return true
  const host = name.split('/')[0] ?? ''
  const addressLike = /^[\d.]+$/.test(host) || readIpv4(host) !== null || canonicalIpv6(host) !== null
  ctx.report.error(
    'TB_CONFIG_GROUP',
    word,
    `'${name}' is neither an address nor the name of a resource script`,
    addressLike
      ? 'an IPv4 address has four numbers; IPv6 goes through IPv6addr::ADDRESS/BITS/INTERFACE'
      : 'write the name of the script only; it is looked up in resource.d and init.d',
  )
  return false
}

function addressMember(base: MemberBase, word: Word, key: string, ctx: Context): MemberConfig | null {
  const reading = readAddress(base.name, base.args)
  if (reading.kind === 'wrong') {
    ctx.report.error(
      'TB_CONFIG_ADDRESS',
      word,
      reading.message,
      'ADDRESS[/BITS[/INTERFACE[:LABEL]][/BROADCAST]]',
    )
    return null
  }
  if (reading.kind === 'other') return { ...base, address: null, by: 'agent', ocf: null }
  if (reading.joinedIpv6) {
    ctx.report.warning(
      'TB_CONFIG_COMPATIBILITY',
      word,
      "heartbeat takes the '::' inside this address for a separator",
      'write all eight groups of the address while one of the nodes runs heartbeat',
    )
  }
  const by = ctx.twinbeat.settings.addressAgent === 'native' ? 'engine' : 'agent'
  warnInterface(reading.address.interface, word, ctx)
  claimAddress(reading.address, by, word, key, ctx)
  return { ...base, address: reading.address, by, ocf: null }
}

/** No error: other groups of this node may be fine, and the interface may still come. */
function warnInterface(name: string | null, word: Word, ctx: Context): void {
  if (name === null || ctx.host === null || ctx.host.interfaces.includes(name)) return
  ctx.report.warning(
    'TB_CONFIG_ADDRESS',
    word,
    `there is no interface '${name}' on this machine: the group cannot start here`,
    `it has: ${ctx.host.interfaces.filter((known) => known !== 'lo').join(', ')}`,
  )
}

function claimAddress(
  address: AddressSpec,
  by: 'engine' | 'agent',
  word: Word,
  key: string,
  ctx: Context,
): void {
  const other = ctx.addresses.get(address.address)
  if (other === undefined) {
    ctx.addresses.set(address.address, { word, by, key })
    return
  }
  const where = other.key === key ? 'in the same group' : `in group '${other.key}'`
  const ways =
    other.by === by ? '' : ': once by the engine and once by an agent, which take it from each other'
  ctx.report.error(
    'TB_CONFIG_ADDRESS',
    word,
    `address ${address.address} is in line ${other.word.line} already, ${where}${ways}`,
    'one address belongs to one group, once',
  )
}

/** The same service in two groups: stopping one group stops the other's. */
function warnShared(word: Word, key: string, member: MemberConfig, ctx: Context): void {
  const other = ctx.seenWords.get(word.text)
  if (other === undefined) {
    ctx.seenWords.set(word.text, { word, key })
    return
  }
  if (member.address !== null) return
  const where = other.key === key ? 'this group already' : `group '${other.key}' too`
  ctx.report.warning(
    'TB_CONFIG_GROUP',
    word,
    `'${word.text}' is in ${where}`,
    other.key === key ? 'remove one of the two' : 'a group that moves away stops it for the other one',
  )
}

function reportUnused(ctx: Context): void {
  ctx.twinbeat.settings.agents.forEach((agent, index) => {
    const word = ctx.twinbeat.agentWords[index]
    if (ctx.usedAgents.has(agent.name) || word === undefined) return
    ctx.twinbeatReport.warning(
      'TB_CONFIG_AGENT',
      word,
      `no group in haresources uses agent '${agent.name}'`,
      null,
    )
  })
}

function checkMonitors(
  monitors: readonly MonitorLine[],
  groups: readonly GroupConfig[],
  report: Reporter,
): void {
  const keys = groups.map((group) => group.key as string)
  const seen = new Set<string>()
  for (const { group } of monitors) {
    if (!keys.includes(group.text)) {
      const owner = groups.find((candidate) => candidate.members.some((member) => member.word === group.text))
      const close = owner?.key ?? suggest(group.text, keys)
      report.error(
        'TB_CONFIG_GROUP',
        group,
        `there is no group '${group.text}'`,
        close === null ? 'a group is named by the first resource of its line' : `did you mean '${close}'?`,
      )
    }
    if (seen.has(group.text)) {
      report.warning(
        'TB_CONFIG_REPEATED',
        group,
        `group '${group.text}' is monitored twice`,
        'the last line counts; remove the others',
      )
    }
    seen.add(group.text)
  }
}
