// The media directives of ha.cf to links. Port and speed of a link are those of the last `udpport` and
// `baud` line above it, so the lines are read in order.

import type { Reporter } from './diagnostics.js'
import type { DirectiveLine } from './directive-reader.js'
import type { HostFacts, LinkConfig, Position } from './model.js'
import type { Word } from './lexer.js'
import { isHeartbeatLink } from './timing.js'
import { canonicalIpv6, isMulticast, readInteger, readIpv4 } from './values.js'

export const kUdpPortDefault = 694
export const kBaudDefault = 19_200
/** The engine's table of links has this many rows. */
export const kLinksMax = 16
/** Members of one ping group; each gets an echo request every keepalive. */
const kPingHostsMax = 100

/** A link that is configured well and cannot be opened now; judged when all links are known. */
interface Missing {
  readonly id: string
  readonly word: Word
  readonly message: string
  readonly hint: string | null
}

interface LinkContext {
  readonly report: Reporter
  readonly host: HostFacts | null
  readonly place: (word: Word) => Position
  readonly links: LinkConfig[]
  /** Interfaces and devices that this machine lacks right now. */
  readonly missing: Missing[]
  port: number
  baud: number
}

export function readLinks(
  lines: readonly DirectiveLine[], report: Reporter, host: HostFacts | null,
  place: (word: Word) => Position, servicePort: number | null,
): LinkConfig[] {
  const ctx: LinkContext = { report, host, place, links: [], missing: [], port: servicePort ?? kUdpPortDefault, baud: kBaudDefault }
  const used = { udp: false, serial: false }
  for (const line of lines) {
    switch (line.directive.name) {
      case 'udpport': ctx.port = setBefore(line, ctx, ctx.port, used.udp, 'UDP'); break
      case 'baud': ctx.baud = setBefore(line, ctx, ctx.baud, used.serial, 'serial'); break
      case 'udp':
        report.warning('TB_CONFIG_REPLACED', line.keyword, "'udp' is the old name of 'bcast'", "write 'bcast'")
        line.words.forEach((word) => readBcast(word, ctx)); used.udp = true; break
      case 'bcast': line.words.forEach((word) => readBcast(word, ctx)); used.udp = true; break
      case 'ucast': readUcast(line, 'ucast', ctx); used.udp = true; break
      case 'ucast6': readUcast(line, 'ucast6', ctx); used.udp = true; break
      case 'mcast': readMcast(line, 'mcast', ctx); break
      case 'mcast6': readMcast(line, 'mcast6', ctx); break
      case 'serial': line.words.forEach((word) => readSerial(word, ctx)); used.serial = true; break
      case 'ping': line.words.forEach((word) => readPing([word], word, 'ping', ctx)); break
      case 'ping6': line.words.forEach((word) => readPing([word], word, 'ping6', ctx)); break
      case 'ping_group': readPingGroup(line, ctx); break
      default: continue
    }
    warnEmptyList(line, report)
  }
  reportMissing(ctx)
  return ctx.links
}

/**
 * A network card that died must not keep a node out of the cluster that another link still reaches: the link
 * stays closed and is tried again. Without any usable link there is nothing to start with.
 */
function reportMissing(ctx: LinkContext): void {
  const missing = new Set(ctx.missing.map(({ id }) => id))
  const usable = ctx.links.some((link) => isHeartbeatLink(link) && !missing.has(link.id))
  for (const { word, message, hint } of ctx.missing) {
    if (usable) ctx.report.warning('TB_CONFIG_LINK', word, `${message}; the link stays closed until there is`, hint)
    else ctx.report.error('TB_CONFIG_LINK', word, `${message}, and no other heartbeat link is usable`, hint)
  }
}

function warnEmptyList(line: DirectiveLine, report: Reporter): void {
  if (line.directive.shape !== 'list' || line.words.length > 0) return
  report.warning('TB_CONFIG_SYNTAX', line.keyword, `'${line.directive.name}' without a value does nothing`,
    `write '${line.directive.syntax}' or remove the line`)
}

