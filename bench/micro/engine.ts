// What the parts of a heartbeat cost, against what one would write without a native engine. Prints a table; the load of
// the machine stands above it, since numbers of a busy machine say nothing.
//   npm run bench:micro
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { cpus, loadavg } from 'node:os'
import { Decoder } from '../../src/engine/decode.js'
import { text } from '../../src/engine/engine.js'
import type { EngineConfig, Field, LinkConfig } from '../../src/engine/engine.js'
import { ManualEngine } from '../../src/engine/manual.js'
import { NativeEngine } from '../../src/engine/native.js'
import { micros } from '../../src/core/base/ids.js'

const key = Buffer.from('a-key-of-the-bench')
const batch = 2000
const batches = 15 // the first third is warm-up

/** Median and worst of batches, in nanoseconds for one call. */
function measure(call: (at: number) => unknown): { medianNs: number; worstNs: number } {
  const samples: number[] = []
  for (let at = 0; at < batches; at++) {
    const before = process.hrtime.bigint()
    for (let i = 0; i < batch; i++) call(at * batch + i)
    samples.push(Number(process.hrtime.bigint() - before) / batch)
  }
  const warm = samples.slice(batches / 3).sort((a, b) => a - b)
  return { medianNs: warm[warm.length >> 1] ?? 0, worstNs: warm.at(-1) ?? 0 }
}

function row(what: string, call: (at: number) => unknown): void {
  const { medianNs, worstNs } = measure(call)
  const cell = (ns: number): string => `${(ns / 1000).toFixed(2)} µs`.padStart(12)
  console.log(what.padEnd(62) + cell(medianNs) + cell(worstNs))
}

const fields: readonly Field[] = [
  text('t', 'status'), text('st', 'active'), text('dt', '2710'), text('protocol', '1'), text('src', 'db1'),
  text('seq', '1a2b'), text('hg', '65a0b0c1'), text('ts', '65a0b0c2'), text('ld', '0.10 0.20 0.30 1/200 4242'), text('ttl', '3'),
]

function codec(): void {
  for (const method of ['md5', 'sha1', 'sha256'] as const) {
    const decoder = new Decoder({ signIndex: 1, keys: [{ index: 1, method, key: key.toString() }] })
    const message = decoder.encode(fields, { encoding: 'netstring', innerAuth: false })
    if (message === null) throw new Error('the message cannot be encoded')
    row(`sign ${message.length} bytes, ${method}: native, with the call`, () => decoder.sign(message))
    row(`sign ${message.length} bytes, ${method}: node:crypto`, () => createHmac(method, key).update(message).digest('hex'))
    row(`parse and verify, ${method}: native, with an object for JavaScript`, () => decoder.decode(message))
    row(`parse and verify, ${method}: JavaScript and node:crypto`, () => parseInJavaScript(message, method))
  }
}

const head = '###\n'
const tail = Buffer.from('%%%\n')

/** The least that a JavaScript engine would do: netstrings into fields, the digest compared in constant time. */
function parseInJavaScript(message: Uint8Array, method: string): Map<string, string> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const found = new Map<string, string>()
  const end = bytes.lastIndexOf(tail)
  for (let at = head.length; at < end;) {
    const colon = bytes.indexOf(58, at)
    const size = Number(bytes.toString('latin1', at, colon))
    if (colon < 0 || !Number.isInteger(size)) throw new Error('not a message')
    const line = bytes.toString('latin1', colon + 1, colon + 1 + size)
    const equals = line.indexOf('=')
    found.set(line.slice('(0)'.length, equals), line.slice(equals + 1))
    at = colon + size + 2
  }
  const digest = bytes.subarray(bytes.indexOf(32, end) + 1, bytes.length - 1)
  const expected = createHmac(method, key).update(bytes.subarray(0, end + tail.length)).digest('hex')
  if (!timingSafeEqual(Buffer.from(expected), digest)) throw new Error('the signature does not fit')
  return found
}

