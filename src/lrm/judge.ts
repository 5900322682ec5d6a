// Pure readings of what agents print. Kept apart from the classes because they carry the
// semantics that users' scripts rely on, and are tested with arbitrary text.

const EXIT_REASON_PREFIX = 'ocf-exit-reason:'
const REASON_LENGTH_MAX = 512

/**
 * The rule of haresources: "not ", then anywhere behind it "running" says no; otherwise "running"
 * or "OK" anywhere says yes; anything else says no. The odd cases of letters are the original's.
 * Two searches instead of one pattern: `not .*running` is quadratic on a hostile answer.
 */
export function ownedByText(stdout: string): boolean {
  const negation = stdout.search(/[Nn][Oo][Tt] /)
  if (negation >= 0 && /[Rr]unning/.test(stdout.slice(negation))) return false
  return /[Rr]unning|OK/.test(stdout)
}

/** Text after the last `ocf-exit-reason:` line of stderr, null if there is none. */
export function exitReason(stderr: string): string | null {
  let reason: string | null = null
  for (const line of stderr.split('\n')) {
    if (!line.startsWith(EXIT_REASON_PREFIX)) continue
    const text = line.slice(EXIT_REASON_PREFIX.length).trim()
    if (text !== '') reason = text.slice(0, REASON_LENGTH_MAX)
  }
  return reason
}

/** Last line with something in it: the best short explanation an agent without reasons gives. */
export function lastLine(text: string): string | null {
  const lines = text.split('\n')
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = (lines[i] ?? '').trim()
    if (line !== '') return line.slice(0, REASON_LENGTH_MAX)
  }
  return null
}

/** 'why: what it printed last', or only the first part when it printed nothing. */
export function explain(why: string, stdout: string, stderr: string): string {
  const said = exitReason(stderr) ?? lastLine(stderr) ?? lastLine(stdout)
  return said === null ? why : `${why}: ${said}`
}
