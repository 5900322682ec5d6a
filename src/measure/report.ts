// What a measurement has seen, as one value: for people, for `--json`, for a drill. Pure.
import { Histogram, type HistogramClass } from './histogram.js'
import type { Outage, Stretch } from './outage.js'

/** Beyond this they are only counted. */
export const outagesListed = 1000
export const changesListed = 1000

export interface MeasureSetup {
  readonly address: string
  readonly probe: 'icmp' | 'tcp' | 'udp'
  readonly port: number | null
  readonly everyMs: number
  /** A probe without an answer for this long is lost. */
  readonly answerWithinMs: number
  readonly outageFromMs: number
  /** Null: nothing is demanded. */
  readonly outageMaxMs: number | null
}

export interface OutageReport {
  /** From the begin of the measurement. */
  readonly fromMs: number
  readonly toMs: number
  readonly lengthMs: number
  /** Own lateness that was taken off. */
  readonly lateMs: number
  readonly unanswered: number
  readonly over: boolean
}

export interface OwnerChange {
  readonly atMs: number
  readonly from: string | null
  readonly to: string
}

export interface TripReport {
  readonly minMs: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** `fine`; `outage`: one was longer than allowed; `silent`: there was never an answer. */
export type Verdict = 'fine' | 'outage' | 'silent'

export interface MeasureReport extends MeasureSetup {
  /** Time of day, for people. */
  readonly startedAt: string
  readonly measuredMs: number
  readonly verdict: Verdict
  readonly probes: {
    readonly sent: number
    readonly answered: number
    readonly lost: number
    readonly refused: number
    /** Lost while there was no outage. */
    readonly strayLost: number
    /** That this machine itself could not send. */
    readonly unsent: number
    readonly unsentReason: string | null
  }
  readonly roundTrip: TripReport | null
  readonly roundTripClasses: readonly HistogramClass[]
  readonly outages: {
    readonly count: number
    readonly longestMs: number
    readonly totalMs: number
    readonly list: readonly OutageReport[]
  }
  readonly owner: {
    /** Hardware address, null if none was seen: behind a router, or this machine itself. */
    readonly first: string | null
    readonly last: string | null
    readonly changeCount: number
    readonly changes: readonly OwnerChange[]
    /** What answers called themselves, with their number; only for udp. */
    readonly answeredBy: Readonly<Record<string, number>>
  }
  /** How well this process could measure. */
  readonly own: {
    readonly lateCount: number
    readonly lateTotalMs: number
    readonly lateMaxMs: number
  }
  readonly warnings: readonly string[]
}

/** Names of answering nodes are a handful; a service that answers with ever new words must not fill the memory. */
const namesMax = 32

export class Tally {
  readonly #setup: MeasureSetup
  #startUs: number
  #startedAt: string
  readonly #trips = new Histogram()
  readonly #outages: OutageReport[] = []
  readonly #changes: OwnerChange[] = []
  readonly #answeredBy = new Map<string, number>()
  readonly #warnings = new Set<string>()
  #outageCount = 0
  #outageTotalMs = 0
  #outageLongestMs = 0
  #outageUnanswered = 0
  #sent = 0
  #answered = 0
  #lost = 0
  #refused = 0
  #unsent = 0
  #unsentReason: string | null = null
  #firstOwner: string | null = null
  #lastOwner: string | null = null
  #changeCount = 0
  #lateCount = 0
  #lateTotalUs = 0
  #lateMaxUs = 0

  constructor(setup: MeasureSetup, startUs: number, startedAt: string) {
    this.#setup = setup
    this.#startUs = startUs
    this.#startedAt = startedAt
  }

  begin(startUs: number, startedAt: string): void {
    this.#startUs = startUs
    this.#startedAt = startedAt
  }

  get longestMs(): number {
    return this.#outageLongestMs
  }
  get sent(): number {
    return this.#sent
  }
  get answered(): number {
    return this.#answered
  }
  get outageCount(): number {
    return this.#outageCount
  }
  get owner(): string | null {
    return this.#lastOwner
  }
  get medianTripMs(): number | null {
    const us = this.#trips.quantileUs(0.5)
    return us === null ? null : us / 1000
  }

