// Loaded into a daemon by `node --import`, from the side of the test: the product knows nothing of it. Opens a door in
// the node through which the main thread can be told to misbehave. One order for each connection, answered before it
// is carried out:
//   block MS   the loop stands still that long, without needing the processor
//   heap       allocates until the engine of JavaScript gives up
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'

import { DOOR } from './order.js'

/** What is kept alive while the heap fills. */
const hoard: unknown[] = []
const PIECE = 10_000

function fillHeap(): never {
  for (;;) hoard.push(Array.from({ length: PIECE }, (_, index) => ({ index })))
}

function carryOut(order: string): void {
  const [what, value] = order.trim().split(' ')
  if (what === 'heap') fillHeap()
  if (what === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(value))
}

function open(): void {
  rmSync(DOOR, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (order: Buffer) => {
      socket.end('ok\n', () => { setImmediate(carryOut, order.toString('latin1')) })
    })
  })
  server.on('error', () => undefined)
  server.listen(DOOR).unref()
}

// The variable that loads this is inherited by whatever the daemon starts.
if (process.argv[1]?.endsWith('twinbeatd.mjs') === true) open()
