// The example's configuration, read as text: which nodes, which address, which serial line. The copy
// that the nodes read is private, its authkeys closed to others as heartbeat demands.

import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const EXAMPLE_DIR = fileURLToPath(new URL('../../examples/pair/ha.d/', import.meta.url))

export interface ExamplePair {
  readonly nodes: readonly string[]
  /** The service address, without prefix length. */
  readonly address: string
  readonly home: string
  readonly serialDevice: string | null
  readonly baud: number
  readonly deadtimeMs: number
}

const TIMES = ['keepalive', 'warntime', 'deadtime', 'initdead', 'deadping']
const DEFAULT_BAUD = 19_200

export function readExample(dir = EXAMPLE_DIR): ExamplePair {
  const haCf = readFileSync(join(dir, 'ha.cf'), 'utf8')
  const words = (directive: string): string[] => [...haCf.matchAll(new RegExp(`^\\s*${directive}\\s+([^#\\n]+)`, 'gm'))]
    .flatMap((match) => (match[1] ?? '').trim().split(/\s+/))
  const group = /^\s*(\w+)\s.*?(\d+\.\d+\.\d+\.\d+)/m.exec(readFileSync(join(dir, 'haresources'), 'utf8'))
  const nodes = words('node')
  if (group === null || nodes.length !== 2) throw new Error(`${dir} does not describe a pair with an address`)
  return {
    nodes,
    home: group[1] ?? '',
    address: group[2] ?? '',
    serialDevice: words('serial')[0] ?? null,
    baud: Number(words('baud')[0] ?? DEFAULT_BAUD),
    deadtimeMs: timeMs(words('deadtime')[0] ?? '30'),
  }
}

/** Copies the example for one node; `slower` stretches every time of ha.cf by that factor. */
export function copyExample(to: string, slower: number, dir = EXAMPLE_DIR): void {
  cpSync(dir, to, { recursive: true })
  chmodSync(join(to, 'authkeys'), 0o600)
  if (slower === 1) return
  const path = join(to, 'ha.cf')
  const pattern = new RegExp(`^(\\s*(?:${TIMES.join('|')})\\s+)(\\S+)`, 'gm')
  writeFileSync(path, readFileSync(path, 'utf8')
    .replace(pattern, (_all, name: string, time: string) => `${name}${timeMs(time) * slower}ms`))
}

function timeMs(text: string): number {
  const match = /^([\d.]+)(ms|us|s)?$/.exec(text)
  if (match === null) throw new Error(`'${text}' is not a time`)
  return Number(match[1]) * { s: 1000, ms: 1, us: 0.001 }[(match[2] ?? 's') as 's' | 'ms' | 'us']
}
