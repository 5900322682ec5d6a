// Entry of the three compatibility commands. They live in a folder of their own because the names belong
// to Debian's heartbeat package.
import { ask } from '../../control/client.js'
import type { StatusReport } from '../../control/report.js'
import { TwinbeatError } from '../../errors.js'
import { defaultRunDir } from '../output.js'
import { clStatus } from './cl-status.js'
import { hbVerb } from './hb-verbs.js'

const out = (text: string): void => {
  process.stdout.write(`${text}\n`)
}
const err = (text: string): void => {
  process.stderr.write(`${text}\n`)
}
const answerMs = 5000

export async function main(
  name: 'cl_status' | 'hb_standby' | 'hb_takeover',
  args: readonly string[],
): Promise<number> {
  const runDir = process.env['TWINBEAT_RUN_DIR'] ?? defaultRunDir
  if (name === 'cl_status') {
    const status = async (): Promise<StatusReport | null> => {
      try {
        return (await ask('status', {}, { runDir, timeoutMs: answerMs })) as StatusReport
      } catch (error) {
        if (error instanceof TwinbeatError && error.code === 'TB_NOT_RUNNING') return null
        throw error
      }
    }
    return await clStatus(args, { out, err, status })
  }
  const request = async (verb: 'standby' | 'takeover', what: string): Promise<void> => {
    await ask(verb, { what, wait: false }, { runDir, timeoutMs: answerMs })
  }
  return await hbVerb(name, args, { out, err, now: () => new Date(), ask: request })
}
