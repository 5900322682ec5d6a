// What an OCF agent says about itself. Real agents print text before the XML, a DOCTYPE that
// cannot be fetched, times with and without unit and elements the standard does not know.

import { XMLParser } from 'fast-xml-parser'

export interface AgentParameter {
  readonly name: string
  readonly required: boolean
  /** Two resources must not share its value. */
  readonly unique: boolean
  readonly type: string
  /** Null: none given. */
  readonly default: string | null
  readonly shortdesc: string
}

export interface AgentActionInfo {
  readonly name: string
  readonly timeoutMs: number | null
  readonly intervalMs: number | null
  readonly depth: number
  readonly role: string | null
}

export interface AgentMetadata {
  readonly name: string
  readonly version: string
  readonly shortdesc: string
  readonly parameters: readonly AgentParameter[]
  readonly actions: readonly AgentActionInfo[]
}

/** Agents have a few hundred parameters at most. */
const ITEMS_MAX = 1000

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  textNodeName: '#text',
  parseTagValue: false,
  parseAttributeValue: false,
  // Entities of a hostile or broken agent would be expanded in our memory.
  processEntities: false,
  isArray: (_name, path) =>
    path === 'resource-agent.parameters.parameter' || path === 'resource-agent.actions.action',
})

/** Null if this is no meta-data at all. */
export function parseMetadata(stdout: string): AgentMetadata | null {
  const from = stdout.indexOf('<resource-agent')
  const to = stdout.lastIndexOf('</resource-agent>')
  if (from < 0 || to < from) return null
  let tree: unknown
  try {
    tree = parser.parse(stdout.slice(from, to) + '</resource-agent>')
  } catch {
    return null
  }
  const root = child(tree, 'resource-agent')
  if (root === null) return null
  return {
    name: text(root, 'name'),
    version: text(root, 'version'),
    shortdesc: text(root, 'shortdesc'),
    parameters: children(child(root, 'parameters'), 'parameter').map(readParameter),
    actions: children(child(root, 'actions'), 'action').map(readAction),
  }
}

/** The longest timeout the agent asks for an action; a monitor may stand there once per depth. */
export function advisedTimeoutMs(metadata: AgentMetadata, action: string): number | null {
  const times = metadata.actions
    .filter((row) => row.name === action || (action === 'monitor' && row.name === 'status'))
    .flatMap((row) => row.timeoutMs ?? [])
  return times.length === 0 ? null : Math.max(...times)
}

type Node = Readonly<Record<string, unknown>>

function readParameter(node: Node): AgentParameter {
  const content = child(node, 'content')
  return {
    name: text(node, 'name'),
    required: isTrue(text(node, 'required')),
    unique: isTrue(text(node, 'unique')) || text(node, 'unique-group') !== '',
    type: content === null ? 'string' : text(content, 'type') || 'string',
    default: content !== null && 'default' in content ? text(content, 'default') : null,
    shortdesc: text(node, 'shortdesc'),
  }
}

function readAction(node: Node): AgentActionInfo {
  const depth = Number(text(node, 'depth'))
  return {
    name: text(node, 'name'),
    timeoutMs: parseTimeMs(text(node, 'timeout')),
    intervalMs: parseTimeMs(text(node, 'interval')),
    depth: Number.isSafeInteger(depth) && depth >= 0 ? depth : 0,
    role: text(node, 'role') || null,
  }
}

const UNITS_MS: Readonly<Record<string, number>> = {
  '': 1000,
  ms: 1,
  msec: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
}

/** '20', '20s', '2min', '500ms'; null for anything else. A bare number counts seconds. */
export function parseTimeMs(value: string): number | null {
  const found = /^\s*([0-9]{1,9})\s*([a-z]*)\s*$/.exec(value)
  const unit = UNITS_MS[found?.[2] ?? '?']
  return found?.[1] === undefined || unit === undefined ? null : Number(found[1]) * unit
}

const isTrue = (value: string): boolean => /^(1|true|yes|on)$/i.test(value)

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An element; one without attributes or children arrives as a string and counts as none. */
function child(value: unknown, name: string): Node | null {
  if (!isNode(value) || !Object.hasOwn(value, name)) return null
  const found = value[name]
  const first: unknown = Array.isArray(found) ? found[0] : found
  return isNode(first) ? first : null
}

function children(value: Node | null, name: string): Node[] {
  const found = value !== null && Object.hasOwn(value, name) ? value[name] : []
  return Array.isArray(found) ? found.filter(isNode).slice(0, ITEMS_MAX) : []
}

/** An attribute, or the text of an element of that name. */
function text(node: Node, name: string): string {
  const found = Object.hasOwn(node, name) ? node[name] : ''
  const first: unknown = Array.isArray(found) ? found[0] : found
  if (typeof first === 'string') return first.trim()
  const inner = isNode(first) ? first['#text'] : ''
  return typeof inner === 'string' ? inner.trim() : ''
}
