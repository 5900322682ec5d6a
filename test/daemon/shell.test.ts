// The loop between engine and core: nothing overtakes, nothing is lost for good, nothing it is given ends it.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { micros, nodeId } from '../../src/core/base/ids.js'
import type { Core } from '../../src/core/core.js'
import type { Effect } from '../../src/core/effects.js'
import type { CoreEvent } from '../../src/core/events.js'
import type { Members } from '../../src/daemon/effects/members.js'
import type { Plans } from '../../src/daemon/effects/plans.js'
import { Shell } from '../../src/daemon/shell.js'
import type { Engine, EngineRecord, EngineSnapshot } from '../../src/engine/engine.js'
import { TwinbeatError } from '../../src/errors.js'

const now = (): ReturnType<typeof micros> => micros(Math.round(performance.now() * 1000))

const message = (text: string): EngineRecord => ({
  type: 'message', at: now(), from: 'beta', link: 'eth0', fields: [{ name: 't', type: 0, value: text }],
})

class Scene {
  readonly pending: EngineRecord[] = []
  readonly seen: string[] = []
  readonly told: string[] = []
  readonly notes: string[] = []
  full = false
  /** The engine has ended this life. */
  lapsed = false
  lapses = 0
  /** What the runner of address changes was given. */
  readonly records: string[] = []
  snapshots = 0
  slowDevice = false
  react: (event: CoreEvent) => readonly Effect[] = () => []
  readonly shell: Shell

  constructor() {
    const engine = {
      drain: () => this.pending.splice(0),
      renewController: () => {
        if (this.lapsed) throw new TwinbeatError('TB_LAPSED', 'engine: not renewed for too long')
      },
      now,
      send: (fields: readonly { value: unknown }[]) => {
        if (String(fields[0]?.value).includes('\0')) throw new TwinbeatError('TB_ENGINE_ARGUMENT', 'cannot travel')
        if (!this.full) this.told.push(String(fields[0]?.value))
        return this.full ? 'full' : 'queued'
      },
      setStatus: (status: string) => {
        if (this.full) throw new TwinbeatError('TB_ENGINE_STATE', 'too many commands are waiting')
        this.told.push(status)
      },
      setPhase: () => undefined,
      snapshot: () => {
        this.snapshots += 1
        if (this.snapshots === 1) throw new TwinbeatError('TB_ENGINE_STATE', 'the engine thread did not answer')
        const common = { kind: 'normal', uuid: '', status: 'active', deadtimeUs: 1, twinbeat: '1', lastStatusAt: micros(1) }
        return { at: now(), muted: true, peers: [
          { ...common, name: 'alpha', self: true, state: 'up', generation: 1 },
          { ...common, name: 'beta', self: false, state: 'dead', generation: 2 },
          { ...common, name: 'gamma', self: false, state: 'never', generation: 0 },
        ] } as unknown as EngineSnapshot
      },
    } as unknown as Engine
    const core: Core = {
      step: (event) => {
        const name = event.type === 'timer' ? `timer ${event.key}` : event.type
        this.seen.push(event.type === 'message' ? String(event.fields[0]?.value) : name)
        return this.react(event)
      },
      snapshot: () => { throw new Error('not asked for') },
    }
    this.shell = new Shell({
      engine, core,
      members: { ownerOf: () => null } as unknown as Members,
      addresses: {
        onRecord: (record: EngineRecord) => {
          this.records.push(record.type)
          return record.type === 'steps.done'
        },
      },
      arbiter: { run: async () => ({ outcome: 'unknown', token: null, deadlineAt: null, holder: null, text: '' }) },
      fence: {
        run: async () => {
          if (this.slowDevice) await sleep(20)
          return await Promise.resolve({ outcome: 'failed' as const, text: '' })
        },
        record: async () => { await Promise.resolve() },
      },
      plans: { translate: () => null } as unknown as Plans,
      store: { store: async () => { await Promise.resolve() } },
      raiseGeneration: () => 2,
      onNote: (note) => { this.notes.push(note.event) },
      onReply: () => undefined, onHalt: () => undefined, onStatus: () => undefined, onRecord: () => undefined,
      onBroken: (error) => { throw error as Error }, onLapsed: () => { this.lapses += 1 },
    })
  }

  send(text: string): Effect {
    return { type: 'send', fields: [{ name: 't', type: 0, value: text }] }
  }

  say(text: string): void {
    this.pending.push(message(text))
    this.shell.wake()
  }
}

it('what the engine saw before a timer was due is handled before the timer', async () => {
  const scene = new Scene()
  scene.react = (event) => (event.type === 'message' ? [{ type: 'timer.set', key: 'x', at: now() }] : [])
  scene.say('first')
  scene.react = () => []
  scene.pending.push(message('second'))
  await sleep(30)
  assert.deepEqual(scene.seen, ['first', 'second', 'timer x'])
})

it('a timer that an earlier event of the same turn takes back does not fire', async () => {
  const scene = new Scene()
  scene.react = () => [{ type: 'timer.set', key: 'x', at: now() }, { type: 'timer.set', key: 'y', at: now() }]
  scene.say('set')
  scene.react = (event) => (event.type === 'message' ? [{ type: 'timer.cancel', key: 'x' }] : [])
  scene.pending.push(message('cancel'))
  await sleep(30)
  assert.deepEqual(scene.seen, ['set', 'cancel', 'timer y'])
})

