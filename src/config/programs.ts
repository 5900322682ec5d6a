// The directives of ha.cf that name programs, users and environment: respawn, failfast, apiauth, env.

import type { DirectiveLine } from './directive-reader.js'
import type { Reporter } from './diagnostics.js'
import type { Word } from './lexer.js'
import type { Acceptable, ApiAuthConfig, HostFacts, Position, RespawnConfig } from './model.js'

/** Something that protects data or drops resources, is asked for, and does not exist here yet. */
export interface Hazard {
  readonly what: Acceptable
  readonly at: Word
  readonly message: string
}

export interface ProgramContext {
  readonly report: Reporter
  readonly host: HostFacts | null
  readonly place: (word: Word) => Position
  readonly hazards: Hazard[]
}

/** Programs that speak heartbeat's client interface, and what stands in for each. */
const kReplaced: Readonly<Record<string, string>> = {
  ccm: 'twinbeat keeps the membership itself',
  pingd: 'it only feeds the CRM, which is off; the engine serves ping lines itself',
  cl_status: 'it is a command, not a program to keep running',
  mgmtd: 'its interface belongs to the CRM, which is off',
  'lha-snmpagent': 'the client interface it reads does not exist; use twinbeat status --json',
  hbagent: 'the client interface it reads does not exist; use twinbeat status --json',
  apphbd: 'service managers watch twinbeat by sd_notify',
}

export function readRespawn(line: DirectiveLine, ctx: ProgramContext): RespawnConfig | null {
  const [user, program, ...args] = line.blankWords
  if (user === undefined || program === undefined) {
    ctx.report.error(
      'TB_CONFIG_SYNTAX',
      line.keyword,
      `'${line.directive.name}' needs a user and a program`,
      `write '${line.directive.syntax}'`,
    )
    return null
  }
  if (!program.text.startsWith('/')) {
    ctx.report.error(
      'TB_CONFIG_VALUE',
      program,
      `'${program.text}' is not a full path`,
      'write the path from / on',
    )
    return null
  }
  const name = program.text.slice(program.text.lastIndexOf('/') + 1)
  if (name === 'ipfail') {
    ctx.hazards.push({
      what: 'ipfail',
      at: program,
      message: 'moving resources when ping nodes are lost (ipfail) is not implemented',
    })
    return null
  }
  if (name === 'dopd') {
    ctx.hazards.push({
      what: 'dopd',
      at: program,
      message: 'outdating the DRBD disk of a lost peer (dopd) is not implemented',
    })
    return null
  }
  const replaced = Object.hasOwn(kReplaced, name) ? kReplaced[name] : undefined
  if (replaced !== undefined) {
    ctx.report.warning(
      'TB_CONFIG_REPLACED',
      program,
      `'${name}' is not started: ${replaced}`,
      'the line may stay for the way back to heartbeat',
    )
    return null
  }
  checkProgram(user, program, ctx)
  return {
    user: user.text,
    path: program.text,
    args: args.map((word) => word.text),
    failfast: line.directive.name === 'failfast',
    at: ctx.place(line.keyword),
  }
}

function checkProgram(user: Word, program: Word, ctx: ProgramContext): void {
  if (ctx.host === null) return
  if (!ctx.host.userExists(user.text)) {
    ctx.report.error('TB_CONFIG_VALUE', user, `there is no user '${user.text}'`, null)
  }
  if (!ctx.host.isExecutable(program.text)) {
    ctx.report.error('TB_CONFIG_VALUE', program, `'${program.text}' is not an executable file`, null)
  }
}

export function readApiAuth(line: DirectiveLine, ctx: ProgramContext): ApiAuthConfig | null {
  const [client, ...rest] = line.blankWords
  const lists = { uid: [] as string[], gid: [] as string[] }
  const hint = `write '${line.directive.syntax}'`
  if (client === undefined || rest.length === 0) {
    ctx.report.error('TB_CONFIG_SYNTAX', line.keyword, "'apiauth' needs a client and users or groups", hint)
    return null
  }
  for (const word of rest) {
    const match = /^(uid|gid)=(.+)$/.exec(word.text)
    const kind = match?.[1]
    if (match === null || (kind !== 'uid' && kind !== 'gid')) {
      ctx.report.error('TB_CONFIG_SYNTAX', word, `'${word.text}' is neither uid=... nor gid=...`, hint)
      return null
    }
    const names = (match[2] ?? '').split(',').filter((name) => name !== '')
    const missing =
      kind === 'uid' ? names.find((name) => ctx.host !== null && !ctx.host.userExists(name)) : undefined
    if (missing !== undefined)
      ctx.report.error('TB_CONFIG_VALUE', word, `there is no user '${missing}'`, null)
    lists[kind].push(...names)
  }
  return { client: client.text, uids: lists.uid, gids: lists.gid }
}

export function readEnv(line: DirectiveLine, report: Reporter): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (const word of line.words) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(word.text)
    if (match === null) {
      report.warning('TB_CONFIG_SYNTAX', word, `'${word.text}' is not NAME=VALUE and is ignored`, null)
    } else {
      pairs.push([match[1] ?? '', match[2] ?? ''])
    }
  }
  return pairs
}
