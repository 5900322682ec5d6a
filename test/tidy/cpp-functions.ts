// Finds function bodies in formatted C++ by its braces. It knows no types: what decides is the text before a brace that
// stands directly in a namespace or a class. Good enough to measure length, and tested with the shapes that we use.

export interface CppFunction {
  /** Line on which the declaration starts, from 1. */
  readonly line: number
  readonly body: string
}

/** Same length and lines, but nothing in comments, strings and character literals is left to be mistaken for code. */
function blankLiterals(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
  const kinds = [
    /\/\/[^\n]*/, /\/\*[\s\S]*?\*\//, // comments
    /\bR"([^(\s]*)\([\s\S]*?\)\1"/, /"(?:\\.|[^"\\\n])*"/, // raw strings, strings
    /(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'/, // characters, but not the ' within a number
    /^[ \t]*#(?:\\\n|[^\n])*/ // the preprocessor
  ]
  return source.replace(new RegExp(kinds.map((kind) => kind.source).join('|'), 'gm'), blank)
}

/** Whether the text between the last statement and a brace is the head of a function. */
function isFunctionHead(head: string): boolean {
  let flat = head.replace(/\[\[[^\]]*\]\]/g, ' ')
  for (let before = ''; before !== flat;) {
    before = flat
    flat = flat.replace(/\([^()]*\)/g, '\u0001')
  }
  if (!flat.includes('\u0001')) return false
  if (/^\s*(template\s*<[^{]*>\s*)?(class|struct|union|enum|namespace|extern)\b/.test(flat)) return false
  return /\boperator\b/.test(flat) || !flat.includes('=')
}

/** A namespace or a type: functions may stand directly in it. */
function isScopeHead(head: string): boolean {
  return /\b(namespace|class|struct|union|extern)\b/.test(head) && !/\benum\b/.test(head)
}

function kindOf(head: string): 'scope' | 'function' | 'other' {
  if (isFunctionHead(head)) return 'function'
  return isScopeHead(head) ? 'scope' : 'other'
}

export function cppFunctions(source: string): CppFunction[] {
  const code = blankLiterals(source)
  const found: CppFunction[] = []
  const open: { kind: 'scope' | 'function' | 'other', from: number }[] = []
  let headFrom = 0
  for (let at = 0; at < code.length; at++) {
    const char = code[at]
    if (char === '{') {
      const outside = open.every(({ kind }) => kind === 'scope')
      const head = code.slice(headFrom, at)
      const isInitializer = /[\w>]\s*$/.test(head) && /\)\s*(noexcept\s*)?:[^:]/.test(head)
      const kind = outside && !isInitializer ? kindOf(head) : 'other'
      open.push({ kind, from: headFrom + (head.length - head.trimStart().length) })
      if (!isInitializer) headFrom = at + 1
    } else if (char === '}') {
      const closed = open.pop()
      if (closed?.kind === 'function') {
        found.push({ line: code.slice(0, closed.from).split('\n').length, body: source.slice(closed.from, at + 1) })
      }
      // A member initialised with braces is still part of the head of its constructor.
      const next = /^\s*([,{])/.exec(code.slice(at + 1, at + 200))
      if (closed?.kind !== 'other' || next === null || !open.every(({ kind }) => kind === 'scope')) headFrom = at + 1
    } else if (char === ';') {
      headFrom = at + 1
    }
  }
  return found
}
