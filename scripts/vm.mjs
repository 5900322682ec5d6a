// `npm run test:vm`: a pair on emulated machines. Installs what that needs, builds, and hands over to test/vm/run.ts,
// which knows the options. Where no machine can be emulated it says why, and that is no failure.
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { root } from './node-home.mjs'
import { missingPackages } from './packages.mjs'
import { StepError, asCommand, progress, runCommand } from './steps.mjs'

const suiteTimeoutMs = 40 * 60_000

async function main() {
  const args = process.argv.slice(2)
  try {
    await bootstrap({ command: 'vm', yes: false, compile: true })
  } catch (error) {
    const missing = missingPackages('vm').map((pkg) => pkg.name)
    if (!(error instanceof StepError) || missing.length === 0) throw error
    progress(error.message)
    console.log(`skipped: no machine can be emulated here without ${missing.join(' ')}`)
    return
  }
  const runner = join(root, 'dist', 'test', 'vm', 'run.js')
  process.exitCode = await runCommand(process.execPath, ['--enable-source-maps', runner, ...args], { cwd: root, timeoutMs: suiteTimeoutMs })
}

await asCommand(main)
