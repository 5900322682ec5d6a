// authkeys: which key signs and which keys are accepted. Lines are taken apart at blanks only, and a `#`
// is a comment only at the start of a line: inside a key it is part of the key, as in heartbeat.
// Nothing here may put a key into a message.

import { suggest, type Reporter } from './diagnostics.js'
import { kBlank, splitLines, splitWords, type Place, type Word } from './lexer.js'
import type { AuthConfig, AuthKey, AuthMethod } from './model.js'

export const kKeyIndexMax = 15
const kMethods: readonly AuthMethod[] = ['crc', 'md5', 'sha1', 'sha256']
/** Shorter keys can be tried out from one captured packet. */
const kKeyCharsGood = 16

interface AuthDraft {
  sign: { index: number; at: Word } | null
  readonly keys: Map<number, { key: AuthKey; at: Word }>
}

export function readAuthkeys(text: string, report: Reporter): AuthConfig | null {
  const draft: AuthDraft = { sign: null, keys: new Map() }
  splitLines(text).forEach((raw, index) => {
    const words = splitWords(raw, index + 1, 1, kBlank)
    const first = words[0]
    if (first === undefined || first.text.startsWith('#')) return
    if (first.text.startsWith('a')) readSign(first, words, draft, report)
    else readKey(first, words, draft, report)
  })
  return finish(draft, report)
}

function readIndex(word: Word | undefined): number | null {
  if (word === undefined || !/^\d{1,4}$/.test(word.text)) return null
  return Number(word.text) <= kKeyIndexMax ? Number(word.text) : null
}

function readSign(first: Word, words: readonly Word[], draft: AuthDraft, report: Reporter): void {
  const index = first.text === 'auth' ? readIndex(words[1]) : null
  if (index === null) {
    report.error(
      'TB_CONFIG_SYNTAX',
      words[1] ?? first,
      'this is not an auth line',
      `write 'auth N' with the number of a key line, 0 to ${kKeyIndexMax}`,
    )
    return
  }
  if (draft.sign !== null) {
    report.warning(
      'TB_CONFIG_REPEATED',
      first,
      `'auth' stands in line ${draft.sign.at.line} already`,
      'the last one counts; remove the others',
    )
  }
  if (draft.keys.has(index) && draft.sign?.index !== index) {
    report.error(
      'TB_CONFIG_PLACE',
      first,
      `'auth ${index}' stands below key ${index}`,
      'heartbeat chooses while it reads: put auth above the keys',
    )
  }
  draft.sign = { index, at: first }
}

function readKey(first: Word, words: readonly Word[], draft: AuthDraft, report: Reporter): void {
  const index = readIndex(first)
  const [, methodWord, keyWord, extra] = words
  if (index === null) {
    report.error(
      'TB_CONFIG_SYNTAX',
      first,
      `a line begins with 'auth' or with a number from 0 to ${kKeyIndexMax}`,
      "write 'N METHOD KEY', for example '1 sha1 SECRET'",
    )
    return
  }
  if (methodWord === undefined) {
    report.error('TB_CONFIG_SYNTAX', first, `key ${index} has no method`, "write 'N METHOD KEY'")
    return
  }
  const method = kMethods.find((name) => name === methodWord.text)
  if (method === undefined) {
    const close = suggest(methodWord.text, kMethods)
    // Not the word itself: a forgotten method puts the key in its place.
    report.error(
      'TB_CONFIG_AUTH',
      methodWord,
      `key ${index} has an unknown method`,
      close === null
        ? 'one of: md5, sha1, crc (and sha256 between two twinbeat nodes)'
        : `did you mean '${close}'?`,
    )
    return
  }
  if (!checkKeyWord(method, index, methodWord, keyWord, extra, report)) return
  if (draft.keys.has(index)) {
    report.warning(
      'TB_CONFIG_REPEATED',
      first,
      `key ${index} stands in line ${draft.keys.get(index)?.at.line} already`,
      'the last one counts; remove the others',
    )
  }
  draft.keys.set(index, { key: { index, method, key: keyWord?.text ?? null }, at: first })
}

