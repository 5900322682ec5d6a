// What every Engine must do, whatever it is made of. A factory gives two engines that can hear each other; `advance`
// lets time pass for both (really or by a manual clock).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine, EngineConfig, EngineRecord, GapSnapshot, LinkConfig } from '../../src/engine/engine.js'
import { bytes, text, textOf } from '../../src/engine/engine.js'

export interface Node {
  readonly engine: Engine
  readonly name: string
  /** Everything drained so far. */
  readonly records: EngineRecord[]
}

export interface Pair {
  readonly left: Node
  readonly right: Node
  /** Waits until the condition holds; fails after `limitMs`. */
  until(what: string, condition: () => boolean, limitMs?: number): Promise<void>
  close(): void
}

export interface PairOptions {
  readonly lossPercent: number
  readonly duplicatePercent: number
}
export type MakePair = (options: PairOptions) => Promise<Pair>

const ms = 1000
export const key = new TextEncoder().encode('contract')

export function configOf(name: string, links: readonly LinkConfig[], revision = 1): EngineConfig {
  return {
    revision,
    self: { name, uuid: Buffer.from(name.padEnd(16, '.')) },
    nodes: [{ name: 'left', uuid: null }, { name: 'right', uuid: null }],
    timing: {
      keepaliveUs: 50 * ms, deadtimeUs: 600 * ms, warntimeUs: 300 * ms, initdeadUs: 60_000 * ms,
      deadpingUs: 600 * ms, maxRexmitDelayUs: 100 * ms,
    },
    hopfudge: 1,
    muteAfterPause: false,
    auth: { signIndex: 1, keys: [{ index: 1, method: 'sha1', key }] },
    links,
  }
}

export function begin(engine: Engine, config: EngineConfig, generation: number): void {
  engine.configure(config)
  engine.setGeneration(generation)
  engine.start()
  engine.setStatus('active', { deadtimeExtraUs: 0 })
  engine.setPhase('started')
}

export const calm: PairOptions = { lossPercent: 0, duplicatePercent: 0 }
export const of = <T extends EngineRecord['type']>(node: Node, type: T): Extract<EngineRecord, { type: T }>[] =>
  node.records.filter((record): record is Extract<EngineRecord, { type: T }> => record.type === type)
const active = (node: Node): boolean => of(node, 'peer.status').some((record) => record.status === 'active')

export async function met(make: MakePair, options: PairOptions): Promise<Pair> {
  const pair = await make(options)
  begin(pair.left.engine, configOf('left', linksOf(pair.left, options)), 1000)
  begin(pair.right.engine, configOf('right', linksOf(pair.right, options)), 2000)
  await pair.until('both are active', () => active(pair.left) && active(pair.right))
  return pair
}

/** Filled by the factory: the links by which a node of the pair reaches the other. */
const wiring = new WeakMap<Node, (options: PairOptions) => readonly LinkConfig[]>()
export function wire(node: Node, links: (options: PairOptions) => readonly LinkConfig[]): void {
  wiring.set(node, links)
}
const linksOf = (node: Node, options: PairOptions): readonly LinkConfig[] => wiring.get(node)?.(options) ?? []

