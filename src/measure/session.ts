// One measurement: probes in their pace, answers, the owner, and the own lateness, until its time is over or somebody
// has seen enough. All judgement is in outage.ts and report.ts; this file only connects them with the world.
import { networkInterfaces } from 'node:os'
import { startMetronome, type Metronome } from './metronome.js'
import { OutageMeter, Pace, type Outage, type Stretch } from './outage.js'
import { watchOwner } from './owners.js'
import { nowUs, openProber, type Prober, type ProbeSink, type ProbeKind } from './prober.js'
import { Tally, type MeasureReport, type OutageReport, type OwnerChange } from './report.js'

export interface MeasureOptions {
  readonly address: string
  readonly probe: ProbeKind
  readonly port: number | null
  readonly everyMs: number
  /** Null: until the signal. */
  readonly forMs: number | null
  readonly answerWithinMs: number
  readonly outageMaxMs: number | null
  readonly signal: AbortSignal
}

/** What the listener is told while it goes on; drills and the progress line live from it. */
export interface MeasureListener {
  outage?(outage: OutageReport): void
  ownerChanged?(change: OwnerChange): void
}

export interface Measurement {
  /** Ends the measurement: no more probes, then what is on the way. */
  readonly done: Promise<MeasureReport>
  readonly tally: Tally
  /** The wait that goes on now, null while answers come. */
  running(): Outage | null
  /** From the begin of the measurement. */
  sinceStartMs(): number
}

/** A wait of less than three intervals may be two lost packets; of less than 5 ms, the scheduler's. */
const outageFromIntervals = 3
const outageFromLeastUs = 5_000
const drainStepMs = 2
/** The longest that a timer can be set to; who measures longer says 'forever'. */
const timerMaxMs = 0x7fffffff

/** What is called an outage; never longer than what is allowed, so that nothing beyond it goes unseen. */
export function outageFromMs(everyMs: number, outageMaxMs: number | null): number {
  return Math.min(outageMaxMs ?? Infinity, Math.max(outageFromLeastUs / 1000, outageFromIntervals * everyMs))
}

export async function measure(options: MeasureOptions, listener: MeasureListener = {}): Promise<Measurement> {
  const session = new Session(options, listener)
  await session.open()
  return session
}

class Session implements Measurement, ProbeSink {
  readonly tally: Tally
  readonly done: Promise<MeasureReport>
  readonly #options: MeasureOptions
  readonly #listener: MeasureListener
  readonly #meter: OutageMeter
  #startUs = nowUs()
  #pace: Pace | null = null
  #metronome: Metronome | null = null
  /** Sending times of what has no answer yet, oldest first. */
  readonly #open = new Map<number, number>()
  #prober: Prober | null = null
  #timer: NodeJS.Timeout | null = null
  #sendUntilUs = Infinity
  #finish: (report: MeasureReport) => void = () => undefined
  #closeOwner: () => void = () => undefined
  readonly #stop = (): void => {
    if (this.#sendUntilUs !== Infinity) return
    this.#sendUntilUs = nowUs()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#metronome?.stop()
    this.#drain()
  }

