// The reference pages that are rendered from the program itself: directives, errors, commands. A test holds
// the committed pages against what this file gives.
import type { Command } from 'commander'
import { renderCodesReference, renderHaCfReference, renderTwinbeatCfReference } from '../config/reference.js'
import { buildDaemonProgram } from './options.js'
import { errorTable } from '../errors.js'
import { buildProgram } from '../cli/main.js'

const made = '<!-- made by `npm run docs:reference`; change the program, not this page -->\n\n'
/** Narrow enough for a page, whatever terminal renders it. */
const helpColumns = 90

/** Text of every generated page by its path. */
export function renderReference(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/reference/ha.cf.md', made + renderHaCfReference()],
    ['docs/reference/twinbeat.cf.md', made + renderTwinbeatCfReference()],
    ['docs/reference/errors.md', made + renderErrors()],
    ['docs/reference/commands.md', made + renderCommands()],
  ])
}

function renderErrors(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { exit, hint }]) => `| \`${code}\` | ${String(exit)} | ${hint.replaceAll('|', '\\|')} |`,
  )
  return [
    '# Errors',
    '',
    'A command that fails prints `twinbeat: CODE: what, where, why` and a hint on standard error, with `--json` an',
    'object `{"error": {"code", "message", "hint"}}` on standard output. Codes are stable: scripts may rely on them.',
    '',
    '| code | exit | hint |',
    '|---|---|---|',
    ...rows,
    '',
    '## Findings in the configuration',
    '',
    "`twinbeat check` and the daemon's start report all of them at once, each with file, line, column and hint.",
    '',
    renderCodesReference(),
  ].join('\n')
}

function renderCommands(): string {
  const program = buildProgram()
  const parts = [
    '# Commands',
    '',
    'Two programs. `twinbeatd` is the daemon; `twinbeat` talks to it over the control socket and decides nothing.',
    'For scripts of a Heartbeat installation `bin/compat` holds `cl_status`, `hb_standby` and `hb_takeover`, with',
    'the words, output and exit codes of the original; put that folder into PATH, or link the three where the',
    'scripts look for them.',
    '',
    ...helpOf('twinbeatd', buildDaemonProgram('')),
    ...helpOf('twinbeat', program),
    ...program.commands.flatMap((command) => helpOf(`twinbeat ${command.name()}`, command)),
  ]
  return parts.join('\n')
}

function helpOf(title: string, command: Command): string[] {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
    getOutHelpWidth: () => helpColumns,
  })
  command.outputHelp()
  return [`## ${title}`, '', '```', text.trimEnd(), '```', '']
}
