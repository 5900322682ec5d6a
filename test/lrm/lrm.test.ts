// The bad manners of agents, one by one: each has to end in one clear result.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { outputBytesMax } from '../../src/system/spawner.js'
import { GRACE_MS, Workshop, gist, isAlive, until } from './fixture.js'

test('an agent that hangs is reported at the timeout, and its children die with it', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('ocf', 'hang', `sleep 300 & echo $! > ${shop.path('child')}; wait`)
  const result = await shop.lrm().run({ resource, action: 'start', timeoutMs: 200 })
  assert.equal(gist(result), 'timeout bad unknown -')
  assert.match(result.reason ?? '', /no result within 200 ms/)
  assert.ok(result.durationMs >= 200 && result.durationMs < 10_000, `${result.durationMs} ms`)
  const child = Number(shop.read('child'))
  await until('the sleep is gone', () => !isAlive(child))
})

test('an agent that ignores SIGTERM is killed, and the next operation waits for that', async (t) => {
  const shop = new Workshop(t)
  const body = `case $1 in
    start) trap '' TERM; echo $$ > ${shop.path('pid')}; while :; do sleep 0.05; done;;
    stop) kill -0 $(cat ${shop.path('pid')}) 2>/dev/null && exit 1; exit 0;;
    esac`
  const resource = shop.agent('ocf', 'stubborn', body)
  const lrm = shop.lrm()
  const start = lrm.run({ resource, action: 'start', timeoutMs: 300 })
  const stop = lrm.run({ resource, action: 'stop', timeoutMs: 5000 })
  assert.equal((await start).execution, 'timeout')
  const stopped = await stop
  assert.equal(gist(stopped), 'done ok stopped 0')
  assert.ok(stopped.queuedMs >= 300 + GRACE_MS - 20, `queued ${stopped.queuedMs} ms`)
})

test('an agent stopped by SIGSTOP is ended at the timeout all the same', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('ocf', 'frozen', `echo $$ > ${shop.path('pid')}; kill -STOP $$`)
  const lrm = shop.lrm()
  assert.equal((await lrm.run({ resource, action: 'start', timeoutMs: 150 })).execution, 'timeout')
  await until('it is gone', () => !isAlive(Number(shop.read('pid'))))
})

test('the timeout counts from the start of the agent, not from queueing', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('ocf', 'slow', 'sleep 0.3')
  const lrm = shop.lrm()
  const runs = [1, 2, 3].map(() => lrm.run({ resource, action: 'start', timeoutMs: 2000 }))
  const results = await Promise.all(runs)
  assert.deepEqual(
    results.map((result) => result.execution),
    ['done', 'done', 'done'],
  )
  assert.ok((results[2]?.queuedMs ?? 0) >= 600)
})

test('a background child that keeps the pipe delays nothing and stays alive', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent(
    'ocf',
    'daemon',
    `sleep 60 & echo $! > ${shop.path('child')}; echo up; exit 0`,
  )
  const lrm = shop.lrm()
  const result = await lrm.run({ resource, action: 'start', timeoutMs: 20_000 })
  const child = Number(shop.read('child'))
  t.after(() => process.kill(child))
  assert.equal(gist(result), 'done ok running 0')
  assert.equal(result.stdout, 'up\n')
  assert.ok(result.durationMs < 10_000)
  await lrm.close()
  assert.ok(isAlive(child))
})

test('10 MB of output are read through, the tail is kept', async (t) => {
  const shop = new Workshop(t)
  const body =
    'head -c 10485760 /dev/zero | tr "\\0" x; echo; echo the end\n' +
    'echo "ocf-exit-reason:full" >&2; exit 1'
  const resource = shop.agent('ocf', 'chatty', body)
  const result = await shop.lrm().run({ resource, action: 'start', timeoutMs: 20_000 })
  assert.equal(result.exitCode, 1)
  assert.equal(result.reason, 'start ended with exit code 1 (generic error): full')
  assert.ok(result.stdout.endsWith('x\nthe end\n'))
  assert.ok(result.stdout.length < outputBytesMax + 100)
  assert.match(result.stdout, /^\[\d+ bytes left out\]/)
})

