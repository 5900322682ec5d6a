// Ticks in an even pace. A timer of Node comes in whole milliseconds and after what the loop is busy with, which makes
// three ticks of four at one millisecond; a thread of its own that sleeps until the next one makes them all.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

export interface Metronome {
  stop(): void
}

interface Beat {
  readonly everyMs: number
  /** One shared word: 1 ends it. */
  readonly word: Int32Array<SharedArrayBuffer>
}

export function startMetronome(everyMs: number, tick: () => void): Metronome {
  const word = new Int32Array(new SharedArrayBuffer(4))
  const beat: Beat = { everyMs, word }
  const worker = new Worker(new URL(import.meta.url), { workerData: beat, stdin: false })
  worker.on('message', tick)
  worker.unref()
  return {
    stop: () => {
      worker.off('message', tick)
      Atomics.store(word, 0, 1)
      Atomics.notify(word, 0)
    },
  }
}

function keepBeat({ everyMs, word }: Beat): void {
  for (let dueMs = performance.now(); Atomics.load(word, 0) === 0;) {
    const nowMs = performance.now()
    if (nowMs >= dueMs) {
      parentPort?.postMessage(null)
      // What was missed while the whole machine stood still is not made up for.
      dueMs += everyMs * Math.max(1, Math.ceil((nowMs - dueMs) / everyMs))
    }
    Atomics.wait(word, 0, 0, Math.max(0, dueMs - performance.now()))
  }
}

if (!isMainThread && isBeat(workerData)) keepBeat(workerData)

function isBeat(value: unknown): value is Beat {
  return typeof value === 'object' && value !== null && 'everyMs' in value && 'word' in value
}
