// The reference pages of the configuration, rendered from the tables that the readers use, so that page
// and program cannot disagree.

import { CONFIG_CODES } from './codes.js'
import type { Directive } from './directives.js'
import { HA_CF } from './ha-cf-table.js'
import { TWINBEAT_CF } from './twinbeat-cf-table.js'

export function renderHaCfReference(): string {
  return page('ha.cf', [
    'Lines are `directive value...`; words are separated by blanks, tabs and commas, `#` starts a comment anywhere.',
    'A time is a number of seconds (`2`, `0.5`) or a number with `ms` or `us`; other units are refused.',
    'A boolean is `on`, `yes`, `true`, `y`, `1` or `off`, `no`, `false`, `n`, `0`.',
    'Where a setting is given twice the last one counts.',
    'The file stays one that heartbeat accepts: what only twinbeat knows stands in [twinbeat.cf](twinbeat.cf.md).',
  ], HA_CF)
}

export function renderTwinbeatCfReference(): string {
  return page('twinbeat.cf', [
    'Optional, beside ha.cf, with the same syntax, read after it. Here a time may also end in `s` or `m`.',
    'Directives of ha.cf are refused in this file, and those of this file in ha.cf.',
  ], TWINBEAT_CF)
}

export function renderCodesReference(): string {
  const rows = Object.entries(CONFIG_CODES).map(([code, doc]) => `| \`${code}\` | ${doc} |`)
  return ['| code | meaning |', '|---|---|', ...rows, ''].join('\n')
}

function page(name: string, intro: readonly string[], table: readonly Directive[]): string {
  const index = ['| directive | default |', '|---|---|',
    ...table.map((entry) => `| [\`${entry.name}\`](#${entry.name}) | ${shortDefault(entry)} |`)]
  return [`# ${name}`, '', ...intro, '', ...index, '', ...table.flatMap(section)].join('\n')
}

function shortDefault(entry: Directive): string {
  return entry.fallback === null ? escape(entry.reason) : `\`${entry.fallback}\``
}

function section(entry: Directive): string[] {
  const fallback = entry.fallback === null ? entry.reason : `\`${entry.fallback}\` (${entry.reason})`
  return [
    `## ${entry.name}`, '', `\`${entry.syntax}\``, '', entry.doc, '', `Default: ${fallback}.`,
    ...(entry.noEffect === null ? [] : ['', `Accepted without effect: ${entry.noEffect}.`]), '',
  ]
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|')
}
