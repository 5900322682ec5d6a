// OCF agents: parameters in the environment, exit codes decide, nothing printed on stdout matters.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ocfEnvironment } from '../environment.js'
import { exitReason, explain } from '../judge.js'
import { listScripts } from '../places.js'
import type { AgentAction, AgentClass, Judgement, RawOutcome, ResourceState } from '../types.js'
import { ending } from './heartbeat.js'

export const OCF = {
  success: 0,
  generic: 1,
  arguments: 2,
  unimplemented: 3,
  permission: 4,
  notInstalled: 5,
  notConfigured: 6,
  notRunning: 7,
  promoted: 8,
  failedPromoted: 9,
  degraded: 190,
  degradedPromoted: 191,
} as const

const CODE_NAMES: Readonly<Record<number, string>> = {
  1: 'generic error',
  2: 'bad arguments',
  3: 'unimplemented',
  4: 'no permission',
  5: 'not installed',
  6: 'not configured',
  7: 'not running',
  8: 'running promoted',
  9: 'failed promoted',
}

export const ocfClass: AgentClass = {
  name: 'ocf',
  list: (places) => listProviders(places.ocfDir),
  command(target, action, context) {
    const verb = action === 'probe' ? 'monitor' : action
    const env = ocfEnvironment(target, action, context)
    const step = { program: target.path, args: [verb], env }
    return { supported: true, steps: [step], files: [], reload: null }
  },
  interpret(action, raw) {
    switch (action) {
      case 'probe':
      case 'monitor':
        return judgeMonitor(action, raw)
      case 'start':
        return judgeStart(raw)
      case 'stop':
        // 7 is success: what the stop wanted to reach is already so.
        if (raw.exitCode === OCF.notRunning) return good('stopped', raw)
        return judgeByZero('stopped', action, raw)
      case 'promote':
        return judgeByZero('promoted', action, raw)
      case 'demote':
      case 'reload':
      case 'reload-agent':
      case 'recover':
      case 'migrate_from':
        return judgeByZero('running', action, raw)
      case 'migrate_to':
        return judgeByZero('stopped', action, raw)
      case 'notify':
        return good('unknown', raw)
      case 'validate-all':
      case 'meta-data':
        return { ...judgeByZero('unknown', action, raw), state: 'unknown' }
    }
  },
}

function listProviders(ocfDir: string): string[] {
  let providers: string[]
  try {
    providers = readdirSync(ocfDir).filter((name) => !name.startsWith('.'))
  } catch {
    return []
  }
  return providers
    .sort()
    .flatMap((provider) => listScripts(join(ocfDir, provider)).map((type) => `${provider}:${type}`))
}

function judgeMonitor(action: 'probe' | 'monitor', raw: RawOutcome): Judgement {
  switch (raw.exitCode) {
    case OCF.success:
      return good('running', raw)
    case OCF.notRunning:
      return good('stopped', raw)
    case OCF.promoted:
      return good('promoted', raw)
    case OCF.degraded:
      return { ...good('running', raw), degraded: true }
    case OCF.degradedPromoted:
      return { ...good('promoted', raw), degraded: true }
    case OCF.notInstalled:
      // A probe on a node without the program means "cannot be running here"; in a recurring
      // monitor the program went away under a running service.
      if (action === 'probe') return good('stopped', raw)
      return bad('failed', action, raw)
    case OCF.arguments:
    case OCF.unimplemented:
    case OCF.permission:
    case OCF.notConfigured:
      return bad(action === 'probe' ? 'unknown' : 'failed', action, raw)
    default:
      return bad('failed', action, raw)
  }
}

function judgeStart(raw: RawOutcome): Judgement {
  switch (raw.exitCode) {
    case OCF.success:
      return good('running', raw)
    case OCF.degraded:
    case OCF.degradedPromoted:
      return { ...good('running', raw), degraded: true }
    case OCF.notRunning:
      return bad('stopped', 'start', raw)
    default:
      return bad('failed', 'start', raw)
  }
}

function judgeByZero(state: ResourceState, action: AgentAction, raw: RawOutcome): Judgement {
  return raw.exitCode === OCF.success ? good(state, raw) : bad('failed', action, raw)
}

function good(state: ResourceState, raw: RawOutcome): Judgement {
  return { ok: true, state, degraded: false, reason: exitReason(raw.stderr), execution: 'done' }
}

function bad(state: ResourceState, action: AgentAction, raw: RawOutcome): Judgement {
  const name = CODE_NAMES[raw.exitCode ?? -1]
  const why = `${action} ended with ${ending(raw)}${name === undefined ? '' : ` (${name})`}`
  const execution = raw.exitCode === OCF.notInstalled ? 'not-installed' : 'done'
  const reason = explain(why, raw.stdout, raw.stderr)
  return { ok: false, state, degraded: false, reason, execution }
}
