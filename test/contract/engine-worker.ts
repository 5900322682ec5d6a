// A worker that runs an engine until it is ended from outside.
import { parentPort } from 'node:worker_threads'
import { NativeEngine } from '../../src/engine/native.js'
import { begin, configOf } from './engine.contract.js'

const engine: NativeEngine = new NativeEngine({ wake: () => void engine.drain() })
begin(engine, configOf('left', []), 1)
setInterval(() => {
  if (engine.counters().heartbeatsSent > 3) parentPort?.postMessage('beats')
}, 20)
