// What each class puts on the command line and into the environment.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { sixTests } from '../../src/lrm/acceptance.js'
import { heartbeatClass } from '../../src/lrm/agents/heartbeat.js'
import { lsbClass } from '../../src/lrm/agents/lsb.js'
import { ocfClass } from '../../src/lrm/agents/ocf.js'
import { parseProperties, systemdClass } from '../../src/lrm/agents/systemd.js'
import {
  heartbeatEnvironment,
  instanceName,
  type HeartbeatScene,
} from '../../src/lrm/environment.js'
import type {
  AgentAction,
  AgentClass,
  AgentContext,
  AgentStep,
  AgentTarget,
} from '../../src/lrm/types.js'
import { Workshop, gist } from './fixture.js'

const context: AgentContext = {
  nodeName: 'alpha',
  haDir: '/etc/ha.d',
  timeoutMs: 20_000,
  intervalMs: 10_000,
  extra: {},
  rscTmpDir: '/run/resource-agents',
  shimDir: null,
}

const target: AgentTarget = {
  id: 'key/web',
  class: 'ocf',
  name: 'apache',
  provider: 'heartbeat',
  path: '/x/web',
  args: ['a', 'b'],
  parameters: { port: '80', PASSWD: 'secret' },
}

function only(
  agentClass: AgentClass,
  action: AgentAction,
  more: Partial<AgentContext> = {},
): AgentStep {
  const command = agentClass.command(target, action, { ...context, ...more })
  assert.ok(command.supported)
  const [step] = command.steps
  assert.ok(step !== undefined)
  return step
}

test('positional arguments come first, the action last', () => {
  assert.deepEqual(only(heartbeatClass, 'start').args, ['a', 'b', 'start'])
  assert.deepEqual(only(heartbeatClass, 'probe').args, ['a', 'b', 'status'])
  assert.deepEqual(only(lsbClass, 'monitor').args, ['a', 'b', 'status'])
  assert.deepEqual(only(ocfClass, 'probe').args, ['monitor'])
})