export function engineContract(kind: string, make: MakePair): void {
  const check = (fact: string, options: PairOptions, body: (pair: Pair) => Promise<void>): void => {
    void test(`${kind}: ${fact}`, { timeout: 60_000 }, async () => {
      const pair = await met(make, options)
      try {
        await body(pair)
      } finally {
        pair.close()
      }
    })
  }

  check('two engines find each other on every link and say who they are', calm, async (pair) => {
    const [up] = of(pair.left, 'peer.up')
    assert.ok(up)
    assert.deepEqual([up.node, up.kind, up.generation], ['right', 'normal', 2000])
    const status = of(pair.left, 'peer.status').at(-1)
    assert.equal(status?.twinbeat, '2')
    assert.equal(status?.uuid, Buffer.from('right...........').toString('hex'))
    await pair.until('all links are up', () => pair.left.engine.snapshot().links.every((link) => link.state === 'up'))
    assert.deepEqual(of(pair.left, 'peer.dead'), [])
  })

  check('the gaps between the heartbeats of a peer are counted, on each link and together', calm, async (pair) => {
    const counted = (gaps: GapSnapshot): number => gaps.classes.reduce((sum, [, count]) => sum + count, 0)
    await pair.until('ten gaps on every link', () => pair.left.engine.snapshot().links.every(({ gaps }) => counted(gaps) >= 10))
    const { peers, countedSince, lateness, at } = pair.left.engine.snapshot()
    const { maxUs, classes } = peers.find((one) => one.name === 'right')!.gaps
    assert.ok(counted({ maxUs, classes }) >= 10)
    assert.ok(maxUs > 0 && (classes.at(-1)?.[0] ?? Infinity) <= maxUs)
    assert.ok(countedSince !== null && countedSince < at)
    assert.ok(lateness.maxUs >= 0)
  })

  check('a message arrives as it was sent, once, with the sender beside it', calm, async (pair) => {
    const blob = Uint8Array.from({ length: 256 }, (_, at) => at)
    const sent = [text('t', 'note'), text('info', 'two\nlines'), text('empty', ''), bytes('blob', blob)]
    assert.equal(pair.left.engine.send(sent), 'queued')
    await pair.until('it arrived', () => of(pair.right, 'message').length > 0)
    const [message] = of(pair.right, 'message')
    assert.ok(message)
    assert.equal(message.from, 'left')
    assert.deepEqual(message.fields.slice(0, 4), sent)
    assert.equal(textOf(message.fields, 'hg'), (1000).toString(16))
    await pair.until('more heartbeats came', () => pair.right.engine.counters().messagesReceived > 30)
    assert.equal(of(pair.right, 'message').length, 1)
    assert.deepEqual(of(pair.left, 'message'), [], 'nobody hears himself')
  })

  check('a message for somebody else is not delivered', calm, async (pair) => {
    pair.left.engine.send([text('t', 'note'), text('dest', 'left'), text('info', 'not yours')])
    pair.left.engine.send([text('t', 'note'), text('dest', 'right'), text('info', 'yours')])
    await pair.until('ours arrived', () => of(pair.right, 'message').length > 0)
    assert.deepEqual(of(pair.right, 'message').map((one) => textOf(one.fields, 'info')), ['yours'])
  })

  check('what a bad link loses is asked for and comes', { lossPercent: 30, duplicatePercent: 20 }, async (pair) => {
    const numbers = Array.from({ length: 60 }, (_, at) => String(at))
    for (const info of numbers) pair.left.engine.send([text('t', 'note'), text('info', info)])
    const got = (): (string | null)[] => of(pair.right, 'message').map((one) => textOf(one.fields, 'info'))
    await pair.until('all arrived', () => got().length >= numbers.length, 20_000)
    assert.deepEqual(got().map(Number).sort((a, b) => a - b), numbers.map(Number))
    assert.ok(pair.right.engine.counters().rexmitRequested > 0)
    assert.ok(pair.left.engine.counters().rexmitAnswered > 0)
    assert.deepEqual(of(pair.left, 'peer.dead'), [])
  })

  check('messages are acknowledged, so the sender\'s history does not fill', calm, async (pair) => {
    // A hundred at a time: a receiver that does not get the processor loses what its socket cannot hold, and of 700 at once
    // the first would no longer be in the history when it asks for them.
    for (let sent = 100; sent <= 700; sent += 100) {
      for (let at = sent - 100; at < sent; at++) pair.left.engine.send([text('t', 'note'), text('info', String(at))])
      await pair.until(`${sent} arrived`, () => of(pair.right, 'message').length === sent)
    }
    await pair.until('acknowledged', () => {
      const peer = pair.left.engine.snapshot().peers.find((one) => one.name === 'right')
      return peer !== undefined && peer.acknowledged > 690
    })
    assert.deepEqual([of(pair.left, 'overflow'), of(pair.left, 'send.history-full')], [[], []])
  })

  check('a peer that stops is late, then dead after the dead time it announced', calm, async (pair) => {
    const stoppedAt = pair.right.engine.now()
    pair.right.engine.stop({ farewell: false })
    await pair.until('it is dead', () => of(pair.left, 'peer.dead').length > 0, 10_000)
    const [dead] = of(pair.left, 'peer.dead')
    assert.ok(dead)
    assert.equal(dead.generation, 2000)
    // 600 ms of its own and the 2 s that a starting node adds.
    // A machine that stood still is not the peer's silence: the engine reports it and judges anew.
    const excused = of(pair.left, 'stall').length > 0 ? 2600 * ms : 0
    const latest = 3600 * ms + excused
    assert.ok(dead.silentUs >= 2600 * ms && dead.silentUs < latest, `silent ${dead.silentUs}, excused ${excused}`)
    assert.ok(dead.at - stoppedAt >= 2500 * ms)
    assert.equal(dead.links.length, pair.left.engine.snapshot().links.length)
    assert.equal(of(pair.left, 'peer.late').length, 1)
    assert.equal(pair.left.engine.snapshot().peers.find((one) => one.name === 'right')?.state, 'dead')
  })

  check('a higher generation is a restart, not a return', calm, async (pair) => {
    pair.right.engine.setGeneration(2001)
    await pair.until('it is seen', () => of(pair.left, 'peer.restarted').length > 0)
    const [restarted] = of(pair.left, 'peer.restarted')
    assert.deepEqual([restarted?.generation, restarted?.previousGeneration, restarted?.wasDead], [2001, 2000, false])
    assert.deepEqual(of(pair.left, 'peer.returned'), [])
    pair.right.engine.send([text('t', 'note'), text('info', 'after')])
    await pair.until('it is heard', () => of(pair.left, 'message').length > 0)
  })

  check('a foreign key is rejected and counted, and is no sign of life', calm, async (pair) => {
    const config = configOf('right', linksOf(pair.right, calm), 2)
    const keys = [{ index: 1, method: 'sha1' as const, key: new TextEncoder().encode('another') }]
    pair.right.engine.configure({ ...config, auth: { signIndex: 1, keys } })
    await pair.until('it is rejected', () => of(pair.left, 'auth.rejected').length > 0)
    assert.equal(of(pair.left, 'auth.rejected')[0]?.reason, 'auth')
    await pair.until('it is dead', () => of(pair.left, 'peer.dead').length > 0, 10_000)
  })

  check('a new configuration of the same links interrupts nothing', calm, async (pair) => {
    for (let revision = 2; revision < 20; revision++) {
      pair.left.engine.configure(configOf('left', linksOf(pair.left, calm), revision))
    }
    const before = pair.right.engine.counters().messagesReceived
    await pair.until('it beats on', () => pair.right.engine.counters().messagesReceived > before + 20)
    assert.equal(of(pair.left, 'link.state').length, linksOf(pair.left, calm).length)
    assert.deepEqual([of(pair.left, 'peer.dead'), of(pair.right, 'peer.dead')], [[], []])
    assert.equal(pair.left.engine.snapshot().revision, 19)
  })
}
