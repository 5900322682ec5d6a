// The C++ tests: configure, build, ctest, counts. `npm run test:native`, `test:asan`, `test:tsan`, and a
// stage of `npm test`.
//   node scripts/native-tests.mjs debug|asan|tsan
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './node-home.mjs'
import { StepError, guardSignals, neededStep, progress, runCommand } from './steps.mjs'

const buildTimeoutMs = 20 * 60_000
const testTimeoutMs = 5 * 60_000

/** gcc's TSan cannot work in the widely randomised memory layout of newer kernels: turned off for it. */
function testCommand(/** @type {string} */ preset) {
  const ctest = ['ctest', '--preset', preset, '--output-junit', 'junit.xml']
  return preset === 'tsan' ? ['setarch', '-R', ...ctest] : ctest
}

/** @param {string} preset @returns {Promise<import('./test.mjs').Counts>} */
export async function nativeTests(preset) {
  const env = { ...process.env, ASAN_OPTIONS: 'detect_stack_use_after_return=1', TSAN_OPTIONS: 'halt_on_error=1' }
  const options = { cwd: root, env, timeoutMs: buildTimeoutMs }
  await neededStep(`cmake configure (${preset})`, 'cmake', ['--preset', preset], options)
  await neededStep(`cmake build (${preset})`, 'cmake', ['--build', '--preset', preset], options)
  const junit = join(root, `build-${preset}`, 'junit.xml')
  rmSync(junit, { force: true })
  const [command = '', ...args] = testCommand(preset)
  const code = await runCommand(command, args, { cwd: root, env, timeoutMs: testTimeoutMs })
  const head = existsSync(junit) ? /<testsuite\b[^>]*>/.exec(readFileSync(junit, 'utf8'))?.[0] ?? '' : ''
  const count = (/** @type {string} */ name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0)
  const [failed, skipped] = [count('failures'), count('skipped') + count('disabled')]
  const passed = count('tests') - failed - skipped
  if (code !== 0 && failed === 0) throw new StepError(`ctest ended with ${code} and named no failed test`)
  return { passed, failed, skipped }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  guardSignals()
  try {
    const { passed, failed, skipped } = await nativeTests(process.argv[2] ?? 'debug')
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    progress(error.message)
    process.exitCode = 1
  }
}
