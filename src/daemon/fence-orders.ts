// The control verbs of fencing: an operator orders, confirms, or reads the history.
import { nodeId } from '../core/base/ids.js'
import type { Method } from '../control/server.js'
import type { FenceHistoryEntry } from '../control/report.js'
import { TwinbeatError } from '../errors.js'
import type { Requests } from './requests.js'

export interface FenceVerbs {
  readonly requests: Requests
  readonly history: () => readonly FenceHistoryEntry[]
}

export function fenceMethods({ requests, history }: FenceVerbs): [string, Method][] {
  const order = (actionOf: (args: Readonly<Record<string, unknown>>) => 'off' | 'reboot' | 'confirm'): Method => ({
    needs: 'write',
    run: async (args, context) => {
      const target = nodeId(wordOf(args, 'node').toLowerCase())
      const action = actionOf(args)
      const by = callerOf(args['user'], context.caller)
      return await requests.feed((id) => ({ type: 'fence.order', id, target, action, by }), context.progress)
    },
  })
  return [
    ['fence', order((args) => powerOf(args['action']))],
    ['confirm-fenced', order(() => 'confirm')],
    ['fence-history', { needs: 'read', run: async () => await Promise.resolve(history()) }],
  ]
}

const wordMax = 64

function wordOf(args: Readonly<Record<string, unknown>>, name: string): string {
  const value = args[name]
  if (typeof value === 'string' && value !== '' && value.length <= wordMax) return value
  throw new TwinbeatError('TB_USAGE', `'${name}' must be a word`)
}

function powerOf(value: unknown): 'off' | 'reboot' {
  if (value === 'off' || value === 'reboot') return value
  throw new TwinbeatError('TB_USAGE', "'action' must be off or reboot")
}

/** The kernel's word about the caller counts; the name is what the caller says, for people who share one account. */
function callerOf(user: unknown, caller: string): string {
  return typeof user === 'string' && /^[\w.@-]{1,64}$/.test(user) ? `${user} (${caller})` : caller
}