it('after an overflow the state of the engine is told, as soon as the engine can say it', async () => {
  const scene = new Scene()
  scene.pending.push({ type: 'overflow', at: now(), lost: 3 })
  scene.shell.wake()
  assert.deepEqual(scene.seen, ['overflow'])
  await sleep(200)
  assert.deepEqual(scene.seen, ['overflow', 'stall', 'peer.dead'])
})

it('what a full engine does not take is told later, in order', async () => {
  const scene = new Scene()
  scene.react = (event) => (event.type === 'overflow'
    ? [] : [scene.send('one'), { type: 'status', st: 'up', deadtimeExtraUs: 0 }, scene.send('two')])
  scene.full = true
  scene.say('go')
  assert.deepEqual(scene.told, [])
  scene.full = false
  await sleep(60)
  assert.deepEqual(scene.told, ['one', 'up', 'two'])
})

it('a message that cannot travel ends neither the step nor the daemon', () => {
  const scene = new Scene()
  scene.react = () => [scene.send('bad\0'), scene.send('good')]
  scene.say('go')
  assert.deepEqual(scene.told, ['good'])
  assert.deepEqual(scene.notes, ['send.full'])
})

it('a flood is left in the engine, and nothing of it is forgotten', async () => {
  const scene = new Scene()
  scene.pending.push(...Array.from({ length: 5000 }, (_, index) => message(`m${index}`)))
  scene.shell.wake()
  scene.pending.push(message('last'))
  scene.shell.wake()
  assert.equal(scene.pending.length, 1)
  await sleep(200)
  assert.equal(scene.seen.length, 5001)
  assert.equal(scene.seen.at(-1), 'last')
})

it('after a lapse the core hears nothing more, and whoever releases still gets its answers', () => {
  const scene = new Scene()
  scene.say('before')
  scene.lapsed = true
  scene.say('after')
  assert.equal(scene.lapses, 1)
  scene.pending.push({ type: 'steps.done', at: now(), token: 1, ok: true, results: [] })
  scene.shell.wake()
  assert.deepEqual(scene.seen, ['before'])
  assert.equal(scene.records.at(-1), 'steps.done')
  assert.equal(scene.lapses, 1)
})

const shot: Effect = { type: 'fence.run', call: 1, device: 'plug', target: nodeId('beta'), action: 'off', timeoutUs: 1_000_000 }
const remark = (event: string): Effect => ({ type: 'note', level: 'info', event, text: '', details: {} })

/** What the core heard and what was told, in order. */
function fencing(scene: Scene, more: readonly Effect[] = []): readonly string[] {
  const order: string[] = []
  const { told, seen } = scene
  told.push = (...texts) => order.push(...texts.map((text) => `told ${text}`))
  seen.push = (...names) => order.push(...names)
  scene.react = (event) => {
    if (event.type === 'message') return [remark('dead'), scene.send('before'), shot, ...more]
    return event.type === 'fence.result' ? [scene.send('after')] : []
  }
  return order
}

it('a device that answers at once is heard before the peer is told anything, and what is told keeps its order', async () => {
  const scene = new Scene()
  const order = fencing(scene)
  scene.say('death')
  assert.deepEqual(scene.notes, [])
  await sleep(10)
  assert.deepEqual(order, ['death', 'fence.result', 'told before', 'told after'])
  assert.deepEqual(scene.notes, ['dead'])
})

it('a device that takes its time keeps nobody waiting', async () => {
  const scene = new Scene()
  scene.slowDevice = true
  const order = fencing(scene)
  scene.say('death')
  await sleep(60)
  assert.deepEqual(order, ['death', 'told before', 'fence.result', 'told after'])
})

it('whatever else happens finds the peer told, and what the engine goes by is told at once', async () => {
  const scene = new Scene()
  const order = fencing(scene)
  scene.say('death')
  scene.shell.feed({ type: 'timer', key: 'x' })
  assert.deepEqual(order, ['death', 'told before', 'timer x'])
  await sleep(10)
  const other = new Scene()
  const status = fencing(other, [{ type: 'status', st: 'up', deadtimeExtraUs: 0 }])
  other.say('death')
  assert.deepEqual(status, ['death', 'told before', 'told up'])
  await sleep(10)
})

it('what a stop finds left over is dropped with everything else', async () => {
  const scene = new Scene()
  const order = fencing(scene)
  scene.say('death')
  scene.shell.stop()
  await sleep(10)
  assert.deepEqual(order, ['death'])
})

it('a link that is down is told after the death that came with it, and before what comes later', () => {
  const scene = new Scene()
  scene.pending.push(
    { type: 'link.down', at: now(), node: 'beta', link: 'eth0', silentUs: 5000 },
    { type: 'peer.dead', at: now(), node: 'beta', kind: 'normal', generation: 1, silentUs: 5000, links: [] },
    { type: 'link.down', at: now(), node: 'beta', link: 'eth1', silentUs: 5000 },
    { type: 'link.up', at: now(), node: 'beta', link: 'eth0' },
  )
  scene.shell.wake()
  assert.deepEqual(scene.seen, ['peer.dead', 'link.down', 'link.down', 'link.up'])
})
