// What must not be there when this daemon starts: another manager of addresses in the same network
// namespace, a service address that the system itself configures at boot, our own twin.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { TwinbeatError } from '../errors.js'

/** Process names of managers that would fight over the same addresses. */
const rivalNames = new Set(['twinbeatd', 'heartbeat', 'pacemakerd', 'corosync', 'keepalived', 'ucarp', 'vip-manager'])

export interface Rival {
  readonly name: string
  readonly pid: number
}

function linkOf(file: string): string | null {
  try {
    return readlinkSync(file)
  } catch {
    return null
  }
}

/** Running rivals that share our network namespace. A process that ends meanwhile is none. */
export function findRivals(procDir = '/proc', ownPid = process.pid): Rival[] {
  const ours = linkOf(path.join(procDir, 'self/ns/net'))
  const rivals: Rival[] = []
  for (const entry of readdirSync(procDir)) {
    if (!/^\d+$/.test(entry) || Number(entry) === ownPid) continue
    let name: string
    try {
      name = readFileSync(path.join(procDir, entry, 'comm'), 'utf8').trim()
    } catch {
      continue
    }
    if (rivalNames.has(name) && ours !== null && linkOf(path.join(procDir, entry, 'ns/net')) === ours) {
      rivals.push({ name, pid: Number(entry) })
    }
  }
  return rivals
}

export function refuseRivals(): void {
  const rivals = findRivals()
  if (rivals.length === 0) return
  const list = rivals.map((rival) => `${rival.name} (pid ${String(rival.pid)})`).join(', ')
  if (rivals.every((rival) => rival.name === 'twinbeatd')) {
    throw new TwinbeatError('TB_ALREADY_RUNNING', `another twinbeatd runs in this network namespace: ${list}`)
  }
  throw new TwinbeatError('TB_FOREIGN_MANAGER', `already running in this network namespace: ${list}`)
}

/** Where Debian and systemd machines write their static addresses. */
const networkFiles = ['/etc/network/interfaces']
const networkDirs = [
  '/etc/network/interfaces.d',
  '/etc/systemd/network',
  '/run/systemd/network',
  '/etc/netplan',
  '/etc/NetworkManager/system-connections',
  '/etc/sysconfig/network-scripts',
]
const networkFileMaxBytes = 1024 * 1024

export interface ConfiguredAddress {
  readonly address: string
  readonly file: string
  readonly line: number
}

/** Service addresses that the system would bring up by itself, with the place that says so. */
export function findConfiguredAddresses(
  addresses: readonly string[],
  read: (file: string) => string | null = readSmall,
  list: (dir: string) => readonly string[] = listDir,
): ConfiguredAddress[] {
  const wanted = new Set(addresses)
  const found: ConfiguredAddress[] = []
  const files = [
    ...networkFiles,
    ...networkDirs.flatMap((dir) => list(dir).map((name) => path.join(dir, name))),
  ]
  for (const file of files) {
    const text = read(file)
    if (text === null) continue
    for (const { text: line, number } of linesWithAddresses(text)) {
      for (const word of line.split(/[^0-9A-Fa-f.:]+/)) {
        const address = word.toLowerCase()
        if (wanted.has(address)) found.push({ address, file, line: number })
      }
    }
  }
  return found
}

/** Keys whose values are addresses of others: a name server that runs on the pair is no address of this machine. */
const othersKey = /^(gateway|dns|nameserver|ntp|route|via|to|from|metric|peer|neighbo)/i

/** Lines that may give this machine an address: no comments, no keys of others, nor the block below such a key. */
function linesWithAddresses(text: string): { text: string; number: number }[] {
  let othersIndent: number | null = null
  return text.split('\n').flatMap((line, index) => {
    const words = line.trimStart().replace(/^- /, '')
    const indent = line.length - line.trimStart().length
    if (words === '' || /^[#;]/.test(words)) return []
    if (othersIndent !== null && indent > othersIndent) return []
    const others = othersKey.test(words)
    othersIndent = others && /:\s*$/.test(words) ? indent : null
    return others ? [] : [{ text: line, number: index + 1 }]
  })
}

export function refuseConfiguredAddresses(addresses: readonly string[]): void {
  const first = findConfiguredAddresses(addresses)[0]
  if (first === undefined) return
  throw new TwinbeatError(
    'TB_ADDRESS_CONFIGURED',
    `the system configures ${first.address} by itself: ${first.file}:${String(first.line)}`,
  )
}

function readSmall(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').slice(0, networkFileMaxBytes)
  } catch {
    return null
  }
}

function listDir(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
