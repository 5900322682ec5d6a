// The serial lines of the configuration: opened before the engine gets their descriptors, kept over a reload.
import type { Logger } from 'pino'
import type { ClusterConfig } from '../config/model.js'
import { openSerialLine, type SerialLine } from '../engine/serial-port.js'
import { messageOf } from '../errors.js'

export class Lines {
  readonly #open = new Map<string, SerialLine>()

  constructor(private readonly log: Logger) {}

  /** Opens what is new and closes what is gone. A line that cannot be opened is named and left out. */
  async open(config: ClusterConfig): Promise<void> {
    const wanted = config.links.filter((link) => link.type === 'serial')
    for (const [device, line] of this.#open) {
      if (wanted.some((link) => link.device === device && link.baud === line.baud)) continue
      this.#open.delete(device)
      line.close()
    }
    for (const link of wanted) {
      if (this.#open.has(link.device)) continue
      try {
        const line = await openSerialLine({
          path: link.device,
          baud: link.baud,
          lock: config.twinbeat.serialLock,
        })
        this.#open.set(link.device, line)
      } catch (error) {
        this.log.error(
          { event: 'serial.failed' },
          `the serial line '${link.device}' is not used: ${messageOf(error)}`,
        )
      }
    }
  }

  fdOf(device: string): number | null {
    return this.#open.get(device)?.fd ?? null
  }

  close(): void {
    for (const line of this.#open.values()) line.close()
    this.#open.clear()
  }
}
