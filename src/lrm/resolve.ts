// Which program, unit or address a word of haresources means on this machine. Reads folders, runs
// nothing; asked again at every reload, because packages come and go.

import { readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { judgeScript } from './places.js'
import type {
  AddressSpec,
  AgentClassName,
  AgentPlaces,
  AgentTarget,
  MemberWord,
  ResolvedMember,
} from './types.js'

interface Found {
  readonly class: AgentClassName
  readonly name: string
  readonly path: string
}

/** `group` makes the id unique: the same word may stand in two groups. */
export function resolveMember(
  member: MemberWord,
  group: string,
  places: AgentPlaces,
): ResolvedMember {
  const id = `${group}/${member.id}`
  if (member.by === 'engine' && member.address !== null) {
    return { kind: 'address', id, address: member.address }
  }
  if (member.ocf !== null) {
    const { provider, type, params } = member.ocf
    return resolveOcf(id, { provider, type, parameters: Object.fromEntries(params) }, places)
  }
  return resolveWord(id, member, places)
}

interface OcfName {
  readonly provider: string
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
}

function resolveOcf(id: string, ocf: OcfName, places: AgentPlaces): ResolvedMember {
  if (!isPlainName(ocf.provider) || !isPlainName(ocf.type)) {
    const reason = `'ocf:${ocf.provider}:${ocf.type}' is not a name of an agent`
    return { kind: 'unresolved', id, reason, tried: [] }
  }
  const path = join(places.ocfDir, ocf.provider, ocf.type)
  const verdict = judgeScript(path)
  if (verdict !== 'executable') {
    const reason = `the OCF agent '${path}' is ${VERDICT_TEXT[verdict]}`
    return { kind: 'unresolved', id, reason, tried: [path] }
  }
  const { provider, parameters } = ocf
  const base = { id, class: 'ocf', name: ocf.type, args: [] } as const
  return { kind: 'agent', id, target: { ...base, provider, path, parameters } }
}

function resolveWord(id: string, member: MemberWord, places: AgentPlaces): ResolvedMember {
  const { name, args } = member
  if (!isPlainName(name)) {
    const reason = `'${name}' is not a name of an agent`
    return { kind: 'unresolved', id, reason, tried: [] }
  }
  const tried: string[] = []
  const found = findScript(name, places, tried) ?? findUnit(name, places, tried)
  if (found !== null) {
    if (found.class === 'systemd' && args.length > 0) {
      const reason = `the systemd unit '${found.name}' takes no arguments, not '${args.join('::')}'`
      return { kind: 'unresolved', id, reason, tried }
    }
    const target: AgentTarget = { ...found, id, provider: null, args, parameters: {} }
    return { kind: 'agent', id, target }
  }
  if (member.address !== null) {
    // The address scripts of the original belong to its package; the OCF agent does the same work.
    const parameters = addressParameters(member.address)
    const instead = resolveOcf(id, { provider: 'heartbeat', type: 'IPaddr2', parameters }, places)
    if (instead.kind === 'agent') return instead
    tried.push(join(places.ocfDir, 'heartbeat', 'IPaddr2'))
  }
  const spoilt = tried.find((place) => place.endsWith(')'))
  const reason =
    spoilt === undefined
      ? `no agent '${name}' on this machine`
      : `'${name}' cannot be used: ${spoilt}`
  return { kind: 'unresolved', id, reason, tried }
}

const VERDICT_TEXT = {
  missing: 'missing',
  'not-a-file': 'not a file',
  'not-executable': 'not executable',
} as const

function findScript(name: string, places: AgentPlaces, tried: string[]): Found | null {
  const rows = [
    ...places.heartbeatDirs.map((dir) => ({ dir, class: 'heartbeat' as const })),
    ...places.lsbDirs.map((dir) => ({ dir, class: 'lsb' as const })),
  ]
  for (const row of rows) {
    const path = join(row.dir, name)
    const verdict = judgeScript(path)
    if (verdict === 'executable') return { class: row.class, name, path }
    tried.push(verdict === 'missing' ? path : `${path} (${VERDICT_TEXT[verdict]})`)
  }
  return null
}

function findUnit(name: string, places: AgentPlaces, tried: string[]): Found | null {
  const unit = name.endsWith('.service') ? name : `${name}.service`
  for (const dir of places.systemdDirs) {
    const path = unitFile(dir, unit)
    if (path === null) {
      tried.push(join(dir, unit))
      continue
    }
    if (isMasked(path)) {
      // A mask in a folder of higher rank hides every unit file below it.
      tried.push(`${path} (masked)`)
      return null
    }
    return { class: 'systemd', name: unit, path }
  }
  return null
}

/** `name@x.service` lives in the file `name@.service`. */
function unitFile(dir: string, unit: string): string | null {
  const at = unit.indexOf('@')
  const names = at > 0 ? [unit, `${unit.slice(0, at + 1)}.service`] : [unit]
  for (const name of names) {
    const path = join(dir, name)
    if (isMasked(path)) return path
    try {
      if (statSync(path).isFile()) return path
    } catch {
      // Not in this folder.
    }
  }
  return null
}

function isMasked(path: string): boolean {
  try {
    return readlinkSync(path) === '/dev/null'
  } catch {
    return false
  }
}

/** One path component, not hidden, nothing a shell or a unit name would trip over. */
function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.:@+-]*$/.test(name)
}

export function addressParameters(address: AddressSpec): Record<string, string> {
  const parameters: Record<string, string> = { ip: address.address }
  if (address.prefix !== null) parameters['cidr_netmask'] = String(address.prefix)
  if (address.interface !== null) parameters['nic'] = address.interface
  if (address.broadcast !== null) parameters['broadcast'] = address.broadcast
  const label = address.label?.split(':')[1]
  if (label !== undefined) parameters['iflabel'] = label
  return parameters
}
