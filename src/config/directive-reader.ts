// Lines of ha.cf or twinbeat.cf to directives with their words, by a table. Both files share this
// syntax: `directive value...`, words separated by blanks, tabs and commas, `#` to the end of the line.

import { suggest, type Reporter } from './diagnostics.js'
import type { Directive } from './directives.js'
import { kBlank, kHaSeparator, readLines, splitWords, type Place, type Word } from './lexer.js'
import { readBoolean, readInteger, readLeadingInteger } from './values.js'

export interface DirectiveLine {
  readonly directive: Directive
  readonly keyword: Word
  /** Words after the directive, also split at commas. */
  readonly words: readonly Word[]
  /** Words after the directive, split at blanks only: for shape `line`. */
  readonly blankWords: readonly Word[]
}

export interface DirectiveFile {
  readonly table: readonly Directive[]
  /** Names that belong to the other file, and how that file is called. */
  readonly others: { readonly file: string; readonly names: readonly string[] }
  /** Names with an answer of their own. */
  readonly foreign: Readonly<Record<string, string>>
}

/** Every line of a known directive, in order; the others become findings. */
export function readDirectives(text: string, file: DirectiveFile, report: Reporter): DirectiveLine[] {
  const byName = new Map(file.table.map((entry) => [entry.name, entry]))
  const found: DirectiveLine[] = []
  for (const line of readLines(text, kBlank)) {
    // Only blanks end the directive itself: heartbeat refuses `deadtime,2`.
    const [keyword, ...blankWords] = line.words
    if (keyword === undefined) continue
    const entry = byName.get(keyword.text)
    if (entry === undefined) reportUnknown(keyword, file, report)
    else found.push({ directive: entry, keyword, words: blankWords.flatMap(splitAtCommas), blankWords })
  }
  return found
}

function splitAtCommas(word: Word): Word[] {
  return splitWords(word.text, word.line, word.column, kHaSeparator)
}

function reportUnknown(keyword: Word, file: DirectiveFile, report: Reporter): void {
  const foreign = Object.hasOwn(file.foreign, keyword.text) ? file.foreign[keyword.text] : undefined
  const message = `unknown directive '${keyword.text}'`
  if (foreign !== undefined) {
    report.error('TB_CONFIG_UNKNOWN', keyword, message, foreign)
    return
  }
  if (file.others.names.includes(keyword.text)) {
    report.error('TB_CONFIG_PLACE', keyword, `directive '${keyword.text}' does not belong in this file`,
      `move the line to ${file.others.file}`)
    return
  }
  const bare = /^[^=,]*/.exec(keyword.text)?.[0] ?? ''
  const names = file.table.map((entry) => entry.name)
  const close = suggest(bare, [...names, ...file.others.names])
  const elsewhere = close !== null && !names.includes(close) ? `, which belongs in ${file.others.file}` : ''
  report.error('TB_CONFIG_UNKNOWN', keyword, message, close === null ? null : `did you mean '${close}'${elsewhere}?`)
}

export type OptionValue =
  | { readonly kind: 'us'; readonly us: number }
  | { readonly kind: 'boolean'; readonly boolean: boolean }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'text'; readonly text: string }

/** A directive of shape `option` that was written: the last word counts. */
export interface WrittenOption {
  readonly name: string
  readonly word: Word
  readonly value: OptionValue
}

export type Options = ReadonlyMap<string, WrittenOption>

/** How times are written in a file, and the sentence that says so. */
export interface TimeSyntax {
  readonly read: (word: string) => number | null
  readonly hint: string
}

/** All options, checked word by word; a later word replaces an earlier one, as in heartbeat. */
export function readOptions(lines: readonly DirectiveLine[], report: Reporter, times: TimeSyntax): Options {
  const options = new Map<string, WrittenOption>()
  for (const line of lines) {
    if (line.directive.shape !== 'option') continue
    if (line.words.length === 0) {
      report.warning('TB_CONFIG_SYNTAX', line.keyword, `'${line.directive.name}' without a value does nothing`,
        `write '${line.directive.syntax}' or remove the line`)
    }
    for (const word of line.words) {
      const value = readValue(line.directive, word, report, times)
      if (value === null) continue
      const earlier = options.get(line.directive.name)
      if (earlier !== undefined) reportRepeated(line.directive.name, earlier.word, word, report)
      options.set(line.directive.name, { name: line.directive.name, word, value })
    }
  }
  return options
}

