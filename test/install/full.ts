// The long form, `npm run test:install`: with npm and its registry, as a user would. Minutes, not seconds.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { freshAccount, loadAddon } from './fresh-account.js'

void describe('a fresh account', () => {
  const account = freshAccount()
  after(() => { account.remove() })
  const mustRun = (command: string, args: readonly string[], cwd = account.clone): string => {
    const { code, output } = account.run(command, args, { cwd })
    assert.equal(code, 0, `${command} ${args.join(' ')}: ${output}`)
    return output
  }

  void test('npm ci in a clone builds the engine', () => {
    mustRun('npm', ['ci'])
    assert.deepEqual(loadAddon(account), { code: 0, output: '9\n' })
    mustRun('node', ['-e', "require('serialport')"])
  })

  void test('npm test in a clone sets itself up, and has raw-socket built with the same headers', () => {
    assert.match(mustRun('npm', ['test', '--', '--only', 'types']), /^1 passed, 0 failed, 0 skipped$/m)
    mustRun('node', ['-e', "require('raw-socket')"])
  })

  void test('a node binary without headers beside it builds by those of the npm package', () => {
    const bin = join(account.home, 'node', 'bin')
    mkdirSync(bin, { recursive: true })
    copyFileSync(process.execPath, join(bin, 'node'))
    const output = mustRun(join(bin, 'node'), ['scripts/install.mjs', '--force'])
    assert.match(output, /headers: npm package node-linux-/)
    assert.deepEqual(loadAddon(account), { code: 0, output: '9\n' })
  })

  void test('the packed package installs into another project and loads there', () => {
    rmSync(join(account.clone, 'build'), { recursive: true, force: true })
    const project = join(account.home, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}\n')
    mustRun('npm', ['pack', '--pack-destination', project])
    const tarball = readdirSync(project).find((name) => name.endsWith('.tgz')) ?? 'none'
    mustRun('npm', ['install', `./${tarball}`], project)
    mustRun('node', ['-e', "import('twinbeat').then((m) => { if (Object.keys(m).length === 0) throw new Error('empty') })"], project)
    mustRun('node', ['-e', `process.dlopen({ exports: {} }, '${join(project, 'node_modules/twinbeat/build/Release/twinbeat.node')}')`])
  })
})