/** Port and speed count for what follows; a line that comes after all its links is a mistake. */
function setBefore(line: DirectiveLine, ctx: LinkContext, current: number, late: boolean, media: string): number {
  const value = line.words.map((word) => readInteger(word.text)).findLast((number) => number !== null)
  if (value === undefined || value === null || value === current) return current
  if (late) {
    ctx.report.warning('TB_CONFIG_PLACE', line.keyword,
      `'${line.directive.name}' counts only for the ${media} links below it; those above use ${current}`,
      `move the line above the first ${media} link`)
  }
  return value
}

function addLink(link: LinkConfig, word: Word, ctx: LinkContext): void {
  if (ctx.links.some((other) => other.id === link.id)) {
    ctx.report.warning('TB_CONFIG_REPEATED', word, `link '${link.id}' is there already`, 'remove this one')
    return
  }
  if (ctx.links.length === kLinksMax) {
    ctx.report.error('TB_CONFIG_LINK', word, `more than ${kLinksMax} links`, null)
  }
  if (ctx.links.length < kLinksMax) ctx.links.push(link)
}

function checkInterface(word: Word, id: string, ctx: LinkContext): void {
  if (word.text.length > 15) {
    ctx.report.error('TB_CONFIG_LINK', word, `'${word.text}' is longer than an interface name can be`, null)
    return
  }
  if (word.text.includes(':')) {
    ctx.report.error('TB_CONFIG_LINK', word, `'${word.text}' is the label of an address, not an interface`,
      `write '${word.text.split(':')[0] ?? ''}'`)
    return
  }
  if (ctx.host === null || ctx.host.interfaces.includes(word.text)) return
  const known = ctx.host.interfaces.filter((name) => name !== 'lo').join(', ')
  ctx.missing.push({ id, word, message: `there is no interface '${word.text}' on this machine`,
    hint: known === '' ? null : `it has: ${known}` })
}

function readBcast(word: Word, ctx: LinkContext): void {
  const id = `bcast:${word.text}`
  checkInterface(word, id, ctx)
  addLink({ type: 'bcast', id, name: word.text, interface: word.text, port: ctx.port,
    at: ctx.place(word) }, word, ctx)
}

/** A numeric address of the family, or what the hosts file knows the name as; else a finding. */
function readHost(word: Word, family: 4 | 6, ctx: LinkContext): string | null {
  const numeric = family === 4 ? (readIpv4(word.text) === null ? null : word.text) : canonicalIpv6(word.text)
  if (numeric !== null) return numeric
  const resolved = ctx.host?.resolve(word.text, family) ?? null
  if (resolved !== null) {
    ctx.report.warning('TB_CONFIG_LINK', word, `'${word.text}' is a name; heartbeats go to ${resolved}`,
      'write the address: names can change or fail while the network is broken')
    return resolved
  }
  ctx.report.error('TB_CONFIG_LINK', word, `'${word.text}' is not an IPv${family} address`,
    'write the address itself')
  return null
}

function readUcast(line: DirectiveLine, type: 'ucast' | 'ucast6', ctx: LinkContext): void {
  const [device, target, extra] = line.blankWords
  if (device === undefined || target === undefined) {
    ctx.report.error('TB_CONFIG_SYNTAX', line.keyword, `'${type}' needs an interface and an address`,
      `write '${line.directive.syntax}'`)
    return
  }
  if (extra !== undefined) warnExtra(extra, type, ctx)
  const address = readHost(target, type === 'ucast' ? 4 : 6, ctx)
  const id = `${type}:${device.text}:${address ?? target.text}`
  checkInterface(device, id, ctx)
  if (address === null) return
  addLink({ type, id, name: device.text, interface: device.text, address,
    port: ctx.port, at: ctx.place(device) }, device, ctx)
}

