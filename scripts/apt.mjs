// Installs missing Debian packages, and starts nothing: while apt works, a policy-rc.d of our own
// forbids every service start. One that was there before is put back, also after Ctrl-C; after a
// SIGKILL by the next run, which finds our mark.
import {
  existsSync, lstatSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync
} from 'node:fs'
import { onPath } from './node-home.mjs'
import { StepError, neededStep, progress, quietStep, undoOnExit } from './steps.mjs'

const policyFile = '/usr/sbin/policy-rc.d'
const savedPolicyFile = '/usr/sbin/policy-rc.d.saved-by-twinbeat'
const policyMark = '# written by the bootstrap of twinbeat, pid '
const lockWaitMs = 120_000
// A mirror that serves 40 MB at 100 KB/s is still a mirror.
const aptTimeoutMs = 20 * 60_000

/** @param {string} file */
function existsAtAll(file) {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined
}

/** pid of the bootstrap whose policy is in place, or null. */
function policyOwner() {
  if (!existsSync(policyFile)) return null
  const text = readFileSync(policyFile, 'utf8')
  const at = text.indexOf(policyMark)
  return at < 0 ? null : Number.parseInt(text.slice(at + policyMark.length), 10)
}

/** @param {number} pid */
function isBootstrap(pid) {
  const file = `/proc/${pid}/cmdline`
  return existsSync(file) && /scripts\/(demo|test|fuzz|bench|vm|new-machine)\.mjs/.test(readFileSync(file, 'utf8'))
}

function restorePolicy() {
  if (policyOwner() !== null) rmSync(policyFile)
  if (existsAtAll(savedPolicyFile) && !existsAtAll(policyFile)) renameSync(savedPolicyFile, policyFile)
}

/** Two bootstraps at once would restore each other's policy away, so the second waits for the first. */
async function waitForOtherBootstrap() {
  const deadlineMs = performance.now() + aptTimeoutMs
  for (;;) {
    const owner = policyOwner()
    if (owner === null || owner === process.pid || !isBootstrap(owner)) return
    if (performance.now() > deadlineMs) {
      throw new StepError(`another bootstrap (pid ${owner}) has been installing packages for too long`)
    }
    await new Promise((wake) => setTimeout(wake, 500))
  }
}

/** A bootstrap that was killed outright left its policy in place; nobody could start a service any more. */
export function repairPolicy() {
  const owner = policyOwner()
  const isLeft = owner === null ? existsAtAll(savedPolicyFile) : !isBootstrap(owner)
  if (process.getuid?.() === 0 && isLeft) restorePolicy()
}

/** @returns {Promise<() => void>} puts back what was there */
async function forbidServiceStarts() {
  await waitForOtherBootstrap()
  restorePolicy()
  const restore = undoOnExit(restorePolicy)
  if (existsAtAll(policyFile)) renameSync(policyFile, savedPolicyFile)
  writeFileSync(policyFile, `#!/bin/sh\n${policyMark}${process.pid}\nexit 101\n`, { mode: 0o755 })
  return restore
}

function aptEnv() {
  return {
    ...process.env,
    PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`,
    DEBIAN_FRONTEND: 'noninteractive',
    APT_LISTCHANGES_FRONTEND: 'none',
    // needrestart would restart services of the machine behind our back.
    NEEDRESTART_SUSPEND: '1'
  }
}

const aptOptions = () => ({ env: aptEnv(), timeoutMs: aptTimeoutMs, gentle: true })

function hasLists() {
  const dir = '/var/lib/apt/lists'
  return existsSync(dir) && readdirSync(dir).some((name) => name.includes('_Packages'))
}

/** The lock of the lists has no timeout option of its own in apt, so a held one is tried again. */
async function updateLists() {
  const deadlineMs = performance.now() + lockWaitMs
  for (;;) {
    const update = await quietStep('apt-get update', 'apt-get', ['-q', 'update'], aptOptions())
    if (update.ok) return
    if (!update.output.includes('Could not get lock') || performance.now() > deadlineMs) {
      // One broken third-party source is no reason to stop: the install that follows decides.
      progress(`apt-get update reported: ${update.output.trim().split('\n').slice(-2).join(' / ')}`)
      return
    }
    await new Promise((wake) => setTimeout(wake, 3000))
  }
}

/** A rival that Debian enables at boot would take resources at the next one. @param {readonly string[]} names */
async function disableAtBoot(names) {
  for (const name of names) {
    if (existsSync(`/etc/init.d/${name}`) && onPath('update-rc.d') !== null) {
      await quietStep(`keeping ${name} from starting at boot`, 'update-rc.d', [name, 'disable'], aptOptions())
    }
  }
}

/** @param {readonly import('./packages.mjs').DebianPackage[]} wanted */
export async function installPackages(wanted) {
  const names = wanted.map((pkg) => pkg.name)
  const label = `apt-get install ${names.join(' ')}`
  const args = ['-q', '-y', '--no-install-recommends',
    '-o', `DPkg::Lock::Timeout=${lockWaitMs / 1000}`, '-o', 'Dpkg::Options::=--force-confold', 'install', ...names]
  const restore = await forbidServiceStarts()
  try {
    const fresh = !hasLists()
    if (fresh) await updateLists()
    if (!fresh) {
      const first = await quietStep(label, 'apt-get', args, aptOptions())
      if (!first.ok) await updateLists()
      else return
    }
    await neededStep(label, 'apt-get', args, aptOptions())
  } finally {
    await disableAtBoot(wanted.filter((pkg) => pkg.rival).map((pkg) => pkg.name))
    restore()
  }
}
