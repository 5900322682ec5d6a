// Which faults a seed has, and when. Each seed enables a random subset: many small worlds find more than
// one world with everything in it.

import type { Prng } from '../../src/core/base/prng.js'
import type { SimNode } from './node.js'
import { stallLimitUs } from './slots.js'
import type { World } from './world.js'

export interface Faults {
  loss: boolean
  duplicates: boolean
  partitions: boolean
  oneWay: boolean
  /** A machine loses its network altogether: the peer and the arbiter at the same time. */
  isolation: boolean
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
  guardians: boolean
  interfaces: boolean
  /** One node carries an older core for a while. */
  upgrades: boolean
  /** Fencing devices fail, hang, or do it and say nothing. */
  devices: boolean
  /** They say that it is done, and it is not: nothing can be promised then. */
  lyingDevices: boolean
  arbiter: boolean
  /** A machine stands still and its clock with it. */
  hiddenPauses: boolean
  holds: boolean
  /** A daemon or a machine dies in the middle of something. */
  ambushes: boolean
  /** An engine is late for a moment just when the peer's dead time would pass, and its heartbeat lies in the socket. */
  hiccups: boolean
  /** After some boots a machine has no watchdog. */
  watchdogs: boolean
}

export function drawFaults(prng: Prng): Faults {
  const sometimes = (): boolean => prng.below(3) === 0
  return {
    loss: sometimes(), duplicates: sometimes(), partitions: sometimes(), oneWay: sometimes(), crashes: sometimes(),
    daemonCrashes: sometimes(), freezes: sometimes(), agents: sometimes(), disk: prng.below(6) === 0,
    operator: prng.below(2) === 0, stops: sometimes(),
    blocks: sometimes(), echoes: prng.below(6) === 0, reloads: prng.below(4) === 0,
    guardians: prng.below(4) === 0, interfaces: prng.below(4) === 0, upgrades: prng.below(6) === 0,
    devices: sometimes(), lyingDevices: prng.below(20) === 0, arbiter: sometimes(), hiddenPauses: prng.below(10) === 0,
    holds: prng.below(4) === 0, ambushes: sometimes(), hiccups: prng.below(4) === 0, watchdogs: sometimes(),
    isolation: prng.below(4) === 0,
  }
}

export interface Ambush {
  readonly node: SimNode
  readonly act: 'start' | 'plan.fire' | 'stop' | 'persist' | 'handover'
  go(): void
}

type Kind = keyof Faults

/** What a world has besides: nothing that its protection does not know. */
function enabledIn(world: World): Kind[] {
  const { mode } = world
  const absent: Kind[] = []
  if (world.realPeer || mode !== 'accept') absent.push('upgrades')
  if (mode !== 'fence') absent.push('devices', 'lyingDevices')
  if (mode !== 'lease') absent.push('arbiter', 'watchdogs')
  return (Object.keys(world.faults) as Kind[]).filter((kind) => world.faults[kind] && !absent.includes(kind))
}

/** Set up at the beginning and true until the calm; the rest happens at moments. */
const standing: ReadonlySet<Kind> = new Set<Kind>(['loss', 'duplicates', 'agents', 'echoes', 'devices', 'lyingDevices', 'watchdogs'])

export function scheduleFaults(world: World, prng: Prng, untilUs: number): void {
  const enabled = enabledIn(world)
  setStanding(world, prng)
  const kinds = enabled.filter((kind) => !standing.has(kind))
  if (kinds.length === 0) return
  const next = (at: number): void => {
    if (at >= untilUs) return
    world.clock.at(at, () => {
      const kind = kinds[prng.below(kinds.length)] as Kind
      inject(world, prng, kind)
      next(world.clock.now + 300_000 + prng.below(6_000_000))
    })
  }
  next(2_000_000 + prng.below(8_000_000))
}

