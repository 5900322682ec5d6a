// The lock of the run folder, which a daemon shares with its guardian. A new daemon waits for the guardian of an old one
// to finish: until then addresses of the old life may still be there. Only the successor of a planned restart goes on
// beside it, and relieves it when its own guardian guards.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { GuardianLine, guardCalls, parseGuardianStatus } from '../engine/guardian.js'
import { TwinbeatError } from '../errors.js'
import { errnoName } from './link-words.js'

export interface RunLock {
  /** To be shared with our guardian. Locked, unless an old guardian is still to be relieved. */
  readonly fd: number
  readonly old: GuardianLine | null
  /** For the log, which is not open yet. */
  readonly waitedMs: number
}

const wouldBlock = -11
const everyMs = 20
/** A running daemon is not a matter of time; one that died is noticed by its guardian within this. */
const decideMs = 500
/** A guardian that lets go and does not come to an end: the kernel's own lock is held, or the old process cannot die. */
const waitMaxMs = 30_000

/** Takes the lock of the folder, or finds out that another daemon runs there. */
export async function takeRunLock(runDir: string, say: (text: string) => void): Promise<RunLock> {
  const file = path.join(runDir, 'lock')
  const fd = guardCalls().openLock(file)
  if (fd < 0) throw new TwinbeatError('TB_RUN_DIR', `cannot write '${file}': ${errnoName(-fd)}`)
  const since = performance.now()
  let told = false
  for (;;) {
    const answer = guardCalls().lock(fd)
    const waitedMs = performance.now() - since
    if (answer === 0) return { fd, old: null, waitedMs: told ? waitedMs : 0 }
    if (answer !== wouldBlock) throw new TwinbeatError('TB_RUN_DIR', `cannot lock '${file}': ${errnoName(-answer)}`)
    const found = await findGuardian(runDir)
    if (found.line !== null) return { fd, old: found.line, waitedMs: 0 }
    const limit = found.finishing ? waitMaxMs : decideMs
    if (waitedMs >= limit) throw new TwinbeatError('TB_ALREADY_RUNNING', `another twinbeatd holds '${file}'${found.why}`)
    if (found.finishing && !told) {
      told = true
      say('the guardian of the daemon before still lets go of its addresses: waiting for it')
    }
    await new Promise((resolve) => { setTimeout(resolve, everyMs) })
  }
}

interface Found {
  /** Ours to relieve. */
  readonly line: GuardianLine | null
  readonly finishing: boolean
  readonly why: string
}

async function findGuardian(runDir: string): Promise<Found> {
  const line = await GuardianLine.open(runDir)
  const nothing: Found = { line: null, finishing: false, why: '' }
  if (line === null) return nothing
  try {
    const status = parseGuardianStatus(await line.ask('status'))
    if (status.state === 'keeping' && (status.daemon === process.pid || isGone(status.daemon))) {
      return { line, finishing: false, why: '' }
    }
    line.close()
    const finishing = status.state === 'acting' || (status.state !== 'done' && isGone(status.daemon))
    const why = status.state === 'acting' ? `: its guardian (pid ${String(status.pid)}) does not come to an end` : ''
    return { line: null, finishing, why }
  } catch {
    // It listens and is held up: busy, or standing still like its machine.
    line.close()
    return { line: null, finishing: true, why: ': its guardian does not answer' }
  }
}

/** Dead, or only waiting for somebody to collect it. */
function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return true
  }
}

/** After the old guardian was relieved: the lock is free within moments. */
export async function lockAfterRelief(fd: number): Promise<boolean> {
  for (const until = performance.now() + decideMs; performance.now() < until;) {
    if (guardCalls().lock(fd) === 0) return true
    await new Promise((resolve) => { setTimeout(resolve, everyMs) })
  }
  return false
}