test('stdout and stderr are real pipes: they can be opened by name', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent(
    'heartbeat',
    'names',
    'echo running > /dev/stdout; echo oops > /dev/stderr',
  )
  const lrm = shop.lrm()
  // More runs than FIFOs were prepared: the refill is on the way.
  for (let i = 0; i < 12; i++) {
    const result = await lrm.run({ resource, action: 'probe', timeoutMs: 5000 })
    assert.equal(result.stdout, 'running\n', `run ${i}`)
    assert.equal(result.stderr, 'oops\n', `run ${i}`)
  }
})

test('an agent killed by a signal says nothing about its resource', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('heartbeat', 'victim', 'echo running; kill -KILL $$')
  const result = await shop.lrm().run({ resource, action: 'probe', timeoutMs: 5000 })
  assert.equal(gist(result), 'done bad unknown -')
  assert.equal(result.signal, 'SIGKILL')
  assert.match(result.reason ?? '', /killed by SIGKILL/)
})

test('a missing agent, a missing interpreter and a plain file are told apart', async (t) => {
  const shop = new Workshop(t)
  const lrm = shop.lrm()
  const missing = shop.target('ocf', 'missing', shop.path('missing'))
  const wrong = shop.agent('ocf', 'wrong', '#!/no/such/interpreter\n')
  const plain = shop.target('ocf', 'plain', shop.script('plain', 'exit 0', 0o644))
  const run = async (resource: typeof missing): Promise<string> => {
    const result = await lrm.run({ resource, action: 'start', timeoutMs: 5000 })
    return `${gist(result)}: ${(result.reason ?? '').replaceAll(shop.dir, 'DIR')}`
  }
  assert.equal(await run(missing), "not-installed bad unknown -: 'DIR/missing' does not exist")
  assert.equal(
    await run(wrong),
    "error bad unknown -: the interpreter '/no/such/interpreter' of 'DIR/wrong' is missing",
  )
  assert.equal(await run(plain), "error bad unknown -: 'DIR/plain' is not executable")
})

test('an empty answer from a heartbeat agent means not running, with the trap named', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('heartbeat', 'mute', 'exit 0')
  const result = await shop.lrm().run({ resource, action: 'probe', timeoutMs: 5000 })
  assert.equal(gist(result), 'done ok stopped 0')
  assert.match(result.reason ?? '', /did not print 'running'/)
})

test('operations of one resource never overlap and keep their order', async (t) => {
  const shop = new Workshop(t)
  const log = shop.path('log')
  const body = `echo "+$1" >> ${log}; sleep 0.05; echo "-$1" >> ${log}`
  const resource = shop.agent('ocf', 'ordered', body)
  const lrm = shop.lrm()
  const actions = ['probe', 'start', 'monitor', 'stop'] as const
  await Promise.all(actions.map((action) => lrm.run({ resource, action, timeoutMs: 5000 })))
  assert.equal(
    shop.read('log'),
    '+monitor\n-monitor\n+start\n-start\n+monitor\n-monitor\n+stop\n-stop\n',
  )
})

test('no more operations run at once than the limit says, and as many as it allows', async (t) => {
  const shop = new Workshop(t)
  mkdirSync(shop.path('in'))
  const body = `: > ${shop.path('in')}/$$; ls ${shop.path('in')} | wc -l >> ${shop.path('counts')}
    sleep 0.6; rm ${shop.path('in')}/$$`
  const lrm = shop.lrm({ limit: 3 })
  const path = shop.script('crowd', body)
  const runs = Array.from({ length: 9 }, (_, i) =>
    lrm.run({
      resource: shop.target('ocf', 'crowd', path, { id: `g/${i}` }),
      action: 'start',
      timeoutMs: 5000,
    }),
  )
  assert.equal(lrm.describe().running, 3)
  assert.ok((await Promise.all(runs)).every((result) => result.ok))
  const counts = shop.read('counts').trim().split('\n').map(Number)
  assert.equal(Math.max(...counts), 3)
})