test('an OCF agent finds the variables of the contract', () => {
  const { env } = only(ocfClass, 'monitor')
  const expected = {
    OCF_ROOT: '/usr/lib/ocf',
    OCF_RA_VERSION_MAJOR: '1',
    OCF_RESOURCE_INSTANCE: instanceName('key/web'),
    OCF_RESOURCE_TYPE: 'apache',
    OCF_RESOURCE_PROVIDER: 'heartbeat',
    OCF_RESKEY_port: '80',
    OCF_RESKEY_PASSWD: 'secret',
    OCF_RESKEY_CRM_meta_interval: '10000',
    OCF_RESKEY_CRM_meta_timeout: '20000',
    OCF_RESKEY_CRM_meta_name: 'monitor',
    HA_RSCTMP: '/run/resource-agents',
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(env[name], value, name)
  assert.equal(only(ocfClass, 'probe').env['OCF_RESKEY_CRM_meta_interval'], '0')
  assert.equal(only(ocfClass, 'start').env['OCF_RESKEY_CRM_meta_interval'], '0')
  assert.notEqual(only(ocfClass, 'start', { timeoutMs: 0 }).env['OCF_RESKEY_CRM_meta_timeout'], '0')
})

test('an instance name is a plain file name, different for different resources', () => {
  const id = fc.string({ minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(id, id, (a, b) => {
      assert.match(instanceName(a), /^[A-Za-z0-9_.-]{1,120}$/)
      assert.equal(instanceName(a) === instanceName(b), a === b)
    }),
  )
  assert.equal(instanceName('web'), 'web')
  assert.match(instanceName('192.0.2.1/24/web::a'), /^192\.0\.2\.1_24_web__a-[0-9a-f]{8}$/)
})

test('stand-in commands come first in the path, for OCF agents only', () => {
  const shimDir = '/run/twinbeat/shims'
  assert.match(
    only(ocfClass, 'start', { shimDir }).env['PATH'] ?? '',
    /^\/run\/twinbeat\/shims:\/usr\/sbin:/,
  )
  assert.doesNotMatch(only(heartbeatClass, 'start', { shimDir }).env['PATH'] ?? '', /shims/)
})

test('what the caller adds wins', () => {
  assert.equal(
    only(ocfClass, 'monitor', { extra: { OCF_CHECK_LEVEL: '10' } }).env['OCF_CHECK_LEVEL'],
    '10',
  )
  assert.equal(
    only(heartbeatClass, 'start', { extra: { HA_CURHOST: 'beta' } }).env['HA_CURHOST'],
    'beta',
  )
})

const scene: HeartbeatScene = {
  fields: [
    ['t', 'status'],
    ['src', 'beta'],
    ['st', 'dead'],
    ['deadtime', '9'],
  ],
  directives: [
    ['deadtime', '10'],
    ['auto_failback', 'on'],
  ],
  ownStatus: 'active',
  niceFailback: true,
  dontAsk: false,
  logfile: '/var/log/ha-log',
  debugfile: null,
  logfacility: 'local0',
}

test('heartbeat scripts see the message, the directives and the state of the cluster', () => {
  assert.deepEqual(heartbeatEnvironment(scene), {
    HA_t: 'status',
    HA_src: 'beta',
    HA_st: 'dead',
    HA_deadtime: '10',
    HA_auto_failback: 'on',
    HA_OSTATUS: 'active',
    HA_NICEFAILBACK: 'yes',
    HA_LOGFILE: '/var/log/ha-log',
    HA_LOGFACILITY: 'local0',
  })
})

test('no field of a message can become anything but an HA_ variable without zero bytes', () => {
  const pair = fc.tuple(fc.string(), fc.string())
  fc.assert(
    fc.property(fc.array(pair), (fields) => {
      for (const [name, value] of Object.entries(heartbeatEnvironment({ ...scene, fields }))) {
        assert.match(name, /^HA_[A-Za-z_][A-Za-z0-9_]*$/)
        assert.ok(!value.includes('\0'))
      }
    }),
  )
})

test('a unit is judged by its ActiveState', () => {
  const judge = (action: AgentAction, active: string, load = 'loaded'): string => {
    const stdout = `LoadState=${load}\nActiveState=${active}\nSubState=x\nResult=success\n`
    const { ok, state } = systemdClass.interpret(action, {
      exitCode: 0,
      signal: null,
      stdout,
      stderr: '',
    })
    return `${ok ? 'ok' : 'bad'} ${state}`
  }
  const states = [
    'active',
    'reloading',
    'activating',
    'deactivating',
    'inactive',
    'failed',
    'maintenance',
  ]
  const expected = [
    'ok running',
    'ok running',
    'bad pending',
    'bad pending',
    'ok stopped',
    'ok stopped',
    'bad unknown',
  ]
  assert.deepEqual(
    states.map((state) => judge('probe', state)),
    expected,
  )
  assert.equal(judge('start', 'failed'), 'bad stopped')
  assert.equal(judge('start', 'active'), 'ok running')
  assert.equal(judge('stop', 'inactive'), 'ok stopped')
  assert.equal(judge('stop', 'active'), 'bad running')
  assert.equal(judge('probe', 'inactive', 'not-found'), 'bad unknown')
  assert.equal(parseProperties('A=b=c\nrubbish\n').get('A'), 'b=c')
})

test('systemctl that cannot reach systemd is one clear error', () => {
  const stderr = "System has not been booted with systemd as init system (PID 1). Can't operate.\n"
  const judgement = systemdClass.interpret('probe', {
    exitCode: 1,
    signal: null,
    stdout: '',
    stderr,
  })
  assert.deepEqual(judgement, {
    ok: false,
    state: 'unknown',
    degraded: false,
    reason: 'systemd is not running on this machine',
    execution: 'error',
  })
})

test('without systemd a unit is refused, and nothing is written below /run/systemd', async (t) => {
  if (existsSync('/run/systemd/system')) {
    t.skip('systemd runs here')
    return
  }
  const shop = new Workshop(t)
  const resource = shop.target('systemd', 'web.service', '/lib/systemd/system/web.service')
  const result = await shop.lrm().run({ resource, action: 'start', timeoutMs: 2000 })
  assert.equal(gist(result), 'error bad unknown -')
  assert.equal(result.reason, 'systemd is not running on this machine')
  assert.equal(existsSync('/run/systemd/system'), false)
})

const goodInit = (dir: string): string => `case $1 in
  start) : > ${dir}/up;;
  stop) rm -f ${dir}/up;;
  status) [ -e ${dir}/up ] && exit 0; exit 3;;
  *) exit 2;;
esac
exit 0`

test('the acceptance of an init script only asks for status unless told otherwise', async (t) => {
  const shop = new Workshop(t)
  const lrm = shop.lrm()
  const resource = shop.agent('lsb', 'good', goodInit(shop.dir))
  const run = lrm.run.bind(lrm)
  assert.deepEqual(await sixTests(resource, run, { timeoutMs: 2000, destructive: false }), [
    { test: 'status answers', ok: true, detail: 'exit code 3, stopped' },
  ])
  const all = await sixTests(resource, run, { timeoutMs: 2000, destructive: true })
  assert.equal(all.length, 7)
  assert.ok(all.every((row) => row.ok))
})

test('the acceptance names what a lying init script fails', async (t) => {
  const shop = new Workshop(t)
  const lrm = shop.lrm()
  const strict = goodInit(shop.dir).replace('rm -f', 'rm')
  const failures = async (name: string, body: string): Promise<string[]> => {
    const resource = shop.agent('lsb', name, body)
    const rows = await sixTests(resource, lrm.run.bind(lrm), { timeoutMs: 2000, destructive: true })
    return rows.filter((row) => !row.ok).map((row) => row.test)
  }
  const secondStop = strict.replace('rm ', 'set -e; rm ')
  assert.deepEqual(await failures('second-stop', secondStop), ['stop of a stopped service'])
  const early = goodInit(shop.dir).replace(/stop\) (.*);;/, 'stop) (sleep 0.5; $1) & ;;')
  assert.deepEqual(await failures('early', early), ['status while stopped'])
})

test('the acceptance never touches a service that runs', async (t) => {
  const shop = new Workshop(t)
  const lrm = shop.lrm()
  const resource = shop.agent('lsb', 'live', goodInit(shop.dir))
  await lrm.run({ resource, action: 'start', timeoutMs: 2000 })
  const rows = await sixTests(resource, lrm.run.bind(lrm), { timeoutMs: 2000, destructive: true })
  assert.equal(rows.length, 1)
  assert.ok(existsSync(shop.path('up')))
})
