// Output and exit codes that scripts of a Heartbeat installation rely on.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { StatusReport } from '../../src/control/report.js'
import { clStatus } from '../../src/cli/compat/cl-status.js'
import { hbVerb, type HbVerbIo } from '../../src/cli/compat/hb-verbs.js'
import { TwinbeatError } from '../../src/errors.js'
import { report } from './report.js'

async function run(line: string, status: StatusReport | null = report): Promise<{ rc: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const rc = await clStatus(line === '' ? [] : line.split(' '), {
    out: (text) => { said.out += `${text}\n` },
    err: (text) => { said.err += `${text}\n` },
    status: async () => await Promise.resolve(status),
  })
  return { rc, ...said }
}

for (const [line, rc, out] of [
  ['hbstatus', 0, 'Heartbeat is running on this machine.\n'],
  ['listnodes', 0, '10.0.0.2\n10.0.0.1\nnodec\nnodeb\nnodea\n'],
  ['listnodes -n', 0, 'nodec\nnodeb\nnodea\n'],
  ['listnodes -p', 0, '10.0.0.2\n10.0.0.1\n'],
  ['nodestatus nodeb', 0, 'active\n'],
  ['nodestatus nodec', 1, 'dead\n'],
  ['nodestatus 10.0.0.1', 0, 'ping\n'],
  ['nodestatus 10.0.0.2', 1, 'dead\n'],
  ['nodestatus nodeb -m', 0, 'The cluster node nodeb is active\n'],
  ['nodestatus -m nodeb', 0, 'The cluster node nodeb is active\n'],
  ['nodestatus nobody', 11, ''],
  ['nodestatus', 11, ''],
  ['nodetype nodeb', 0, 'normal\n'],
  ['nodetype 10.0.0.1', 0, 'ping\n'],
  ['nodeweight nodeb', 0, '100\n'],
  ['nodesite nodeb', 0, '\n'],
  ['listhblinks nodeb', 0, '\teth0\n\teth1\n'],
  ['hblinkstatus nodeb eth0', 0, 'up\n'],
  ['hblinkstatus nodeb eth1', 1, 'dead\n'],
  ['hblinkstatus nodeb eth9', 13, ''],
  ['clientstatus nodea ipfail', 1, 'offline\n'],
  ['clientstatus nodea ipfail 1000', 1, 'offline\n'],
  ['clientstatus nodea', 11, ''],
  ['rscstatus', 0, 'local\n'],
  ['rscstatus -m', 0, 'This node is holding local resources.\n'],
  ['hbparameter -p keepalive', 0, '200ms\n'],
  ['hbparameter -p nothing', 1, ''],
  ['hbparameter', 11, ''],
  ['frobnicate', 11, ''],
] as const) {
  it(`cl_status ${line} ends with ${String(rc)}`, async () => {
    const result = await run(line)
    assert.deepEqual({ rc: result.rc, out: result.out }, { rc, out })
    if (rc === 11 || rc === 13) assert.match(result.err, /^cl_status: .+\n$/)
  })
}

it('without a word, and with -h, cl_status prints its help', async () => {
  for (const line of ['', '-h', 'nodestatus -h']) {
    const { rc, out } = await run(line)
    assert.equal(rc, 0)
    assert.match(out, /^usage: cl_status/)
  }
})

it('hbstatus -v adds version, manager, nodes and links', async () => {
  const { rc, out } = await run('hbstatus -v')
  assert.equal(rc, 0)
  assert.match(out, /^Heartbeat is running .*\nversion:\t.*\nmanaged by:\t"haresources"\n/)
  assert.match(out, /\nnode nodeb: active\n\tlink eth0: up\n\tlink eth1: dead\n/)
})

it('without a daemon hbstatus says stopped, everything else cannot sign on; each ends with 1', async () => {
  assert.deepEqual(await run('hbstatus', null), { rc: 1, out: 'Heartbeat is stopped on this machine.\n', err: '' })
  const other = await run('rscstatus', null)
  assert.equal(other.rc, 1)
  assert.equal(other.out, '')
  assert.match(other.err, /cannot sign on/)
})

interface Asked {
  rc: number
  out: string
  err: string
  asked: string[]
}

async function verb(name: 'hb_standby' | 'hb_takeover', args: string[], failure: Error | null = null): Promise<Asked> {
  const said = { out: '', err: '' }
  const asked: string[] = []
  const io: HbVerbIo = {
    out: (text) => { said.out += `${text}\n` },
    err: (text) => { said.err += `${text}\n` },
    now: () => new Date(2026, 10, 2, 3, 4, 5),
    ask: async (what, share) => {
      asked.push(`${what} ${share}`)
      await Promise.resolve()
      if (failure !== null) throw failure
    },
  }
  return { rc: await hbVerb(name, args, io), ...said, asked }
}

it('hb_standby says what it does, hb_takeover says nothing; failback means foreign, or all of a takeover', async () => {
  for (const [word, share] of [['all', 'all'], ['local', 'local'], ['foreign', 'foreign'], ['failback', 'foreign']] as const) {
    const printed = word === 'failback' ? 'foreign' : word
    assert.deepEqual(await verb('hb_standby', [word]),
      { rc: 0, out: `2026/11/02_03:04:05 Going standby [${printed}].\n`, err: '', asked: [`standby ${share}`] })
  }
  assert.deepEqual((await verb('hb_standby', [])).asked, ['standby all'])
  assert.deepEqual(await verb('hb_takeover', []), { rc: 0, out: '', err: '', asked: ['takeover all'] })
  assert.deepEqual((await verb('hb_takeover', ['failback'])).asked, ['takeover all'])
})

it('a wrong word, two words or --help is usage with 1, and nothing is asked', async () => {
  for (const args of [['most'], ['all', 'local'], ['--help'], ['constructor']]) {
    const result = await verb('hb_standby', args)
    assert.equal(result.rc, 1, args.join(' '))
    assert.match(result.err, /^usage: hb_standby \[all\|foreign\|local\|failback\]\n$/)
    assert.deepEqual(result.asked, [])
  }
})

it('a refusal and a missing daemon are one line and 1', async () => {
  const result = await verb('hb_takeover', [], new TwinbeatError('TB_NOT_RUNNING', "no twinbeatd answers at '/run/x'"))
  assert.deepEqual(result, { rc: 1, out: '', err: "hb_takeover: no twinbeatd answers at '/run/x'\n", asked: ['takeover all'] })
})

it('names that every object has are no parameters', async () => {
  assert.deepEqual(await run('hbparameter -p constructor'), { rc: 1, out: '', err: '' })
})
