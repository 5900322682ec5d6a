// The rehearsal plays what a pair does to its end, in small pieces, and is no way for anything to get out.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { groupId, nodeId } from '../../src/core/base/ids.js'
import type { CoreConfig } from '../../src/core/types.js'
import { beginAfterMs, rehearsal, rehearseSoon } from '../../src/daemon/rehearsal.js'
import { pairConfig, second } from '../core/stage.js'

const web = groupId('web')
const fencing: CoreConfig['fencing'] = {
  ...pairConfig().fencing,
  devices: [{ name: 'plug', targets: null, timeoutUs: second, tries: 1, testEveryUs: 0 }],
}
const configs: Readonly<Record<string, Partial<CoreConfig>>> = {
  plain: {},
  tracked: { tracks: [{ group: web, interfaces: ['eth0'], explicit: false }] },
  fenced: { protection: 'fence', fencing },
  fast: { timing: { keepaliveUs: 1000, deadtimeUs: 5000, initdeadUs: 3 * second } },
  'with failback': { autoFailback: 'on' },
}

function play(config: CoreConfig): { readonly whole: boolean; readonly turns: number } {
  const scene = rehearsal(config)
  for (let turns = 1; ; turns += 1) {
    const step = scene.next()
    if (step.done === true) return { whole: step.value, turns }
  }
}

for (const [name, change] of Object.entries(configs)) {
  it(`plays to the end: ${name}`, () => {
    const { whole, turns } = play(pairConfig(change))
    assert.ok(whole, 'in the end everything is with the node that did not stop')
    assert.ok(turns > 100, 'in pieces that nobody notices')
  })
}

it('has nothing to play alone, nor with an arbiter', () => {
  const { nodes, self } = pairConfig()
  assert.equal(play(pairConfig({ nodes: nodes.filter((node) => node.id === self) })).turns, 1)
  assert.equal(play(pairConfig({ protection: 'lease' })).turns, 1)
  assert.equal(play(pairConfig({ self: nodeId('alpha'), groups: [] })).turns, 1)
})

it('a copy that contradicts itself ends the rehearsal, once and for all, and nothing else', async () => {
  const broken = function* (): Generator<undefined, boolean> {
    yield undefined
    throw new Error('broken invariant')
  }
  // Its own timers keep no process alive.
  const alive = setInterval(() => undefined, 1_000)
  try {
    const said = await new Promise<string>((resolve) => { rehearseSoon(pairConfig(), resolve, broken()) })
    assert.match(said, /ended early.*broken invariant/)
    const again: string[] = []
    rehearseSoon(pairConfig(), (text) => { again.push(text) }, broken())
    await new Promise((resolve) => { setTimeout(resolve, beginAfterMs + 500) })
    assert.deepEqual(again, [], 'played once in a process')
  } finally {
    clearInterval(alive)
  }
})
