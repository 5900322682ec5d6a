// One contract for every kind of device, and what is particular to each; with devices that hang, lie and die, and
// with the real programs of cluster-glue and fence-agents.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { FenceDeviceConfig } from '../../src/config/model.js'
import { nodeId } from '../../src/core/base/ids.js'
import { fenceProgram, fenceTypeProblem } from '../../src/config/fence-types.js'
import { redactor } from '../../src/fence/redact.js'
import { DEVICE_KINDS, kindOf } from '../../src/fence/registry.js'
import { defaultPlaces } from '../../src/fence/types.js'
import { agentText, Bench, deviceConfig, onlyBeta, pluginText } from './devices-support.js'

const benches: Bench[] = []
after(() => { for (const bench of benches) bench.close() })

function own(): Bench {
  const bench = Bench.own()
  benches.push(bench)
  return bench
}

const secret = 'S3cret+/word'

/** For each kind a device that works, with a secret among its parameters where it takes any. */
const working: Readonly<Record<string, (bench: Bench) => FenceDeviceConfig>> = {
  external: (bench) => {
    bench.write('plug', pluginText())
    return deviceConfig('external/plug', { parameters: [['hostlist', 'beta gamma'], ['password', secret]], secrets: [secret] })
  },
  compiled: () => deviceConfig('stonith/null', { parameters: [['hostlist', 'beta gamma']] }),
  'fence-agent': (bench) => {
    const state = join(bench.programs, 'outlet')
    writeFileSync(state, 'on\n')
    bench.write('fence_test', agentText(state))
    return deviceConfig('fence_test', { targets: onlyBeta, parameters: [['password', secret]], secrets: [secret] })
  },
  meatware: () => deviceConfig('meatware', { targets: onlyBeta }),
  ssh: (bench) => {
    const gone = join(bench.programs, 'gone')
    bench.write('ssh', `#!/bin/sh\ntest -e ${gone} && exit 255\ncase "$*" in *nohup*) touch ${gone};; esac\nexit 0\n`)
    return deviceConfig('ssh', { targets: onlyBeta })
  },
  null: () => deviceConfig('null', { targets: onlyBeta }),
}

describe('contract', () => {
  for (const kind of DEVICE_KINDS) {
    const make = working[kind.name]
    assert.ok(make !== undefined, `no case for ${kind.name}`)
    const done = kind.name === 'meatware' ? 'manual' : 'confirmed'

    it(`${kind.name}: its test passes, off and reboot are done, each answered once with a line of text`, async () => {
      for (const action of ['status', 'reboot', 'off'] as const) {
        const bench = own()
        const answer = await bench.order(make(bench), action)
        assert.equal(answer.outcome, action === 'status' ? 'confirmed' : done, answer.text)
        assert.match(answer.text, /^[^\n]+$/)
      }
    })

    it(`${kind.name}: a node that is none of its targets is refused`, async () => {
      const bench = own()
      const config = make(bench)
      for (const action of ['status', 'off', 'reboot'] as const) {
        const answer = await bench.order(config, action, 'stranger')
        assert.equal(answer.outcome, 'failed', answer.text)
      }
    })

    it(`${kind.name}: a program that is not there is a failure with its name`, async () => {
      const bench = own()
      const config = make(bench)
      if (kind.program(config.type, bench.places) === null) return
      const bare = new Bench({ externalDir: '/nowhere', agentDir: '/nowhere', stonith: '/nowhere/stonith', ssh: '/nowhere/ssh' })
      benches.push(bare)
      for (const action of ['status', 'off'] as const) {
        const answer = await bare.order(config, action)
        assert.equal(answer.outcome, 'failed')
        assert.match(answer.text, /nowhere/)
      }
    })
  }

  it('types as the configuration knows them are those of the registry', () => {
    for (const type of ['external/x', 'fence_x', 'meatware', 'ssh', 'null', 'apcmaster', 'stonith/null', 'wti_nps']) {
      assert.equal(fenceTypeProblem(type), null, type)
      assert.equal(kindOf(type)?.program(type, defaultPlaces), fenceProgram(type), type)
    }
    for (const type of ['suicide', 'stonith/suicide', '../x', 'external/../x', 'fence_../x', 'nothing', 'external/']) {
      assert.notEqual(fenceTypeProblem(type), null, type)
      assert.equal(kindOf(type), null, type)
    }
  })
})

