// Engine configuration as bytes, for the addon. Everything that is wrong is refused here with a clear text; the
// addon reads the bytes through a length-checked reader and re-checks only what could corrupt memory.
import { isIPv4, isIPv6 } from 'node:net'
import { TwinbeatError } from '../errors.js'
import type { AuthMethod, EngineConfig, Field, LinkConfig, LinkType } from './engine.js'

export const limits = {
  nodes: 64,
  links: 16,
  keys: 16,
  hostsPerLink: 16,
  nameBytes: 255,
  keyBytes: 1024,
  fieldsBytes: 60 * 1024,
} as const

const linkTypes: readonly LinkType[] =
  ['bcast', 'ucast', 'mcast', 'ucast6', 'mcast6', 'serial', 'ping', 'ping_group', 'ping6', 'loopback']
const methods: readonly AuthMethod[] = ['crc', 'md5', 'sha1', 'sha256']
/** A day: longer times are mistakes, and sums of them stay far below 2^53. */
const timeMaxUs = 86_400_000_000

export function refuse(what: string, why: string): never {
  throw new TwinbeatError('TB_ENGINE_ARGUMENT', `engine: ${what} ${why}`)
}

export function checkInteger(what: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    refuse(what, `must be a whole number from ${min} to ${max}`)
  }
  return value
}

export function checkText(what: string, value: unknown, bytesMax: number): string {
  if (typeof value !== 'string' || value.length > bytesMax) {
    refuse(what, `must be text of at most ${bytesMax} characters`)
  }
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 255) refuse(what, 'holds a character above U+00FF')
  }
  return value
}

function checkName(what: string, value: unknown): string {
  const name = checkText(what, value, limits.nameBytes)
  if (name.length === 0) refuse(what, 'must not be empty')
  if (/[\0-\x20\x7f=]/.test(name)) refuse(what, 'must not hold blanks, control characters or "="')
  return name
}

function checkObject(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) refuse(what, 'must be an object')
  return value as Readonly<Record<string, unknown>>
}

export function checkArray(what: string, value: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) refuse(what, `must be an array of at most ${max}`)
  return value as readonly unknown[]
}

function checkBytes(what: string, value: unknown, min: number, max: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length < min || value.length > max) {
    refuse(what, `must be a Uint8Array of ${min === max ? min : `${min} to ${max}`} bytes`)
  }
  return value
}

function checkBoolean(what: string, value: unknown): boolean {
  if (typeof value !== 'boolean') refuse(what, 'must be true or false')
  return value
}

/** Growing little-endian buffer. */
export class ByteSink {
  private buffer = Buffer.alloc(512)
  private used = 0

  private room(count: number): number {
    const at = this.used
    if (at + count > this.buffer.length) {
      const grown = Buffer.alloc(Math.max(this.buffer.length * 2, at + count))
      this.buffer.copy(grown, 0, 0, at)
      this.buffer = grown
    }
    this.used = at + count
    return at
  }

  // The place first: finding room may replace the buffer.
  u8(value: number): this { const at = this.room(1); this.buffer.writeUInt8(value, at); return this }
  u16(value: number): this { const at = this.room(2); this.buffer.writeUInt16LE(value, at); return this }
  u32(value: number): this { const at = this.room(4); this.buffer.writeUInt32LE(value, at); return this }
  u64(value: number): this { const at = this.room(8); this.buffer.writeBigUInt64LE(BigInt(value), at); return this }
  raw(value: Uint8Array): this { const at = this.room(value.length); this.buffer.set(value, at); return this }
  /** u16 length and bytes. */
  text(value: string): this { return this.u16(value.length).raw(Buffer.from(value, 'latin1')) }
  blob(value: Uint8Array): this { return this.u16(value.length).raw(value) }
  take(): Uint8Array { return this.buffer.subarray(0, this.used) }
}

export function encodeFields(fields: unknown): Uint8Array {
  const list = checkArray('fields', fields, 512)
  const sink = new ByteSink()
  for (const [index, item] of list.entries()) {
    const field = checkObject(`fields[${index}]`, item) as unknown as Field
    const name = checkName(`fields[${index}].name`, field.name)
    checkInteger(`fields[${index}].type`, field.type, 0, 3)
    const value = fieldBytes(`fields[${index}].value`, field)
    sink.u8(name.length).u8(field.type).u32(value.length).raw(Buffer.from(name, 'latin1')).raw(value)
  }
  const all = sink.take()
  if (all.length > limits.fieldsBytes) refuse('fields', `need ${all.length} bytes, more than ${limits.fieldsBytes}`)
  return all
}

