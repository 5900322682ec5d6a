// The address forms of haresources: a bare address, IPaddr, IPaddr2 and IPv6addr with their one argument
// address[/maskbits[/interface[:label]][/broadcast]].

import type { AddressSpec } from './model.js'
import { canonicalIpv6, formatIpv4, isMulticast, readIpv4 } from './values.js'

export type AddressReading =
  | { readonly kind: 'address'; readonly address: AddressSpec; readonly joinedIpv6: boolean }
  /** Looks like an address and cannot be one. */
  | { readonly kind: 'wrong'; readonly message: string }
  /** An address agent with arguments beyond the usual form: only its script understands them. */
  | { readonly kind: 'other' }

const kAddressAgents = new Set(['IPaddr', 'IPaddr2', 'IPv6addr'])
/** Interface names and labels end at 15 characters in the kernel. */
const kInterfaceCharsMax = 15

export const isAddressAgent = (name: string): boolean => kAddressAgents.has(name)

/** Heartbeat's own test for a bare address: begins like four numbers with dots. */
export const isBareAddress = (word: string): boolean => /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(\/.*)?$/.test(word)

export function readAddress(name: string, args: readonly string[]): AddressReading {
  const [first, ...rest] = args
  if (first === undefined || first === '') {
    return { kind: 'wrong', message: `'${name}' needs an address` }
  }
  if (rest.length === 0) return readForm(first, name)
  // `IPv6addr::2001:db8::7` was taken apart at its own `::`; heartbeat hands the agent two arguments.
  const whole = args.join('::')
  if (canonicalIpv6(whole.split('/')[0] ?? '') === null) return { kind: 'other' }
  const reading = readForm(whole, name)
  return reading.kind === 'address' ? { ...reading, joinedIpv6: true } : reading
}

function readForm(form: string, name: string): AddressReading {
  const [host = '', mask, third, fourth, extra] = form.split('/')
  if (extra !== undefined) return wrong(`'${form}' has too many parts`)
  const v4 = readIpv4(host)
  const v6 = v4 === null ? canonicalIpv6(host) : null
  if (v4 === null && v6 === null) return wrong(`'${host}' is not an IP address`)
  const family = v4 === null ? 6 : 4
  if (name === 'IPaddr' && family === 6) return wrong('IPaddr serves IPv4 only')
  if (name === 'IPv6addr' && family === 4) return wrong('IPv6addr serves IPv6 only')
  const unusable = v4 === null ? unusable6(v6 ?? '') : unusable4(v4)
  if (unusable !== null) return wrong(`'${host}' ${unusable}`)
  const prefix = mask === undefined || mask === '' ? null : readPrefix(mask, family)
  if (prefix === 'wrong') return wrong(`'${mask ?? ''}' is not a prefix length from 1 to ${family === 4 ? 32 : 128}`)
  const device = readInterface(third, fourth)
  if (typeof device === 'string') return wrong(device)
  if (device.broadcast !== null && (family === 6 || readIpv4(device.broadcast) === null)) {
    return wrong(`'${device.broadcast}' is not a broadcast address`)
  }
  const netProblem = v4 === null || prefix === null ? null : notAHost(v4, prefix)
  if (netProblem !== null) return wrong(`'${host}' ${netProblem}`)
  return {
    kind: 'address',
    joinedIpv6: false,
    address: { family, address: v6 ?? host, prefix, ...device },
  }
}

const wrong = (message: string): AddressReading => ({ kind: 'wrong', message })

function unusable4(address: number): string | null {
  const first = Math.floor(address / 2 ** 24)
  if (first === 0 || first >= 240) return 'cannot be the address of a host'
  if (first === 127) return 'is a loopback address: every machine has it'
  return isMulticast(formatIpv4(address)) ? 'is a multicast address' : null
}

function unusable6(address: string): string | null {
  if (address === '::') return 'cannot be the address of a host'
  if (address === '::1') return 'is the loopback address: every machine has it'
  return isMulticast(address) ? 'is a multicast address' : null
}

function notAHost(address: number, prefix: number): string | null {
  if (prefix > 30) return null
  const size = 2 ** (32 - prefix)
  const host = address % size
  if (host === 0) return `is the network itself with /${prefix}`
  return host === size - 1 ? `is the broadcast address with /${prefix}` : null
}

/** A prefix length, or a dotted netmask, which IPaddr takes too. */
function readPrefix(mask: string, family: 4 | 6): number | 'wrong' {
  if (/^\d{1,3}$/.test(mask)) {
    const bits = Number(mask)
    return bits >= 1 && bits <= (family === 4 ? 32 : 128) ? bits : 'wrong'
  }
  const dotted = family === 4 ? readIpv4(mask) : null
  if (dotted === null || dotted === 0) return 'wrong'
  const zeros = Math.log2(2 ** 32 - dotted)
  return Number.isInteger(zeros) ? 32 - zeros : 'wrong'
}

/** Third and fourth part: interface with an optional label, and broadcast, either may be missing. */
function readInterface(
  third: string | undefined, fourth: string | undefined,
): { interface: string | null; label: string | null; broadcast: string | null } | string {
  const thirdIsBroadcast = fourth === undefined && third !== undefined && readIpv4(third) !== null
  const device = thirdIsBroadcast || third === undefined || third === '' ? null : third
  const broadcast = (thirdIsBroadcast ? third : fourth) ?? null
  if (device === null) return { interface: null, label: null, broadcast }
  if (device.length > kInterfaceCharsMax) return `'${device}' is longer than an interface name or label can be`
  const [name = '', ...label] = device.split(':')
  if (name === '' || label.length > 1 || label[0] === '') return `'${device}' is not an interface`
  return { interface: name, label: label.length === 0 ? null : device, broadcast }
}
