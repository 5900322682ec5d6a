// Lines of twinbeat.cf about how a group serves: when its address comes up, and which interfaces are watched for it.

import type { Reporter } from './diagnostics.js'
import { suggest } from './diagnostics.js'
import type { DirectiveLine } from './directive-reader.js'
import type { Word } from './lexer.js'
import type { AddressOrder, GroupConfig, HostFacts, MemberConfig } from './model.js'
import { readBoolean } from './values.js'

/** Where distributions have it; a daemon has no login shell's PATH. */
export const nftPrograms = ['/usr/sbin/nft', '/sbin/nft', '/usr/bin/nft'] as const

export interface AddressLine {
  readonly group: Word
  readonly order: AddressOrder
}

export interface TrackLine {
  readonly interface: Word
  readonly on: boolean
}

const kOrders: readonly AddressOrder[] = ['first', 'last', 'blocked']

export function readAddressLines(lines: readonly DirectiveLine[], report: Reporter): AddressLine[] {
  return lines.flatMap((line) => {
    const [group, word, extra] = line.blankWords
    const order = kOrders.find((known) => known === word?.text)
    if (group !== undefined && order !== undefined && extra === undefined) return [{ group, order }]
    report.error('TB_CONFIG_SYNTAX', extra ?? word ?? line.keyword, 'this is not an address line',
      "write 'address GROUP first', 'last' or 'blocked'; GROUP is the first resource of its line")
    return []
  })
}

export function readTracks(lines: readonly DirectiveLine[], host: HostFacts | null, report: Reporter): TrackLine[] {
  const tracks = new Map<string, TrackLine>()
  for (const line of lines) {
    const [name, word, extra] = line.blankWords
    const on = word === undefined ? null : readBoolean(word.text)
    if (name === undefined || on === null || extra !== undefined) {
      report.error('TB_CONFIG_SYNTAX', extra ?? word ?? line.keyword, 'this is not a track line', "write 'track INTERFACE on' or 'off'")
      continue
    }
    if (tracks.has(name.text)) {
      report.warning('TB_CONFIG_REPEATED', name, `there is a line for '${name.text}' already`, 'the last one counts; remove the others')
    }
    if (host !== null && !host.interfaces.includes(name.text)) {
      const close = suggest(name.text, host.interfaces)
      report.warning('TB_CONFIG_VALUE', name, `there is no interface '${name.text}' on this machine`,
        close === null ? `it has: ${host.interfaces.join(', ')}` : `did you mean '${close}'?`)
    }
    tracks.set(name.text, { interface: name, on })
  }
  return [...tracks.values()]
}

export function orderOf(key: string, lines: readonly AddressLine[]): AddressOrder {
  return lines.findLast((line) => line.group.text === key)?.order ?? 'first'
}

/** Members as they start: with `last` the addresses behind everything else, each part in the order of the line. */
export function inOrder(members: readonly MemberConfig[], order: AddressOrder): MemberConfig[] {
  if (order !== 'last') return [...members]
  const addresses = members.filter((member) => member.address !== null)
  return [...members.filter((member) => member.address === null), ...addresses]
}

export function checkAddressLines(
  lines: readonly AddressLine[], groups: readonly GroupConfig[], host: HostFacts | null, report: Reporter,
): void {
  const seen = new Set<string>()
  for (const { group: word, order } of lines) {
    if (seen.has(word.text)) {
      report.warning('TB_CONFIG_REPEATED', word, `group '${word.text}' has an address line already`,
        'the last one counts; remove the others')
    }
    seen.add(word.text)
    const group = groupNamed(word, groups, report)
    if (group !== null) checkOrder(word, order, group, host, report)
  }
}

/** The group that a line of twinbeat.cf means; null after an error. */
export function groupNamed(word: Word, groups: readonly GroupConfig[], report: Reporter): GroupConfig | null {
  const group = groups.find((candidate) => candidate.key === word.text)
  if (group !== undefined) return group
  const owner = groups.find((candidate) => candidate.members.some((member) => member.word === word.text))
  const close = owner?.key ?? suggest(word.text, groups.map((candidate) => candidate.key as string))
  report.error('TB_CONFIG_GROUP', word, `there is no group '${word.text}'`,
    close === null ? 'a group is named by the first resource of its line' : `did you mean '${close}'?`)
  return null
}

function checkOrder(word: Word, order: AddressOrder, group: GroupConfig, host: HostFacts | null, report: Reporter): void {
  const addresses = group.members.filter((member) => member.address !== null)
  if (order === 'first') return
  if (addresses.length === 0) {
    report.error('TB_CONFIG_GROUP', word, `group '${group.key}' has no address`, 'remove the line')
  } else if (addresses.length === group.members.length) {
    report.warning('TB_CONFIG_GROUP', word, `group '${group.key}' has nothing but addresses: '${order}' changes nothing`, 'remove the line')
  }
  if (order === 'blocked' && host !== null && !nftPrograms.some((program) => host.isExecutable(program))) {
    report.error('TB_CONFIG_GROUP', word, "'address blocked' needs nft, which is not on this machine", 'install nftables, or write last')
  }
}

/** Under `accept` a daemon that is killed leaves its services running, and nothing proves to the peer that they ended. */
export function checkServiceProtection(
  groups: readonly GroupConfig[], how: { readonly protected: boolean; readonly killed: readonly string[] }, report: Reporter,
): void {
  const services = groups.filter((group) =>
    group.members.some((member) => member.by === 'agent' && member.address === null) && !how.killed.includes(group.key))
  const first = services[0]
  if (how.protected || first === undefined) return
  const others = services.length === 1 ? '' : ` and ${services.length - 1} more`
  report.warning('TB_CONFIG_SPLIT_BRAIN', { line: first.at.line, column: first.at.column },
    `'${first.key}'${others}: nothing ends the services of a node whose daemon died before the other node starts them`,
    "fencing ('split_brain fence'), a lease and a watchdog, or 'guardian_kill' protects them")
}
