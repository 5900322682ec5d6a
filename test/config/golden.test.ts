// Golden diagnostics: each file of test/golden/config holds the input files and the findings as an operator
// sees them. `node dist/test/config/golden.test.js --update` rewrites the expected part; review reads it.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { formatDiagnostics } from '../../src/config/diagnostics.js'
import { kGoodAuthkeys, kGoodHaCf, kGoodHaresources, kLabHost, load, type Files } from './support.js'

const folder = new URL('../../../test/golden/config/', import.meta.url)
const update = process.argv.includes('--update')
const kExpected = '=== expected\n'

/** Sections `=== NAME [key=value...]`; the first lines up to a section are the comment of the case. */
function parseCase(text: string): Partial<Files> {
  const files: Partial<Files> = { host: kLabHost }
  for (const section of text.split(/^=== /m).slice(1)) {
    const end = section.indexOf('\n')
    const [name = '', ...options] = section.slice(0, end).split(' ')
    const body = section.slice(end + 1)
    if (name === 'ha.cf') files.haCf = body.replace('<good>\n', kGoodHaCf)
    if (name === 'authkeys') files.authkeys = body.replace('<good>\n', kGoodAuthkeys)
    if (name === 'haresources') files.haresources = body.replace('<good>\n', kGoodHaresources)
    if (name === 'twinbeat.cf') files.twinbeatCf = body
    for (const option of options) applyOption(files, option)
  }
  return files
}

function applyOption(files: Partial<Files>, option: string): void {
  const [key, value = ''] = option.split('=')
  switch (key) {
    case 'mode': files.authkeysMode = parseInt(value, 8); break
    case 'twinbeat-mode': files.twinbeatMode = parseInt(value, 8); break
    case 'self': files.self = value; break
    case 'accept-without': files.acceptWithout = value.split(','); break
    case 'missing': files.haCf = null; break
    default: throw new Error(`unknown option '${option}' in a golden case`)
  }
}

for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt')).sort()) {
  test(`golden ${name}`, () => {
    const path = new URL(name, folder)
    const [input = '', expected = ''] = readFileSync(path, 'utf8').split(kExpected)
    const { config, diagnostics } = load(parseCase(input))
    const actual = `${formatDiagnostics(diagnostics)}${config === null ? 'refused' : 'accepted'}\n`
    if (update) writeFileSync(path, `${input}${kExpected}${actual}`)
    else assert.equal(actual, expected)
  })
}