function setStanding(world: World, prng: Prng): void {
  const { faults } = world
  if (faults.loss) {
    const lossPercent = 5 + prng.below(20)
    for (const from of [0, 1] as const) world.network.set(from, { lossPercent })
  }
  const some = (): number => (prng.below(2) === 0 ? 0 : prng.below(40))
  for (const node of world.nodes) {
    if (faults.agents) {
      node.machine.misbehaviour = {
        startFails: some(), startLies: some(), stopFails: some(), stopLies: some(), hangs: some(),
      }
      // What the original does about a failed start is a single attempt half a minute later.
      if (node.twinbeat === null) node.machine.misbehaviour = { ...node.machine.misbehaviour, startFails: 0, startLies: 0 }
    }
    node.echoes = faults.echoes && node.twinbeat !== null
    node.machine.watchdogFails = faults.watchdogs && world.mode === 'lease'
  }
  if (faults.devices) {
    world.devices.mood = { ...world.devices.mood, failsPercent: some(), hangsPercent: some(), silentlyDonePercent: some() }
  }
  if (faults.lyingDevices && world.mode === 'fence') world.devices.mood = { ...world.devices.mood, liesPercent: 10 + prng.below(90) }
}

function inject(world: World, prng: Prng, kind: Kind): void {
  const node = world.nodes[prng.below(2)] as SimNode
  const ours = node.twinbeat !== null
  switch (kind) {
    case 'loss': case 'duplicates': case 'agents': case 'echoes': case 'devices': case 'lyingDevices': case 'watchdogs':
      return
    case 'blocks': return ours ? block(world, prng, node) : undefined
    case 'reloads': return ours ? reload(world, prng, node) : undefined
    case 'partitions': return cut(world, prng, [0, 1])
    case 'oneWay': return cut(world, prng, [prng.below(2) as 0 | 1])
    case 'isolation': return isolate(world, prng, node)
    case 'crashes': return crash(world, prng, node, 'machine')
    // The original neither looks for nor stops what an earlier life left behind.
    case 'daemonCrashes': return crash(world, prng, node, ours ? 'daemon' : 'machine')
    case 'freezes': return freeze(world, prng, node)
    case 'guardians': return ours ? guardian(world, prng, node) : undefined
    case 'interfaces': return ours ? networkInterface(world, prng, node) : undefined
    case 'upgrades': return upgrade(world, node)
    case 'arbiter': return arbiter(world, prng)
    case 'hiddenPauses': return hiddenPause(world, prng, node)
    case 'hiccups': return hiccup(world, prng, node)
    case 'ambushes': return ours ? ambush(world, prng, node) : undefined
    case 'holds': return ours ? hold(world, prng, node) : undefined
    case 'disk':
      node.diskFails = prng.below(3) === 0
      node.diskHangs = !node.diskFails && prng.below(2) === 0
      return world.inject(`${node.id}: disk ${node.diskFails ? 'fails' : node.diskHangs ? 'hangs' : 'works'}`)
    case 'operator': return operator(world, prng, node)
    case 'stops':
      world.inject(`${node.id}: operator stop`)
      return world.ask(node, 'stop', '')
  }
}

function operator(world: World, prng: Prng, node: SimNode): void {
  const verb = (['standby', 'standby', 'takeover', 'restart-keep'] as const)[prng.below(4)] ?? 'standby'
  const what = (['all', 'local', 'foreign', 'vip', 'web', 'db'] as const)[prng.below(6)] ?? 'all'
  world.inject(`${node.id}: operator ${verb} ${what}`)
  world.ask(node, verb, verb === 'restart-keep' ? '' : what)
}

