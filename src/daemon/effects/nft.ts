// Runs nft with a script on its standard input, in one transaction.
import { existsSync } from 'node:fs'
import { nftPrograms } from '../../config/service-rules.js'
import { spawner } from '../../system/spawner.js'

/** It waits for nobody but the kernel; longer than this is a kernel that does not answer. */
const answerMaxMs = 10_000

export async function runNft(script: string): Promise<string | null> {
  const program = nftPrograms.find((path) => existsSync(path))
  if (program === undefined) return 'nft is not installed'
  const run = spawner().run({
    program, args: ['-f', '-'], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    input: script, capture: true, dieWithDaemon: true,
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => { resolve(`no answer within ${String(answerMaxMs / 1000)} s`) }, answerMaxMs)
  })
  const ended = run.end.then((end) => {
    if (end.kind === 'lost') return 'how it ended is not known'
    if (end.kind === 'unstartable') return `cannot be started: ${end.code}`
    return end.exitCode === 0 ? null : end.stderr.trim().split('\n')[0] ?? `exit code ${String(end.exitCode)}`
  })
  try {
    return await Promise.race([ended, late])
  } finally {
    clearTimeout(timer)
  }
}