  probeSent(): void {
    this.#sent++
  }
  probeAnswered(tripUs: number, by: string | null): void {
    this.#answered++
    this.#trips.add(tripUs)
    if (by === null) return
    const count = this.#answeredBy.get(by)
    if (count !== undefined || this.#answeredBy.size < namesMax) this.#answeredBy.set(by, (count ?? 0) + 1)
  }
  probeLost(): void {
    this.#lost++
  }
  probeRefused(): void {
    this.#refused++
  }
  probeUnsent(reason: string): void {
    this.#sent--
    this.#unsent++
    this.#unsentReason ??= reason
  }
  warn(text: string): void {
    this.#warnings.add(text)
  }

  outage(outage: Outage): OutageReport {
    const report = this.#outageReport(outage)
    this.#outageCount++
    this.#outageTotalMs += report.lengthMs
    this.#outageLongestMs = Math.max(this.#outageLongestMs, report.lengthMs)
    this.#outageUnanswered += report.unanswered
    if (this.#outages.length < outagesListed) this.#outages.push(report)
    return report
  }

  /** The change, null if the owner is the one before. */
  ownerSeen(mac: string, atUs: number): OwnerChange | null {
    this.#firstOwner ??= mac
    if (mac === this.#lastOwner) return null
    const change = { atMs: this.#sinceStartMs(atUs), from: this.#lastOwner, to: mac }
    this.#lastOwner = mac
    if (change.from === null) return null
    this.#changeCount++
    if (this.#changes.length < changesListed) this.#changes.push(change)
    return change
  }

  lateFor(stretch: Stretch): void {
    const us = stretch.toUs - stretch.fromUs
    this.#lateCount++
    this.#lateTotalUs += us
    this.#lateMaxUs = Math.max(this.#lateMaxUs, us)
  }

  report(atUs: number): MeasureReport {
    return {
      ...this.#setup,
      startedAt: this.#startedAt,
      measuredMs: this.#sinceStartMs(atUs),
      verdict: this.#verdict(),
      probes: {
        sent: this.#sent, answered: this.#answered, lost: this.#lost, refused: this.#refused,
        strayLost: Math.max(0, this.#lost - this.#outageUnanswered),
        unsent: this.#unsent, unsentReason: this.#unsentReason,
      },
      roundTrip: this.#trip(),
      roundTripClasses: this.#trips.classes(),
      outages: {
        count: this.#outageCount, longestMs: this.#outageLongestMs, totalMs: ms(this.#outageTotalMs * 1000),
        list: this.#outages,
      },
      owner: {
        first: this.#firstOwner, last: this.#lastOwner, changeCount: this.#changeCount, changes: this.#changes,
        answeredBy: Object.fromEntries(this.#answeredBy),
      },
      own: { lateCount: this.#lateCount, lateTotalMs: ms(this.#lateTotalUs), lateMaxMs: ms(this.#lateMaxUs) },
      warnings: [...this.#warnings],
    }
  }

  #verdict(): Verdict {
    if (this.#answered === 0) return 'silent'
    const max = this.#setup.outageMaxMs
    return max !== null && this.#outageLongestMs > max ? 'outage' : 'fine'
  }

  #trip(): TripReport | null {
    const trips = this.#trips
    if (trips.total === 0) return null
    const [min, median, p99, max] = [trips.minUs ?? 0, trips.quantileUs(0.5) ?? 0, trips.quantileUs(0.99) ?? 0, trips.maxUs ?? 0]
    return { minMs: ms(min), medianMs: ms(median), p99Ms: ms(p99), maxMs: ms(max) }
  }

  #outageReport(outage: Outage): OutageReport {
    return {
      fromMs: this.#sinceStartMs(outage.fromUs), toMs: this.#sinceStartMs(outage.toUs), lengthMs: ms(outage.lengthUs),
      lateMs: ms(outage.lateUs), unanswered: outage.unanswered, over: outage.over,
    }
  }

  #sinceStartMs(atUs: number): number {
    return ms(atUs - this.#startUs)
  }
}

/** Microseconds as milliseconds with three digits: what is printed is what was measured. */
const ms = (us: number): number => Math.round(us) / 1000
