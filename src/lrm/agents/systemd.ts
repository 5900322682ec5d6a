// systemd units, through systemctl. `systemctl start` waits for the job; the unit's ActiveState
// then says what came of it, because a service may fail right after its job was done.

import { existsSync, readdirSync } from 'node:fs'
import { baseEnvironment } from '../environment.js'
import { explain, lastLine } from '../judge.js'
import type { AgentAction, AgentClass, AgentStep, Judgement, RawOutcome } from '../types.js'

/** The unit that runs this daemon; cluster services are ordered around it. */
const MANAGER_UNIT = 'twinbeatd.service'
/** Exists exactly while systemd is the service manager; never to be created by anybody else. */
const BOOTED_DIR = '/run/systemd/system'
const OFFLINE = 'systemd is not running on this machine'
const PROPERTIES = 'LoadState,ActiveState,SubState,Result,UnitFileState,Restart'

export const systemdClass: AgentClass = {
  name: 'systemd',
  list: (places) => [...new Set(places.systemdDirs.flatMap(listServices))].sort(),
  command(target, action) {
    if (!existsSync(BOOTED_DIR)) {
      return { supported: false, reason: OFFLINE }
    }
    const show = systemctl(['show', '--no-pager', `--property=${PROPERTIES}`, '--', target.name])
    const none = { supported: true, files: [], reload: null } as const
    switch (action) {
      case 'probe':
      case 'monitor':
        return { ...none, steps: [show] }
      case 'start':
        return {
          supported: true,
          steps: [systemctl(['start', '--', target.name]), show],
          files: [ordering(target.name)],
          reload: systemctl(['daemon-reload']),
        }
      case 'stop':
        return { ...none, steps: [systemctl(['stop', '--', target.name]), show] }
      case 'reload':
        return { ...none, steps: [systemctl(['reload', '--', target.name]), show] }
      default:
        return { supported: false, reason: `class systemd has no action '${action}'` }
    }
  },
  interpret: (action, raw) => judge(action, raw),
}

function systemctl(args: readonly string[]): AgentStep {
  return { program: '/usr/bin/systemctl', args, env: baseEnvironment() }
}

/**
 * At shutdown systemd stops in reverse order: with this drop-in the daemon goes first, and takes
 * its services down itself, in their order.
 */
function ordering(unit: string): { path: string; content: string } {
  return {
    path: `${BOOTED_DIR}/${unit}.d/50-twinbeat.conf`,
    content: `[Unit]\nBefore=${MANAGER_UNIT}\n`,
  }
}

function listServices(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => /[^@]\.service$/.test(name))
  } catch {
    return []
  }
}

export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    if (at > 0) properties.set(line.slice(0, at), line.slice(at + 1).trim())
  }
  return properties
}

function judge(action: AgentAction, raw: RawOutcome): Judgement {
  const properties = parseProperties(raw.stdout)
  const active = properties.get('ActiveState')
  const load = properties.get('LoadState')
  const base = { degraded: false, execution: 'done' } as const
  if (active === undefined) return judgeWithoutAnswer(action, raw)
  if (load === 'not-found' || load === 'masked') {
    const reason = `the unit is ${load === 'masked' ? 'masked' : 'not known to systemd'}`
    return { ...base, ok: false, state: 'unknown', reason, execution: 'not-installed' }
  }
  const state = stateOf(active)
  const ok = isReached(action, state)
  if (ok && active !== 'failed') return { ...base, ok, state, reason: null }
  const result = properties.get('Result') ?? '?'
  const detail = `the unit is ${active} (${properties.get('SubState') ?? '?'}), result ${result}`
  return { ...base, ok, state, reason: lastLine(raw.stderr) ?? detail }
}

function judgeWithoutAnswer(action: AgentAction, raw: RawOutcome): Judgement {
  const base = { ok: false, degraded: false } as const
  if (/not been booted with systemd|connect to bus/i.test(raw.stderr)) {
    return { ...base, state: 'unknown', reason: OFFLINE, execution: 'error' }
  }
  const state = action === 'start' || action === 'stop' ? 'failed' : 'unknown'
  const reason = explain(`systemctl ${action} failed`, raw.stdout, raw.stderr)
  return { ...base, state, reason, execution: 'done' }
}

type UnitState = 'running' | 'stopped' | 'pending' | 'unknown'

function isReached(action: AgentAction, state: UnitState): boolean {
  switch (action) {
    case 'start':
    case 'reload':
      return state === 'running'
    case 'stop':
      return state === 'stopped'
    default:
      return state === 'running' || state === 'stopped'
  }
}

function stateOf(active: string): UnitState {
  switch (active) {
    case 'active':
    case 'reloading':
      return 'running'
    case 'inactive':
    case 'failed':
      return 'stopped'
    case 'activating':
    case 'deactivating':
      return 'pending'
    default:
      return 'unknown'
  }
}
