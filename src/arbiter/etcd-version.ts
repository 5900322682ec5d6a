// Which versions of etcd revoke leases before their time, and what is said of them.

/** Since these a leader that stood still asks who leads before it revokes what it believes to have ended. */
const careful: readonly (readonly [major: number, minor: number, patch: number])[] = [[3, 4, 31], [3, 5, 13]]

export interface MemberVersion {
  readonly endpoint: string
  readonly version: string
}

/** Not for one that cannot be read. */
export function hasty(version: string): boolean {
  const match = /^(\d{1,4})\.(\d{1,4})\.(\d{1,4})/.exec(version)
  if (match === null) return false
  const [major, minor, patch] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const row = careful.find((known) => known[0] === major && known[1] === minor)
  if (row !== undefined) return patch < row[2]
  return major < 3 || (major === 3 && minor < 4)
}

/** One text for all of them: it is the same upgrade. */
export function noticesOf(members: readonly MemberVersion[]): readonly string[] {
  const old = members.filter(({ version }) => hasty(version))
  if (old.length === 0) return []
  const list = old.map(({ endpoint, version }) => `${version} at ${endpoint}`).join(', ')
  return [`etcd before 3.4.31 and 3.5.13 may revoke leases before their time when its leader stood still (${list}): a key that goes `
    + 'so early is taken a whole lease_ttl later; upgrade etcd']
}
