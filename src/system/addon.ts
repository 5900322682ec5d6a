// The one way to the native addon, for everything that calls into it: the build of this machine, then the prebuilt one.
// An addon that is absent or of another age is one error that lists every attempt.
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TwinbeatError, messageOf } from '../errors.js'

/** FNV-1a of kAbiText in native/abi/abi.h, which the addon reports of itself. */
export const abiHash = 1880552887

/** The package's folder, seen from dist/src/system as well as from a bundle that kept the tree. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

export function addonCandidates(root: string): string[] {
  const prebuild = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'twinbeat.node')
  return [join(root, 'build', 'Release', 'twinbeat.node'), prebuild]
}

/** `Exports` is what the caller uses of it: nobody needs to know all of the addon. Node keeps what it has loaded. */
export function loadAddon<Exports>(candidates: readonly string[] = addonCandidates(packageRoot())): Exports {
  const require = createRequire(import.meta.url)
  const attempts: string[] = []
  let isStale = false
  for (const path of candidates) {
    try {
      const addon = require(path) as Exports & { readonly abiHash: number }
      if (addon.abiHash === abiHash) return addon
      isStale = true
      attempts.push(`${path}: built from other sources (layout ${addon.abiHash}, wanted ${abiHash})`)
    } catch (cause) {
      attempts.push(`${path}: ${messageOf(cause).split('\n')[0]}`)
    }
  }
  throw new TwinbeatError(isStale ? 'TB_ADDON_ABI' : 'TB_ADDON_MISSING',
    `the native engine could not be loaded: ${attempts.join('; ')}`)
}
