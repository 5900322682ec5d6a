// `npm run fuzz [-- --seconds N name ...]`: every fuzzer of native/fuzz for a while, from its committed
// corpus. New inputs go to .cache; one that crashes is kept there too, to be moved to native/fuzz/corpus
// with its fix.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { cacheDir, root } from './node-home.mjs'
import { StepError, asCommand, neededStep, progress, runCommand } from './steps.mjs'

const secondsDefault = 10
const buildTimeoutMs = 10 * 60_000

/** @param {string} name @param {number} seconds @returns {Promise<boolean>} */
async function fuzz(name, seconds) {
  const committed = join(root, 'native', 'fuzz', 'corpus', name)
  const found = join(cacheDir, 'fuzz', name)
  mkdirSync(found, { recursive: true })
  const args = [`-max_total_time=${seconds}`, '-timeout=5', '-rss_limit_mb=1024', '-print_final_stats=1',
    `-artifact_prefix=${found}/crash-`, found, ...(existsSync(committed) ? [committed] : [])]
  const code = await runCommand(join(root, 'build-fuzz', name), args, { cwd: root, timeoutMs: (seconds + 60) * 1000 })
  progress(`${name}: ${code === 0 ? 'nothing found' : `FAILED, see ${found}`}`)
  return code === 0
}

async function main() {
  const args = process.argv.slice(2)
  const at = args.indexOf('--seconds')
  const seconds = at < 0 ? secondsDefault : Number(args[at + 1])
  if (!Number.isInteger(seconds) || seconds < 1) throw new StepError('--seconds takes a whole number')
  if (at >= 0) args.splice(at, 2)
  await bootstrap({ command: 'fuzz', yes: args.includes('--yes'), compile: false })
  const all = readdirSync(join(root, 'native', 'fuzz'))
    .filter((file) => file.endsWith('_fuzz.cc'))
    .map((file) => file.slice(0, -'.cc'.length))
  const names = args.filter((arg) => !arg.startsWith('--'))
  const chosen = names.length === 0 ? all : all.filter((name) => names.includes(name))
  if (chosen.length === 0) throw new StepError(`no fuzzer of that name; there are: ${all.join(' ') || 'none'}`)
  const options = { cwd: root, timeoutMs: buildTimeoutMs }
  await neededStep('cmake configure (fuzz)', 'cmake', ['--preset', 'fuzz'], options)
  await neededStep('cmake build (fuzz)', 'cmake', ['--build', '--preset', 'fuzz'], options)
  let failed = 0
  for (const name of chosen) if (!(await fuzz(name, seconds))) failed++
  console.log(`${chosen.length - failed} passed, ${failed} failed, 0 skipped`)
  process.exitCode = failed > 0 ? 1 : 0
}

await asCommand(main)
