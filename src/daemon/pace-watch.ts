// Whether this machine holds the pace that it was given. Heartbeats in milliseconds need a thread that runs on time: what
// stands in the way is said at the start, and what the engine's own wake-ups turned out to be a little later, with the
// profile that they would hold.
import { readFileSync } from 'node:fs'
import type { Timing } from '../config/model.js'
import { profileHeld, profiles } from '../config/profiles.js'
import { formatTime } from '../config/values.js'
import type { Engine } from '../engine/engine.js'

export interface PaceParts {
  readonly engine: () => Pick<Engine, 'counters' | 'snapshot'>
  readonly onWarning: (event: { readonly event: string; readonly [detail: string]: string | number }, text: string) => void
  readonly read?: (file: string) => string
}

/** From here up a machine without real-time scheduling manages as well. */
const unhurriedUs = 200_000
/** Once when everything has been started, once when the machine has had time to be busy. */
const looksMs = [3_000, 60_000]
/** Our real-time threads sleep between any two packets; less than this would be a limit for them all the same. */
const realtimeLeastUs = 100_000

export class PaceWatch {
  readonly #parts: PaceParts
  #watched = ''
  #told = 0
  #timers: NodeJS.Timeout[] = []

  constructor(parts: PaceParts) {
    this.#parts = parts
  }

  /** Again after every change of the timing. */
  watch({ keepaliveUs, deadtimeUs }: Pick<Timing, 'keepaliveUs' | 'deadtimeUs'>): void {
    const watched = `${String(keepaliveUs)} ${String(deadtimeUs)}`
    if (watched === this.#watched) return
    this.#watched = watched
    this.#told = 0
    for (const timer of this.#timers.splice(0)) clearTimeout(timer)
    if (deadtimeUs >= unhurriedUs) return
    for (const text of this.obstacles()) {
      this.#parts.onWarning({ event: 'pace.obstacle', deadtimeUs }, `deadtime ${formatTime(deadtimeUs)}: ${text}`)
    }
    for (const ms of looksMs) this.#timers.push(setTimeout(() => { this.#look(keepaliveUs, deadtimeUs) }, ms).unref())
  }

  /** What the kernel has in its way, whatever the load. */
  obstacles(): string[] {
    const found: string[] = []
    const { realtime } = this.#parts.engine().snapshot()
    if (realtime.scheduling !== 'fifo') {
      found.push('there is no real-time scheduling, and a busy machine is late by 75 ms and more: ' +
        "give CAP_SYS_NICE, or write 'profile lan'")
    }
    const share = Number(this.#read('/proc/sys/kernel/sched_rt_runtime_us'))
    if (realtime.scheduling === 'fifo' && share === 0) found.push('kernel.sched_rt_runtime_us is 0: real-time threads get no time')
    const limit = /^Max realtime timeout\s+(\d+)/m.exec(this.#read('/proc/self/limits'))?.[1]
    if (limit !== undefined && Number(limit) < realtimeLeastUs) {
      found.push(`RLIMIT_RTTIME is ${limit} us: the kernel ends real-time threads that are busy for longer (LimitRTTIME=infinity)`)
    }
    return found
  }

  #read(file: string): string {
    try {
      return (this.#parts.read ?? ((name) => readFileSync(name, 'utf8')))(file)
    } catch {
      return ''
    }
  }

  #look(keepaliveUs: number, deadtimeUs: number): void {
    const { latenessMaxUs } = this.#parts.engine().counters()
    const bearable = deadtimeUs - 2 * keepaliveUs
    if (latenessMaxUs <= bearable || latenessMaxUs <= this.#told) return
    this.#told = latenessMaxUs
    const held = profileHeld(latenessMaxUs)
    const slowest = profiles.at(-1)?.name ?? ''
    const advice = held === null ? `not even 'profile ${slowest}'` : `'profile ${held.name}'`
    this.#parts.onWarning({ event: 'pace.unheld', latenessUs: latenessMaxUs, deadtimeUs },
      `this engine was up to ${formatTime(Math.ceil(latenessMaxUs / 1000) * 1000)} late, and a deadtime of ` +
      `${formatTime(deadtimeUs)} bears ${formatTime(bearable)}: what it held so far is ${advice}`)
  }
}
