// From what a program left to an answer of one line.

import type { FenceAnswer, ProgramEnd } from './types.js'

const textMax = 300

export const confirmed = (text: string): FenceAnswer => ({ outcome: 'confirmed', text })
export const failed = (text: string): FenceAnswer => ({ outcome: 'failed', text })

/** Why a run is no success; `what` names the call for people. */
export function failureOf(what: string, end: ProgramEnd): FenceAnswer {
  switch (end.kind) {
    case 'exited': {
      const how = end.signal === null ? `exit ${end.exitCode ?? '?'}` : `killed by ${end.signal}`
      const words = lastWords(end)
      return failed(words === '' ? `${what}: ${how}` : `${what}: ${how}: ${words}`)
    }
    case 'timeout': return { outcome: 'timeout', text: `${what}: no end in time, killed` }
    case 'aborted': return failed(`${what}: ended on request`)
    case 'unstartable': return failed(`${what}: ${end.reason}`)
  }
}

export const succeeded = (end: ProgramEnd): boolean => end.kind === 'exited' && end.exitCode === 0

/** The last line of stderr, else of stdout: there stands the reason. */
export function lastWords(end: { readonly stdout: string; readonly stderr: string }): string {
  for (const text of [end.stderr, end.stdout]) {
    const line = text.split('\n').map((one) => one.trim()).filter((one) => one !== '').at(-1)
    // eslint-disable-next-line no-control-regex
    if (line !== undefined) return line.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, textMax)
  }
  return ''
}

/** Names separated by blanks or newlines; some devices print commas. */
export function hostList(stdout: string): string[] {
  return stdout.split(/[\s,]+/).filter((name) => name !== '')
}

/** The host as the list spells it; null: it is not there. Never a success for a host that is not. */
export function inList(hosts: readonly string[], wanted: string): string | null {
  return hosts.find((host) => host.toLowerCase() === wanted.toLowerCase()) ?? null
}
