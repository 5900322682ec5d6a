// Words of configuration files to values, exactly as heartbeat reads them. Each reader returns null
// for a word it refuses; the caller owns the message.

import type { Micros } from '../core/base/ids.js'

/** A time in the configuration is below 10 years: sums of a few of them stay exact integers. */
export const kTimeMaxUs = 10 * 365 * 86_400 * 1_000_000

const kUnitUs: Readonly<Record<string, number>> = { '': 1_000_000, ms: 1000, us: 1 }

/**
 * `1`, `1.5`, `1500ms`, `1500000us`; a bare number is seconds. Heartbeat refuses every other unit,
 * also `s`. Units in any case.
 */
export function readTimeUs(word: string): Micros | null {
  const match = /^(\d+\.?\d*|\.\d+)([a-z]*)$/i.exec(word)
  if (match === null) return null
  const unit = kUnitUs[(match[2] ?? '').toLowerCase()]
  if (unit === undefined) return null
  const value = Math.round(Number(match[1]) * unit)
  return value <= kTimeMaxUs ? value as Micros : null
}

/** As `readTimeUs`, and also `s` and `m`: for twinbeat.cf, which heartbeat never reads. */
export function readLongTimeUs(word: string): Micros | null {
  const match = /^(\d+\.?\d*|\.\d+)(s|m)$/i.exec(word)
  if (match === null) return readTimeUs(word)
  const value = Math.round(Number(match[1]) * (match[2]?.toLowerCase() === 'm' ? 60 : 1) * 1_000_000)
  return value <= kTimeMaxUs ? value as Micros : null
}

/** A duration for people: `100ms`, `1.5s`, `2m`, `0`. */
export function formatTime(us: number): string {
  if (us === 0) return '0'
  if (us < 1000) return `${us}us`
  if (us < 1_000_000) return `${round(us / 1000)}ms`
  if (us < 600_000_000 || us % 60_000_000 !== 0) return `${round(us / 1_000_000)}s`
  return `${us / 60_000_000}m`
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}

/** A time in the only spelling that heartbeat accepts: bare seconds or milliseconds. */
export function writeTime(us: number): string {
  if (us % 1_000_000 === 0) return String(us / 1_000_000)
  return us % 1000 === 0 ? `${us / 1000}ms` : `${us}us`
}

const kTrue = new Set(['true', 'on', 'yes', 'y', '1'])
const kFalse = new Set(['false', 'off', 'no', 'n', '0'])

export function readBoolean(word: string): boolean | null {
  const lower = word.toLowerCase()
  if (kTrue.has(lower)) return true
  return kFalse.has(lower) ? false : null
}

/** A whole decimal number, nothing before or after it. */
export function readInteger(word: string): number | null {
  return /^[+-]?\d{1,15}$/.test(word) ? Number(word) : null
}

/** The number at the start of a word, 0 if there is none: what C's atoi makes of it. */
export function readLeadingInteger(word: string): number {
  const match = /^[+-]?\d{1,15}/.exec(word)
  return match === null ? 0 : Number(match[0])
}

/** Dotted decimal, four parts, no leading zeros (which some readers take as octal). */
export function readIpv4(word: string): number | null {
  const parts = word.split('.')
  if (parts.length !== 4) return null
  let value = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null
    value = value * 256 + Number(part)
  }
  return value
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

/** An IPv6 address in the shortest lower-case form of RFC 5952, or null. */
export function canonicalIpv6(word: string): string | null {
  const groups = readIpv6(word)
  return groups === null ? null : formatIpv6(groups)
}

export function readIpv6(word: string): number[] | null {
  if (!word.includes(':') || word.length > 45) return null
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(word)
  let text = word
  if (dotted !== null) {
    const v4 = readIpv4(dotted[2] ?? '')
    if (v4 === null) return null
    text = `${dotted[1]}${Math.floor(v4 / 65536).toString(16)}:${(v4 % 65536).toString(16)}`
  }
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')))
  if (head === undefined) return null
  if (tail === undefined) return head.length === 8 ? readGroups(head) : null
  const zeros = 8 - head.length - tail.length
  if (zeros < 1) return null
  return readGroups([...head, ...Array.from({ length: zeros }, () => '0'), ...tail])
}

function readGroups(parts: readonly string[]): number[] | null {
  if (!parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) return null
  return parts.map((part) => parseInt(part, 16))
}

function formatIpv6(groups: readonly number[]): string {
  let bestStart = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > bestLength) {
      bestStart = i
      bestLength = length
    }
  }
  const hex = groups.map((group) => group.toString(16))
  if (bestStart < 0) return hex.join(':')
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast(address: string): boolean {
  const v4 = readIpv4(address)
  if (v4 !== null) return Math.floor(v4 / 2 ** 28) === 14
  return Math.floor((readIpv6(address)?.[0] ?? 0) / 256) === 255
}
