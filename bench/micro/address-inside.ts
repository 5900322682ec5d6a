// Runs in the namespace that address.ts made.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { createEngine } from '../../src/engine/native.js'
import type { AddressStep, EngineRecord } from '../../src/engine/engine.js'
import { summarise } from '../failover/statistics.js'

const run = promisify(execFile)
const tries = 60
const warmUp = 10

const waiting = new Map<number, (record: EngineRecord) => void>()
const engine = createEngine({
  wake: () => {
    for (const record of engine.drain()) if (record.type === 'steps.done') waiting.get(record.token)?.(record)
  },
})

// An engine alone does not keep a process alive.
const awake = setInterval(() => undefined, 1000)

let tokens = 0
function steps(list: readonly AddressStep[]): Promise<EngineRecord> {
  const token = ++tokens
  return new Promise((resolve) => {
    waiting.set(token, resolve)
    engine.runSteps(token, list)
  })
}

const addressOf = (at: number) => ({
  family: 4 as const, address: `192.0.2.${10 + at}`, prefix: 24, interface: 'tb0', label: null, broadcast: null,
})

async function measure(what: string, up: (at: number) => Promise<unknown>, down: (at: number) => Promise<unknown>): Promise<void> {
  const took: number[] = []
  for (let at = 0; at < tries; at += 1) {
    const before = process.hrtime.bigint()
    await up(at)
    const ms = Number(process.hrtime.bigint() - before) / 1e6
    await down(at)
    if (at >= warmUp) took.push(ms)
  }
  const { median, p95, max } = summarise(took)
  console.log(`${what.padEnd(62)}${[median, p95, max].map((one) => one.toFixed(3).padStart(12)).join('')}`)
}

console.log(`${'milliseconds, as JavaScript sees them'.padEnd(62)}${['median', 'p95', 'worst'].map((one) => one.padStart(12)).join('')}`)
await measure('address added and announced: netlink thread of the engine',
  (at) => steps([
    { type: 'add', address: addressOf(at), checkDuplicate: false },
    { type: 'announce', address: addressOf(at), count: 1, intervalUs: 1000 },
  ]),
  (at) => steps([{ type: 'remove', address: addressOf(at) }]))
await measure('address added: netlink thread of the engine',
  (at) => steps([{ type: 'add', address: addressOf(at), checkDuplicate: false }]),
  (at) => steps([{ type: 'remove', address: addressOf(at) }]))
const ip = (verb: string, at: number): Promise<unknown> => run('ip', ['addr', verb, `192.0.2.${10 + at}/24`, 'dev', 'tb0'])
await measure('the same by ip addr add, arping -U -c 1 (which waits a second)',
  async (at) => {
    await ip('add', at)
    await run('arping', ['-q', '-U', '-c', '1', '-w', '1', '-I', 'tb0', `192.0.2.${10 + at}`]).catch(() => undefined)
  }, (at) => ip('del', at))
await measure('address added: ip addr add', (at) => ip('add', at), (at) => ip('del', at))
clearInterval(awake)
process.exit(0)