describe('devices that misbehave', () => {
  it('hanging: killed with everything that it started, answered at the deadline', async () => {
    const bench = own()
    const pids = join(bench.programs, 'pids')
    bench.write('plug', pluginText({ off: `sleep 1000 & echo $! >> ${pids}; echo $$ >> ${pids}; trap "" TERM; wait; sleep 1000` }))
    const config = deviceConfig('external/plug', { parameters: [['hostlist', 'beta']] })
    const answer = await bench.order(config, 'off', 'beta', 1_000)
    assert.equal(answer.outcome, 'timeout')
    // The next order waits until nothing of the last one is left.
    assert.equal((await bench.order(config, 'status')).outcome, 'confirmed')
    for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) {
      const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0] : 'X'
      assert.ok(state === 'X' || state === 'Z', `${pid} is still there: ${state ?? ''}`)
    }
  })

  it('lying: an agent whose outlet is still on after off is no success', async () => {
    const bench = own()
    const state = join(bench.programs, 'outlet')
    writeFileSync(state, 'on\n')
    bench.write('fence_test', agentText(state, { off: 'exit 0' }))
    const answer = await bench.order(deviceConfig('fence_test', { targets: onlyBeta }), 'off')
    assert.equal(answer.outcome, 'failed')
    assert.match(answer.text, /says that it is on/)
  })

  it('lying: a plugin that does not know the host is not believed', async () => {
    const bench = own()
    bench.write('plug', pluginText({ gethosts: 'echo gamma' }))
    const answer = await bench.order(deviceConfig('external/plug', { targets: onlyBeta }), 'off')
    assert.equal(answer.outcome, 'failed')
    assert.match(answer.text, /'beta' is none of its hosts: gamma/)
  })

  it('dying: killed by a signal, flooding its output, closing everything', async () => {
    for (const [lines, pattern] of [
      ['kill -9 $$', /SIGKILL/], ['head -c 3000000 /dev/zero | tr "\\0" x; echo; echo reason >&2; exit 1', /exit 1: reason/],
      ['exec >&- 2>&-; exit 7', /exit 7/],
    ] as const) {
      const bench = own()
      bench.write('plug', pluginText({ reset: lines }))
      const answer = await bench.order(deviceConfig('external/plug', { parameters: [['hostlist', 'beta']] }), 'reboot')
      assert.equal(answer.outcome, 'failed')
      assert.match(answer.text, pattern)
      assert.ok(answer.text.length < 500)
    }
  })

  it('a plugin that others can write is not run', async () => {
    const bench = own()
    bench.write('plug', pluginText(), 0o775)
    const answer = await bench.order(deviceConfig('external/plug', { parameters: [['hostlist', 'beta']] }), 'off')
    assert.match(answer.text, /can be written by others/)
  })

  it('a test gives way to an order', async () => {
    const bench = own()
    bench.write('plug', pluginText({ status: 'sleep 1000' }))
    const config = deviceConfig('external/plug', { parameters: [['hostlist', 'beta']] })
    bench.fencer.configure([config])
    const test = bench.fencer.order({ device: 'device', action: 'status', target: 'beta', timeoutMs: 60_000 })
    await new Promise((resolve) => { setTimeout(resolve, 200) })
    const off = await bench.fencer.order({ device: 'device', action: 'off', target: 'beta', timeoutMs: 10_000 })
    assert.equal(off.outcome, 'confirmed')
    assert.equal((await test).outcome, 'failed')
  })
})

describe('what a device is given', () => {
  it('an environment built from nothing, parameters by their own name, no secret on a command line', async () => {
    const bench = own()
    const seen = join(bench.programs, 'seen')
    process.env['TWINBEAT_LEAK'] = 'leaked'
    bench.write('plug', pluginText({ off: `env | sort > ${seen}; tr "\\0" " " < /proc/$$/cmdline >> ${seen}` }))
    const parameters = [['hostlist', 'beta'], ['password', secret]] as const
    const answer = await bench.order(deviceConfig('external/plug', { parameters, secrets: [secret] }), 'off', 'BETA')
    delete process.env['TWINBEAT_LEAK']
    assert.equal(answer.outcome, 'confirmed', answer.text)
    const text = readFileSync(seen, 'utf8')
    assert.match(text, /^PATH=\/usr\/share\/cluster-glue:/m)
    assert.match(text, /^HA_LOGTAG=external\/plug$/m)
    assert.match(text, /^hostlist=beta$/m)
    assert.doesNotMatch(text, /LEAK|NODE_|NOTIFY/)
    const command = text.split('\n').at(-1) ?? ''
    assert.match(command, /off beta/)
    assert.ok(!command.includes(secret))
  })

  it('values of the one-line form by the names that the plugin says, the last one takes the rest', async () => {
    const bench = own()
    const seen = join(bench.programs, 'seen')
    bench.write('plug', pluginText({ getconfignames: 'echo login hostlist', off: `echo "$login/$hostlist" > ${seen}` }))
    await bench.order(deviceConfig('external/plug', { positional: ['admin', 'beta', 'gamma'] }), 'off')
    assert.equal(readFileSync(seen, 'utf8'), 'admin/beta gamma\n')
  })

  it('an agent reads its keys from standard input, under the names that it knows', async () => {
    const bench = own()
    const seen = join(bench.programs, 'seen')
    const state = join(bench.programs, 'outlet')
    writeFileSync(state, 'on\n')
    bench.write('fence_test', agentText(state, { reboot: `set | grep ^in_ > ${seen}; tr "\\0" " " < /proc/$$/cmdline >> ${seen}` }))
    const parameters = [['ipaddr', '10.0.0.5'], ['login', 'admin'], ['passwd', secret], ['unknown', 'x']] as const
    const targets = [{ node: nodeId('beta'), as: '7' }]
    const answer = await bench.order(deviceConfig('fence_test', { targets, parameters, secrets: [secret] }), 'reboot')
    assert.equal(answer.outcome, 'confirmed', answer.text)
    const text = readFileSync(seen, 'utf8')
    assert.match(text, /^in_ip='10\.0\.0\.5'$/m)
    assert.match(text, /^in_username='admin'$/m)
    assert.match(text, /^in_plug='7'$/m)
    assert.match(text, /^in_nodename='beta'$/m)
    assert.doesNotMatch(text, /in_unknown/)
    assert.ok(!(text.split('\n').at(-1) ?? '').includes(secret))
  })

  it('an agent without reboot: off, then on; an on that fails leaves it fenced', async () => {
    for (const on of [undefined, 'exit 1']) {
      const bench = own()
      const state = join(bench.programs, 'outlet')
      writeFileSync(state, 'on\n')
      bench.write('fence_test', agentText(state, { reboot: 'missing', ...(on === undefined ? {} : { on }) }))
      const answer = await bench.order(deviceConfig('fence_test', { targets: onlyBeta }), 'reboot')
      assert.equal(answer.outcome, 'confirmed', answer.text)
      assert.equal(readFileSync(state, 'utf8'), on === undefined ? 'on\n' : 'off\n')
    }
  })

  it('what a device prints of its secrets is masked, however it is spelled', async () => {
    const bench = own()
    bench.write('plug', pluginText({ off: 'echo "cannot log in with $password" >&2; exit 1' }))
    const parameters = [['hostlist', 'beta'], ['password', secret]] as const
    const answer = await bench.order(deviceConfig('external/plug', { parameters, secrets: [secret] }), 'off')
    assert.match(answer.text, /cannot log in with \*{8}$/)
    const hide = redactor([secret, 'x'])
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      assert.equal(hide(`[${form}]`), '[********]')
    }
  })
})

