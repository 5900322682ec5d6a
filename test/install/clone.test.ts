import assert from 'node:assert/strict'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { freshAccount, lendAddonHeaders, loadAddon } from './fresh-account.js'

// One clone for all: the build takes most of the time. The tests stand in their order.
void describe('the install script in a fresh clone', () => {
  const account = freshAccount()
  after(() => { account.remove() })
  lendAddonHeaders(account)
  const install = (path?: string): ReturnType<typeof account.run> =>
    account.run(process.execPath, ['scripts/install.mjs'], path === undefined ? {} : { path })

  void test('without a compiler it says what to install, in two lines and no stack', () => {
    const { code, output } = install('/nonexistent')
    assert.equal(code, 1)
    assert.match(output, /^twinbeat: the native engine was not built: g\+\+, make, python3 not found\n {2}hint: .*apt-get install/)
    assert.equal(output.trimEnd().split('\n').length, 2)
  })

  void test('with an empty HOME it builds an engine that loads', () => {
    const built = install()
    assert.equal(built.code, 0, built.output)
    assert.deepEqual(loadAddon(account), { code: 0, output: '9\n' })
    // A Node without C headers beside it gets them from the registry: npm keeps its own copy of what it fetched.
    const inHome = readdirSync(account.home).filter((name) => name !== '.npm')
    assert.deepEqual(inHome, [], 'nothing but npm keeps anything in the home of the user')
  })

  void test('a second run finds the build and leaves it alone', () => {
    const binary = join(account.clone, 'build', 'Release', 'twinbeat.node')
    const before = statSync(binary).mtimeMs
    assert.deepEqual(install('/nonexistent'), { code: 0, output: '' })
    assert.equal(statSync(binary).mtimeMs, before)
  })

  void test('a build of other sources is not taken for a good one', () => {
    const source = join(account.clone, 'native', 'addon', 'addon.cc')
    const append = account.run('sh', ['-c', `echo '// changed' >> '${source}'`])
    assert.equal(append.code, 0)
    assert.match(readFileSync(source, 'utf8'), /changed\n$/)
    assert.match(install('/nonexistent').output, /not found/)
  })
})
