// The judge, on streams of events that were made up.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decide, kernelTime } from './decided.js'
import { CURED, judge, measure, STRUCK, type Figures, type Rules } from './judge.js'
import { blindSpans, holdings, intersection, seenLength, without, type Sample } from './samples.js'

const MS = 1e6
const VIP = '10.0.0.1'

/** Times in milliseconds. */
class Stream {
  readonly samples: Sample[] = []

  mark(t: number, text: string): this {
    return this.#put({ t: t * MS, e: 'mark', text })
  }

  addr(t: number, node: string, on: boolean): this {
    return this.#put({ t: t * MS, e: 'addr', node, address: VIP, on })
  }

  held(t: number, node: string, on: boolean): this {
    return this.#put({ t: t * MS, e: 'held', node, address: VIP, on })
  }

  late(t: number, forMs: number): this {
    return this.#put({ t: t * MS, e: forMs > 5 ? 'stall' : 'late', ns: forMs * MS })
  }

  answers(from: number, to: number): this {
    for (let t = from; t < to; t += 0.5) this.#put({ t: t * MS, e: 'answer' })
    return this
  }

  measured(): Figures {
    const sorted = [...this.samples].sort((one, other) => one.t - other.t)
    return measure({ samples: sorted, nodes: ['a', 'b'], addresses: [VIP] })
  }

  #put(sample: Sample): this {
    this.samples.push(sample)
    return this
  }
}

/** a has it, is struck at 10, the stream ends at 1000. */
const begun = (): Stream => new Stream().held(0, 'a', true).held(0, 'b', false).mark(10, STRUCK).mark(1000, 'end')

const rules: Rules = { twoMaxMs: 5, twoAfterCureMaxMs: 0, noneMaxMs: 100, settledMaxMs: 1_000, taken: 'yes' }
const fine = { settledMs: 10, problems: [] }

test('a clean takeover: nobody in between, nobody twice', () => {
  const figures = begun().addr(12, 'a', false).held(12.3, 'a', false).addr(15, 'b', true).held(15.4, 'b', true).mark(500, CURED).measured()
  assert.deepEqual([figures.twoMs, figures.noneMs, figures.goneMs, figures.takenMs, figures.curedMs], [0, 3, 2, 5, 490])
  assert.deepEqual(judge(figures, rules, fine), [])
})

test('two owners are seen by the notices of the kernels, and by asking alone', () => {
  const told = begun().addr(20, 'b', true).held(20.5, 'b', true).addr(27, 'a', false).held(27.5, 'a', false).mark(500, CURED).measured()
  assert.equal(told.twoMs, 7)
  assert.deepEqual(judge(told, rules, fine), ['two owners for 7 ms, 5 ms allowed'])
  const asked = begun().held(20.5, 'b', true).held(27.5, 'a', false).mark(500, CURED).measured()
  assert.equal(asked.twoMs, 7)
  // Whatever is inherent in a fault has to end soon after it.
  assert.deepEqual(judge({ ...told, twoAfterCureMs: 1_200 }, { ...rules, twoMaxMs: null, twoAfterCureMaxMs: 1_000 }, fine),
    ['two owners until 1200 ms after the fault was over, 1000 ms allowed'])
})

test('an address that comes and goes between two looks was there', () => {
  const figures = begun().addr(20, 'b', true).addr(20.2, 'b', false).mark(500, CURED).measured()
  assert.equal(figures.twoMs, 0.2)
  assert.equal(judge(figures, { ...rules, twoMaxMs: 0 }, fine).length, 1)
})

test('every stretch of two owners counts, and the last one after the cure is what lasts', () => {
  const figures = begun().addr(20, 'b', true).addr(23, 'b', false).addr(40, 'b', true).mark(45, CURED).addr(49, 'a', false).measured()
  assert.deepEqual([figures.twoMs, figures.twoAfterCureMs], [12, 4])
})

test('what the sampler missed is taken off', () => {
  const figures = begun().addr(20, 'b', true).late(28, 7).addr(30, 'a', false).mark(500, CURED).measured()
  assert.equal(figures.twoMs, 3)
  assert.equal(figures.blindMs, 7)
  const none = begun().addr(20, 'a', false).late(260, 60).late(250, 30).addr(300, 'b', true).mark(500, CURED).measured()
  assert.equal(none.noneMs, 280 - 60)
  assert.deepEqual(judge(none, rules, fine), ['nobody for 220 ms, 100 ms allowed'])
})

test('nobody for ever is nobody until the end, and is told as such', () => {
  const figures = begun().addr(20, 'a', false).mark(500, CURED).measured()
  assert.equal(figures.noneMs, 980)
  assert.equal(figures.takenMs, null)
  assert.deepEqual(judge(figures, rules, { settledMs: null, problems: ['the daemon did not start'] }), [
    'the daemon did not start', 'nobody for 980 ms, 100 ms allowed', 'not as before after the fault was over',
    'the peer never took the address',
  ])
})

test('the way back is told apart from the fault', () => {
  const figures = begun().addr(12, 'a', false).addr(14, 'b', true).mark(500, CURED).addr(600, 'b', false).addr(607, 'a', true).measured()
  assert.deepEqual([figures.noneMs, figures.noneAfterMs], [2, 7])
})

