// The warnings that a pair of real heartbeats logs, cell by cell, recorded by
// `npm run test:interop -- --record-reference`. A real pair is the same from either side, so a cell is a
// scenario whose side is named X, the role of the node that warned in it, a signature and a medium.
//
// The file is kept short and readable: scenario -> role -> warning -> the cells that log it, `*` for all.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { AuthMethod, Medium } from '../../lab/pair-files.js'

export const REFERENCE_FILE = fileURLToPath(new URL('../../../test/interop/reference.json', import.meta.url))

export type Side = 'a' | 'b'

/** One real node in one cell. */
export interface Place {
  readonly auth: AuthMethod
  readonly medium: Medium
  readonly scenario: string
  readonly side: Side
}

interface Row {
  /** Signature and medium pairs in which this scenario was recorded. */
  readonly cells: Set<string>
  /** By role and warning, the cells that logged it. */
  readonly warnings: Map<string, Map<string, Set<string>>>
}

type Stored = Record<string, { cells: string, roles: Record<string, Record<string, string>> }>

const ALL = '*'
const X = /\b[ab]\b/

export class Reference {
  private readonly rows = new Map<string, Row>()

  static load(): Reference {
    return Reference.parse(existsSync(REFERENCE_FILE) ? readFileSync(REFERENCE_FILE, 'utf8') : '{}')
  }

  static parse(text: string): Reference {
    const reference = new Reference()
    for (const [scenario, { cells, roles }] of Object.entries(JSON.parse(text) as Stored)) {
      const row = reference.rowOf(scenario)
      split(cells).forEach((cell) => row.cells.add(cell))
      for (const [role, warnings] of Object.entries(roles)) {
        for (const [warning, where] of Object.entries(warnings)) {
          const found = where === ALL ? [...row.cells] : split(where)
          found.forEach((cell) => cellsOf(row, role, warning).add(cell))
        }
      }
    }
    return reference
  }

  /** Adds to what is known: what one run of a real pair happens not to log is kept from earlier ones. */
  record(place: Place, warnings: readonly string[]): void {
    const row = this.rowOf(scenarioKey(place))
    row.cells.add(cellKey(place))
    for (const warning of warnings) cellsOf(row, roleOf(place), warning).add(cellKey(place))
  }

  knows(place: Place): boolean {
    return this.rows.get(scenarioKey(place))?.cells.has(cellKey(place)) === true
  }

  isNormal(place: Place, warning: string): boolean {
    const cells = this.rows.get(scenarioKey(place))?.warnings.get(roleOf(place))?.get(warning)
    return cells?.has(cellKey(place)) === true
  }

  format(): string {
    const stored: Stored = {}
    for (const [scenario, row] of sorted(this.rows)) {
      const roles: Stored[string]['roles'] = {}
      for (const [role, warnings] of sorted(row.warnings)) {
        roles[role] = Object.fromEntries(sorted(warnings).map(([warning, cells]) =>
          [warning, cells.size === row.cells.size ? ALL : join(cells)]))
      }
      stored[scenario] = { cells: join(row.cells), roles }
    }
    return `${JSON.stringify(stored, null, 1)}\n`
  }

  private rowOf(scenario: string): Row {
    const row = this.rows.get(scenario) ?? { cells: new Set(), warnings: new Map() }
    this.rows.set(scenario, row)
    return row
  }
}

function cellsOf(row: Row, role: string, warning: string): Set<string> {
  const warnings = row.warnings.get(role) ?? new Map<string, Set<string>>()
  row.warnings.set(role, warnings)
  const cells = warnings.get(warning) ?? new Set<string>()
  warnings.set(warning, cells)
  return cells
}

const scenarioKey = ({ scenario }: Place): string => scenario.replace(X, 'X')
const cellKey = ({ auth, medium }: Place): string => `${auth} ${medium}`

/** What the node is in a scenario that is played from one side. */
function roleOf({ scenario, side }: Place): string {
  const named = X.exec(scenario)?.[0]
  if (named === undefined) return 'either'
  return named === side ? 'X' : 'peer of X'
}

const split = (cells: string): string[] => (cells === '' ? [] : cells.split(', '))
const join = (cells: ReadonlySet<string>): string => [...cells].sort().join(', ')
const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([x], [y]) => (x < y ? -1 : 1))
