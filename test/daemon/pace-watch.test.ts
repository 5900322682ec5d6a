// What stands in the way of heartbeats in milliseconds, and what a machine turned out to hold.
import assert from 'node:assert/strict'
import { test, mock } from 'node:test'
import type { Micros } from '../../src/core/base/ids.js'
import { PaceWatch } from '../../src/daemon/pace-watch.js'
import type { Engine } from '../../src/engine/engine.js'

interface Machine { scheduling: 'fifo' | 'normal'; latenessMaxUs: number; files: Record<string, string> }

function watchOn(machine: Machine): { watch: PaceWatch; said: string[] } {
  const said: string[] = []
  const engine = {
    counters: () => ({ latenessMaxUs: machine.latenessMaxUs }),
    snapshot: () => ({ realtime: { scheduling: machine.scheduling } }),
  } as unknown as Engine
  const watch = new PaceWatch({
    engine: () => engine,
    onWarning: (event, text) => { said.push(`${event.event}: ${text}`) },
    read: (file) => machine.files[file] ?? '',
  })
  return { watch, said }
}

const timing = (keepaliveMs: number, deadtimeMs: number): { keepaliveUs: Micros; deadtimeUs: Micros } =>
  ({ keepaliveUs: (keepaliveMs * 1000) as Micros, deadtimeUs: (deadtimeMs * 1000) as Micros })
const quiet = {
  '/proc/sys/kernel/sched_rt_runtime_us': '950000\n',
  '/proc/self/limits': 'Max realtime timeout      unlimited            us\n',
}

test('a machine without real-time scheduling is told so, and one with it is not', () => {
  const without = watchOn({ scheduling: 'normal', latenessMaxUs: 0, files: quiet })
  without.watch.watch(timing(1, 5))
  assert.match(without.said.join('\n'), /^pace\.obstacle: deadtime 5ms: there is no real-time scheduling/)
  const good = watchOn({ scheduling: 'fifo', latenessMaxUs: 0, files: quiet })
  good.watch.watch(timing(1, 5))
  assert.deepEqual(good.said, [])
})

test('limits of the kernel on real-time threads are named', () => {
  const files = {
    '/proc/sys/kernel/sched_rt_runtime_us': '0\n',
    '/proc/self/limits': 'Max realtime timeout      5000                 10000                us\n',
  }
  const { watch, said } = watchOn({ scheduling: 'fifo', latenessMaxUs: 0, files })
  watch.watch(timing(1, 5))
  assert.equal(said.length, 2)
  assert.match(said.join('\n'), /sched_rt_runtime_us is 0/)
  assert.match(said.join('\n'), /RLIMIT_RTTIME is 5000 us/)
})

test('lateness that the dead time does not bear is said, with the profile that it held', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const machine: Machine = { scheduling: 'fifo', latenessMaxUs: 900, files: quiet }
    const { watch, said } = watchOn(machine)
    watch.watch(timing(1, 5))
    mock.timers.tick(3_000)
    assert.deepEqual(said, [], '0.9 ms of 3 ms')
    machine.latenessMaxUs = 5_100
    mock.timers.tick(60_000)
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /^pace\.unheld: this engine was up to 6ms late, and a deadtime of 5ms bears 3ms: .* 'profile safe'$/)
    watch.watch(timing(1, 5))
    mock.timers.tick(120_000)
    assert.equal(said.length, 1, 'the same timing is looked at once')
  } finally {
    mock.timers.reset()
  }
})

test('an unhurried pair is not looked at', () => {
  const { watch, said } = watchOn({ scheduling: 'normal', latenessMaxUs: 1_000_000, files: {} })
  watch.watch(timing(50, 200))
  watch.watch(timing(1000, 30_000))
  assert.deepEqual(said, [])
})
