// What a directive is: the shape of both tables (ha.cf and twinbeat.cf), from which the readers take
// names and rules and the reference pages take their text.

/**
 * How the words after a directive are taken, which decides how a second line of it counts:
 * `option` each word sets the value again, the last one counts; `list` each word adds one entry;
 * `line` the whole line is one entry.
 */
export type DirectiveShape = 'option' | 'list' | 'line'

export type ValueKind =
  | { readonly kind: 'time' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  /** Heartbeat takes these like C's atoi: what is not a number is 0. */
  | { readonly kind: 'lenient-integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'text' }
  | { readonly kind: 'path' }
  | { readonly kind: 'none' }

export interface Directive {
  readonly name: string
  readonly syntax: string
  readonly shape: DirectiveShape
  readonly value: ValueKind
  /** The default as it would be written; null if there is none. */
  readonly fallback: string | null
  readonly reason: string
  readonly doc: string
  /** Why the directive does nothing here; null if it does what it says. */
  readonly noEffect: string | null
}

/** Directives that many rows share everything with but a few fields. */
export function directive(
  name: string, syntax: string, shape: DirectiveShape, value: ValueKind,
  fallback: string | null, reason: string, doc: string, noEffect: string | null = null,
): Directive {
  return { name, syntax, shape, value, fallback, reason, doc, noEffect }
}

export const kTime: ValueKind = { kind: 'time' }
export const kBoolean: ValueKind = { kind: 'boolean' }
export const kText: ValueKind = { kind: 'text' }
export const kPath: ValueKind = { kind: 'path' }
export const kNone: ValueKind = { kind: 'none' }
export const choice = (...choices: string[]): ValueKind => ({ kind: 'choice', choices })
export const integer = (min: number, max: number): ValueKind => ({ kind: 'integer', min, max })
export const lenient = (min: number, max: number): ValueKind => ({ kind: 'lenient-integer', min, max })
