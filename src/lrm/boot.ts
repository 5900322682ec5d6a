// What would start a cluster service at boot, behind the manager's back. Reads links only, so it
// answers the same whether systemd runs or not.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentPlaces, AgentTarget } from './types.js'

const RUNLEVELS = ['2', '3', '4', '5']

/** Links that enable the service at boot; empty if it is left to the cluster. */
export function enabledAtBoot(target: AgentTarget, places: AgentPlaces, etc = '/etc'): string[] {
  switch (target.class) {
    case 'systemd':
      return unitLinks(target.name, places)
    case 'lsb':
      return [...runlevelLinks(target.name, etc), ...unitLinks(`${target.name}.service`, places)]
    case 'heartbeat':
    case 'ocf':
      return []
  }
}

function unitLinks(unit: string, places: AgentPlaces): string[] {
  return places.systemdDirs.flatMap((dir) =>
    names(dir)
      .filter((name) => /\.(wants|requires)$/.test(name))
      .filter((folder) => names(join(dir, folder)).includes(unit))
      .map((folder) => join(dir, folder, unit)),
  )
}

function runlevelLinks(script: string, etc: string): string[] {
  return RUNLEVELS.flatMap((level) => {
    const dir = join(etc, `rc${level}.d`)
    return names(dir)
      .filter((name) => /^S[0-9]{2}/.test(name) && name.slice(3) === script)
      .map((name) => join(dir, name))
  })
}

function names(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
