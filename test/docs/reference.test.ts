// Pages that are rendered from the program must be what the program renders; links between pages must lead
// somewhere; every error code must be one that is thrown.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CONFIG_CODES } from '../../src/config/codes.js'
import { renderReference } from '../../src/daemon/reference.js'
import { errorTable } from '../../src/errors.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

function filesUnder(dir: string, ending: string): string[] {
  return readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending)).map((file) => join(dir, file)).sort()
}

test('the committed reference pages are what the program renders', () => {
  for (const [path, text] of renderReference()) {
    assert.equal(read(path), text, `${path} is not up to date: npm run docs:reference`)
  }
})

test('every link of a page leads to a file of the project', () => {
  const pages = ['README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...filesUnder('docs', '.md')]
  const dead = pages.flatMap((page) => [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '')
    .filter((target) => !/^(https?:|#)/.test(target))
    .filter((target) => !existsSync(join(root, dirname(page), target.replace(/#.*$/, ''))))
    .map((target) => `${page}: ${target}`))
  assert.deepEqual(dead, [])
})

/** Codes of errors in the sources, without the table itself. A code stands where it is thrown. */
function codesInSources(): Set<string> {
  const sources = filesUnder('src', '.ts').filter((file) => file !== join('src', 'errors.ts'))
  return new Set(sources.flatMap((file) => [...read(file).matchAll(/'(TB_[A-Z_]+)'/g)].map(([, code]) => code ?? '')))
}

test('every error code is thrown somewhere', () => {
  const used = codesInSources()
  assert.deepEqual(Object.keys(errorTable).filter((code) => !used.has(code)), [])
  assert.deepEqual(Object.keys(CONFIG_CODES).filter((code) => !used.has(code)), [])
})

test('every code that is thrown stands in a table', () => {
  const known = new Set([...Object.keys(errorTable), ...Object.keys(CONFIG_CODES)])
  assert.deepEqual([...codesInSources()].filter((code) => !known.has(code)), [])
})