function checkKeyWord(
  method: AuthMethod,
  index: number,
  methodWord: Word,
  key: Word | undefined,
  extra: Word | undefined,
  report: Reporter,
): boolean {
  if (method === 'crc') {
    if (key === undefined) return true
    report.error('TB_CONFIG_AUTH', key, `key ${index}: crc takes no key`, 'remove the key, or use sha1')
    return false
  }
  if (key === undefined) {
    report.error(
      'TB_CONFIG_AUTH',
      methodWord,
      `key ${index}: ${method} needs a key`,
      `write '${index} ${method} SECRET'`,
    )
    return false
  }
  if (extra !== undefined) {
    report.warning(
      'TB_CONFIG_SYNTAX',
      extra,
      `key ${index}: everything after the key is ignored`,
      extra.text.startsWith('#') ? 'comments stand on lines of their own' : 'a key contains no blanks',
    )
  }
  if (key.text.length < kKeyCharsGood) {
    report.warning(
      'TB_CONFIG_AUTH',
      key,
      `key ${index} is shorter than ${kKeyCharsGood} characters`,
      "make one with 'openssl rand -hex 20'",
    )
  }
  return true
}

function finish(draft: AuthDraft, report: Reporter): AuthConfig | null {
  const { sign } = draft
  if (sign === null) {
    report.error('TB_CONFIG_AUTH', null, 'there is no auth line', "write 'auth 1' above the line of key 1")
    return null
  }
  const signing = draft.keys.get(sign.index)
  if (signing === undefined) {
    report.error(
      'TB_CONFIG_AUTH',
      sign.at,
      `'auth ${sign.index}' names a key that is not there`,
      `write a line '${sign.index} sha1 SECRET' below it`,
    )
    return null
  }
  warnWeak(signing, draft, report)
  const keys = [...draft.keys.values()].map(({ key }) => key).sort((a, b) => a.index - b.index)
  return { signIndex: sign.index, keys }
}

function warnWeak(signing: { key: AuthKey; at: Place }, draft: AuthDraft, report: Reporter): void {
  const { method } = signing.key
  if (method === 'crc') {
    report.warning(
      'TB_CONFIG_AUTH',
      signing.at,
      'crc authenticates nobody: every host on the network can speak for a node',
      "use 'sha1 SECRET' unless the only link is a cable between the nodes",
    )
  }
  if (method === 'sha256') {
    report.warning(
      'TB_CONFIG_COMPATIBILITY',
      signing.at,
      'a real heartbeat does not know sha256: it starts on no such file and hears nothing',
      'use sha1 while one of the nodes runs heartbeat',
    )
  }
  for (const { key, at } of draft.keys.values()) {
    if (key.method === 'crc' && method !== 'crc') {
      report.warning(
        'TB_CONFIG_AUTH',
        at,
        'messages signed with this crc key are refused, because auth names a keyed method',
        'remove the crc line: a real heartbeat accepts them from anybody',
      )
    }
    if (key.method === 'sha256' && method !== 'sha256') {
      report.warning(
        'TB_CONFIG_COMPATIBILITY',
        at,
        'a real heartbeat does not know sha256 and does not start on this file',
        'remove the line while one of the nodes runs heartbeat',
      )
    }
  }
}

/** The line for a diagnostic: method and number visible, everything after them hidden. */
export function hideSecrets(raw: string): string {
  const match = /^([ \t]*(?:auth[ \t]+\d*|\d+[ \t]+(?:crc|md5|sha1|sha256)\b)?[ \t]*)(.*)$/.exec(raw)
  const rest = match?.[2] ?? raw
  if (rest === '' || /^[ \t]*#/.test(raw)) return /^[ \t]*#/.test(raw) ? '#' : (match?.[1] ?? '')
  return `${match?.[1] ?? ''}****`
}
