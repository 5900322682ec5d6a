// What a fence agent says about itself: parameters, actions, and whether it needs unfencing.

import { XMLParser } from 'fast-xml-parser'

export interface FenceMetadata {
  readonly parameters: ReadonlySet<string>
  readonly actions: ReadonlySet<string>
  /** `on` has to run on the node itself when it joins (reservations on disks). */
  readonly unfencing: boolean
}

const itemsMax = 1000

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  // Entities of a broken or hostile agent would be expanded in our memory.
  processEntities: false,
  isArray: (_name, path) => path === 'resource-agent.parameters.parameter' || path === 'resource-agent.actions.action',
})

/** Null if this is no meta-data at all. */
export function parseFenceMetadata(stdout: string): FenceMetadata | null {
  const from = stdout.indexOf('<resource-agent')
  const to = stdout.lastIndexOf('</resource-agent>')
  if (from < 0 || to < from) return null
  let tree: unknown
  try {
    tree = parser.parse(`${stdout.slice(from, to)}</resource-agent>`)
  } catch {
    return null
  }
  const root = child(tree, 'resource-agent')
  const actions = items(child(root, 'actions'), 'action')
  return {
    parameters: new Set(items(child(root, 'parameters'), 'parameter').map((one) => attribute(one, 'name')).filter((name) => name !== '')),
    actions: new Set(actions.map((one) => attribute(one, 'name')).filter((name) => name !== '')),
    unfencing: actions.some((one) => attribute(one, 'name') === 'on' && attribute(one, 'automatic') === '1'),
  }
}

function child(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null
  return (value as Record<string, unknown>)[name]
}

function items(value: unknown, name: string): unknown[] {
  const found = child(value, name)
  return Array.isArray(found) ? found.slice(0, itemsMax) : []
}

function attribute(value: unknown, name: string): string {
  const found = child(value, name)
  return typeof found === 'string' ? found.trim() : ''
}
