// One engine inside a network namespace of its own; does what `links.test.ts` asks over the channel to its parent.
import { execFileSync } from 'node:child_process'
import { createEngine } from '../../src/engine/native.js'
import type { EngineConfig, EngineRecord } from '../../src/engine/engine.js'
import { begin } from '../contract/engine.contract.js'

export type Ask =
  | { readonly id: number; readonly call: 'shell'; readonly script: string }
  | { readonly id: number; readonly call: 'begin'; readonly config: EngineConfig; readonly generation: number }
  | { readonly id: number; readonly call: 'snapshot' | 'records' }

const records: EngineRecord[] = []
const engine = createEngine({ wake: () => { records.push(...engine.drain()) } })

function answer(ask: Ask): unknown {
  switch (ask.call) {
    case 'shell':
      return execFileSync('sh', ['-ec', ask.script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000 })
    case 'begin':
      begin(engine, ask.config, ask.generation)
      return null
    case 'snapshot':
      return engine.snapshot()
    case 'records':
      return records
  }
}

process.on('message', (ask: Ask) => {
  try {
    process.send?.({ id: ask.id, value: answer(ask) })
  } catch (error) {
    process.send?.({ id: ask.id, error: String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
process.send?.({ id: 0, value: process.pid })
