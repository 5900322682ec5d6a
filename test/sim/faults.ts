// Which faults a seed has, and when. Each seed enables a random subset: many small worlds find more than
// one world with everything in it.

import type { Prng } from '../../src/core/base/prng.js'
import type { SimNode } from './node.js'
import type { World } from './world.js'

export interface Faults {
  loss: boolean
  duplicates: boolean
  partitions: boolean
  oneWay: boolean
  crashes: boolean
  daemonCrashes: boolean
  freezes: boolean
  agents: boolean
  disk: boolean
  operator: boolean
  stops: boolean
  /** The JavaScript does not run for a while; what the engine saw comes late, and not all of it. */
  blocks: boolean
  /** Results of agents are told twice. */
  echoes: boolean
  reloads: boolean
}

export function drawFaults(prng: Prng): Faults {
  const sometimes = (): boolean => prng.below(3) === 0
  return {
    loss: sometimes(), duplicates: sometimes(), partitions: sometimes(), oneWay: sometimes(), crashes: sometimes(),
    daemonCrashes: prng.below(6) === 0, freezes: sometimes(), agents: sometimes(), disk: prng.below(6) === 0,
    operator: prng.below(2) === 0, stops: sometimes(),
    blocks: sometimes(), echoes: prng.below(6) === 0, reloads: prng.below(4) === 0,
  }
}

type Kind = keyof Faults

export function scheduleFaults(world: World, prng: Prng, untilUs: number): void {
  const enabled = (Object.keys(world.faults) as Kind[]).filter((kind) => world.faults[kind])
  if (world.faults.loss) {
    const lossPercent = 5 + prng.below(20)
    for (const from of [0, 1] as const) world.network.set(from, { lossPercent })
  }
  if (world.faults.agents) {
    for (const node of world.nodes) {
      const some = (): number => (prng.below(2) === 0 ? 0 : prng.below(40))
      node.machine.misbehaviour = {
        startFails: some(), startLies: some(), stopFails: some(), stopLies: some(), hangs: some(),
      }
      // What the original does about a failed start is a single attempt half a minute later.
      if (node.twinbeat === null) node.machine.misbehaviour = { ...node.machine.misbehaviour, startFails: 0, startLies: 0 }
    }
  }
  for (const node of world.nodes) node.echoes = world.faults.echoes && node.twinbeat !== null
  if (enabled.length === 0) return
  const next = (at: number): void => {
    if (at >= untilUs) return
    world.clock.at(at, () => {
      const kind = enabled[prng.below(enabled.length)] as Kind
      inject(world, prng, kind)
      next(world.clock.now + 300_000 + prng.below(6_000_000))
    })
  }
  next(2_000_000 + prng.below(8_000_000))
}

function inject(world: World, prng: Prng, kind: Kind): void {
  const node = world.nodes[prng.below(2)] as SimNode
  switch (kind) {
    case 'loss': case 'duplicates': case 'agents': case 'echoes': return
    case 'blocks': return block(world, prng, node)
    case 'reloads': return reload(world, prng, node)
    case 'partitions': return cut(world, prng, [0, 1])
    case 'oneWay': return cut(world, prng, [prng.below(2) as 0 | 1])
    case 'crashes': return crash(world, prng, node, 'machine')
    // The original neither looks for nor stops what an earlier life left behind.
    case 'daemonCrashes': return crash(world, prng, node, node.twinbeat === null ? 'machine' : 'daemon')
    case 'freezes': return freeze(world, prng, node)
    case 'disk':
      node.diskFails = prng.below(3) === 0
      node.diskHangs = !node.diskFails && prng.below(2) === 0
      return world.inject(`${node.id}: disk ${node.diskFails ? 'fails' : node.diskHangs ? 'hangs' : 'works'}`)
    case 'operator': {
      const verb = (['standby', 'standby', 'takeover', 'restart-keep'] as const)[prng.below(4)] ?? 'standby'
      const what = (['all', 'local', 'foreign', 'vip', 'web', 'db'] as const)[prng.below(6)] ?? 'all'
      world.inject(`${node.id}: operator ${verb} ${what}`)
      if (node.busy) return
      return node.feed({ type: 'operator', id: `op${world.injected}`, verb, what: verb === 'restart-keep' ? '' : what })
    }
    case 'stops':
      world.inject(`${node.id}: operator stop`)
      return node.busy ? undefined : node.feed({ type: 'operator', id: `op${world.injected}`, verb: 'stop', what: '' })
  }
}

function cut(world: World, prng: Prng, directions: readonly (0 | 1)[]): void {
  world.inject(`cut ${directions.join(' ')}`)
  for (const from of directions) world.network.set(from, { cut: true })
  const us = prng.below(3) === 0 ? prng.below(2_500_000) : prng.below(12_000_000)
  world.clock.after(us, () => {
    world.inject(`mend ${directions.join(' ')}`)
    for (const from of directions) world.network.set(from, { cut: false })
  })
}

function crash(world: World, prng: Prng, node: SimNode, what: 'machine' | 'daemon'): void {
  world.inject(`${node.id}: ${what} crashes`)
  node.crash(what)
  const { life } = node
  world.clock.after(prng.below(3) === 0 ? 300_000 : prng.below(10_000_000), () => {
    if (node.life === life) node.start()
  })
}

function block(world: World, prng: Prng, node: SimNode): void {
  if (!node.up || node.busy || node.twinbeat === null) return
  world.inject(`${node.id}: its loop stands still`)
  node.block()
  const { life } = node
  const keep = prng.below(2) === 0 ? prng.below(2) : null
  world.clock.after(prng.below(5_000_000), () => {
    if (node.life !== life || !node.blocked) return
    world.inject(`${node.id}: its loop goes on`)
    node.unblock(keep)
  })
}

/** One group is defined otherwise, on this node only: a pair is never reloaded at the same moment. */
function reload(world: World, prng: Prng, node: SimNode): void {
  if (!node.up || node.busy || node.twinbeat === null) return
  const changed = prng.below(node.config.groups.length)
  world.inject(`${node.id}: reload`)
  const groups = node.config.groups.map((group, index) => (index === changed ? { ...group, digest: `${group.digest}+` } : group))
  node.reload({ ...node.config, groups })
}

function freeze(world: World, prng: Prng, node: SimNode): void {
  if (!node.up || node.frozen) return
  world.inject(`${node.id}: freezes`)
  node.freeze()
  const { life } = node
  world.clock.after(prng.below(6_000_000), () => {
    if (node.life !== life || !node.frozen) return
    world.inject(`${node.id}: thaws`)
    node.thaw()
    const muted = node.engine?.muted === true
    if (!muted) return
    world.clock.after(1_000_000, () => { if (node.life === life) world.checkers.wokeStill(node) })
  })
}
