// Where it was measured: numbers without that say nothing.
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

import type { RunHead } from './results-file.js'
import type { System } from './systems/system.js'

export function machineText(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const virtual = /\bhypervisor\b/.test(readFileSync('/proc/cpuinfo', 'latin1')) ? 'virtual machine, ' : ''
  return `${virtual}${cpus().length} cores (${model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB`
}

export async function headOf(systems: readonly System[]): Promise<RunHead> {
  const versions = await Promise.all(systems.map(async (one) => [one.key, await one.version()] as const))
  return {
    kind: 'run', format: 1, at: new Date().toISOString(), machine: machineText(), cores: cpus().length,
    kernel: `Linux ${release()}`, node: process.version,
    twinbeat: versions.find(([key]) => key.startsWith('twinbeat'))?.[1] ?? '',
    settings: Object.fromEntries(systems.map((one) => [one.key, one.settings])),
    versions: Object.fromEntries(versions),
  }
}
