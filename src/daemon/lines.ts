// The serial lines of the configuration: opened before the engine gets their descriptors, kept over a reload,
// tried again while they cannot be opened.
import { statSync } from 'node:fs'
import type { Logger } from 'pino'
import type { ClusterConfig, SerialLink } from '../config/model.js'
import { openSerialLine, type SerialLine } from '../engine/serial-port.js'
import { messageOf } from '../errors.js'

export interface ClosedLine {
  readonly device: string
  readonly why: string
}

export type OpenLine = (options: { path: string; baud: number; lock: boolean }) => Promise<SerialLine>

export interface LinesOptions {
  readonly log: Logger
  /** A line that was closed is open now: the engine must be given its descriptor. */
  readonly onOpened: () => void
  readonly open?: OpenLine
  /** Which file stands at a path now, null for none: an adapter that is plugged in again is another file. */
  readonly identify?: (path: string) => string | null
  readonly retryMs?: number
}

/** An adapter that is plugged in again is found within this time. */
const defaultRetryMs = 2000

export class Lines {
  readonly #options: LinesOptions
  readonly #open = new Map<string, { readonly line: SerialLine; readonly identity: string | null }>()
  /** The engine could not use them: unplugged, or only without anybody at the other end. */
  readonly #suspects = new Map<string, string>()
  /** Why a device is not open; told once for each reason. */
  readonly #closed = new Map<string, string>()
  #wanted: readonly SerialLink[] = []
  #lock = true
  #timer: NodeJS.Timeout | null = null
  #ended = false

  constructor(options: LinesOptions) {
    this.#options = options
  }

  /** Opens what is new and closes what is gone. A line that cannot be opened is named, left out and tried again. */
  async open(config: Pick<ClusterConfig, 'links' | 'twinbeat'>): Promise<void> {
    this.#wanted = config.links.filter((link): link is SerialLink => link.type === 'serial')
    this.#lock = config.twinbeat.serialLock
    for (const [device, { line }] of this.#open) {
      if (this.#wanted.some((link) => link.device === device && link.baud === line.baud)) continue
      this.#drop(device)
    }
    for (const device of [...this.#closed.keys()]) {
      if (!this.#wanted.some((link) => link.device === device)) this.#closed.delete(device)
    }
    await this.#tryAll()
    this.#arm()
  }

  fdOf(device: string): number | null {
    return this.#open.get(device)?.line.fd ?? null
  }

  closedLines(): readonly ClosedLine[] {
    return [...this.#closed].map(([device, why]) => ({ device, why }))
  }

  /** The engine cannot use the line: opened anew as soon as its device is another one. */
  lost(device: string, why: string): void {
    if (!this.#open.has(device)) return
    this.#suspects.set(device, why)
    this.#arm()
  }

  /** The engine can use it again. */
  back(device: string): void {
    this.#suspects.delete(device)
  }

  close(): void {
    this.#ended = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const device of [...this.#open.keys()]) this.#drop(device)
  }

  #drop(device: string): void {
    this.#open.get(device)?.line.close()
    this.#open.delete(device)
    this.#suspects.delete(device)
  }

  #dropReplaced(): void {
    for (const [device, why] of [...this.#suspects]) {
      if (this.#identify(device) === this.#open.get(device)?.identity) continue
      this.#drop(device)
      this.#closed.set(device, why)
      this.#options.log.warn({ event: 'serial.lost' }, `the device '${device}' is gone: ${why}; it is used again when it is back`)
    }
  }

  #identify(device: string): string | null {
    return (this.#options.identify ?? identityOf)(device)
  }

  async #tryAll(): Promise<boolean> {
    let opened = false
    for (const link of this.#wanted) {
      if (this.#ended || this.#open.has(link.device)) continue
      opened = (await this.#try(link)) || opened
    }
    return opened
  }

  async #try(link: SerialLink): Promise<boolean> {
    const { log, open = openSerialLine } = this.#options
    try {
      const line = await open({ path: link.device, baud: link.baud, lock: this.#lock })
      this.#open.set(link.device, { line, identity: this.#identify(link.device) })
      if (this.#closed.delete(link.device)) log.info({ event: 'serial.opened' }, `the serial line '${link.device}' is open again`)
      return true
    } catch (error) {
      const why = messageOf(error)
      // That a device which was told to be gone is not there is no news.
      const stillGone = this.#closed.has(link.device) && this.#identify(link.device) === null
      if (this.#closed.get(link.device) !== why && !stillGone) {
        log.error({ event: 'serial.failed' }, `the serial line '${link.device}' stays closed: ${why}; tried again every ` +
          `${String((this.#options.retryMs ?? defaultRetryMs) / 1000)} s`)
      }
      this.#closed.set(link.device, why)
      return false
    }
  }

  #arm(): void {
    if (this.#ended || this.#timer !== null || this.#closed.size + this.#suspects.size === 0) return
    this.#timer = setTimeout(() => {
      this.#dropReplaced()
      void this.#tryAll().then((opened) => {
        this.#timer = null
        if (this.#ended) return
        if (opened) this.#options.onOpened()
        this.#arm()
      })
    }, this.#options.retryMs ?? defaultRetryMs)
    this.#timer.unref()
  }
}

function identityOf(file: string): string | null {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat === undefined ? null : `${String(stat.dev)}:${String(stat.ino)}:${String(stat.rdev)}`
}
