// The agent classes there are. An explicit list: the reader sees it, the compiler checks it.

import { heartbeatClass } from './agents/heartbeat.js'
import { lsbClass } from './agents/lsb.js'
import { ocfClass } from './agents/ocf.js'
import { systemdClass } from './agents/systemd.js'
import type { AgentClass, AgentClassName } from './types.js'

export const AGENT_CLASSES: readonly AgentClass[] = [
  heartbeatClass,
  lsbClass,
  ocfClass,
  systemdClass,
]

export function agentClass(name: AgentClassName): AgentClass {
  switch (name) {
    case 'heartbeat':
      return heartbeatClass
    case 'lsb':
      return lsbClass
    case 'ocf':
      return ocfClass
    case 'systemd':
      return systemdClass
  }
}
