// Text of a configuration file to lines of words, each with its place. Knows separators and comments,
// nothing about directives. Never fails: whatever the text, every word has a valid line and column.

/** A place inside one file; line and column count from 1, columns in UTF-16 units. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface Word extends Place {
  readonly text: string
}

export interface SourceLine {
  readonly line: number
  /** The line as written, comment included. */
  readonly text: string
  readonly words: readonly Word[]
}

/** Nobody writes a configuration this long; a device node or a core file given by mistake is. */
export const kTextCharsMax = 1 << 20

export function splitLines(text: string): string[] {
  const lines = text.slice(0, kTextCharsMax).split('\n')
  if (lines.length > 1 && lines.at(-1) === '') lines.pop()
  return lines
}

/** The line up to its comment. A `#` starts a comment wherever it stands, also inside a word. */
export function withoutComment(line: string): string {
  const hash = line.indexOf('#')
  return hash < 0 ? line : line.slice(0, hash)
}

export function splitWords(text: string, line: number, firstColumn: number, separator: RegExp): Word[] {
  const words: Word[] = []
  let start = -1
  for (let i = 0; i <= text.length; i++) {
    const char = text[i]
    const separates = char === undefined || separator.test(char)
    if (!separates && start < 0) start = i
    if (separates && start >= 0) {
      words.push({ text: text.slice(start, i), line, column: firstColumn + start })
      start = -1
    }
  }
  return words
}

/** Between words of ha.cf: blank, tab and comma. A carriage return is part of no word. */
export const kHaSeparator = /[ \t,\r]/
/** Inside directives that take their line whole (`respawn`, `apiauth`): blanks only. */
export const kBlank = /[ \t\r]/

export function readLines(text: string, separator: RegExp = kHaSeparator): SourceLine[] {
  return splitLines(text).map((raw, index) => ({
    line: index + 1,
    text: raw,
    words: splitWords(withoutComment(raw), index + 1, 1, separator),
  }))
}
