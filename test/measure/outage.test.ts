import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OutageMeter, Pace, type Outage, type Stretch } from '../../src/measure/outage.js'

const everyUs = 1_000
const tripUs = 100
const outageFromUs = 5_000

interface World {
  /** The service does not answer what is sent in it. */
  readonly down: Stretch
  /** The measurer does not run in these. */
  readonly pauses: readonly Stretch[]
  readonly untilUs: number
}

/** Plays a measurer of one thread against a service, in steps of 50 us; gives what it judged. */
function play({ down, pauses, untilUs }: World): Outage[] {
  const meter = new OutageMeter({ outageFromUs })
  const pace = new Pace(everyUs, 0)
  const answers: { number: number; atUs: number }[] = []
  const found: Outage[] = []
  for (let nowUs = 0; nowUs <= untilUs; nowUs += 50) {
    if (pauses.some((pause) => nowUs >= pause.fromUs && nowUs < pause.toUs)) continue
    const late = pace.lateness(nowUs)
    if (late !== null) meter.wasLate(late)
    if (nowUs >= pace.dueUs) {
      const number = meter.sent(nowUs)
      pace.advance(nowUs)
      if (nowUs < down.fromUs || nowUs >= down.toUs) answers.push({ number, atUs: nowUs + tripUs })
    }
    while (answers[0] !== undefined && answers[0].atUs <= nowUs) {
      const outage = meter.answered(answers.shift()!.number, nowUs)
      if (outage !== null) found.push(outage)
    }
  }
  return found
}

const never: Stretch = { fromUs: Infinity, toUs: Infinity }
const pausesOf = (longestUs: number): fc.Arbitrary<Stretch[]> =>
  fc.array(fc.record({ at: fc.integer({ min: 0, max: 300_000 }), us: fc.integer({ min: 0, max: longestUs }) }), { maxLength: 12 })
    .map((list) => list.map(({ at, us }) => ({ fromUs: at, toUs: at + us })))

test('a service that is down for 30 ms is an outage of 30 ms, exact to an interval', () => {
  const [outage, ...more] = play({ down: { fromUs: 100_200, toUs: 130_200 }, pauses: [], untilUs: 200_000 })
  assert.deepEqual(more, [])
  assert.deepEqual(outage, { fromUs: 101_000, toUs: 131_100, lengthUs: 30_100, lateUs: 0, unanswered: 30, over: true })
})

test('one lost probe is no outage', () => {
  assert.deepEqual(play({ down: { fromUs: 100_200, toUs: 101_200 }, pauses: [], untilUs: 200_000 }), [])
})

test('a measurer that does not run for 80 ms sees no outage of a service that answers', () => {
  assert.deepEqual(play({ down: never, pauses: [{ fromUs: 50_020, toUs: 130_000 }], untilUs: 200_000 }), [])
})

test('however often the measurer itself stands still, a service that answers has no outage', () => {
  fc.assert(fc.property(pausesOf(60_000), (pauses) => {
    assert.deepEqual(play({ down: never, pauses, untilUs: 400_000 }), [])
  }), { numRuns: 200 })
})

test('an outage is never judged longer than it was, beyond an interval and a round trip', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 90_000 }), pausesOf(40_000), (us, pauses) => {
    const found = play({ down: { fromUs: 100_000, toUs: 100_000 + us }, pauses, untilUs: 500_000 })
    const judgedUs = found.reduce((sum, outage) => sum + outage.lengthUs, 0)
    assert.ok(judgedUs <= us + everyUs + tripUs + 2_000, `${judgedUs} of ${us}`)
  }), { numRuns: 300 })
})

test('an outage is not judged shorter than it was by more than an interval when the measurer runs at both of its ends', () => {
  fc.assert(fc.property(fc.integer({ min: 20_000, max: 90_000 }), fc.integer({ min: 0, max: 100 }), (us, percent) => {
    // A pause anywhere inside takes nothing off: the probes after it show that the service is still away.
    const room = us - 9_000
    const pause = { fromUs: 102_000 + Math.floor((room * percent) / 200), toUs: 102_000 + Math.floor((room * percent) / 100) }
    const found = play({ down: { fromUs: 100_000, toUs: 100_000 + us }, pauses: [pause], untilUs: 400_000 })
    assert.equal(found.length, 1)
    assert.ok(found[0]!.lengthUs >= us - everyUs - 2_000, `${found[0]!.lengthUs} of ${us}`)
  }), { numRuns: 200 })
})

test('a wait at the end that nobody answered is an outage that is not over', () => {
  const meter = new OutageMeter({ outageFromUs })
  for (let at = 0; at < 20_000; at += everyUs) {
    const number = meter.sent(at)
    if (at < 10_000) meter.answered(number, at + tripUs)
  }
  assert.deepEqual(meter.running(20_000), { fromUs: 10_000, toUs: 20_000, lengthUs: 10_000, lateUs: 0, unanswered: 10, over: false })
})

test('probes that could not be sent are neither an outage nor its end', () => {
  const meter = new OutageMeter({ outageFromUs })
  meter.answered(meter.sent(0), tripUs)
  for (let at = 1_000; at < 50_000; at += everyUs) meter.unsent(meter.sent(at))
  assert.equal(meter.running(50_000), null)
  assert.equal(meter.answered(meter.sent(50_000), 50_100), null)
})

test('an answer that comes after that to a later probe changes nothing', () => {
  const meter = new OutageMeter({ outageFromUs })
  const first = meter.sent(0)
  const second = meter.sent(1_000)
  assert.equal(meter.answered(second, 1_100), null)
  assert.equal(meter.answered(first, 40_000), null)
  assert.equal(meter.tripUs(first, 40_000), 40_000)
})

test('answers that were held up and come all at once are one outage', () => {
  const meter = new OutageMeter({ outageFromUs })
  const numbers = Array.from({ length: 100 }, (_, index) => meter.sent(index * 1_000))
  const found = numbers.map((number) => meter.answered(number, 100_000 + number)).filter((outage) => outage !== null)
  // The first answer is also the best round trip so far: what a path needs is known only after it.
  assert.deepEqual(found, [])
  const later = Array.from({ length: 100 }, (_, index) => meter.sent(200_000 + index * 1_000))
  assert.equal(meter.answered(later[0]!, 200_100), null)
  const burst = later.slice(1).map((number, index) => meter.answered(number, 300_000 + index)).filter((outage) => outage !== null)
  assert.equal(burst.length, 1)
  assert.deepEqual([burst[0]!.fromUs, burst[0]!.lengthUs], [201_000, 99_000])
})

test('a long path is not an outage: the best round trip is taken off', () => {
  const meter = new OutageMeter({ outageFromUs })
  for (let number = 0; number < 200; number++) {
    meter.sent(number * 1_000)
    if (number >= 80) assert.equal(meter.answered(number - 80, number * 1_000), null)
  }
})

test('missed probes are not made up for, and the next is due on the grid', () => {
  const pace = new Pace(1_000, 0)
  pace.advance(0)
  assert.equal(pace.dueUs, 1_000)
  assert.deepEqual(pace.lateness(4_300), { fromUs: 1_000, toUs: 4_300 })
  pace.advance(4_300)
  assert.equal(pace.dueUs, 5_000)
  assert.equal(pace.lateness(6_400), null)
})
