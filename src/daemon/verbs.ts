// The verbs of the control socket. A new one is a row here.
import type { Method } from '../control/server.js'
import type { FenceHistoryEntry, StatusReport } from '../control/report.js'
import { TwinbeatError } from '../errors.js'
import type { OperatorVerb } from '../core/events.js'
import { fenceMethods } from './fence-orders.js'
import type { Requests } from './requests.js'

export interface VerbDependencies {
  readonly status: () => StatusReport
  readonly explain: (group: string) => unknown
  readonly reload: () => Promise<string>
  readonly requestStop: (progress: (text: string) => void) => Promise<string>
  readonly requestKeep: (progress: (text: string) => void) => Promise<string>
  readonly requests: Requests
  readonly fenceHistory: () => readonly FenceHistoryEntry[]
}

const whatMaxChars = 512

function wordOf(args: Readonly<Record<string, unknown>>, name: string, fallback: string): string {
  const value = args[name] ?? fallback
  if (typeof value !== 'string' || value === '' || value.length > whatMaxChars) {
    throw new TwinbeatError('TB_USAGE', `'${name}' must be a word`)
  }
  return value
}

export function buildMethods(parts: VerbDependencies): ReadonlyMap<string, Method> {
  const hand = (verb: OperatorVerb): Method => ({
    needs: 'write',
    run: async (args, context) => {
      const what = wordOf(args, 'what', 'all')
      const done = parts.requests.ask(verb, what, context.progress)
      // `wait: false` is for hb_standby and hb_takeover, which answer as soon as the request is taken.
      if (args['wait'] === false) {
        // A refusal is known at once, before the next turn of the loop; everything later goes to the log.
        const taken = new Promise<string>((resolve) => {
          setImmediate(() => {
            resolve('requested')
          })
        })
        return await Promise.race([done, taken])
      }
      return await done
    },
  })
  return new Map<string, Method>([
    ...fenceMethods({ requests: parts.requests, history: parts.fenceHistory }),
    ['status', { needs: 'read', run: async () => await Promise.resolve(parts.status()) }],
    [
      'explain',
      { needs: 'read', run: async (args) => await Promise.resolve(parts.explain(wordOf(args, 'group', ''))) },
    ],
    ['standby', hand('standby')],
    ['takeover', hand('takeover')],
    ['hold', hand('hold')],
    ['unhold', hand('unhold')],
    ['maintenance', hand('maintenance')],
    ['start-alone', hand('start-alone')],
    ['unblock', hand('unblock')],
    ['reload', { needs: 'write', run: async () => await parts.reload() }],
    ['stop', { needs: 'write', run: async (_, context) => await parts.requestStop(context.progress) }],
    [
      'restart-keep',
      { needs: 'write', run: async (_, context) => await parts.requestKeep(context.progress) },
    ],
  ])
}
