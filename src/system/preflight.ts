// What must not be there when this daemon starts: another manager of addresses in the same network
// namespace, a service address that the system itself configures at boot, our own twin.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { TwinbeatError } from '../errors.js'

/** Process names of managers that would fight over the same addresses. */
const rivalNames = new Set(['heartbeat', 'pacemakerd', 'corosync', 'keepalived', 'ucarp', 'vip-manager'])

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
export function findRivals(procDir = '/proc'): Rival[] {
  const ours = linkOf(path.join(procDir, 'self/ns/net'))
  const rivals: Rival[] = []
  for (const entry of readdirSync(procDir)) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue
    let name: string
    try {
      name = readFileSync(path.join(procDir, entry, 'comm'), 'utf8').trim()
    } catch {
      continue
    }
    if (rivalNames.has(name) && linkOf(path.join(procDir, entry, 'ns/net')) === ours) {
      rivals.push({ name, pid: Number(entry) })
    }
  }
  return rivals
}

export function refuseRivals(): void {
  const rivals = findRivals()
  if (rivals.length === 0) return
  const list = rivals.map((rival) => `${rival.name} (pid ${String(rival.pid)})`).join(', ')
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
    text.split('\n').forEach((raw, index) => {
      const line = raw.replace(/^\s*[#;].*$/, '')
      for (const word of line.split(/[^0-9A-Fa-f.:]+/)) {
        if (wanted.has(word)) found.push({ address: word, file, line: index + 1 })
      }
    })
  }
  return found
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
