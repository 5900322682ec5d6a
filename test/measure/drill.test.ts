import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { formatDrill } from '../../src/cli/format/drill.js'
import { parseView } from '../../src/measure/drill/drill.js'
import { destructive, faultNames, inflict, restore } from '../../src/measure/drill/faults.js'
import { mustRunOn, quoted, runOn } from '../../src/measure/drill/remote.js'
import { parseSettings, settingsScript } from '../../src/measure/drill/settings.js'
import { longestOverlap, rightState, type NodeView, type StatusView } from '../../src/measure/drill/state.js'
import { addressEvent } from '../../src/measure/drill/watch.js'

const here = { node: 'here', prefix: '' }
const address = '10.0.0.100'
const group = 'IPaddr2::10.0.0.100/24/eth0'

function view(node: string, held: boolean, changed: Partial<StatusView> = {}): NodeView {
  const peer = node === 'alpha' ? 'beta' : 'alpha'
  const status: StatusView = {
    node, pid: 7, membership: 'active', operation: null, maintenanceLeftMs: null, timing: { deadtimeMs: 1000 },
    nodes: [
      { name: node, self: true, kind: 'normal', state: 'up', status: 'active' },
      { name: peer, self: false, kind: 'normal', state: 'up', status: 'active' },
    ],
    groups: [{ id: group, state: held ? 'held' : 'peer', holder: held ? node : peer, onHold: false, members: [{ id: group }] }],
    ...changed,
  }
  return { node, status, interface: held ? 'eth0' : null }
}

test('a pair stands right when both are active and one has the address', () => {
  assert.deepEqual(rightState([view('alpha', true), view('beta', false)], address), { owner: 'alpha', other: 'beta', group })
})

test('whatever is wrong with a pair keeps a try from beginning', () => {
  const [good, other] = [view('alpha', true), view('beta', false)]
  const late = { name: 'alpha', self: false, kind: 'normal', state: 'late', status: 'active' }
  const wrong: readonly (readonly [NodeView[], RegExp])[] = [
    [[good, view('beta', true)], /both nodes/],
    [[view('alpha', false), other], /on no node/],
    [[good, { ...other, status: null }], /no daemon answers on beta/],
    [[good, view('beta', false, { membership: 'up' })], /beta: is 'up'/],
    [[good, view('beta', false, { maintenanceLeftMs: 5 })], /maintenance/],
    [[good, view('beta', false, { operation: 'standby all' })], /busy/],
    [[good, view('beta', false, { node: 'gamma' })], /calls itself 'gamma'/],
    [[good, view('beta', false, { nodes: [late] })], /sees alpha 'late'/],
    [[view('alpha', true, { groups: [] }), other], /no group of alpha/],
    [[view('alpha', true, { groups: [{ ...good.status!.groups[0]!, onHold: true }] }), other], /on hold/],
    [[view('alpha', true, { groups: [{ ...good.status!.groups[0]!, state: 'stopping' }] }), other], /'stopping'/],
    [[good, view('beta', false, { groups: [] })], /beta does not see/],
  ]
  for (const [views, why] of wrong) assert.match(JSON.stringify(rightState(views, address)), why)
})

test('the longest time with two owners is found, also one that lasts; the same node twice is none', () => {
  const at = (node: string, fromMs: number, toMs: number | null) => ({ node, fromMs, toMs })
  assert.deepEqual(longestOverlap([at('a', 0, 100), at('b', 90, null)], 0, 500), { fromMs: 90, lengthMs: 10 })
  assert.deepEqual(longestOverlap([at('a', 0, null), at('b', 90, null)], 0, 500), { fromMs: 90, lengthMs: 410 })
  assert.equal(longestOverlap([at('a', 0, 100), at('a', 50, null)], 0, 500).lengthMs, 0)
  assert.equal(longestOverlap([at('a', 0, 100), at('b', 90, null)], 200, 500).lengthMs, 0)
})

