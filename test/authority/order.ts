// The other side of the door: what the test says to a daemon that carries it.
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { fileURLToPath } from 'node:url'

import type { LabNode } from '../../lab/node.js'
import { within } from '../../lab/processes.js'

/** Inside the node, in a folder that is its own. */
export const DOOR = '/run/test-door.sock'
const ANSWER_MS = 5_000

/** For the environment of a daemon. */
export function doorOptions(...more: readonly string[]): string {
  return [`--import=${fileURLToPath(new URL('./door.js', import.meta.url))}`, ...more].join(' ')
}

/** Resolves when the daemon has heard; it obeys at its next turn. */
export async function order(node: LabNode, what: string): Promise<void> {
  const socket = createConnection(`/proc/${String(node.pid)}/root${DOOR}`)
  try {
    await within(once(socket, 'connect'), ANSWER_MS, `opening the door of ${node.name}`)
    socket.write(`${what}\n`)
    await within(once(socket, 'data'), ANSWER_MS, `the answer to '${what}' of ${node.name}`)
  } finally {
    socket.destroy()
  }
}
