// The measuring commands on a real pair: what a client sees of a hand-over, a drill with a graceful move and a killed
// daemon, and the advice from a few seconds of heartbeats.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { ANSWER_PORT, startAnswering } from '../../lab/client.js'
import { assertNothingLeft, labObstacle } from '../../lab/lab.js'
import { LAB_ENV } from '../../lab/namespace.js'
import type { LabNode } from '../../lab/node.js'
import { Pair, type PairMember } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'
import { run, until, type RunResult } from '../../lab/processes.js'
import { TwinbeatNode, twinbeatObstacle } from '../../lab/twinbeat-node.js'
import type { TuneReport } from '../../src/cli/format/tune.js'
import type { DrillResult } from '../../src/measure/drill/drill.js'
import type { MeasureReport } from '../../src/measure/report.js'

const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const project = fileURLToPath(new URL('../../../', import.meta.url))
const tool = join(project, 'bin/twinbeat.mjs')
const vip = VIPS[0]
const limitMs = 120_000
const timing = { keepalive: '100ms', warntime: '500ms', deadtime: '1', initdead: '2' }

/** The command line as on a third machine: the network of the client, and a way to both nodes. */
function onClient(pair: Pair, words: readonly string[]): Promise<RunResult> {
  return run([...pair.lab.client.enterNetwork(), process.execPath, tool, ...words], { env: LAB_ENV, timeoutMs: limitMs })
}

const prefix = (node: LabNode): string => `nsenter -t ${node.pid} -m -u -i -n -p --`

/** One for both nodes: the folders of a node are named as the node. */
function startCommand({ name, folders }: LabNode): string {
  const words = [process.execPath, join(project, 'bin/twinbeatd.mjs'), '--ha-dir', folders.haD, '--state-dir', folders.state,
    '--run-dir', '/run/twinbeat', '--name', name]
  const line = `setsid ${words.join(' ')} </dev/null >>${join(folders.log, 'drill.out')} 2>&1 &`
  return line.replaceAll(name, '$(uname -n)')
}

function toolOn(member: PairMember, ...words: string[]): Promise<RunResult> {
  assert.ok(member.daemon instanceof TwinbeatNode)
  return member.node.exec(member.daemon.toolArgv(words), { timeoutMs: limitMs })
}

