// Builds the native engine: the package's own `install` script (without one npm would run node-gyp by
// itself, which downloads Node's headers from a place that many machines cannot reach). Node built-ins
// only.
//   node scripts/install.mjs [--force]
// Nothing is done when the sources and the running Node are those of the last build.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { findHeaders, findNodeGyp, onPath, root } from './node-home.mjs'

// Two compilers at once: the build must not push a small machine that runs services into swap.
const jobs = 2
const binaries = ['twinbeat.node', 'twinbeat-guardian', 'twinbeat-spawner'].map((name) => join(root, 'build', 'Release', name))
const stamp = join(root, 'build', 'twinbeat.stamp')

/** @param {string} dir @returns {string[]} */
function filesUnder(dir) {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
}

function sourcesDigest() {
  const hash = createHash('sha256')
  const native = (/** @type {string} */ sub) => join(root, 'native', sub)
  const sources = ['abi', 'addon', 'core', 'guardian', 'spawner'].flatMap((sub) => filesUnder(native(sub)))
  const files = [join(root, 'binding.gyp'), native('sources.gypi'), ...sources]
  for (const file of files) hash.update(`${relative(root, file)}\0`).update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

/** What else the binary depends on: a change of it makes every object file stale. */
function toolsLine() {
  return `node ${process.version} modules ${process.versions.modules} ${process.platform}-${process.arch}`
}

/** @param {string} what @param {string} hint @returns {never} */
function fail(what, hint) {
  console.error(`twinbeat: the native engine was not built: ${what}\n  hint: ${hint}`)
  process.exit(1)
}

function requireTools() {
  const compiler = process.env.CXX?.trim().split(/\s+/)[0] || 'g++'
  const missing = [compiler, 'make', 'python3'].filter((tool) => onPath(tool) === null && !existsSync(tool))
  if (missing.length > 0) {
    fail(`${missing.join(', ')} not found`,
      'on Debian: apt-get install --no-install-recommends g++ make python3; then: npm rebuild')
  }
}

/** @param {string} gyp @param {string} command @param {string} nodedir */
function nodeGyp(gyp, command, nodedir) {
  const args = [gyp, command, `--nodedir=${nodedir}`, '--release', `--jobs=${jobs}`, '--loglevel=warn']
  const env = { ...process.env, JOBS: String(jobs) }
  const run = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' })
  if (run.status !== 0) {
    fail(`node-gyp ${command} ended with ${run.signal ?? run.status ?? run.error}`,
      'the first compiler message above names the cause; g++ 10 or newer is needed; again with: npm run build:native')
  }
}

function build(/** @type {{ force: boolean }} */ { force }) {
  const [tools, digest] = [toolsLine(), sourcesDigest()]
  const wanted = `${tools}\n${digest}\n`
  const last = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (!force && last === wanted && binaries.every((file) => existsSync(file))) return
  requireTools()
  const gyp = findNodeGyp()
  if (gyp === null) fail('node-gyp not found', 'it comes with npm: install npm beside this node')
  let headers
  try {
    headers = findHeaders()
  } catch (error) {
    fail(`no headers of Node ${process.versions.node}: ${error instanceof Error ? error.message : error}`,
      'set npm_config_nodedir to a folder that has include/node/node_api.h')
  }
  console.error(`twinbeat: building the native engine (headers: ${headers.from}, ${headers.dir})`)
  // Without its stamp a half-made build is never taken for a good one; the old binary goes too, so that
  // a failure is seen.
  rmSync(stamp, { force: true })
  for (const file of binaries) rmSync(file, { force: true })
  if (!force && last.startsWith(`${tools}\n`)) {
    nodeGyp(gyp, 'configure', headers.dir)
    nodeGyp(gyp, 'build', headers.dir)
  } else {
    nodeGyp(gyp, 'rebuild', headers.dir)
  }
  const missing = binaries.find((file) => !existsSync(file))
  if (missing !== undefined) fail(`node-gyp made no ${relative(root, missing)}`, 'again with: npm run build:native')
  writeFileSync(stamp, wanted)
}

build({ force: process.argv.includes('--force') })
