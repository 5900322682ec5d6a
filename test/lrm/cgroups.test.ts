// Real control groups, where this machine has them; and the plain case that it has none.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Cgroups } from '../../src/lrm/cgroups.js'
import { Spawner } from '../../src/system/spawner.js'

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let left = 500; !holds(); left -= 1) {
    if (left === 0) throw new Error(`not within 5 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('what an agent leaves behind is found and ended by its group', async (t) => {
  const cgroups = new Cgroups('alpha', `/run/test-${process.pid}`)
  const folder = cgroups.folderOf('web/one')
  if (folder === null) {
    t.skip(cgroups.problem ?? 'no control groups')
    return
  }
  t.after(() => { cgroups.tidy() })
  const spawner = new Spawner()
  t.after(() => { spawner.close() })
  // A service that left its session, its process group and its parent.
  const end = await spawner.run({
    program: '/bin/sh', args: ['-c', 'setsid sh -c "sleep 300 & sleep 300" </dev/null >/dev/null 2>&1 & exit 0'],
    env: { PATH: '/usr/bin:/bin' }, capture: true, dieWithDaemon: false, cgroup: folder,
  }).end
  assert.deepEqual(end, { kind: 'exited', exitCode: 0, signal: null, stdout: '', stderr: '' })
  await until('both run', () => readFileSync(`${folder}/cgroup.procs`, 'latin1').trim().split('\n').length >= 2)
  assert.ok(cgroups.populated('web/one'))
  assert.ok(!cgroups.populated('web_one'))
  cgroups.tidy()
  assert.ok(existsSync(folder))
  assert.ok(cgroups.kill('web/one'))
  await until('nothing is left', () => !cgroups.populated('web/one'))
  cgroups.tidy()
  assert.ok(!existsSync(folder))
})

test('what the start of one resource left is told apart from the rest of its group', async (t) => {
  const cgroups = new Cgroups('alpha', `/run/apart-${process.pid}`)
  const [group, one, other] = [cgroups.folderOf('web'), cgroups.folderOf('web', 'cgroup.procs'), cgroups.folderOf('web', 'httpd')]
  if (group === null || one === null || other === null) {
    t.skip(cgroups.problem ?? 'no control groups')
    return
  }
  const spawner = new Spawner()
  t.after(() => { spawner.close() })
  const run = spawner.run({
    program: '/bin/sleep', args: ['300'], env: {}, capture: false, dieWithDaemon: true, cgroup: one,
  })
  await until('it runs', () => cgroups.populated('web', 'cgroup.procs'))
  assert.ok(cgroups.populated('web'))
  assert.ok(!cgroups.populated('web', 'httpd'))
  assert.ok(cgroups.kill('web'))
  await run.end
  await until('nothing is left', () => !cgroups.populated('web'))
  cgroups.tidy()
  assert.ok(!existsSync(group))
})

test('names stay apart', (t) => {
  const cgroups = new Cgroups('alpha', `/run/names-${process.pid}`)
  t.after(() => { cgroups.tidy() })
  if (cgroups.problem !== null) {
    t.skip(cgroups.problem)
    return
  }
  const folders = ['a/b', 'a_b', 'a b', '..', '.', 'x'.repeat(200), `${'x'.repeat(200)}y`].map((name) => cgroups.folderOf(name))
  assert.equal(new Set(folders).size, folders.length)
})

test('without a writable hierarchy there are none, and nothing breaks', () => {
  const none = new Cgroups('alpha', '/run/x', '/proc/self/nowhere')
  assert.match(none.problem ?? '', /cannot be made/)
  assert.equal(none.folderOf('web'), null)
  assert.equal(none.populated('web'), false)
  assert.equal(none.kill('web'), false)
  none.tidy()
})