function fieldBytes(what: string, field: Field): Uint8Array {
  if (typeof field.value === 'string') return Buffer.from(checkText(what, field.value, limits.fieldsBytes), 'latin1')
  return checkBytes(what, field.value, 0, limits.fieldsBytes)
}

export function encodeConfig(config: EngineConfig): Uint8Array {
  checkObject('config', config)
  const sink = new ByteSink()
  sink.u64(checkInteger('config.revision', config.revision, 1, Number.MAX_SAFE_INTEGER))
  const self = checkObject('config.self', config.self)
  const selfName = checkName('config.self.name', self['name'])
  sink.text(selfName).raw(checkBytes('config.self.uuid', self['uuid'], 16, 16))
  encodeTiming(sink, config)
  sink.u8(checkInteger('config.hopfudge', config.hopfudge, 0, 255))
  sink.u8(checkBoolean('config.muteAfterPause', config.muteAfterPause) ? 1 : 0)
  encodeNodes(sink, config, selfName)
  encodeAuth(sink, config)
  const links = checkArray('config.links', config.links, limits.links)
  sink.u8(links.length)
  for (const [index, link] of links.entries()) encodeLink(sink, `config.links[${index}]`, link)
  checkNodeCount(config)
  return sink.take()
}

function checkNodeCount(config: EngineConfig): void {
  const pings = config.links.filter((link) => link.type.startsWith('ping')).map((link) => link.name)
  const names = [...config.nodes.map((node) => node.name), ...pings]
  if (new Set(names).size !== names.length) refuse('config.nodes', 'names a node or ping node twice')
  if (names.length > limits.nodes) refuse('config.nodes', `more than ${limits.nodes} with the ping nodes`)
}

function encodeTiming(sink: ByteSink, config: EngineConfig): void {
  const timing = checkObject('config.timing', config.timing)
  const keys = ['keepaliveUs', 'deadtimeUs', 'warntimeUs', 'initdeadUs', 'deadpingUs', 'maxRexmitDelayUs']
  for (const key of keys) {
    sink.u64(checkInteger(`config.timing.${key}`, timing[key], 1000, timeMaxUs))
  }
}

function encodeNodes(sink: ByteSink, config: EngineConfig, selfName: string): void {
  const nodes = checkArray('config.nodes', config.nodes, limits.nodes)
  sink.u8(nodes.length)
  let hasSelf = false
  for (const [index, item] of nodes.entries()) {
    const node = checkObject(`config.nodes[${index}]`, item)
    const name = checkName(`config.nodes[${index}].name`, node['name'])
    if (name === selfName) hasSelf = true
    sink.text(name)
    const uuid = node['uuid']
    if (uuid === null) sink.u8(0)
    else sink.u8(1).raw(checkBytes(`config.nodes[${index}].uuid`, uuid, 16, 16))
  }
  if (!hasSelf) refuse('config.nodes', `must contain our own name "${selfName}"`)
}

function encodeAuth(sink: ByteSink, config: EngineConfig): void {
  const auth = checkObject('config.auth', config.auth)
  const signIndex = checkInteger('config.auth.signIndex', auth['signIndex'], 0, 15)
  const keys = checkArray('config.auth.keys', auth['keys'], limits.keys)
  sink.u8(signIndex).u8(keys.length)
  const seen = new Set<number>()
  for (const [at, item] of keys.entries()) {
    const key = checkObject(`config.auth.keys[${at}]`, item)
    const index = checkInteger(`config.auth.keys[${at}].index`, key['index'], 0, 15)
    if (seen.has(index)) refuse(`config.auth.keys[${at}].index`, 'stands there twice')
    seen.add(index)
    const method = methods.indexOf(key['method'] as AuthMethod)
    if (method < 0) refuse(`config.auth.keys[${at}].method`, `must be one of ${methods.join(' ')}`)
    const secret = checkBytes(`config.auth.keys[${at}].key`, key['key'], method === 0 ? 0 : 1, limits.keyBytes)
    sink.u8(index).u8(method).blob(secret)
  }
  if (!seen.has(signIndex)) refuse('config.auth.signIndex', `names key ${signIndex}, which is not in keys`)
}

// Each link is the same row of values, whatever its type; what a type does not use is zero or empty:
// type, name, interface, address, localAddress, port, localPort, ttl, loop, fd, baud, channel, loss, duplicate,
// seed, hosts.
interface LinkRow {
  interface: string
  address: string
  localAddress: string
  port: number
  localPort: number
  ttl: number
  loop: boolean
  fd: number
  baud: number
  channel: number
  loss: number
  duplicate: number
  seed: number
  hosts: readonly string[]
}