const uuid = (name: string): Buffer => Buffer.from(name.padEnd(16, '.'))

function configOf(name: string, links: readonly LinkConfig[]): EngineConfig {
  return {
    revision: 1,
    self: { name, uuid: uuid(name) },
    nodes: ['left', 'right'].map((node) => ({ name: node, uuid: uuid(node) })),
    timing: {
      keepaliveUs: 10_000, deadtimeUs: 1_000_000, warntimeUs: 500_000, initdeadUs: 1_000_000, deadpingUs: 1_000_000,
      maxRexmitDelayUs: 250_000,
    },
    hopfudge: 1,
    muteAfterPause: false,
    auth: { signIndex: 1, keys: [{ index: 1, method: 'sha1', key }] },
    links,
  }
}

const manualLink: LinkConfig = { type: 'loopback', name: 'wire', channel: 0, lossPercent: 0, duplicatePercent: 0, seed: 1 }

function dutyCycle(): void {
  const engines = ['left', 'right'].map((name, at) => {
    const engine = new ManualEngine({ seed: at + 1, now: micros(1_000_000_000), wallUs: 1_700_000_000_000_000 })
    engine.configure(configOf(name, [manualLink]))
    engine.setGeneration(at + 1)
    engine.start()
    engine.setStatus('active', { deadtimeExtraUs: 0 })
    engine.setPhase('started')
    return engine
  })
  const [left, right] = engines
  if (left === undefined || right === undefined) return
  const cycle = (at: number): void => {
    const now = micros(1_000_000_000 + at * 10_000)
    for (const engine of engines) engine.advanceTo(now)
    for (const packet of left.collect()) right.inject(packet.link, packet.bytes)
    for (const packet of right.collect()) left.inject(packet.link, packet.bytes)
  }
  row('two engines, one heartbeat each way, through JavaScript', cycle)
  row('drain with nothing in it', () => left.drain())
  row('duty cycle with nothing to do', () => left.advanceTo(left.now()))
  row('snapshot as an object', () => left.snapshot())
}

/** Keeps the main thread busy as a garbage collection or a large JSON does: 30 ms in every 50. */
async function busyFor(totalMs: number): Promise<void> {
  const end = performance.now() + totalMs
  while (performance.now() < end) {
    const pause = performance.now() + 30
    while (performance.now() < pause) { /* busy */ }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function beatsBesideBusyJavaScript(): Promise<void> {
  const socket = createSocket('udp4')
  let planned = performance.now() + 10
  let worst = 0
  const beat = setInterval(() => {
    worst = Math.max(worst, performance.now() - planned)
    planned = performance.now() + 10
    socket.send(createHmac('sha1', key).update('heartbeat').digest(), 9, '127.0.0.1')
  }, 10)
  await busyFor(2000)
  clearInterval(beat)
  socket.close()
  console.log(`worst lateness of a 10 ms heartbeat beside a busy main thread: dgram ${worst.toFixed(1)} ms`)
  const engine = new NativeEngine({ wake: () => { engine.drain() } })
  engine.configure(configOf('left', [manualLink]))
  engine.setGeneration(1)
  engine.start()
  await busyFor(2000)
  const { latenessMaxUs, heartbeatsSent } = engine.counters()
  const { scheduling } = engine.snapshot().realtime
  engine.stop({ farewell: false })
  console.log(`worst lateness of a 10 ms heartbeat beside a busy main thread: engine ${(latenessMaxUs / 1000).toFixed(1)} ms ` +
    `(${heartbeatsSent} sent, scheduling ${scheduling})`)
}

const load = loadavg().map((one) => one.toFixed(1)).join(' ')
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, load ${load}`)
console.log('median and worst of ten batches of 2000 calls'.padEnd(62) + 'median'.padStart(12) + 'worst'.padStart(12))
codec()
dutyCycle()
await beatsBesideBusyJavaScript()