  constructor(options: MeasureOptions, listener: MeasureListener) {
    this.#options = options
    this.#listener = listener
    const { address, probe, port, everyMs, answerWithinMs, outageMaxMs } = options
    const fromMs = outageFromMs(everyMs, outageMaxMs)
    this.#meter = new OutageMeter({ outageFromUs: fromMs * 1000 })
    this.tally = new Tally(
      { address, probe, port, everyMs, answerWithinMs, outageFromMs: fromMs, outageMaxMs }, this.#startUs,
      new Date().toISOString())
    this.done = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  async open(): Promise<void> {
    const { address, probe, port, everyMs, signal } = this.#options
    this.#prober = await openProber({ kind: probe, address, port }, this)
    this.#closeOwner = this.#watchOwner()
    signal.addEventListener('abort', this.#stop, { once: true })
    this.#metronome = startMetronome(everyMs, () => this.#tick())
    if (signal.aborted) this.#stop()
  }

  running(): Outage | null {
    return this.#meter.running(nowUs())
  }

  sinceStartMs(): number {
    return (nowUs() - this.#startUs) / 1000
  }

  answered(number: number, by: string | null): void {
    const atUs = nowUs()
    this.#noteLateness(atUs)
    if (!this.#open.delete(number)) return
    const tripUs = this.#meter.tripUs(number, atUs)
    if (tripUs === null) return
    this.tally.probeAnswered(tripUs, by)
    const outage = this.#meter.answered(number, atUs)
    if (outage !== null) this.#note(outage)
  }

  refused(number: number): void {
    this.tally.probeRefused()
    if (this.#open.delete(number)) this.tally.probeLost()
  }

  unsent(number: number, reason: string): void {
    if (!this.#open.delete(number)) return
    this.#meter.unsent(number)
    this.tally.probeUnsent(reason)
  }

  #note(outage: Outage): void {
    const report = this.tally.outage(outage)
    this.#listener.outage?.(report)
  }

  #tick(): void {
    const atUs = nowUs()
    this.#giveUpOld(atUs)
    this.#pace ??= this.#begin(atUs)
    if (!this.#pace.isDue(atUs)) return
    const late = this.#noteLateness(atUs)
    if (late !== null) this.tally.lateFor(late)
    this.#pace.advance(atUs)
    this.#send(atUs)
  }

  /** The first tick is the begin: the thread that ticks takes its time to come up. */
  #begin(atUs: number): Pace {
    this.#startUs = atUs
    this.tally.begin(atUs, new Date().toISOString())
    const { everyMs, forMs } = this.#options
    if (forMs !== null) this.#timer = setTimeout(this.#stop, Math.min(forMs, timerMaxMs))
    return new Pace(everyMs * 1000, atUs)
  }

  #send(atUs: number): void {
    const prober = this.#prober
    if (prober === null) return
    const number = this.#meter.sent(atUs)
    this.#open.set(number, atUs)
    this.tally.probeSent()
    prober.send(number)
    if (this.#open.size > prober.openMax) this.#giveUpOldest()
  }

  #noteLateness(atUs: number): Stretch | null {
    const late = this.#pace?.lateness(atUs) ?? null
    if (late !== null) this.#meter.wasLate(late)
    return late
  }

  #giveUpOld(atUs: number): void {
    for (const [, sentUs] of this.#open) {
      if (atUs - sentUs < this.#options.answerWithinMs * 1000) return
      this.#giveUpOldest()
    }
  }

  #giveUpOldest(): void {
    const [number] = this.#open.keys()
    if (number === undefined) return
    this.#open.delete(number)
    this.#prober?.giveUp(number)
    this.tally.probeLost()
  }

  /** No more probes; what is on the way may still arrive. */
  #drain(): void {
    const atUs = nowUs()
    if (this.#open.size > 0 && atUs < this.#sendUntilUs + this.#options.answerWithinMs * 1000) {
      setTimeout(() => this.#drain(), drainStepMs)
      return
    }
    while (this.#open.size > 0) this.#giveUpOldest()
    this.#options.signal.removeEventListener('abort', this.#stop)
    this.#prober?.close()
    this.#closeOwner()
    const running = this.#meter.running(this.#sendUntilUs)
    if (running !== null) this.#note(running)
    this.#finish(this.tally.report(this.#sendUntilUs))
  }

  #watchOwner(): () => void {
    const { address } = this.#options
    if (isOwn(address)) this.tally.warn('this machine itself has the address: measure from a third one')
    const watch = watchOwner(address, (mac) => {
      const change = this.tally.ownerSeen(mac, nowUs())
      if (change !== null) this.#listener.ownerChanged?.(change)
    })
    return () => watch.close()
  }
}

const isOwn = (address: string): boolean =>
  Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === address) ?? false)
