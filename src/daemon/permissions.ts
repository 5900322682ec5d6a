// Who may do what over the control socket: root everything; users named in apiauth everything; the group of
// `control_group` (haclient) may look.
import { readFileSync } from 'node:fs'
import type { ClusterConfig } from '../config/model.js'
import type { Permission } from '../control/server.js'

interface Accounts {
  readonly passwd: string
  readonly group: string
}

function readAccounts(): Accounts {
  const read = (file: string): string => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return ''
    }
  }
  return { passwd: read('/etc/passwd'), group: read('/etc/group') }
}

const rows = (text: string): string[][] => text.split('\n').map((line) => line.split(':'))

export function permissionOf(
  uid: number,
  gid: number,
  config: ClusterConfig,
  accounts = readAccounts(),
): Permission {
  if (uid === 0) return 'write'
  const user = rows(accounts.passwd).find((row) => Number(row[2]) === uid && row[2] !== '')?.[0] ?? null
  const groupsOfUser = new Set(
    rows(accounts.group)
      .filter(
        (row) =>
          (row[2] !== '' && Number(row[2]) === gid) ||
          (user !== null && (row[3] ?? '').split(',').includes(user)),
      )
      .map((row) => row[0] ?? ''),
  )
  const named = config.apiauth.some(
    (entry) => (user !== null && entry.uids.includes(user)) || entry.uids.includes(String(uid)),
  )
  if (named) return 'write'
  return groupsOfUser.has(config.twinbeat.controlGroup) ? 'read' : 'none'
}