test('what waits can be cancelled, what runs goes on', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('ocf', 'busy', `: > ${shop.path('began')}; sleep 0.3`)
  const lrm = shop.lrm()
  const first = lrm.run({ resource, action: 'start', timeoutMs: 5000 })
  const second = lrm.run({ resource, action: 'stop', timeoutMs: 5000 })
  assert.deepEqual(lrm.describe().resources[0]?.queued, ['stop'])
  assert.equal(lrm.cancel(resource.id), 1)
  assert.equal((await second).execution, 'cancelled')
  assert.equal(gist(await first), 'done ok running 0')
})

test('what runs can be aborted', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('ocf', 'endless', `: > ${shop.path('began')}; sleep 60`)
  const lrm = shop.lrm()
  const run = lrm.run({ resource, action: 'start', timeoutMs: 0 })
  await until('it began', () => existsSync(shop.path('began')))
  assert.equal(lrm.abort(resource.id), true)
  assert.equal(gist(await run), 'cancelled bad unknown -')
  await lrm.close()
  assert.equal(lrm.abort(resource.id), false)
  assert.equal((await lrm.run({ resource, action: 'stop', timeoutMs: 100 })).execution, 'cancelled')
})

test('an agent starts with clean environment, folder, umask, stdin and descriptors', async (t) => {
  const shop = new Workshop(t)
  process.env['NOTIFY_SOCKET'] = '/leak'
  t.after(() => delete process.env['NOTIFY_SOCKET'])
  const before = process.umask(0o077)
  t.after(() => process.umask(before))
  const body = `pwd; umask; cat | wc -c
    for fd in /proc/$$/fd/*; do readlink $fd; done |
      sed 's/pipe:.*/pipe/;s/.*\\/look/script/' | sort -u | tr '\\n' ' '; echo
    cut -d' ' -f5 /proc/$$/stat; echo $$
    env | cut -d= -f1 | sort | tr '\\n' ' '; : > ${shop.path('made')}`
  const resource = shop.agent('ocf', 'look', body, { provider: 'test', parameters: { state: 'x' } })
  const result = await shop.lrm().run({ resource, action: 'probe', timeoutMs: 5000 })
  const [cwd, umask, stdin, fds, group, pid, names] = result.stdout.split('\n')
  assert.deepEqual([cwd, umask, stdin, fds?.trim()], ['/', '0022', '0', '/dev/null pipe script'])
  assert.equal(group, pid)
  assert.equal(statSync(shop.path('made')).mode & 0o777, 0o644)
  assert.equal(process.umask(), 0o077)
  assert.ok(names?.includes('OCF_RESKEY_state '))
  for (const leak of ['NOTIFY_SOCKET', 'NODE_OPTIONS', 'USER '])
    assert.ok(!names?.includes(leak), leak)
})

test('secrets stay in the environment, out of arguments, results and description', async (t) => {
  const shop = new Workshop(t)
  const body =
    'tr "\\0" " " < /proc/$$/cmdline; echo "got $OCF_RESKEY_passwd" >&2\n' +
    'echo "ocf-exit-reason:bad $OCF_RESKEY_passwd" >&2; exit 1'
  const resource = shop.agent('ocf', 'login', body, {
    parameters: { passwd: 'hunter2!', user: 'joe' },
  })
  const lrm = shop.lrm()
  const result = await lrm.run({ resource, action: 'start', timeoutMs: 5000 })
  assert.equal(result.reason, 'start ended with exit code 1 (generic error): bad ********')
  assert.match(result.stderr, /^got \*{8}$/m)
  assert.doesNotMatch(JSON.stringify([result, lrm.describe()]), /hunter2/)
})

