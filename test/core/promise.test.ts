// Every order of events of the promise between two nodes, within a horizon: never two owners. The machines are the
// real ones; the wire loses and reorders, answers are lost, the standby restarts, clocks drift as far as allowed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { createPrng, type Prng } from '../../src/core/base/prng.js'
import { PromiseWorld, tickUs, type Choice, type Mutant } from './promise-world.js'

const drifts: readonly (readonly [number, number])[] = [[0.95, 1.05], [1.05, 0.95], [1, 1]]
const ticks = Number(process.env['TWINBEAT_PROMISE_TICKS'] ?? '6')
const statesMax = Number(process.env['TWINBEAT_PROMISE_STATES'] ?? '4000')
const walks = Number(process.env['TWINBEAT_PROMISE_WALKS'] ?? '400')
const walkChoices = 70

interface Found { readonly states: number; readonly complete: boolean; readonly bad: readonly Choice[] | null }

/** The owner's first renewal fails, the other node promises, and the promise has arrived. */
const promised: readonly Choice[] = ['tick', 'tick', 'tick', 'deliver:0', 'deliver:0']

/** The owner does not reach the arbiter any more; the other node loses sight of it once and for good. */
const isExplored = (choice: Choice): boolean => !choice.startsWith('a:') && choice !== 'b:hears'

/** Depth first; a state is looked at once. Only what is gone back to is played again from the beginning. */
function explore(rates: readonly [number, number], mutant: Mutant | null, prefix: readonly Choice[] = []): Found {
  const fresh = (): PromiseWorld => new PromiseWorld(rates, mutant, 1)
  const end = fresh().time + (prefix.length > 0 ? ticks + 3 : ticks) * tickUs
  const seen = new Set<string>()
  const open: Choice[][] = [[...prefix]]
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const world = fresh()
    for (const choice of path) world.apply(choice)
    for (;;) {
      if (world.twoOwners) return { states: seen.size, complete: false, bad: path }
      const key = createHash('md5').update(world.words).digest('base64')
      if (world.time > end || seen.has(key)) break
      seen.add(key)
      if (seen.size >= statesMax) return { states: seen.size, complete: false, bad: null }
      const [first = 'tick', ...rest] = world.choices().filter(isExplored)
      const here = path
      open.push(...rest.map((choice) => [...here, choice]))
      path = [...path, first]
      world.apply(first)
    }
  }
  return { states: seen.size, complete: true, bad: null }
}

/** Time passes often enough that leases and promises end within a walk. */
function walk(prng: Prng, rates: readonly [number, number], mutant: Mutant | null): readonly Choice[] | null {
  const world = new PromiseWorld(rates, mutant, 2)
  const path: Choice[] = []
  // A walk in which the owner never reaches the arbiter is one in which only promises hold it.
  const cutOff = prng.below(2) === 0
  for (let i = 0; i < walkChoices; i += 1) {
    const choices = world.choices().filter((choice) => !(cutOff && choice === 'a:done') && (choice !== 'b:restart' || prng.below(5) === 0))
    const choice = prng.below(10) < 3 ? 'tick' : choices[prng.below(choices.length)] ?? 'tick'
    path.push(choice)
    world.apply(choice)
    if (world.twoOwners) return path
  }
  return null
}

for (const rates of drifts) {
  test(`every order of events, clocks at ${rates.join(' and ')}: never two owners`, (t) => {
    const found = explore(rates, null)
    const later = explore(rates, null, promised)
    t.diagnostic(`${found.states} states, ${found.complete ? 'all' : 'some'} of ${ticks} ticks`)
    t.diagnostic(`${later.states} states, ${later.complete ? 'all' : 'some'} of the time after a promise`)
    assert.equal(found.bad ?? later.bad, null, (found.bad ?? later.bad)?.join(' '))
  })
}

test('long walks by chance: never two owners', () => {
  const prng = createPrng(7)
  for (let i = 0; i < walks; i += 1) {
    const bad = walk(prng, drifts[i % drifts.length]!, null)
    assert.equal(bad, null, bad?.join(' '))
  }
})

for (const mutant of ['from-answer', 'budget-ignored'] as const) {
  test(`the mutant '${mutant}' is caught`, (t) => {
    const prng = createPrng(11)
    let bad: readonly Choice[] | null = null
    for (let i = 0; bad === null && i < 10 * walks; i += 1) bad = walk(prng, drifts[i % drifts.length]!, mutant)
    assert.ok(bad !== null)
    t.diagnostic(`${bad.length} events`)
  })
}

test("the mutant 'promise-forgotten' is caught", (t) => {
  const restarted: readonly Choice[] = [...promised, 'b:restart', 'b:deaf']
  const bad = drifts.map((rates) => explore(rates, 'promise-forgotten', restarted).bad).find((path) => path !== null)
  assert.ok(bad !== null && bad !== undefined)
  t.diagnostic(`${bad.length} events`)
})
