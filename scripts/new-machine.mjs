// `npm run test:new-machine`: `npm test` of the last commit on a new Debian 12 that holds Node and npm and nothing else, so
// that no program that was once installed here hides one that the set-up does not name. The machine is a folder that becomes
// the root of namespaces of their own for mounts and processes; it is removed afterwards.
//   npm run test:new-machine                    all of it; needs root, 3 GB and a quarter of an hour
//   npm run test:new-machine -- --keep          leaves the folder
//   npm run test:new-machine -- --only unit     what follows is for `npm test`
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { installPackages } from './apt.mjs'
import { findNpmCli, root } from './node-home.mjs'
import { missingPackages } from './packages.mjs'
import { StepError, asCommand, neededStep, progress, runCommand, undoOnExit } from './steps.mjs'

const suite = 'bookworm'
const mirror = 'http://deb.debian.org/debian'
const stepTimeoutMs = 15 * 60_000
const testsTimeoutMs = 60 * 60_000
/** Authorities that this machine trusts beyond Debian's: behind a company proxy nothing can be fetched without them. */
const ownAuthorities = '/usr/local/share/ca-certificates'

// Not chroot: machines of the lab bind their folders below `/`, which has to be a mount. Mounts are private to the namespace,
// so they end with it, and removing the folder cannot reach through them. The shell stays, as the first process: it collects
// whoever ended without a parent, which npm would not.
const enter = `set -e
machine=$1
shift
mount --make-rprivate /
mount --bind "$machine" "$machine"
mount -t proc proc "$machine/proc"
mount --rbind /sys "$machine/sys"
mount --rbind /dev "$machine/dev"
mount -t tmpfs tmpfs "$machine/run"
mkdir -p "$machine/host"
cd "$machine"
pivot_root . host
exec env -i HOME=/root/new CI=true PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  sh -c 'umount -l /host && mkdir -p $HOME && cd /srv/twinbeat && npm test -- "$@" </dev/null; exit $?' sh "$@"`

/** @param {string} machine */
function putNode(machine) {
  const npm = findNpmCli()
  if (npm === null) throw new StepError('npm is not installed')
  const home = dirname(dirname(npm))
  cpSync(realpathSync(process.execPath), join(machine, 'usr/local/bin/node'))
  cpSync(home, join(machine, 'usr/local/lib/node_modules/npm'), { recursive: true })
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(machine, 'usr/local/bin', name))
  }
}

/** @param {string} machine */
async function trustWhatIsTrustedHere(machine) {
  cpSync('/etc/resolv.conf', join(machine, 'etc/resolv.conf'), { dereference: true })
  const own = existsSync(ownAuthorities) ? readdirSync(ownAuthorities).filter((name) => name.endsWith('.crt')) : []
  for (const name of own) cpSync(join(ownAuthorities, name), join(machine, ownAuthorities, name), { dereference: true })
  await neededStep('authorities', 'chroot', [machine, 'update-ca-certificates'], { timeoutMs: stepTimeoutMs })
}

async function main() {
  const keep = process.argv.includes('--keep')
  const words = process.argv.slice(2).filter((word) => word !== '--keep')
  if (process.getuid?.() !== 0) throw new StepError('a new machine is made by root: sudo npm run test:new-machine')
  const missing = missingPackages('new-machine')
  if (missing.length > 0) await installPackages(missing)
  const machine = mkdtempSync('/var/tmp/twinbeat-new-machine-')
  const remove = undoOnExit(() => { if (!keep) rmSync(machine, { recursive: true, force: true }) })
  const debootstrap = ['--variant=minbase', '--include=ca-certificates', suite, machine, mirror]
  await neededStep(`a new Debian (${suite})`, 'debootstrap', debootstrap, { timeoutMs: stepTimeoutMs })
  mkdirSync(join(machine, 'usr/local/lib/node_modules'), { recursive: true })
  putNode(machine)
  await trustWhatIsTrustedHere(machine)
  const clone = ['clone', '--quiet', root, join(machine, 'srv/twinbeat')]
  await neededStep('a clone of the last commit', 'git', clone, { timeoutMs: stepTimeoutMs })
  const inside = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', enter, 'sh', machine, ...words]
  process.exitCode = await runCommand('unshare', inside, { timeoutMs: testsTimeoutMs })
  if (keep) progress(`the machine is in ${machine}`)
  remove()
}

await asCommand(main)