function warnExtra(extra: Word, type: string, ctx: LinkContext): void {
  ctx.report.warning('TB_CONFIG_SYNTAX', extra, `'${extra.text}' is ignored`,
    `one line for each '${type}' link`)
}

function readMcast(line: DirectiveLine, type: 'mcast' | 'mcast6', ctx: LinkContext): void {
  const [device, group, portWord, ttlWord, loopWord, extra] = line.blankWords
  if (!device || !group || !portWord || !ttlWord || !loopWord) {
    ctx.report.error('TB_CONFIG_SYNTAX', line.keyword, `'${type}' needs five values`,
      `for example '${type} eth0 ${type === 'mcast' ? '239.0.0.42' : 'ff05::42'} 694 1 0'`)
    return
  }
  if (extra !== undefined) warnExtra(extra, type, ctx)
  const address = type === 'mcast' ? (readIpv4(group.text) === null ? null : group.text) : canonicalIpv6(group.text)
  if (address === null || !isMulticast(address)) {
    ctx.report.error('TB_CONFIG_LINK', group, `'${group.text}' is not a multicast address`,
      type === 'mcast' ? 'use one of 239.0.0.0/8' : 'use one of ff02::/16 or ff05::/16')
    return
  }
  const port = readRange(portWord, 1, 65_535, ctx)
  const ttl = readRange(ttlWord, 0, 255, ctx)
  const loop = readRange(loopWord, 0, 1, ctx)
  if (port === null || ttl === null || loop === null) return
  const id = `${type}:${device.text}:${address}:${port}`
  checkInterface(device, id, ctx)
  addLink({ type, id, name: device.text, interface: device.text,
    group: address, port, ttl, loop: loop === 1, at: ctx.place(device) }, device, ctx)
}

function readRange(word: Word, min: number, max: number, ctx: LinkContext): number | null {
  const value = readInteger(word.text)
  if (value !== null && value >= min && value <= max) return value
  ctx.report.error('TB_CONFIG_VALUE', word, `'${word.text}' is not a number from ${min} to ${max}`, null)
  return null
}

function readSerial(word: Word, ctx: LinkContext): void {
  if (!word.text.startsWith('/')) {
    ctx.report.error('TB_CONFIG_LINK', word, `'${word.text}' is not a full path`, `write '/dev/${word.text}'`)
    return
  }
  const kind = ctx.host === null ? 'character' : ctx.host.deviceKind(word.text)
  const id = `serial:${word.text}`
  if (kind === 'missing') {
    ctx.missing.push({ id, word, message: `there is no device '${word.text}'`, hint: 'is the adapter plugged in, its driver loaded?' })
  } else if (kind === 'other') {
    ctx.report.error('TB_CONFIG_LINK', word, `'${word.text}' is not a character device`, null)
  }
  addLink({ type: 'serial', id, name: word.text, device: word.text, baud: ctx.baud,
    at: ctx.place(word) }, word, ctx)
}

function readPing(words: readonly Word[], name: Word, type: 'ping' | 'ping6' | 'ping_group', ctx: LinkContext): void {
  const hosts: string[] = []
  for (const word of words) {
    const address = readHost(word, type === 'ping6' ? 6 : 4, ctx)
    if (address !== null && !hosts.includes(address)) hosts.push(address)
  }
  if (hosts.length === 0) return
  addLink({ type, id: `ping:${name.text}`, name: name.text, hosts, at: ctx.place(name) }, name, ctx)
}

function readPingGroup(line: DirectiveLine, ctx: LinkContext): void {
  const [name, ...hosts] = line.words
  if (name === undefined || hosts.length === 0) {
    ctx.report.error('TB_CONFIG_SYNTAX', line.keyword, "'ping_group' needs a name and at least one host",
      `write '${line.directive.syntax}'`)
    return
  }
  if (hosts.length > kPingHostsMax) {
    ctx.report.error('TB_CONFIG_LINK', name, `more than ${kPingHostsMax} hosts in one ping group`, null)
    return
  }
  readPing(hosts, name, 'ping_group', ctx)
}
