// Init scripts: `NAME [arg...] ACTION`, judged by exit code. A haresources word may bring
// arguments; they go before the action as for the heartbeat class.

import { heartbeatBase } from '../environment.js'
import { explain, ownedByText } from '../judge.js'
import { listScripts } from '../places.js'
import type { AgentAction, AgentClass, Judgement, RawOutcome } from '../types.js'
import { ending } from './heartbeat.js'

const VERBS: Partial<Record<AgentAction, string>> = {
  probe: 'status',
  monitor: 'status',
  start: 'start',
  stop: 'stop',
  reload: 'force-reload',
}

const ACTION_CODES: Readonly<Record<number, string>> = {
  1: 'generic error',
  2: 'bad arguments',
  3: 'unimplemented',
  4: 'no permission',
  5: 'not installed',
  6: 'not configured',
  7: 'not running',
}
const NOT_INSTALLED = 5

export const lsbClass: AgentClass = {
  name: 'lsb',
  list: (places) => [...new Set(places.lsbDirs.flatMap(listScripts))].sort(),
  command(target, action, context) {
    const verb = VERBS[action]
    if (verb === undefined) {
      return { supported: false, reason: `class lsb has no action '${action}'` }
    }
    const env = heartbeatBase(context)
    const step = { program: target.path, args: [...target.args, verb], env }
    return { supported: true, steps: [step], files: [], reload: null }
  },
  interpret(action, raw) {
    if (action === 'probe' || action === 'monitor') return judgeStatus(raw)
    const ok = raw.exitCode === 0
    const name = ACTION_CODES[raw.exitCode ?? -1]
    const why = `${action} ended with ${ending(raw)}${name === undefined ? '' : ` (${name})`}`
    return {
      ok,
      state: ok ? (action === 'stop' ? 'stopped' : 'running') : 'failed',
      degraded: false,
      reason: ok ? null : explain(why, raw.stdout, raw.stderr),
      execution: raw.exitCode === NOT_INSTALLED ? 'not-installed' : 'done',
    }
  },
}

function judgeStatus(raw: RawOutcome): Judgement {
  const base = { degraded: false, execution: 'done' } as const
  switch (raw.exitCode) {
    case 0: {
      const contradicts = /not running|stopped/i.test(raw.stdout) && !ownedByText(raw.stdout)
      const reason = contradicts ? explain('status exited 0 but says', raw.stdout, '') : null
      return { ...base, ok: true, state: 'running', reason }
    }
    case 1:
      return { ...base, ok: true, state: 'stopped', reason: 'dead, but its pid file is left' }
    case 2:
      return { ...base, ok: true, state: 'stopped', reason: 'dead, but its lock file is left' }
    case 3:
      return { ...base, ok: true, state: 'stopped', reason: null }
    case NOT_INSTALLED: {
      const reason = 'not installed'
      return { ...base, ok: false, state: 'unknown', reason, execution: 'not-installed' }
    }
    default: {
      const reason = explain(`status ended with ${ending(raw)}`, raw.stdout, raw.stderr)
      return { ...base, ok: false, state: 'unknown', reason }
    }
  }
}