test('a monitor reports the first answer and changes, and never overlaps', async (t) => {
  const shop = new Workshop(t)
  const body = `n=$(cat ${shop.path('n')} 2>/dev/null || echo 0); echo $((n+1)) > ${shop.path('n')}
    [ -e ${shop.path('busy')} ] && echo overlap >> ${shop.path('fault')}
    : > ${shop.path('busy')}; sleep 0.02; rm ${shop.path('busy')}
    [ $n -ge 3 ] && exit 7; exit 0`
  const resource = shop.agent('ocf', 'watched', body)
  const lrm = shop.lrm()
  const reports: string[] = []
  const handle = lrm.monitor({
    resource,
    intervalMs: 20,
    timeoutMs: 2000,
    report: (result, previous) =>
      reports.push(`${result.state} after ${previous?.consecutive ?? 'nothing'}`),
  })
  await until('two reports', () => reports.length === 2)
  await until('more runs', () => Number(shop.read('n')) >= 6)
  handle.cancel()
  const runs = Number(shop.read('n'))
  await lrm.close()
  assert.deepEqual(reports, ['running after nothing', 'stopped after 3'])
  assert.equal(existsSync(shop.path('fault')), false)
  assert.ok(Number(shop.read('n')) <= runs + 1)
})

test('a command overtakes monitors that wait', async (t) => {
  const shop = new Workshop(t)
  const path = shop.script(
    'any',
    `echo $OCF_RESOURCE_INSTANCE $1 >> ${shop.path('log')}; sleep 0.05`,
  )
  const target = (id: string): ReturnType<Workshop['target']> =>
    shop.target('ocf', 'any', path, { id })
  const lrm = shop.lrm({ limit: 1 })
  const blocker = lrm.run({ resource: target('a'), action: 'start', timeoutMs: 5000 })
  const monitored = new Promise<void>((resolve) => {
    lrm.monitor({
      resource: target('b'),
      intervalMs: 60_000,
      timeoutMs: 5000,
      report: () => resolve(),
    })
  })
  await until('the monitor waits', () =>
    lrm.describe().resources.some((row) => row.queued.includes('monitor')),
  )
  const command = lrm.run({ resource: target('c'), action: 'stop', timeoutMs: 5000 })
  await Promise.all([blocker, command, monitored])
  assert.equal(shop.read('log'), 'a start\nc stop\nb monitor\n')
})

test('actions a class does not know are refused without running anything', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('heartbeat', 'old', `: > ${shop.path('ran')}`)
  const result = await shop.lrm().run({ resource, action: 'promote', timeoutMs: 5000 })
  assert.equal(gist(result), 'error bad unknown -')
  assert.match(result.reason ?? '', /no action 'promote'/)
  assert.equal(existsSync(shop.path('ran')), false)
})

test('the description shows what runs, what waits and the last results', async (t) => {
  const shop = new Workshop(t)
  const resource = shop.agent('ocf', 'shown', 'sleep 0.2', { provider: 'test' })
  const lrm = shop.lrm({ limit: 2 })
  const runs = [
    lrm.run({ resource, action: 'start', timeoutMs: 5000 }),
    lrm.run({ resource, action: 'stop', timeoutMs: 5000 }),
  ]
  const busy = lrm.describe().resources[0]
  assert.equal(busy?.agent, 'ocf:test:shown')
  assert.equal(busy?.running?.action, 'start')
  assert.deepEqual(busy?.queued, ['stop'])
  await Promise.all(runs)
  await lrm.close()
  const idle = lrm.describe()
  assert.equal(idle.running, 0)
  assert.deepEqual(
    idle.resources[0]?.last.map((result) => result.action),
    ['start', 'stop'],
  )
})
