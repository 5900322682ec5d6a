import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'

import type { Lab} from '../../lab/lab.js'
import { ANSWER_PORT, Client, startAnswering } from '../../lab/client.js'
import { assertNothingLeft, labObstacle, withLab, type LabTraces } from '../../lab/lab.js'
import { epochMs } from '../../lab/owners.js'
import { until } from '../../lab/processes.js'

const obstacle = await labObstacle()
/** reboot(2) with LINUX_REBOOT_CMD_RESTART, for machines without the program reboot. */
const REBOOT = 'import ctypes; ctypes.CDLL(None).reboot(0x1234567)'
const needsLab = { skip: obstacle ?? false, timeout: 60_000 }

async function reaches(lab: Lab, from: string, to: string): Promise<boolean> {
  const { rc } = await lab.node(from).exec(['ping', '-q', '-c', '1', '-W', '1', to])
  return rc === 0
}

test('two nodes reach each other on both networks and the client reaches them', needsLab, async () => {
  await withLab({ name: 'reach', nodes: ['nodea', 'nodeb'] }, async (lab) => {
    assert.equal((await lab.node('nodeb').exec(['hostname'])).out, 'nodeb\n')
    assert.ok(await reaches(lab, 'nodea', lab.node('nodeb').address('eth0')))
    assert.ok(await reaches(lab, 'nodea', lab.node('nodeb').address('eth1')))
    assert.equal((await lab.client.exec(['ping', '-q', '-c', '1', '-W', '1', '10.77.0.1'])).rc, 0)
  })
})

test('a one-way cut stops one direction only, and heals', needsLab, async () => {
  await withLab({ name: 'cut', nodes: ['nodea', 'nodeb'] }, async (lab) => {
    const a = lab.node('nodea')
    assert.ok(await reaches(lab, 'nodea', '10.78.0.2'))
    const seen = countPings(lab, 'nodeb')
    await a.cut('eth1', 'in')
    assert.equal(await reaches(lab, 'nodea', '10.78.0.2'), false)
    assert.ok((await seen()) > 0, 'requests must still arrive at the other node')
    await a.heal('eth1', 'in')
    assert.ok(await reaches(lab, 'nodea', '10.78.0.2'))
    await a.cut('eth1', 'both')
    assert.equal(await reaches(lab, 'nodea', '10.78.0.2'), false)
    await a.heal('eth1', 'both')
    assert.ok(await reaches(lab, 'nodea', '10.78.0.2'))
  })
})

function countPings(lab: Lab, name: string): () => Promise<number> {
  const read = async (): Promise<number> => {
    const { out } = await lab.node(name).exec(['cat', '/proc/net/snmp'])
    const [names, values] = out.split('\n').filter((line) => line.startsWith('Icmp:'))
    const column = names?.split(' ').indexOf('InEchos') ?? -1
    return Number(values?.split(' ')[column])
  }
  const before = read()
  return async () => (await read()) - (await before)
}

test('isolated nodes reach the client but not each other', needsLab, async () => {
  await withLab({ name: 'isolate', nodes: ['nodea', 'nodeb'] }, async (lab) => {
    for (const node of lab.allNodes()) await node.isolate('eth0', 'on')
    assert.equal(await reaches(lab, 'nodea', '10.77.0.2'), false)
    assert.equal((await lab.client.exec(['ping', '-q', '-c', '1', '-W', '1', '10.77.0.2'])).rc, 0)
  })
})

test('reboot(2) inside a node is noticed as node off and ends only that node', needsLab, async () => {
  await withLab({ name: 'reboot', nodes: ['nodea', 'nodeb'] }, async (lab) => {
    const node = lab.node('nodea')
    const off = once(node, 'off')
    await node.exec(['sh', '-c', 'reboot -f 2>/dev/null; exec python3 -c "$0"', REBOOT])
    await off
    assert.equal(node.isOn, false)
    assert.ok(lab.node('nodeb').isOn)
    await node.powerOn()
    assert.ok(await reaches(lab, 'nodea', '10.77.0.2'))
  })
})