test('lines of ip monitor are read, added and deleted', () => {
  const line = '[2030-01-01T00:00:00.250000] 2: eth0    inet 10.0.0.100/24 scope global secondary eth0'
  assert.deepEqual(addressEvent(line), { atMs: Date.UTC(2030, 0, 1, 0, 0, 0, 250), address, added: true })
  assert.equal(addressEvent(line.replace('] ', '] Deleted '))?.added, false)
  assert.equal(addressEvent('clock 12.5'), null)
})

test('what a node prints of itself is read, also without a daemon', () => {
  const out = `2: eth0@if7    inet 10.0.0.100/24 brd 10.0.0.255 scope global eth0\n\n${JSON.stringify(view('alpha', true).status)}`
  assert.deepEqual(parseView('alpha', out), view('alpha', true))
  assert.deepEqual(parseView('alpha', '\n'), { node: 'alpha', interface: null, status: null })
  assert.equal(parseView('alpha', '\n{"error": {"code": "TB_NOT_RUNNING"}}').status, null)
})

test('a script runs at the other end of a prefix, bounded, and its failure says what was printed', async () => {
  assert.equal(await mustRunOn({ node: 'here', prefix: 'env WORD=x' }, 'echo "$WORD"', 5000, 'echo'), 'x\n')
  await assert.rejects(mustRunOn(here, 'echo broken >&2; exit 3', 5000, 'try'), /try on here: exit code 3: broken/)
  const began = performance.now()
  assert.equal((await runOn(here, 'sleep 30', 300)).code, null)
  assert.ok(performance.now() - began < 10_000)
  assert.equal((await runOn(here, `printf %s ${quoted("it's $HOME")}`, 5000)).out, "it's $HOME")
})

test('every script of a fault is one that a shell accepts', async () => {
  const input = { pid: 4_194_305, interface: 'nosuch0', group, tool: 'true', restoreAfterMs: 1, limitMs: 1000 }
  for (const fault of faultNames) {
    for (const script of [inflict(fault, input), restore(fault, input)]) {
      const { err } = await runOn(here, `sh -n <<'END'\n${script}\nEND`, 5000)
      assert.equal(err, '', fault)
    }
  }
})

test('a pid that is no daemon any more is left alone', async () => {
  const other = spawn('sleep', ['60'])
  const input = { pid: other.pid ?? 0, interface: 'nosuch0', group, tool: 'true', restoreAfterMs: 1, limitMs: 1000 }
  for (const fault of ['kill', 'freeze'] as const) assert.notEqual((await runOn(here, inflict(fault, input), 5000)).code, 0)
  assert.deepEqual([other.exitCode, other.signalCode], [null, null])
  other.kill('SIGKILL')
})

test('every fault that ends a process or an interface is asked for', () => {
  assert.deepEqual(Object.keys(destructive).sort(), ['freeze', 'kill', 'nic'])
})

test('settings of kernel and interface are read as words', async () => {
  const settings = parseSettings((await runOn(here, settingsScript('lo'), 5000)).out)
  assert.match(settings['kernel'] ?? '', /^Linux /)
  assert.equal(settings['nic.mtu'], '65536')
})

test('the table has a row for each fault and says why it stopped', () => {
  const one = {
    fault: 'kill', number: 1, from: 'alpha', to: 'beta', outageMs: 12.5, takenAfterMs: 9, twoOwnersMs: 0, ownerChanges: 1, anomaly: null,
  } as const
  const tries = [one, { ...one, number: 2, outageMs: 30, to: null, anomaly: 'nobody' }]
  const text = formatDrill({ tries, anomaly: 'nobody', interrupted: false, samples: 'x.jsonl' })
  assert.match(text, /^kill +2 +12\.5 ms +30\.0 ms +9\.00 ms +0\.00 ms$/m)
  assert.match(text, /STOPPED: nobody\nsamples: x\.jsonl/)
})
