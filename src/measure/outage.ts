// What a stream of probes and answers says about the service behind an address. Pure: every moment is an argument.
//
// The wait of a client: from the sending of the first probe that nobody has answered, to the first answer to it or to
// a later one; it begins with the answer before, if that came later. A wait that is long is an outage.
//
// What the measurer itself missed is taken off where it could be the reason for the length: between the last probe
// that stayed without an answer and the first that got one, and right before that answer was read. Earlier lateness
// takes nothing off: a later probe shows that the service was still away.
//
//   probe      0  1  2  3  4  5  6 ......... 7 ...
//   answer     0  1  -  -  -  -  -               7
//                    |<-- outage --------------->|     from the sending of 2 to the answer to 7
//                                 |<-------->|<->|     lateness of ours in here is taken off
//
// Every length is therefore known to one interval between probes.

/** Sending times are kept for this many probes: more than may be without an answer at one time. */
export const probesKept = 1 << 14
const stretchesKept = 256
/** An answer that is read this soon after a lateness of ours may have waited for us. */
const adjoiningUs = 1_000

export interface Stretch {
  readonly fromUs: number
  readonly toUs: number
}

export interface Outage extends Stretch {
  /** What a client waited, own lateness taken off. */
  readonly lengthUs: number
  /** What was taken off. */
  readonly lateUs: number
  readonly unanswered: number
  /** False: it lasted when the measurement ended. */
  readonly over: boolean
}

export interface OutageRule {
  /** A wait longer than this, beyond the best round trip, is an outage. */
  readonly outageFromUs: number
}

export class OutageMeter {
  readonly #outageFromUs: number
  readonly #sentAt = new Float64Array(probesKept)
  #sent = 0
  #answered = -1
  #openSinceUs: number | null = null
  /** What was held up somewhere and then comes all at once is one wait, not one for each probe. */
  #answerUs = -Infinity
  #bestTripUs = Infinity
  #late: Stretch[] = []

  constructor(rule: OutageRule) {
    this.#outageFromUs = rule.outageFromUs
  }

  /** A probe goes out; its number. */
  sent(atUs: number): number {
    const number = this.#sent++
    this.#sentAt[number % probesKept] = atUs
    this.#openSinceUs ??= atUs
    return number
  }

  /** The measurer itself did not run in this stretch. */
  wasLate(stretch: Stretch): void {
    const last = this.#late.at(-1)
    if (last !== undefined && stretch.fromUs <= last.toUs) {
      this.#late[this.#late.length - 1] = {
        fromUs: Math.min(last.fromUs, stretch.fromUs), toUs: Math.max(last.toUs, stretch.toUs),
      }
      return
    }
    this.#late.push(stretch)
    if (this.#late.length > stretchesKept) this.#late.shift()
  }

  /** Null for an answer that is older than what is kept. */
  tripUs(number: number, atUs: number): number | null {
    const sentUs = this.#sentUs(number)
    return sentUs === null ? null : atUs - sentUs
  }

  /** The outage that this answer ends, null if there was none. */
  answered(number: number, atUs: number): Outage | null {
    const tripUs = this.tripUs(number, atUs)
    if (tripUs === null) return null
    this.#bestTripUs = Math.min(this.#bestTripUs, tripUs)
    const before = this.#answerUs
    this.#answerUs = atUs
    if (number <= this.#answered || this.#openSinceUs === null) return null
    const fromUs = Math.max(this.#openSinceUs, before)
    const sentUs = atUs - tripUs
    const lateUs = this.#lateIn(this.#lastUnanswered(number, fromUs), sentUs) + this.#lateBefore(Math.max(fromUs, sentUs), atUs)
    const outage = {
      fromUs, toUs: atUs, lateUs, lengthUs: Math.max(0, atUs - fromUs - lateUs),
      unanswered: number - this.#answered - 1, over: true,
    }
    this.#moveTo(number)
    return outage.lengthUs - this.#bestTripUs > this.#outageFromUs ? outage : null
  }

  /** The measurer could not send this one: it says nothing about the service. */
  unsent(number: number): void {
    this.#sentAt[number % probesKept] = NaN
    if (number === this.#answered + 1) this.#moveTo(number)
  }

  /** The wait that has lasted until now, if it is long enough for an outage. */
  running(atUs: number): Outage | null {
    if (this.#openSinceUs === null) return null
    const fromUs = Math.max(this.#openSinceUs, this.#answerUs)
    const lateUs = this.#lateIn(this.#lastUnanswered(this.#sent, fromUs), atUs)
    const lengthUs = Math.max(0, atUs - fromUs - lateUs)
    const tripUs = Number.isFinite(this.#bestTripUs) ? this.#bestTripUs : 0
    if (lengthUs - tripUs <= this.#outageFromUs) return null
    return { fromUs, toUs: atUs, lateUs, lengthUs, unanswered: this.#sent - this.#answered - 1, over: false }
  }

  #sentUs(number: number): number | null {
    if (number < 0 || number >= this.#sent || this.#sent - number > probesKept) return null
    const at = this.#sentAt[number % probesKept] ?? NaN
    return Number.isNaN(at) ? null : at
  }

  #moveTo(number: number): void {
    this.#answered = number
    this.#openSinceUs = null
    for (let next = number + 1; next < this.#sent; next++) {
      this.#openSinceUs = this.#sentUs(next)
      if (this.#openSinceUs !== null) return
      this.#answered = next
    }
  }

  /** When the last probe before `number` went out that has no answer; the begin of the wait if there is none. */
  #lastUnanswered(number: number, fromUs: number): number {
    for (let before = number - 1; before > this.#answered; before--) {
      const at = this.#sentUs(before)
      if (at !== null) return Math.max(at, fromUs)
      if (this.#sent - before > probesKept) break
    }
    return fromUs
  }

  /** The lateness that had just ended when something was read. */
  #lateBefore(fromUs: number, atUs: number): number {
    const last = this.#late.at(-1)
    return last === undefined || last.toUs < atUs - adjoiningUs ? 0 : Math.max(0, last.toUs - Math.max(last.fromUs, fromUs))
  }

  #lateIn(fromUs: number, toUs: number): number {
    return this.#late.reduce((sum, stretch) =>
      sum + Math.max(0, Math.min(stretch.toUs, toUs) - Math.max(stretch.fromUs, fromUs)), 0)
  }
}

/** Below this a lateness is that of any timer of Node, whose unit is a millisecond. */
const lateFromUs = 2_000

/** When the next probe is due, and how late this process is for it. */
export class Pace {
  readonly #everyUs: number
  #dueUs: number

  constructor(everyUs: number, startUs: number) {
    this.#everyUs = everyUs
    this.#dueUs = startUs
  }

  get dueUs(): number {
    return this.#dueUs
  }

  /** Ticks come a little before or after the grid; half an interval before it is the one before. */
  isDue(nowUs: number): boolean {
    return nowUs >= this.#dueUs - this.#everyUs / 2
  }

  /** The stretch in which a probe was due and this process did not run. */
  lateness(nowUs: number): Stretch | null {
    return nowUs - this.#dueUs > lateFromUs ? { fromUs: this.#dueUs, toUs: nowUs } : null
  }

  /** The probe that was due is sent: the next one on the grid; those that were missed are not made up for. */
  advance(nowUs: number): void {
    const missed = Math.max(0, Math.floor((nowUs - this.#dueUs) / this.#everyUs))
    this.#dueUs += (missed + 1) * this.#everyUs
  }
}
