// Which hardware address answers for the measured address, as the kernel of the measuring machine believes it.
// IPv4: /proc/net/arp, read every few milliseconds, which needs no other program. IPv6 has no such file: `ip monitor`.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { createInterface } from 'node:readline'

const pollMs = 5
/** A table of this size takes its time to read. */
const largeTableBytes = 16 * 1024
const slowPollMs = 100

export interface OwnerWatch {
  close(): void
}

/** Tells every hardware address that is seen, also again; never "none". */
export function watchOwner(address: string, seen: (mac: string) => void): OwnerWatch {
  return isIPv6(address) ? watchNeighbours(address, seen) : watchArp(address, seen)
}

function watchArp(address: string, seen: (mac: string) => void): OwnerWatch {
  let timer: NodeJS.Timeout | null = null
  const look = (): void => {
    const table = readTable()
    if (table === null) return
    const mac = macInArpTable(table, address)
    if (mac !== null) seen(mac)
    timer = setTimeout(look, table.length > largeTableBytes ? slowPollMs : pollMs)
  }
  look()
  return { close: () => (timer === null ? undefined : clearTimeout(timer)) }
}

/** Null: there is no such table here, the owner stays unknown. */
function readTable(): string | null {
  try {
    return readFileSync('/proc/net/arp', 'latin1')
  } catch {
    return null
  }
}

/** A complete entry of the address, null if there is none. */
export function macInArpTable(table: string, address: string): string | null {
  for (const line of table.split('\n')) {
    if (!line.startsWith(`${address} `)) continue
    const [, , flags = '0x0', mac = ''] = line.split(/\s+/)
    if ((Number(flags) & 2) !== 0 && mac !== '00:00:00:00:00:00') return mac
  }
  return null
}

function watchNeighbours(address: string, seen: (mac: string) => void): OwnerWatch {
  const wanted = address.replace(/%.*$/, '').toLowerCase()
  const children = [['-6', 'monitor', 'neigh'], ['-6', 'neigh', 'show', 'to', wanted]].map((words) => {
    const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'ignore'] })
    // Without ip(8) the owner stays unknown.
    child.on('error', () => undefined)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const mac = macInNeighbourLine(line, wanted)
      if (mac !== null) seen(mac)
    })
    return child
  })
  return { close: () => children.forEach((child) => child.kill('SIGTERM')) }
}

/** `ADDRESS dev IF lladdr MAC ... STATE`, as `ip neigh` and `ip monitor neigh` print it. */
export function macInNeighbourLine(line: string, address: string): string | null {
  const match = /^(\S+) dev \S+ lladdr (\S+)/.exec(line)
  return match !== null && match[1]?.toLowerCase() === address ? match[2] ?? null : null
}