function encodeLink(sink: ByteSink, what: string, item: unknown): void {
  const link = checkObject(what, item) as unknown as LinkConfig
  const type = linkTypes.indexOf(link.type)
  if (type < 0) refuse(`${what}.type`, `must be one of ${linkTypes.join(' ')}`)
  const row = linkRow(what, link)
  sink.u8(type).text(checkName(`${what}.name`, link.name))
  sink.text(row.interface).text(row.address).text(row.localAddress)
  sink.u16(row.port).u16(row.localPort).u8(row.ttl).u8(row.loop ? 1 : 0)
  sink.u32(row.fd).u32(row.baud).u8(row.channel).u8(row.loss).u8(row.duplicate).u32(row.seed)
  sink.u8(row.hosts.length)
  for (const host of row.hosts) sink.text(host)
}

const emptyRow: LinkRow = {
  interface: '', address: '', localAddress: '', port: 0, localPort: 0, ttl: 0, loop: false, fd: 0, baud: 0,
  channel: 0, loss: 0, duplicate: 0, seed: 0, hosts: [],
}

function linkRow(what: string, link: LinkConfig): LinkRow {
  switch (link.type) {
    case 'bcast':
      return {
        ...emptyRow,
        interface: checkInterface(what, link.interface),
        address: checkAddress(`${what}.address`, link.address, 4, { nullable: true }),
        port: checkPort(`${what}.port`, link.port),
      }
    case 'ucast':
    case 'ucast6':
      return {
        ...emptyRow,
        interface: link.interface === null ? '' : checkInterface(what, link.interface),
        address: checkAddress(`${what}.address`, link.address, link.type === 'ucast' ? 4 : 6, { nullable: false }),
        localAddress:
          checkAddress(`${what}.localAddress`, link.localAddress, link.type === 'ucast' ? 4 : 6, { nullable: true }),
        port: checkPort(`${what}.port`, link.port),
        localPort: checkPort(`${what}.localPort`, link.localPort),
      }
    case 'mcast':
    case 'mcast6':
      return {
        ...emptyRow,
        interface: checkInterface(what, link.interface),
        address: checkAddress(`${what}.group`, link.group, link.type === 'mcast' ? 4 : 6, { nullable: false }),
        port: checkPort(`${what}.port`, link.port),
        ttl: checkInteger(`${what}.ttl`, link.ttl, 0, 255),
        loop: checkBoolean(`${what}.loop`, link.loop),
      }
    case 'serial':
      return {
        ...emptyRow,
        fd: checkInteger(`${what}.fd`, link.fd, 0, 0x7fffffff),
        baud: checkInteger(`${what}.baud`, link.baud, 50, 16_000_000),
      }
    case 'ping':
    case 'ping_group':
    case 'ping6':
      return { ...emptyRow, hosts: checkHosts(what, link.hosts, link.type) }
    case 'loopback':
      return {
        ...emptyRow,
        channel: checkInteger(`${what}.channel`, link.channel, 0, 63),
        loss: checkInteger(`${what}.lossPercent`, link.lossPercent, 0, 100),
        duplicate: checkInteger(`${what}.duplicatePercent`, link.duplicatePercent, 0, 100),
        seed: checkInteger(`${what}.seed`, link.seed, 0, 0xffffffff),
      }
  }
}

function checkHosts(what: string, value: unknown, type: LinkType): readonly string[] {
  const hosts = checkArray(`${what}.hosts`, value, limits.hostsPerLink)
  if (hosts.length === 0) refuse(`${what}.hosts`, 'must name a host')
  if (type !== 'ping_group' && hosts.length > 1) refuse(`${what}.hosts`, 'must name exactly one host')
  return hosts.map((host, at) =>
    checkAddress(`${what}.hosts[${at}]`, host, type === 'ping6' ? 6 : 4, { nullable: false }))
}

/** Kernel limit: IFNAMSIZ with its final zero. */
export function checkInterface(what: string, value: unknown): string {
  const name = checkName(`${what}.interface`, value)
  if (name.length > 15 || name.includes('/')) refuse(`${what}.interface`, 'is not an interface name')
  return name
}

function checkPort(what: string, value: unknown): number {
  return checkInteger(what, value, 1, 65535)
}

export function checkAddress(what: string, value: unknown, family: 4 | 6, options: { nullable: boolean }): string {
  if (value === null && options.nullable) return ''
  if (typeof value !== 'string' || !(family === 4 ? isIPv4(value) : isIPv6(value))) {
    refuse(what, `must be an IPv${family} address`)
  }
  return value
}