describe('programs of Debian', () => {
  const bench = new Bench()
  benches.push(bench)
  const has = (file: string) => ({ skip: existsSync(file) ? false : `${file} is missing` })

  it('external/ssh of cluster-glue is asked for its hosts', has('/usr/lib/stonith/plugins/external/ssh'), async () => {
    const config = deviceConfig('external/ssh', { positional: ['beta', 'gamma'] })
    const stranger = await bench.order(config, 'off', 'alpha')
    assert.match(stranger.text, /'alpha' is none of its hosts: beta gamma/)
  })

  it('the compiled null reports success for any host, and is not believed', has('/usr/sbin/stonith'), async () => {
    const config = deviceConfig('stonith/null', { positional: ['beta', 'gamma'] })
    assert.equal((await bench.order(config, 'status')).outcome, 'confirmed')
    assert.equal((await bench.order(config, 'reboot', 'gamma')).outcome, 'confirmed')
    assert.match((await bench.order(config, 'off', 'alpha')).text, /'alpha' is none of its hosts/)
  })

  it('a compiled plugin with wrong parameters says so', has('/usr/sbin/stonith'), async () => {
    const parameters = [['ipaddr', '127.0.0.1'], ['port', '1'], ['community', secret]] as const
    const config = deviceConfig('apcmastersnmp', { parameters, secrets: [secret] })
    const answer = await bench.order(config, 'status', 'beta', 30_000)
    assert.notEqual(answer.outcome, 'confirmed')
    assert.ok(!answer.text.includes(secret))
  })

  it('fence_dummy: test, off, reboot by its own file', has('/usr/sbin/fence_dummy'), async () => {
    const file = join(bench.dir, 'dummy')
    writeFileSync(file, 'on')
    const config = deviceConfig('fence_dummy', { targets: onlyBeta, parameters: [['type', 'file'], ['status_file', file]] })
    const test = await bench.order(config, 'status', 'beta', 30_000)
    assert.equal(test.outcome, 'confirmed', test.text)
    assert.equal((await bench.order(config, 'off', 'beta', 30_000)).text, 'off: done, and the device says so')
    assert.equal(readFileSync(file, 'utf8'), 'off')
    assert.equal((await bench.order(config, 'reboot', 'beta', 30_000)).outcome, 'confirmed')
    assert.equal(readFileSync(file, 'utf8'), 'on')
  })

  it('fence_dummy that fails: no success, its reason in one line', has('/usr/sbin/fence_dummy'), async () => {
    const config = deviceConfig('fence_dummy', { targets: onlyBeta, parameters: [['type', 'fail'], ['power_timeout', '1']] })
    const answer = await bench.order(config, 'off', 'beta', 40_000)
    assert.equal(answer.outcome, 'failed')
    assert.match(answer.text, /off: exit 1: .*Failed/)
  })

  it('agents that need unfencing are refused', has('/usr/sbin/fence_scsi'), async () => {
    const answer = await bench.order(deviceConfig('fence_scsi', { targets: onlyBeta }), 'off', 'beta', 30_000)
    assert.match(answer.text, /needs unfencing/)
  })
})
