// Where things of the running Node live: its npm, npm's node-gyp, its C headers. Node built-ins only,
// because this runs before anything is installed. Nothing here may depend on a user's npmrc: a fresh
// account has none.
import { spawnSync } from 'node:child_process'
import {
  accessSync, constants, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync
} from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A failure whose message is all that the user needs: no stack. */
export class StepError extends Error {}

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** Private downloads (Node headers, other Node lines). Not inside node_modules: `npm ci` empties that. */
export const cacheDir = join(root, '.cache')

/** @param {string} name @returns {string | null} the first executable of that name on PATH */
export function onPath(name) {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    if (dir === '') continue
    const file = join(dir, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // not here
    }
  }
  return null
}

/** npm's JavaScript entry: of the npm that runs us, else beside the running node, else the one on PATH. */
export function findNpmCli() {
  const running = process.env.npm_execpath
  if (running !== undefined && running.endsWith('npm-cli.js') && existsSync(running)) return running
  const beside = join(dirname(realpathSync(process.execPath)), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js')
  if (existsSync(beside)) return beside
  const npm = onPath('npm')
  if (npm === null) return null
  const real = realpathSync(npm)
  return real.endsWith('.js') ? real : null
}

/** node-gyp's JavaScript entry: what npm names, else npm's own copy, else the one on PATH. */
export function findNodeGyp() {
  const named = process.env.npm_config_node_gyp
  if (named !== undefined && existsSync(named)) return named
  const npm = findNpmCli()
  if (npm !== null) {
    const own = join(dirname(npm), '..', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')
    if (existsSync(own)) return own
  }
  const tool = onPath('node-gyp')
  return tool === null ? null : realpathSync(tool)
}

/**
 * npm trusts only the authorities compiled into Node. Behind a company proxy the machine's own list has
 * one more, which apt and git already use: added here, so that a fresh account needs no npmrc for it.
 * @param {NodeJS.ProcessEnv} env
 */
export function withSystemAuthorities(env) {
  const bundle = '/etc/ssl/certs/ca-certificates.crt'
  if (env.NODE_EXTRA_CA_CERTS !== undefined || !existsSync(bundle)) return env
  return { ...env, NODE_EXTRA_CA_CERTS: bundle }
}

/** Arguments for a nested npm must not be mixed with those of the npm that may be running us. */
function nestedNpmEnv() {
  const env = withSystemAuthorities({ ...process.env })
  const inherited = ['global', 'location', 'omit', 'include', 'workspace', 'workspaces', 'dry_run', 'save', 'prefix',
    'package_lock', 'package_lock_only', 'local_prefix', 'ignore_scripts', 'nodedir', 'os', 'cpu', 'libc']
  for (const key of inherited) delete env[`npm_config_${key}`]
  return env
}

/**
 * Installs one package, without its scripts, into `dir`: made whole or not at all.
 * @param {string} spec @param {string} dir
 */
export function fetchPackage(spec, dir) {
  const npm = findNpmCli()
  if (npm === null) throw new StepError(`cannot fetch ${spec}: npm is not installed`)
  const part = `${dir}.part-${process.pid}`
  rmSync(part, { recursive: true, force: true })
  mkdirSync(part, { recursive: true })
  writeFileSync(join(part, 'package.json'), '{"private":true}\n')
  const args = [npm, 'install', '--prefix', part, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund',
    '--no-package-lock', '--global=false', '--loglevel=error', spec]
  const run = spawnSync(process.execPath, args, { cwd: part, env: nestedNpmEnv(), encoding: 'utf8', timeout: 300_000 })
  if (run.status !== 0) {
    rmSync(part, { recursive: true, force: true })
    throw new StepError(`npm could not fetch ${spec}: ${(run.stderr || String(run.error ?? 'no message')).trim()}`)
  }
  rmSync(dir, { recursive: true, force: true })
  renameSync(part, dir)
}

/** The npm package that carries a Node binary and its headers for this machine. */
export function nodePackageName() {
  const renamed = new Map([['arm', 'armv7l'], ['ppc64', 'ppc64le']])
  return `node-linux-${renamed.get(process.arch) ?? process.arch}`
}

/** @param {string} dir @returns {string | null} version of the headers of a Node install (or source tree) at `dir` */
export function headersVersion(dir) {
  for (const sub of [join('include', 'node'), 'src']) {
    const header = join(dir, sub, 'node_version.h')
    if (!existsSync(header) || !existsSync(join(dir, sub, 'node_api.h'))) continue
    const text = readFileSync(header, 'utf8')
    const part = (/** @type {string} */ name) => new RegExp(`^#define NODE_${name}_VERSION (\\d+)`, 'm').exec(text)?.[1]
    return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`
  }
  return null
}

/**
 * The folder to give node-gyp as `nodedir`. A folder that somebody named is taken as it is; one found by
 * ourselves must be of the running major version, since a distribution may ship headers of another Node
 * in the same prefix.
 * @returns {{ dir: string, from: string }}
 */
export function findHeaders() {
  const named = process.env.npm_config_nodedir
  if (named && headersVersion(named) !== null) return { dir: named, from: 'npm_config_nodedir' }
  const major = process.versions.node.split('.')[0]
  const prefix = resolve(dirname(realpathSync(process.execPath)), '..')
  if (headersVersion(prefix)?.split('.')[0] === major) return { dir: prefix, from: 'beside the node binary' }
  const spec = `${nodePackageName()}@${process.versions.node}`
  const cached = join(cacheDir, `headers-${process.arch}-${process.versions.node}`)
  const dir = join(cached, 'node_modules', nodePackageName())
  if (headersVersion(dir) === null) {
    console.error(`twinbeat: no C headers beside ${process.execPath}: fetching those of Node ${process.versions.node} ...`)
    fetchPackage(spec, cached)
    // The binary beside the headers is most of the package, and the one that runs us is used anyway.
    rmSync(join(dir, 'bin'), { recursive: true, force: true })
  }
  if (headersVersion(dir) === null) throw new StepError(`the npm package ${spec} has no include/node/node_api.h`)
  return { dir, from: `npm package ${spec}` }
}
