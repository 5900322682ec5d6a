// Whether the disks of the state folders answer at all. Asked by a process of its own before the start touches
// them: whoever waits in the kernel for a disk that hangs can neither go on, nor say why, nor be ended.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TwinbeatError } from '../errors.js'
import { signalGroup } from '../lrm/process-group.js'

/** A disk that spins up, or empties a full journal, may take seconds; the start of a real one takes milliseconds. */
const answerMaxMs = 10_000
/** What a start does there: a small file, written through, renamed or removed. Refusals are not its business. */
const script = 'for d; do dd if=/dev/zero of="$d/.answers" bs=1 count=1 conv=fsync; rm -f "$d/.answers"; done'

export interface DiskFolders {
  readonly stateDir: string
  readonly heartbeatDir: string
}

export async function refuseHungDisk(folders: DiskFolders, maxMs = answerMaxMs): Promise<void> {
  const dirs = [nearest(folders.stateDir), ...(existsSync(folders.heartbeatDir) ? [folders.heartbeatDir] : [])]
  // A group of its own: what waits for the disk is a child of the shell, and would outlive it.
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...dirs], { stdio: 'ignore', detached: true })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => { timer = setTimeout(() => { resolve(true) }, maxMs) })
  const answered = new Promise<boolean>((resolve) => {
    child.once('exit', () => { resolve(false) })
    child.once('error', () => { resolve(false) })
  })
  const hangs = await Promise.race([answered, late])
  clearTimeout(timer)
  if (!hangs) return
  if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
  child.unref()
  const why = `the disk below '${dirs.join("' or '")}' did not answer within ${String(maxMs / 1000)} s`
  throw new TwinbeatError('TB_STATE_WRITE', why, { hint: "the disk hangs: see 'dmesg | tail'; the peer has what this node would run" })
}

/** The folder, or what it would be made in. */
function nearest(folder: string): string {
  const whole = path.resolve(folder)
  return existsSync(whole) || whole === path.dirname(whole) ? whole : nearest(path.dirname(whole))
}