test('a group that had to stay and moved is a failure, also when nobody noticed', () => {
  const figures = begun().addr(12, 'a', false).addr(12, 'b', true).mark(500, CURED).measured()
  assert.deepEqual(judge(figures, { ...rules, taken: 'no' }, fine), ['the peer took the address'])
})

test('what the peer held before the fault is no taking', () => {
  const figures = new Stream().held(0, 'a', true).held(0, 'b', true).addr(5, 'b', false).mark(10, STRUCK).mark(500, CURED).measured()
  assert.equal(figures.takenMs, null)
  assert.equal(figures.twoMs, 5)
})

test('the client: the longest time between answers, also one that does not end', () => {
  const served = begun().answers(0, 100).answers(130, 1000).mark(500, CURED).measured()
  assert.equal(served.unansweredMs, 30.5)
  const lost = begun().answers(0, 100).mark(500, CURED).measured()
  assert.equal(lost.unansweredMs, 900.5)
  const late = begun().answers(0, 100).late(129, 28).answers(130, 1000).mark(500, CURED).measured()
  assert.equal(late.unansweredMs, 2.5)
})

test('spans: overlapping lateness counts once, notices of the same change as well', () => {
  const stream = new Stream().late(30, 20).late(35, 10).late(50, 1)
  assert.deepEqual(blindSpans(stream.samples), [{ from: 10 * MS, to: 35 * MS }, { from: 49 * MS, to: 50 * MS }])
  assert.equal(seenLength({ from: 0, to: 40 * MS }, blindSpans(stream.samples)), 15 * MS)
  const twice = new Stream().addr(1, 'a', true).held(1.5, 'a', true).addr(3, 'a', false).held(3.5, 'a', false)
  assert.deepEqual(holdings(twice.samples, 'a', VIP, 9 * MS), [{ from: MS, to: 3 * MS }])
  assert.deepEqual(holdings(twice.samples, 'b', VIP, 9 * MS), [])
  assert.deepEqual(intersection([{ from: 0, to: 5 }, { from: 7, to: 9 }], [{ from: 4, to: 8 }]), [{ from: 4, to: 5 }, { from: 7, to: 8 }])
  const rest = without({ from: 0, to: 10 }, [{ from: -1, to: 2 }, { from: 4, to: 5 }, { from: 9, to: 12 }])
  assert.deepEqual(rest, [{ from: 2, to: 4 }, { from: 5, to: 9 }])
})

test('who decided: what the logs say, unless the address was gone before they could', () => {
  const peer = 'takeover.done: IPaddr2::10.0.0.1/24/eth0 taken (peer-dead) by authority accept: 3 ms after the decision'
  const told = { peer, address: VIP, figures: { goneMs: 5, curedMs: 400 }, stands: false }
  const acted = (why: string, count: number): string => `guardian.acted: ${why} (pid 12): ${String(count)} addresses removed after 130 us`
  assert.deepEqual(decide({ ...told, struck: acted('the daemon died', 1) }), { letGo: 'guardian: daemon died', taken: 'peer-dead, accept' })
  assert.equal(decide({ ...told, struck: acted('the daemon made no progress', 1) }).letGo, 'guardian: no progress')
  assert.equal(decide({ ...told, struck: `${acted('the daemon died', 0)}\ndaemon.lapsed: x` }).letGo, 'engine: main loop stood still')
  const paused = { ...told, stands: true, struck: 'node.paused: this node slept' }
  assert.equal(decide({ ...paused, figures: { goneMs: 500, curedMs: 400 } }).letGo, 'engine: after its own pause')
  assert.equal(decide({ ...paused, figures: { goneMs: 300, curedMs: 400 } }).letGo, 'kernel: lifetime over')
  assert.equal(decide({ ...told, struck: '' }).letGo, 'from outside')
  assert.deepEqual(decide({ struck: '', peer: 'takeover.done: IPaddr2::10.0.0.11/24 taken (gasp) by authority gasp', address: VIP,
    figures: { goneMs: null, curedMs: 9 }, stands: false }), { letGo: '-', taken: '-' })
  const both = peer.replace('IPaddr2', 'IPaddr2::10.0.0.7/24/eth0 IPaddr2')
  assert.equal(decide({ ...told, struck: '', peer: both }).taken, 'peer-dead, accept')
  assert.equal(decide({ ...told, struck: '', peer: peer.replace('peer-dead', 'gasp').replace('accept', 'gasp') }).taken, 'gasp')
})

test('the slowest change of an address, in the words of the guardian and of the engine', () => {
  const guardian = 'guardian.acted: the daemon died (pid 12): 1 addresses removed after 5063397 us, verified gone after 5063502 us'
  const engine = 'plan.fired: IPaddr2::10.0.0.1/24/eth0: 1 addresses added by the engine 128 us after the decision'
  assert.equal(kernelTime([engine, `${guardian}\n${engine}`]), 5063.397)
  assert.equal(kernelTime(['nothing of it']), 0)
})