/** What is forbidden is forbidden from the moment in which the operator is told so. */
function hold(world: World, prng: Prng, node: SimNode): void {
  const verb = (['hold', 'hold', 'unhold', 'maintenance'] as const)[prng.below(4)] ?? 'hold'
  const group = world.groups[prng.below(world.groups.length)]?.id ?? ''
  const seconds = 1 + prng.below(20)
  const what = verb !== 'maintenance' ? group : prng.below(3) === 0 ? 'off' : `on ${seconds}`
  world.inject(`${node.id}: operator ${verb} ${what}`)
  const checker = world.checkers.authority
  if (verb === 'unhold') checker.released(group)
  // A new maintenance takes the place of the last one.
  else if (verb === 'maintenance') checker.maintained()
  const until = world.now() + seconds * 980_000
  const { releases } = checker
  world.ask(node, verb, what, (ok, text) => {
    // Taken back before it was answered, or told that it is not on the disk.
    if (releases !== checker.releases || text.includes('the disk has not')) return
    if (!ok || verb === 'unhold' || what === 'off') return
    checker.forbidden(node, verb === 'hold' ? { group, until: null } : { group: null, until })
  })
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

function isolate(world: World, prng: Prng, node: SimNode): void {
  world.inject(`${node.id}: its network is gone`)
  const path = world.etcd.paths[node.index]
  path.cut = true
  for (const from of [0, 1] as const) world.network.set(from, { cut: true })
  world.clock.after(prng.below(3) === 0 ? prng.below(5_000_000) : prng.below(25_000_000), () => {
    world.inject(`${node.id}: its network is back`)
    path.cut = false
    for (const from of [0, 1] as const) world.network.set(from, { cut: false })
  })
}

function crash(world: World, prng: Prng, node: SimNode, what: 'machine' | 'daemon'): void {
  world.inject(`${node.id}: ${what} crashes`)
  if (what === 'machine') world.down(node, { power: true })
  else node.crash('daemon')
  const { life } = node
  // A supervisor may be quick, or slow.
  const afterUs = [300_000, prng.below(50_000), prng.below(10_000_000), prng.below(10_000_000)][prng.below(4)] ?? 0
  world.clock.after(what === 'machine' ? Math.max(300_000, afterUs) : afterUs, () => {
    if (node.life === life) world.start(node)
  })
}

function block(world: World, prng: Prng, node: SimNode): void {
  if (!node.up || node.busy) return
  world.inject(`${node.id}: its loop stands still`)
  world.standsStill(node)
  node.block()
  const { life } = node
  const keep = prng.below(2) === 0 ? prng.below(2) : null
  // Sometimes longer than the controller lease.
  world.clock.after(prng.below(4) === 0 ? prng.below(16_000_000) : prng.below(5_000_000), () => {
    if (node.life !== life || !node.blocked) return
    world.inject(`${node.id}: its loop goes on`)
    node.unblock(keep)
  })
}

/** One group is defined otherwise, on this node only: a pair is never reloaded at the same moment. */
function reload(world: World, prng: Prng, node: SimNode): void {
  if (!node.up || node.busy) return
  const changed = prng.below(node.config.groups.length)
  world.inject(`${node.id}: reload`)
  const groups = node.config.groups.map((group, index) => (index === changed ? { ...group, digest: `${group.digest}+` } : group))
  node.reload({ ...node.config, groups })
}

function freeze(world: World, prng: Prng, node: SimNode): void {
  if (!node.up || node.frozen) return
  // A cgroup freezer or a suspend stops the guardian as well.
  const both = prng.below(2) === 0
  world.inject(`${node.id}: freezes${both ? ', its guardian too' : ''}`)
  world.standsStill(node)
  node.freeze({ guardian: both })
  const { life } = node
  world.clock.after(prng.below(6_000_000), () => {
    if (node.life !== life || !node.frozen) return node.guardian?.thaw()
    world.inject(`${node.id}: thaws`)
    world.thaw(node)
    const muted = node.engine?.muted === true
    if (!muted) return
    const wokeAt = world.clock.now
    world.clock.after(1_000_000, () => { if (node.life === life) world.checkers.pair.wokeStill(node, wokeAt) })
  })
}

/** The peer is cut off for nearly its dead time; when that would pass, it is heard again, and this node looks late. */
function hiccup(world: World, prng: Prng, node: SimNode): void {
  const limitUs = node.engine?.limitUs ?? 0
  const { keepaliveUs } = node.config.timing
  if (!node.up || node.busy || limitUs < 4 * keepaliveUs) return
  const from = node.index === 0 ? 1 : 0
  world.inject(`${node.id}: hears nothing for nearly a dead time`)
  world.network.set(from, { cut: true })
  const lateUs = stallLimitUs / 2 + prng.below(stallLimitUs / 2)
  const backUs = limitUs - keepaliveUs - prng.below(2 * keepaliveUs)
  world.clock.after(backUs, () => { world.network.set(from, { cut: false }) })
  world.clock.after(limitUs - prng.below(lateUs + keepaliveUs), () => {
    if (!node.up || node.busy) return
    world.standsStill(node)
    node.freeze()
    const { life } = node
    world.clock.after(lateUs, () => { if (node.life === life && node.frozen) world.thaw(node) })
  })
}

/** With the next act of some kind, and the time of an act later. */
function ambush(world: World, prng: Prng, node: SimNode): void {
  const acts: readonly Ambush['act'][] = ['start', 'plan.fire', 'stop', 'persist', 'handover']
  const what = prng.below(4) === 0 ? 'machine' : 'daemon'
  const act = acts[prng.below(acts.length)] ?? 'start'
  const afterUs = prng.below(3) === 0 ? prng.below(100_000) : prng.below(1500)
  world.inject(`${node.id}: its ${what} will die ${afterUs} us after its next ${act}`)
  world.ambush = { node, act, go: () => {
    const { life } = node
    world.clock.after(afterUs, () => { if (node.life === life && !node.clock.hidden) crash(world, prng, node, what) })
  } }
}

function guardian(world: World, prng: Prng, node: SimNode): void {
  world.inject(`${node.id}: its guardian is killed`)
  node.killGuardian()
  if (prng.below(3) !== 0) return
  const { life } = node
  world.clock.after(prng.below(400_000), () => {
    if (node.life !== life || !node.up) return
    world.inject(`${node.id}: and its daemon`)
    node.crash('daemon')
    const { life: dead } = node
    world.clock.after(prng.below(6_000_000), () => { if (node.life === dead) world.start(node) })
  })
}

function networkInterface(world: World, prng: Prng, node: SimNode): void {
  if (prng.below(2) === 0) {
    world.inject(`${node.id}: the interface is made anew`)
    return node.loseInterface()
  }
  world.inject(`${node.id}: no carrier`)
  node.carrier(false)
  world.clock.after(prng.below(5_000_000), () => {
    world.inject(`${node.id}: carrier`)
    node.carrier(true)
  })
}

/** Takes effect with the next life. */
function upgrade(world: World, node: SimNode): void {
  const older = !node.older
  world.inject(`${node.id}: ${older ? 'rolled back' : 'upgraded'}`)
  if (!node.up || node.busy) return
  node.olderNext = older
  world.ask(node, 'restart-keep', '')
}

function arbiter(world: World, prng: Prng): void {
  const { etcd } = world
  const path = etcd.paths[prng.below(2)]
  const us = prng.below(3) === 0 ? prng.below(40_000_000) : prng.below(8_000_000)
  switch (prng.below(5)) {
    case 0:
      world.inject('etcd: a new leader')
      etcd.outage(true)
      etcd.leaderChange()
      world.clock.after(prng.below(3_000_000), () => {
        etcd.leaderChange()
        etcd.outage(false)
      })
      return
    case 1:
      world.inject('etcd: no service')
      etcd.outage(true)
      world.clock.after(us, () => {
        world.inject('etcd: service')
        etcd.outage(false)
      })
      return
    case 2:
      if (path === undefined) return
      world.inject('etcd: one node is cut off')
      path.cut = true
      world.clock.after(us, () => { path.cut = false })
      return
    case 3:
      world.inject('etcd: slow, and answers get lost')
      for (const one of etcd.paths) Object.assign(one, { slowUs: 2000 + prng.below(900_000), loseAnswersPercent: prng.below(60) })
      return
    default:
      world.inject('etcd: quick')
      for (const one of etcd.paths) Object.assign(one, { slowUs: 2000, loseAnswersPercent: 0 })
  }
}

function hiddenPause(world: World, prng: Prng, node: SimNode): void {
  if (node.busy || !node.machine.powered) return
  world.inject(`${node.id}: stands still without noticing`)
  node.clock.hide()
  const { boot } = node.clock
  world.clock.after(prng.below(8_000_000), () => {
    if (node.clock.boot !== boot || !node.clock.hidden) return
    world.inject(`${node.id}: goes on as if nothing had been`)
    world.wake(node)
  })
}
