// Findings about configuration files: collected, never thrown, each with its place. The printed form
// is the one operators and golden tests see; a change here is a change of interface.

import type { Diagnostic, Severity } from './model.js'
import type { Place } from './lexer.js'
import type { ConfigCode } from './codes.js'

/** More findings than anybody fixes in one go; the count beyond is reported, not the text. */
export const kDiagnosticsMax = 200
/** Longest source line a diagnostic repeats. */
const kTextColumnsMax = 400

export interface Reporter {
  error(code: ConfigCode, at: Place | null, message: string, hint: string | null): void
  warning(code: ConfigCode, at: Place | null, message: string, hint: string | null): void
  info(code: ConfigCode, at: Place | null, message: string, hint: string | null): void
}

export interface Findings {
  /** A reporter for one file; `lineText` yields the line to show, secrets already hidden. */
  reporter(file: string, lineText: (line: number) => string): Reporter
  list(): readonly Diagnostic[]
  hasErrors(): boolean
}

export function collectFindings(): Findings {
  const found: Diagnostic[] = []
  const fileOrder = new Map<string, number>()
  let errors = 0
  let dropped = 0

  function add(severity: Severity, file: string, lineText: (line: number) => string) {
    return (code: ConfigCode, at: Place | null, message: string, hint: string | null): void => {
      if (severity === 'error') errors++
      if (found.length >= kDiagnosticsMax) {
        dropped++
        return
      }
      const text = at === null ? '' : lineText(at.line)
      found.push({
        severity,
        code,
        file,
        line: at === null ? 0 : at.line,
        column: at === null ? 0 : at.column,
        text: text.slice(0, kTextColumnsMax),
        message: printable(message),
        hint: hint === null ? null : printable(hint),
      })
    }
  }

  return {
    reporter(file, lineText) {
      if (!fileOrder.has(file)) fileOrder.set(file, fileOrder.size)
      return {
        error: add('error', file, lineText),
        warning: add('warning', file, lineText),
        info: add('info', file, lineText),
      }
    },
    hasErrors: () => errors > 0,
    list() {
      const sorted = sortFindings(found, fileOrder)
      const last = sorted.at(-1)
      if (dropped === 0 || last === undefined) return sorted
      const more = `${dropped} more finding(s) not shown`
      const severity = errors > 0 ? 'error' as const : 'warning' as const
      return [...sorted, { ...last, severity, code: 'TB_CONFIG_TOO_MANY', message: more, hint: null }]
    },
  }
}

/** By file in the order they were opened, then by place; equal places keep their order. */
function sortFindings(found: readonly Diagnostic[], fileOrder: ReadonlyMap<string, number>): Diagnostic[] {
  return found
    .map((d, index) => ({ d, index }))
    .sort((a, b) =>
      (fileOrder.get(a.d.file) ?? 0) - (fileOrder.get(b.d.file) ?? 0)
      || a.d.line - b.d.line || a.d.column - b.d.column || a.index - b.index)
    .map(({ d }) => d)
}

/** Values of a file end up on terminals and in logs: no control characters. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** The finding as an operator sees it: one line, the source line, a caret with the hint. */
export function formatDiagnostic(d: Diagnostic): string {
  const place = d.line === 0 ? d.file : `${d.file}:${d.line}:${d.column}`
  const head = `${place}: ${d.severity} ${d.code}: ${d.message}`
  const hint = d.hint === null ? '' : ` hint: ${d.hint}`
  if (d.line === 0) return d.hint === null ? head : `${head}\n     |${hint}`
  const gutter = String(d.line).padStart(5)
  // A tab before the caret must stay a tab, or the caret shows somewhere else.
  // eslint-disable-next-line no-control-regex
  const source = d.text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, ' ')
  const indent = source.slice(0, d.column - 1).replace(/[^\t]/g, ' ')
  const caret = `${indent.padEnd(d.column - 1)}^${hint}`
  return `${head}\n${gutter} | ${source.trimEnd()}\n${' '.repeat(gutter.length)} | ${caret}`
}

export function formatDiagnostics(list: readonly Diagnostic[]): string {
  return list.map((d) => `${formatDiagnostic(d)}\n`).join('')
}

/** The candidate closest to a misspelt word, or null if none is close enough to be meant. */
export function suggest(word: string, candidates: readonly string[]): string | null {
  const lower = word.toLowerCase().slice(0, 64)
  const limit = Math.max(1, Math.floor(lower.length / 3))
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let value = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, (beforePrevious[j - 2] ?? 0) + 1)
      }
      row.push(value)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length] ?? 0
}

/** Line 0: the file as a whole. */
export const placeOf = (file: string, line: number): string => (line === 0 ? file : `${file}:${String(line)}`)
