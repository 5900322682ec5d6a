// Every system that is measured, in the order of the report.
import { heartbeatSystem } from './heartbeat.js'
import { keepalivedSystems } from './keepalived.js'
import { pacemakerSystems } from './pacemaker.js'
import type { System } from './system.js'
import { twinbeatSystems } from './twinbeat.js'
import { ucarpSystem } from './ucarp.js'

export const systems: readonly System[] = [
  ...twinbeatSystems, ...keepalivedSystems, ucarpSystem, heartbeatSystem, ...pacemakerSystems,
]
