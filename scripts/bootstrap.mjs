// Takes a plain clone on a fresh Debian to a built tree: Debian packages, npm packages, native engine, TypeScript. Each
// part is skipped when it is there. Node built-ins only; used by `npm run demo` and `npm test`.
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { installPackages } from './apt.mjs'
import { findHeaders, findNpmCli, onPath, root, withSystemAuthorities } from './node-home.mjs'
import { missingPackages } from './packages.mjs'
import { StepError, neededStep, progress, quietStep } from './steps.mjs'

const nodeLeast = [20, 19]
const haDaemons = ['heartbeat', 'pacemakerd', 'corosync', 'keepalived']
const npmTimeoutMs = 15 * 60_000

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = nodeLeast
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    throw new StepError(`Node ${process.versions.node} is too old: ${nodeLeast.join('.')} or newer is needed`)
  }
}

/** What on this machine a newly installed rival could disturb, or null. @returns {string | null} */
function foreignCluster() {
  if (existsSync('/etc/ha.d/ha.cf')) return 'this machine has a cluster configuration, /etc/ha.d/ha.cf'
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    let name = ''
    try {
      name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    } catch {
      continue // ended while we looked
    }
    if (haDaemons.includes(name)) return `${name} runs on this machine (pid ${pid})`
  }
  return null
}

/** @param {'demo' | 'test' | 'fuzz'} command @param {{ yes: boolean }} options */
async function debianPackages(command, { yes }) {
  const missing = missingPackages(command)
  if (missing.length === 0) return
  const names = missing.map((pkg) => pkg.name).join(' ')
  const root = process.getuid?.() === 0
  if (!root || onPath('apt-get') === null) {
    throw new StepError(`missing: ${names} (${root ? 'no apt-get here: install them by hand' : `as root: apt-get install --no-install-recommends ${names}`})`)
  }
  const rivals = missing.filter((pkg) => pkg.rival).map((pkg) => pkg.name)
  const foreign = rivals.length === 0 ? null : foreignCluster()
  if (foreign !== null && !yes) {
    throw new StepError(`${foreign}, so ${rivals.join(' ')} is not installed beside it; '--yes' installs it anyway (it is not started)`)
  }
  progress(`needs Debian packages that are not here: ${names}`)
  for (const pkg of missing) progress(`  ${pkg.name}: ${pkg.why}`)
  await installPackages(missing)
  const still = missingPackages(command).map((pkg) => pkg.name)
  if (still.length > 0) throw new StepError(`still missing after the installation: ${still.join(' ')}`)
}

/**
 * By content, not by age: git gives a checked-out lock file any age. Optional packages may be absent.
 * @returns {boolean} whether node_modules holds what the lock file says
 */
function modulesMatchLock() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const packagesOf = (/** @type {string} */ file) => JSON.parse(readFileSync(file, 'utf8')).packages ?? {}
  const have = packagesOf(installed)
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(([path, wanted]) => {
    if (path === '' || wanted.link) return true
    if (have[path] === undefined) return wanted.optional === true || wanted.devOptional === true
    return have[path].version === wanted.version && existsSync(join(root, path))
  })
}

/** @param {NodeJS.ProcessEnv} env */
async function npmPackages(env) {
  if (modulesMatchLock()) return
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new StepError('node_modules is a link and does not match package-lock.json: run npm ci where it points to')
  }
  const npm = findNpmCli()
  if (npm === null) throw new StepError('npm is not installed: it comes with Node')
  const args = [npm, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  await neededStep('npm ci (npm packages and native engine)', process.execPath, args, { cwd: root, env, timeoutMs: npmTimeoutMs })
}

/** raw-socket only measures, and needs a compiler: npm drops it without a word when that fails, so it is looked at here. */
async function rawSocket(/** @type {NodeJS.ProcessEnv} */ env) {
  const require = createRequire(join(root, 'package.json'))
  const loads = () => {
    try {
      require('raw-socket')
      return true
    } catch {
      return false
    }
  }
  const npm = findNpmCli()
  if (loads() || npm === null || !existsSync(join(root, 'node_modules', 'raw-socket'))) return
  const built = await quietStep('npm rebuild raw-socket', process.execPath, [npm, 'rebuild', 'raw-socket', '--loglevel=error'],
    { cwd: root, env, timeoutMs: npmTimeoutMs })
  if (!built.ok || !loads()) progress('raw-socket did not build: the ICMP prober of the measuring client is not available')
}

/**
 * @param {{ command: 'demo' | 'test' | 'fuzz', yes: boolean, compile: boolean }} options `compile`: TypeScript too
 */
export async function bootstrap({ command, yes, compile }) {
  requireNode()
  await debianPackages(command, { yes })
  // Found before `npm ci`, because dependencies compile too and would look for a download.
  const headers = modulesMatchLock() ? null : findHeaders()
  const env = withSystemAuthorities({ ...process.env, ...(headers === null ? {} : { npm_config_nodedir: headers.dir }) })
  await npmPackages(env)
  await rawSocket(headers === null ? { ...env, npm_config_nodedir: findHeaders().dir } : env)
  await neededStep('native engine', process.execPath, [join(root, 'scripts', 'install.mjs')], { cwd: root, env, timeoutMs: npmTimeoutMs })
  if (compile) await compileTypes()
}

/** tsc, quiet unless it fails. */
export async function compileTypes() {
  const tsc = join(root, 'node_modules', 'typescript', 'lib', 'tsc.js')
  await neededStep('tsc', process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], { cwd: root, timeoutMs: 5 * 60_000 })
}
