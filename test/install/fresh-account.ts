// A clone of this repository and an account that has nothing: an empty HOME, no npmrc, no variables but the way to the
// network. The machine that runs the tests may have a `nodedir` in its npmrc, which hides a missing step.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

export interface Outcome {
  readonly code: number | null
  readonly output: string
}

export interface FreshAccount {
  readonly home: string
  readonly clone: string
  run: (command: string, args: readonly string[], options?: { cwd?: string, path?: string }) => Outcome
  remove: () => void
}

const systemAuthorities = '/etc/ssl/certs/ca-certificates.crt'
const timeoutMs = 10 * 60_000

function wayToTheNetwork(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => /^(https?_proxy|no_proxy|npm_config_registry)$/i.test(name))
  const authorities = process.env['NODE_EXTRA_CA_CERTS'] ?? systemAuthorities
  const extra = existsSync(authorities) ? [['NODE_EXTRA_CA_CERTS', authorities]] : []
  return Object.fromEntries([...kept, ...extra]) as Record<string, string>
}

export function freshAccount(): FreshAccount {
  const base = mkdtempSync(join(tmpdir(), 'twinbeat-install-'))
  const home = join(base, 'home')
  const clone = join(base, 'clone')
  mkdirSync(home)
  const path = process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  // git refuses a repository of another user unless told so; in a container the checkout often belongs to one.
  const git = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }
  const run: FreshAccount['run'] = (command, args, options = {}) => {
    const env = { HOME: home, ...wayToTheNetwork(), ...git, PATH: options.path ?? path }
    const done = spawnSync(command, args, { cwd: options.cwd ?? clone, env, encoding: 'utf8', timeout: timeoutMs })
    return { code: done.status, output: `${done.stdout}${done.stderr}${done.error === undefined ? '' : String(done.error)}` }
  }
  const cloned = run('git', ['clone', '--quiet', '--no-hardlinks', root, clone], { cwd: base })
  if (cloned.code !== 0) throw new Error(`git clone: ${cloned.output}`)
  return { home, clone, run, remove: () => { rmSync(base, { recursive: true, force: true }) } }
}

/** The only dependency that the addon is compiled with, taken from here: no network. */
export function lendAddonHeaders(account: FreshAccount): void {
  const name = join('node_modules', 'node-addon-api')
  cpSync(join(root, name), join(account.clone, name), { recursive: true, dereference: true })
}

/** Loads the addon of the clone in a process of its own and answers its Node-API version. */
export function loadAddon(account: FreshAccount, node = process.execPath): Outcome {
  const script = 'const m = { exports: {} }; process.dlopen(m, process.argv[1]); console.log(m.exports.napiVersion)'
  return account.run(node, ['-e', script, join(account.clone, 'build', 'Release', 'twinbeat.node')])
}