function reportRepeated(name: string, earlier: Word, later: Word, report: Reporter): void {
  const where = earlier.line === later.line ? 'in this line' : `in line ${earlier.line}`
  report.warning('TB_CONFIG_REPEATED', later, `'${name}' was already set to '${earlier.text}' ${where}`,
    'the last value counts; remove the others')
}

function readValue(
  entry: Directive, word: Word, report: Reporter, times: TimeSyntax,
): OptionValue | null {
  switch (entry.value.kind) {
    case 'time': return readTimeValue(entry, word, report, times)
    case 'boolean': {
      const boolean = readBoolean(word.text)
      if (boolean !== null) return { kind: 'boolean', boolean }
      report.error('TB_CONFIG_VALUE', word, `'${word.text}' is neither on nor off`,
        `write '${entry.name} on' or '${entry.name} off'`)
      return null
    }
    case 'integer':
    case 'lenient-integer': return readNumber(entry, entry.value, word, report)
    case 'choice': {
      const lower = word.text.toLowerCase()
      if (entry.value.choices.includes(lower)) return { kind: 'text', text: lower }
      const close = suggest(word.text, entry.value.choices)
      report.error('TB_CONFIG_VALUE', word, `'${word.text}' is no value of ${entry.name}`,
        close === null ? `one of: ${entry.value.choices.join(', ')}` : `did you mean '${close}'?`)
      return null
    }
    case 'path':
      if (!word.text.startsWith('/')) {
        report.warning('TB_CONFIG_VALUE', word, `'${word.text}' is not a full path`, 'write the path from / on')
      }
      return { kind: 'text', text: word.text }
    case 'text':
    case 'none': return { kind: 'text', text: word.text }
  }
}

function readTimeValue(
  entry: Directive, word: Word, report: Reporter, times: TimeSyntax,
): OptionValue | null {
  const us = times.read(word.text)
  if (us !== null) return { kind: 'us', us }
  const seconds = /^(\d+\.?\d*)s(ec)?$/i.exec(word.text)?.[1]
  const loneUnit = /^(s|sec|seconds|ms|us|m|min|minutes)$/i.test(word.text)
  const hint = seconds !== undefined ? `a bare number is seconds: '${entry.name} ${seconds}'`
    : loneUnit ? 'the unit stands directly behind the number: 500ms' : times.hint
  report.error('TB_CONFIG_VALUE', word, `'${word.text}' is not a time`, hint)
  return null
}

function readNumber(
  entry: Directive, range: { kind: string; min: number; max: number }, word: Word, report: Reporter,
): OptionValue | null {
  let number = readInteger(word.text)
  if (number === null && range.kind === 'lenient-integer') {
    number = readLeadingInteger(word.text)
    if (number >= range.min && number <= range.max) {
      report.warning('TB_CONFIG_VALUE', word, `'${word.text}' is read as ${number}`, `write '${entry.name} ${number}'`)
    }
  }
  if (number !== null && number >= range.min && number <= range.max) return { kind: 'number', number }
  report.error('TB_CONFIG_VALUE', word, `'${word.text}' is not a number from ${range.min} to ${range.max}`, null)
  return null
}

/** Reports every written directive that does nothing here. */
export function reportNoEffect(lines: readonly DirectiveLine[], report: Reporter): void {
  for (const { directive, keyword } of lines) {
    if (directive.noEffect === null) continue
    report.info('TB_CONFIG_NO_EFFECT', keyword, `'${directive.name}' has no effect: ${directive.noEffect}`, null)
  }
}

/** Typed views of an option, with the value to use when it is not written. */
export function usOf(options: Options, name: string, fallback: number): number {
  const value = options.get(name)?.value
  return value?.kind === 'us' ? value.us : fallback
}
export function numberOf(options: Options, name: string, fallback: number): number {
  const value = options.get(name)?.value
  return value?.kind === 'number' ? value.number : fallback
}
export function booleanOf(options: Options, name: string, fallback: boolean): boolean {
  const value = options.get(name)?.value
  return value?.kind === 'boolean' ? value.boolean : fallback
}
export function textOf(options: Options, name: string): string | null {
  const value = options.get(name)?.value
  return value?.kind === 'text' ? value.text : null
}
export function placeOf(options: Options, name: string): Place | null {
  return options.get(name)?.word ?? null
}

