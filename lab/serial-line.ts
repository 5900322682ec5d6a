// A null-modem cable between two nodes: a pseudo-terminal at each end and a relay process between
// them that keeps the pace of a real line. The relay is a process of its own, so that a busy test
// does not slow the line; it lives in the switch namespace and dies with it.

import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { LAB_ENV, type Namespace } from './namespace.js'
import { exited, spawnChild, within } from './processes.js'

export interface SerialOptions {
  readonly baud: number
  /** Its file inside the nodes, SERIAL_DEVICE if not said otherwise. */
  readonly device?: string
}

export const SERIAL_DEVICE = '/run/ttyHB0'

/** Damage per direction; 0 is the first node. */
export interface SerialFault {
  /** The side whose sending is damaged. */
  readonly from: 0 | 1
  readonly cut?: boolean
  /** Share of whole frames that vanish. */
  readonly losePercent?: number
  /** Share of bytes with one bit turned, in millionths. */
  readonly flipPerMillion?: number
}

/** One command of the relay process, a JSON line on its standard input. */
export type RelayCommand =
  | ({ readonly type: 'fault' } & SerialFault)
  | { readonly type: 'release', readonly side: number }

export interface SerialLine {
  fault(fault: SerialFault): void
  cut(): void
  heal(): void
  /** What happens to a real line when nobody has it open any more: nothing waits, nobody owns it. */
  release(side: number): void
  close(): Promise<void>
}

const READY_TIMEOUT_MS = 15_000
const END_TIMEOUT_MS = 3_000
const RELAY = fileURLToPath(new URL('./pty-relay.js', import.meta.url))

export async function openSerialLine(
  hub: Namespace, options: SerialOptions, devices: readonly string[],
): Promise<SerialLine> {
  const argv = [...hub.enter(), process.execPath, RELAY, String(options.baud), ...devices]
  const child = spawnChild(argv, { stdio: ['pipe', 'pipe', 'inherit'], env: LAB_ENV })
  child.stdin?.on('error', () => undefined)
  await within(firstLine(child), READY_TIMEOUT_MS, 'opening the serial line')
  const tell = (command: RelayCommand): void => {
    child.stdin?.write(`${JSON.stringify(command)}\n`)
  }
  const bothWays = (cut: boolean): void => {
    tell({ type: 'fault', from: 0, cut })
    tell({ type: 'fault', from: 1, cut })
  }
  return {
    fault: (fault) => tell({ type: 'fault', ...fault }),
    cut: () => bothWays(true),
    heal: () => bothWays(false),
    release: (side) => tell({ type: 'release', side }),
    close: async () => {
      child.stdin?.end()
      await within(exited(child), END_TIMEOUT_MS, 'closing the serial line').catch(() => child.kill('SIGKILL'))
    },
  }
}

function firstLine(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the serial relay ended with ${code}`)))
  })
}
