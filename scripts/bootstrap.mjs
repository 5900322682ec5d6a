// Takes a plain clone on a fresh Debian to a built tree: Debian packages, npm packages, native
// engine, TypeScript. Each part is skipped when it is there. Node built-ins only; used by
// `npm run demo`, `npm test` and `npm run fuzz`.
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { installPackages, repairPolicy } from './apt.mjs'
import { cacheDir, findHeaders, findNpmCli, onPath, root, withSystemAuthorities } from './node-home.mjs'
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

/** @param {import('./packages.mjs').SetUp} command @param {{ yes: boolean }} options */
async function debianPackages(command, { yes }) {
  const missing = missingPackages(command)
  if (missing.length === 0) return
  const names = missing.map((pkg) => pkg.name).join(' ')
  const hasApt = onPath('apt-get') !== null
  if (process.getuid?.() !== 0 || !hasApt) {
    const how = hasApt ? `as root: apt-get install --no-install-recommends ${names}` : 'no apt-get here'
    throw new StepError(`missing Debian packages: ${names} (${how})`)
  }
  const rivals = missing.filter((pkg) => pkg.rival).map((pkg) => pkg.name)
  const foreign = rivals.length === 0 ? null : foreignCluster()
  if (foreign !== null && !yes) {
    throw new StepError(`${foreign}, so ${rivals.join(' ')} is not installed beside it; ` +
      "'--yes' installs it anyway (it is not started)")
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
  const options = { cwd: root, env, timeoutMs: npmTimeoutMs }
  await neededStep('npm ci (npm packages and native engine)', process.execPath, args, options)
}

/**
 * raw-socket only measures. npm drops it in silence when it does not build, as in a plain `npm ci` that looked for Node's
 * headers on the net; so it is asked for once more, and a failure is remembered: it would cost half a minute each time.
 * @param {NodeJS.ProcessEnv} env
 */
async function rawSocket(env) {
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
  const gaveUp = join(cacheDir, `raw-socket-not-built-${process.versions.modules}`)
  if (npm === null || loads() || existsSync(gaveUp)) return
  const isThere = existsSync(join(root, 'node_modules', 'raw-socket'))
  const ask = isThere ? ['rebuild', 'raw-socket'] : ['install', '--no-save', '--ignore-scripts=false']
  const options = { cwd: root, env, timeoutMs: npmTimeoutMs }
  await quietStep('raw-socket', process.execPath, [npm, ...ask, '--no-audit', '--no-fund', '--loglevel=error'], options)
  if (loads()) return
  progress('raw-socket did not build: the measuring client has no ICMP prober')
  mkdirSync(cacheDir, { recursive: true })
  writeFileSync(gaveUp, '')
}

/**
 * @param {{ command: import('./packages.mjs').SetUp, yes: boolean, compile: boolean }} options `compile`: TypeScript too
 */
export async function bootstrap({ command, yes, compile }) {
  requireNode()
  repairPolicy()
  await debianPackages(command, { yes })
  // Found before `npm ci`, because dependencies compile too and would look for a download.
  const env = withSystemAuthorities({ ...process.env, npm_config_nodedir: findHeaders().dir })
  await npmPackages(env)
  await rawSocket(env)
  const install = join(root, 'scripts', 'install.mjs')
  await neededStep('native engine', process.execPath, [install], { cwd: root, env, timeoutMs: npmTimeoutMs })
  if (compile) await compileTypes()
}

/** tsc, quiet unless it fails. */
export async function compileTypes() {
  const tsc = join(root, 'node_modules', 'typescript', 'lib', 'tsc.js')
  const project = join(root, 'tsconfig.json')
  await neededStep('tsc', process.execPath, [tsc, '-p', project], { cwd: root, timeoutMs: 5 * 60_000 })
}
