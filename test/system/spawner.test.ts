// The helper that starts every program: real processes, and its own death.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Spawner, outputBytesMax, type SpawnRequest } from '../../src/system/spawner.js'

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

function helper(t: TestContext): Spawner {
  const one = new Spawner()
  t.after(() => { one.close() })
  return one
}

const shell = (script: string, more: Partial<SpawnRequest> = {}): SpawnRequest => ({
  program: '/bin/sh', args: ['-c', script], env: { PATH }, capture: true, dieWithDaemon: false, ...more,
})

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let left = 500; !holds(); left -= 1) {
    if (left === 0) throw new Error(`not within 5 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}

test('exit codes, signals and output come back; stdin is what was given', async (t) => {
  const one = helper(t)
  const echo = await one.run(shell('cat; echo oops >&2; exit 3', { input: 'secret' })).end
  assert.deepEqual(echo, { kind: 'exited', exitCode: 3, signal: null, stdout: 'secret', stderr: 'oops\n' })
  const killed = await one.run(shell('kill -9 $$')).end
  assert.deepEqual(killed, { kind: 'exited', exitCode: null, signal: 'SIGKILL', stdout: '', stderr: '' })
  const silent = await one.run(shell('echo x', { capture: false })).end
  assert.deepEqual(silent, { kind: 'exited', exitCode: 0, signal: null, stdout: '', stderr: '' })
})

test('input of a megabyte is read by a program that reads slowly', async (t) => {
  const end = await helper(t).run(shell('sleep 0.1; wc -c', { input: 'x'.repeat(1_000_000) })).end
  assert.equal(end.kind === 'exited' && end.stdout.trim(), '1000000')
})

test('of long output the tail is kept and the rest is counted', async (t) => {
  const end = await helper(t).run(shell('head -c 3000000 /dev/zero | tr "\\0" x; echo the end')).end
  assert.ok(end.kind === 'exited')
  assert.match(end.stdout, /^\[\d+ bytes left out\]\nx/)
  assert.ok(end.stdout.endsWith('xthe end\n'))
  assert.ok(end.stdout.length < outputBytesMax + 100)
})

test('what cannot be started says why', async (t) => {
  const one = helper(t)
  const cases: [Partial<SpawnRequest>, string, string][] = [
    [{ program: '/nowhere' }, 'ENOENT', 'exec'],
    [{ program: '/etc/passwd' }, 'EACCES', 'exec'],
    [{ cwd: '/nowhere' }, 'ENOENT', 'folder'],
    [{ cgroup: '/nowhere' }, 'ENOENT', 'cgroup'],
    [{ args: ['a\0b'] }, 'EINVAL', 'request'],
    [{ args: ['x'.repeat(3_000_000)] }, 'E2BIG', 'request'],
  ]
  for (const [more, code, stage] of cases) {
    const run = one.run(shell('true', more))
    assert.deepEqual(await run.end, { kind: 'unstartable', code, stage })
    assert.equal(await run.pid, null)
  }
})

test('many at once keep their answers apart', async (t) => {
  const one = helper(t)
  const ends = await Promise.all(Array.from({ length: 60 }, async (_, i) => await one.run(shell(`echo ${i}`)).end))
  assert.deepEqual(ends.map((end) => end.kind === 'exited' && Number(end.stdout)), Array.from({ length: 60 }, (_, i) => i))
})

test('peek shows what was printed so far', async (t) => {
  const run = helper(t).run(shell('echo begun; sleep 30'))
  const pid = await run.pid
  assert.ok(pid !== null)
  let seen = ''
  for (let left = 100; seen === '' && left > 0; left -= 1) seen = (await run.peek()).stdout
  assert.equal(seen, 'begun\n')
  process.kill(-pid, 'SIGKILL')
  await run.end
  assert.deepEqual(await run.peek(), { stdout: '', stderr: '' })
})

test('when the helper dies, what ran under it is ended, said to be lost, and a new helper serves the next', async (t) => {
  const one = helper(t)
  const run = one.run(shell('sleep 60'))
  const pid = await run.pid
  assert.ok(pid !== null && one.pid !== null)
  process.kill(one.pid, 'SIGKILL')
  assert.deepEqual(await run.end, { kind: 'lost' })
  await until('the program is gone', () => !isAlive(pid))
  assert.equal((await one.run(shell('exit 4')).end).kind, 'exited')
})

test('a helper that hangs is given up: the order ends, and the next one has a helper that works', async (t) => {
  const one = new Spawner(undefined, 500)
  t.after(() => { one.close() })
  assert.equal((await one.run(shell('true')).end).kind, 'exited')
  const { pid } = one
  assert.ok(pid !== null)
  process.kill(pid, 'SIGSTOP')
  assert.deepEqual(await one.run(shell('true')).end, { kind: 'unstartable', code: 'EPIPE', stage: 'request' })
  await until('the hanging helper is gone', () => !isAlive(pid))
  assert.equal((await one.run(shell('exit 5')).end).kind, 'exited')
})

test('when the daemon is gone, starts are killed and stops run to their end', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'twinbeat-spawner-'))
  t.after(() => { rmSync(dir, { recursive: true, force: true }) })
  const one = new Spawner()
  const start = one.run(shell(`sleep 60; : > ${dir}/started`, { dieWithDaemon: true }))
  const stop = one.run(shell(`sleep 0.3; echo done; : > ${dir}/stopped`))
  const [startPid, helperPid] = [await start.pid, one.pid]
  assert.ok(startPid !== null && helperPid !== null && (await stop.pid) !== null)
  one.close()
  await until('the start is gone', () => !isAlive(startPid))
  await until('the stop has run to its end', () => existsSync(join(dir, 'stopped')))
  await until('the helper is gone', () => !isAlive(helperPid))
  assert.ok(!existsSync(join(dir, 'started')))
  assert.equal((await stop.end).kind, 'lost')
})
