// What counts as "the same configuration": digests over meaning, not over blanks and comments, so that
// both nodes of a pair agree although an editor left its traces on one of them.

import type { AuthConfig, LinkConfig, MemberConfig } from './model.js'
import { kBlank, splitLines, splitWords, withoutComment } from './lexer.js'

export type Hash = (text: string) => string

/** Enough to tell definitions apart by accident, short enough to be read over the phone. */
const kDigestChars = 16

/** A file of directives: words joined by one blank, one line each, empty lines gone. */
export function digestDirectives(text: string, hash: Hash): string {
  const lines = splitLines(text)
    .map((raw, index) => splitWords(withoutComment(raw), index + 1, 1, kBlank).map((word) => word.text).join(' '))
    .filter((line) => line !== '')
  return short(hash(lines.join('\n')))
}

/**
 * authkeys: numbers and methods only. A digest that travels or is shown must not let anybody try out keys;
 * whether the keys are equal shows when the peer is heard.
 */
export function digestAuth(auth: AuthConfig, hash: Hash): string {
  const keys = auth.keys.map((key) => `${key.index} ${key.method}`)
  return short(hash([`auth ${auth.signIndex}`, ...keys].join('\n')))
}

/** haresources: groups in their order, without regard to how lines were continued. */
export function digestGroups(groups: readonly { home: string; words: readonly string[] }[], hash: Hash): string {
  return short(hash(groups.map((group) => [group.home, ...group.words].join(' ')).join('\n')))
}

/** One group: its home, its words, and what twinbeat.cf says those words are. */
export function digestGroup(home: string, members: readonly MemberConfig[], hash: Hash): string {
  const parts = members.map((member) => JSON.stringify([
    member.word,
    member.by,
    member.ocf === null ? null : [member.ocf.provider, member.ocf.type, member.ocf.params],
  ]))
  return short(hash([home, ...parts].join('\n')))
}

/** Two links are the same link if this text is equal. */
export function linkText(link: LinkConfig): string {
  const rest: Partial<LinkConfig> = { ...link }
  delete (rest as { at?: unknown }).at
  return JSON.stringify(rest)
}

function short(digest: string): string {
  return digest.slice(0, kDigestChars)
}