describe('measuring a pair', { skip: obstacle ?? false, concurrency: 1 }, () => {
  let pair: Pair
  const folder = mkdtempSync(join(tmpdir(), 'twinbeat-measure-'))

  before(async () => {
    const settings = { ...timing, autoFailback: 'off', media: ['bcast', 'ucast'] } as const
    pair = await Pair.create({ name: 'measure', kinds: ['twinbeat', 'twinbeat'], settings })
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', 30_000)
    for (const { node } of [pair.a, pair.b]) startAnswering(node)
  }, { timeout: limitMs })

  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    const traces = pair.lab.traces()
    await pair.close()
    assertNothingLeft(traces)
  })

  test('a client sees a hand-over: who answers, which hardware address, how long nobody', { timeout: limitMs }, async () => {
    const words = ['measure', vip, '--port', String(ANSWER_PORT), '--udp', '--every', '2ms', '--for', '3s', '--json']
    const [seen] = await Promise.all([
      onClient(pair, words),
      // In the middle of it: the address has moved there and back when the measurement ends.
      (async () => {
        await new Promise((resolve) => { setTimeout(resolve, 1_000) })
        assert.equal((await toolOn(pair.a, 'standby', 'local')).rc, 0)
      })(),
    ])
    assert.equal(seen.rc, 0, seen.err)
    const report = JSON.parse(seen.out) as MeasureReport
    assert.ok(report.owner.changeCount >= 1, 'the owner changed')
    assert.notEqual(report.owner.first, report.owner.last)
    assert.deepEqual(Object.keys(report.owner.answeredBy).sort(), ['nodea', 'nodeb'])
    assert.ok(report.outages.longestMs < 3_000 && report.probes.answered > report.probes.sent / 2)
    assert.equal((await toolOn(pair.a, 'takeover', 'local')).rc, 0)
    await pair.expect('local', 'local', 30_000)
  })

  test('an address that nobody has is silent, and a service that nobody serves is refused', { timeout: limitMs }, async () => {
    const [nobody, refused] = await Promise.all([
      onClient(pair, ['measure', '10.77.0.200', '--port', '7', '--for', '300ms', '--answer-within', '200ms', '--json']),
      onClient(pair, ['measure', vip, '--port', '9', '--for', '300ms', '--json']),
    ])
    assert.deepEqual([nobody.rc, refused.rc], [1, 1])
    assert.equal((JSON.parse(nobody.out) as MeasureReport).verdict, 'silent')
    assert.ok((JSON.parse(refused.out) as MeasureReport).probes.refused > 0)
    const usage = await onClient(pair, ['measure', vip, '--port', '7', '--max-outage', '5ms'])
    assert.equal(usage.rc, 64)
    assert.match(usage.err, /TB_USAGE: an outage of 5 ms is not seen by probes every 10 ms/)
  })

  test('a few seconds of heartbeats support no risk of years, and tune says so', { timeout: limitMs }, async () => {
    const tuned = await toolOn(pair.a, 'tune', '--for', '2s', '--json')
    assert.equal(tuned.rc, 0, tuned.err)
    const report = JSON.parse(tuned.out) as TuneReport
    assert.ok(report.series.some((series) => series.kind === 'peer' && series.name === 'nodeb' && series.gaps > 5))
    assert.ok(report.series.every((series) => series.supportedUs === null))
    assert.notEqual(report.advice?.by, 'sample')
    assert.ok(report.neededMs > 2 * 365 * 86_400_000)
    const page = await toolOn(pair.a, 'tune', '--all', '--risk', '1/hour')
    assert.match(page.out, /is NOT supported by this sample/)
  })

  test('a drill asks before it kills', { timeout: limitMs }, async () => {
    const on = [pair.a, pair.b].flatMap(({ node }) => ['--on', `${node.name}=${prefix(node)}`])
    const refused = await onClient(pair, ['drill', vip, ...on, '--faults', 'kill', '--tries', '1'])
    assert.equal(refused.rc, 64)
    assert.match(refused.err, /TB_CONFIRM: nobody is there to confirm: kill/)
  })

  test('a drill moves the address gracefully and by a killed daemon, restores, and leaves raw samples', { timeout: limitMs }, async () => {
    const on = [pair.a, pair.b].flatMap(({ node }) => ['--on', `${node.name}=${prefix(node)}`])
    const samples = join(folder, 'samples.jsonl')
    const drilled = await onClient(pair, [
      'drill', vip, ...on, '--faults', 'standby,kill', '--tries', '1', '--yes', 'kill', '--port', String(ANSWER_PORT), '--udp',
      '--tool', `${process.execPath} ${tool} --run-dir /run/twinbeat`, '--start', startCommand(pair.a.node),
      '--limit', '30s', '--settle', '60s', '--overlap-max', '1s', '--samples', samples, '--json',
    ])
    const result = JSON.parse(drilled.out) as DrillResult
    assert.equal(drilled.rc, 0, `${result.anomaly ?? ''}${drilled.err}`)
    assert.deepEqual(result.tries.map((one) => [one.fault, one.from, one.to]), [['standby', 'nodea', 'nodeb'], ['kill', 'nodeb', 'nodea']])
    const lines = readFileSync(samples, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    const settings = lines.filter((line) => line['type'] === 'settings')
    assert.equal(settings.length, 2)
    assert.match(String(settings[0]?.['kernel']), /^Linux /)
    assert.deepEqual(lines.map((line) => line['type']).slice(-1), ['end'])
    assert.ok(await until(async () => (await pair.b.daemon.statusOf('nodea')) === 'active', 30_000, 100), 'the killed daemon is back')
  })
})
