import { must } from '../../../lab/processes.js'

/** Version of an installed Debian package. */
export async function packageVersion(name: string): Promise<string> {
  const text = await must(['dpkg-query', '-s', name]).catch(() => '')
  return /^Version: (.*)$/m.exec(text)?.[1] ?? 'unknown'
}