test('a frozen node does nothing until it is thawed', needsLab, async () => {
  await withLab({ name: 'freeze', nodes: ['nodea'] }, async (lab) => {
    const node = lab.node('nodea')
    const loop = 'while :; do echo tick; sleep 0.02; done'
    const ticker = node.spawn(['sh', '-c', loop], { stdio: ['ignore', 'pipe', 'ignore'] })
    let ticks = 0
    ticker.stdout?.on('data', () => { ticks += 1 })
    assert.ok(await until(() => ticks > 3, 5_000))
    await node.freeze()
    await new Promise((resolve) => setImmediate(resolve))
    const frozenAt = ticks
    assert.equal(await until(() => ticks > frozenAt + 1, 400), false)
    node.thaw()
    assert.ok(await until(() => ticks > frozenAt + 2, 5_000))
  })
})

test('a serial line carries bytes at its baud rate and nothing while cut', needsLab, async () => {
  const serial = { baud: 9600, device: '/dev/ttyS7' }
  await withLab({ name: 'serial', nodes: ['nodea', 'nodeb'], serial }, async (lab) => {
    const listener = lab.node('nodeb').spawn(['cat', '/dev/ttyS7'], { stdio: ['ignore', 'pipe', 'ignore'] })
    let received = ''
    listener.stdout?.on('data', (chunk: Buffer) => { received += chunk.toString('latin1') })
    const send = (text: string) => lab.node('nodea').exec(['sh', '-c', 'cat > /dev/ttyS7'], { input: text })
    await send('start\n')
    assert.ok(await until(() => received.includes('start'), 5_000))
    const from = performance.now()
    await send(`${'x'.repeat(959)}\n`)
    assert.ok(await until(() => received.length >= 966, 10_000, 5), `only ${received.length} bytes`)
    const tookMs = performance.now() - from
    assert.ok(tookMs > 900, `960 bytes at 9600 baud took ${tookMs} ms`)
    lab.serial?.cut()
    await send('lost\n')
    assert.equal(await until(() => received.includes('lost'), 300), false)
    lab.serial?.heal()
    await send('found\n')
    assert.ok(await until(() => received.includes('found'), 5_000))
  })
})

test('the client measures with http, datagrams and pings', needsLab, async () => {
  await withLab({ name: 'client', nodes: ['nodea'] }, async (lab) => {
    const node = lab.node('nodea')
    startAnswering(node)
    for (const mode of ['http', 'udp', 'icmp'] as const) {
      const address = node.address('eth0')
      const client = Client.start(lab, { mode, address, port: ANSWER_PORT, everyMs: 20, timeoutMs: 300 })
      assert.ok(await until(() => client.lastAnswer() !== null, 10_000), `${mode}: no answer`)
      assert.equal(client.lastAnswer()?.by, mode === 'icmp' ? null : 'nodea')
      await node.cut('eth0', 'both')
      const cutMs = epochMs()
      assert.ok(await until(() => client.report(cutMs).lost > 2, 10_000), `${mode}: nothing lost`)
      await node.heal('eth0', 'both')
      await client.stop()
    }
  })
})

test('nothing is left when the process that made a lab is killed', needsLab, async () => {
  const script = `
    const { Lab } = await import(${JSON.stringify(new URL('../../lab/lab.js', import.meta.url).href)})
    const lab = await Lab.create({ name: 'orphan', nodes: ['nodea', 'nodeb'], serial: { baud: 115200 } })
    await lab.node('nodea').freeze()
    console.log(JSON.stringify(lab.traces()))
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const traces = JSON.parse(line.toString()) as LabTraces
  assert.ok(existsSync(traces.dir))
  child.kill('SIGKILL')
  let last: unknown = null
  const gone = await until(() => {
    try {
      assertNothingLeft(traces)
      return true
    } catch (error) {
      last = error
      return false
    }
  }, 10_000)
  assert.ok(gone, String(last))
})
