// Scripts of haresources: `NAME arg... ACTION`. What they print decides about status, their exit
// code about start and stop, as in the original.

import { heartbeatBase } from '../environment.js'
import { explain, ownedByText } from '../judge.js'
import { listScripts } from '../places.js'
import type { AgentAction, AgentClass, Judgement, RawOutcome } from '../types.js'

const VERBS: Partial<Record<AgentAction, string>> = {
  probe: 'status',
  monitor: 'status',
  start: 'start',
  stop: 'stop',
  'meta-data': 'meta-data',
}

/** Shells answer so when they could not start what the script names; it is no status. */
const SHELL_CANNOT_RUN = 126

export const heartbeatClass: AgentClass = {
  name: 'heartbeat',
  list: (places) => [...new Set(places.heartbeatDirs.flatMap(listScripts))].sort(),
  command(target, action, context) {
    const verb = VERBS[action]
    if (verb === undefined) {
      return { supported: false, reason: `class heartbeat has no action '${action}'` }
    }
    const env = heartbeatBase(context)
    const step = { program: target.path, args: [...target.args, verb], env }
    return { supported: true, steps: [step], files: [], reload: null }
  },
  interpret(action, raw) {
    if (action === 'probe' || action === 'monitor') return judgeStatus(raw)
    const done = raw.exitCode === 0
    return {
      ok: done,
      state: done ? stateAfter(action) : action === 'meta-data' ? 'unknown' : 'failed',
      degraded: false,
      reason: done ? null : explain(`${action} ended with ${ending(raw)}`, raw.stdout, raw.stderr),
      execution: 'done',
    }
  },
}

function judgeStatus(raw: RawOutcome): Judgement {
  const base = { degraded: false, execution: 'done' } as const
  if (ownedByText(raw.stdout)) return { ...base, ok: true, state: 'running', reason: null }
  const mute = raw.exitCode === null || raw.exitCode >= SHELL_CANNOT_RUN
  if (mute && raw.stdout.trim() === '') {
    const reason = explain(`status ended with ${ending(raw)}`, raw.stdout, raw.stderr)
    return { ...base, ok: false, state: 'unknown', reason }
  }
  // Exit 0 without the word is the trap of this class: the original starts such a service again.
  const silentYes = raw.exitCode === 0 && !/not running|stopped/i.test(raw.stdout)
  const reason = silentYes ? "status exited 0 but did not print 'running' or 'OK'" : null
  return { ...base, ok: true, state: 'stopped', reason }
}

function stateAfter(action: AgentAction): 'running' | 'stopped' | 'unknown' {
  if (action === 'start') return 'running'
  return action === 'stop' ? 'stopped' : 'unknown'
}

export function ending(raw: RawOutcome): string {
  return raw.signal === null ? `exit code ${raw.exitCode}` : `signal ${raw.signal}`
}
