import assert from 'node:assert/strict'
import { it } from 'node:test'
import { pino } from 'pino'
import type { ClusterConfig } from '../../src/config/model.js'
import { Lines } from '../../src/daemon/lines.js'

const device = '/dev/ttyS0'

function stage(): { lines: Lines; events: string[]; machine: { identity: string | null; opens: number; closes: number; opened: number } } {
  const events: string[] = []
  const machine = { identity: 'first' as string | null, opens: 0, closes: 0, opened: 0 }
  const log = pino({}, { write: (json: string) => { events.push((JSON.parse(json) as { event: string }).event) } })
  const lines = new Lines({
    log, retryMs: 5,
    onOpened: () => { machine.opened += 1 },
    identify: () => machine.identity,
    open: async ({ baud }) => {
      if (machine.identity === null) throw new Error('no such device')
      machine.opens += 1
      return await Promise.resolve({ fd: 10 + machine.opens, baud, close: () => { machine.closes += 1 } })
    },
  })
  return { lines, events, machine }
}

function config(...bauds: number[]): Pick<ClusterConfig, 'links' | 'twinbeat'> {
  const at = { file: 'ha.cf', line: 1, column: 1 }
  return {
    links: bauds.map((baud) => ({ type: 'serial', id: `serial:${device}`, name: device, device, baud, at })),
    twinbeat: { serialLock: false } as ClusterConfig['twinbeat'],
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 500, 'waited five seconds')
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
}

it('a device that is missing is said once, tried again, and given to the engine when it is there', async () => {
  const { lines, events, machine } = stage()
  machine.identity = null
  await lines.open(config(9600))
  assert.equal(lines.fdOf(device), null)
  assert.deepEqual(lines.closedLines(), [{ device, why: 'no such device' }])
  await new Promise((resolve) => { setTimeout(resolve, 30) })
  assert.deepEqual(events, ['serial.failed'])
  machine.identity = 'plugged'
  await until(() => machine.opened === 1)
  assert.equal(lines.fdOf(device), 11)
  assert.deepEqual(lines.closedLines(), [])
  assert.deepEqual(events, ['serial.failed', 'serial.opened'])
  lines.close()
})

it('a line that fails while its device stays is left to the engine; another device is opened anew', async () => {
  const { lines, events, machine } = stage()
  await lines.open(config(9600))
  lines.lost(device, 'EIO')
  await new Promise((resolve) => { setTimeout(resolve, 30) })
  assert.equal(lines.fdOf(device), 11)
  machine.identity = null
  await until(() => lines.fdOf(device) === null)
  assert.equal(machine.closes, 1)
  machine.identity = 'second'
  await until(() => machine.opened === 1)
  assert.equal(lines.fdOf(device), 12)
  assert.deepEqual(events, ['serial.lost', 'serial.opened'])
  lines.close()
  assert.equal(machine.closes, 2)
})

it('a reload keeps a line that stays, opens one whose speed changed, closes one that is gone', async () => {
  const { lines, machine } = stage()
  await lines.open(config(9600))
  await lines.open(config(9600))
  assert.deepEqual([machine.opens, machine.closes], [1, 0])
  await lines.open(config(19_200))
  assert.deepEqual([machine.opens, machine.closes], [2, 1])
  await lines.open(config())
  assert.deepEqual([machine.opens, machine.closes], [2, 2])
})
