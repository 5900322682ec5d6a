// Every link form that needs a kernel, between two engines in two network namespaces with a cable between them: all of
// them at once, as a careful configuration has it, so that each fault shows what it takes away and what it leaves.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { EngineConfig, EngineRecord, EngineSnapshot, LinkConfig } from '../../src/engine/engine.js'
import { configOf } from '../contract/engine.contract.js'
import type { Ask } from './links-inside.js'

const inside = fileURLToPath(new URL('./links-inside.js', import.meta.url))
const permitted = spawnSync('unshare', ['-n', 'true']).status === 0
const skip = permitted ? false : 'no permission for network namespaces'
const options = { skip, timeout: 60_000 }
const ms = 1000

type Without<Kind, Key extends PropertyKey> = Kind extends unknown ? Omit<Kind, Key> : never

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

class Side {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly ready: Promise<number>
  #asked = 0

  constructor() {
    this.#child = spawn('unshare', ['-n', process.execPath, inside],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
    this.ready = new Promise((resolve, reject) => this.#waiting.set(0, { resolve: (pid) => resolve(Number(pid)), reject }))
    this.#child.on('message', (message: { id: number; value: unknown; error?: string }) => {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.value)
      else waiting?.reject(new Error(message.error))
    })
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the process inside the namespace ended'))
    })
  }

  async #ask(ask: Without<Ask, 'id'>): Promise<unknown> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ ...ask, id })
    })
  }

  async shell(...lines: readonly string[]): Promise<string> {
    return String(await this.#ask({ call: 'shell', script: lines.join('\n') }))
  }
  async begin(config: EngineConfig, generation: number): Promise<void> {
    await this.#ask({ call: 'begin', config, generation })
  }
  async snapshot(): Promise<EngineSnapshot> { return await this.#ask({ call: 'snapshot' }) as EngineSnapshot }
  async records(): Promise<readonly EngineRecord[]> { return await this.#ask({ call: 'records' }) as EngineRecord[] }
  end(): void { if (this.#child.connected) this.#child.disconnect() }
}

const addresses = { left: { v4: '10.9.0.1', v6: 'fd09::1' }, right: { v4: '10.9.0.2', v6: 'fd09::2' } } as const
type Name = keyof typeof addresses
const other = { left: 'right', right: 'left' } as const
const sides = {} as Record<Name, Side>
const device = 'tb0'

/** `bcast` and `ucast` on one port, as both lines for one interface in a ha.cf are. */
function linksOf(self: Name): readonly LinkConfig[] {
  const peer = addresses[other[self]]
  const ports = (port: number): { port: number; localAddress: null; localPort: number } =>
    ({ port, localAddress: null, localPort: port })
  return [
    { type: 'bcast', name: 'bcast', interface: device, address: null, port: 694 },
    { type: 'ucast', name: 'ucast', interface: device, address: peer.v4, ...ports(694) },
    { type: 'mcast', name: 'mcast', interface: device, group: '239.9.0.1', port: 695, ttl: 1, loop: false },
    { type: 'ucast6', name: 'ucast6', interface: device, address: peer.v6, ...ports(694) },
    { type: 'mcast6', name: 'mcast6', interface: device, group: 'ff02::9', port: 694, ttl: 1, loop: false },
    { type: 'ping', name: peer.v4, hosts: [peer.v4] },
    { type: 'ping6', name: peer.v6, hosts: [peer.v6] },
    { type: 'ping_group', name: 'outside', hosts: [peer.v4, '10.9.0.77'] },
  ]
}
const nodeLinks = ['bcast', 'ucast', 'mcast', 'ucast6', 'mcast6']

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 15_000
  while (!await condition()) {
    assert.ok(Date.now() < limit, `not in 15 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The links on which `self` hears its peer. */
async function heard(self: Name): Promise<readonly string[]> {
  const { peers } = await sides[self].snapshot()
  const peer = peers.find((one) => one.name === other[self])
  return (peer?.links ?? []).filter((link) => link.state === 'up').map((link) => link.name)
}

async function untilHeard(self: Name, links: readonly string[]): Promise<void> {
  let now: readonly string[] = []
  await until(`${self} hears its peer on ${links.join(' ') || 'nothing'}`, async () => {
    now = await heard(self)
    return now.join() === links.join()
  }).catch((error: unknown) => { throw new Error(`${String(error)}; it does on ${now.join(' ')}`) })
}

async function countOf(self: Name, type: EngineRecord['type'], node: string): Promise<number> {
  return (await sides[self].records()).filter((one) => one.type === type && 'node' in one && one.node === node).length
}

const without = (...names: readonly string[]): string[] => nodeLinks.filter((name) => !names.includes(name))

const addressLines = (self: Name): string[] => [
  `ip link set ${device} up`,
  `ip addr add ${addresses[self].v4}/24 brd + dev ${device}`,
  `ip addr add ${addresses[self].v6}/64 dev ${device} nodad`,
]

async function plugIn(): Promise<void> {
  const pid = await sides.right.ready
  await sides.left.shell(`ip link add ${device} type veth peer name ${device} netns ${pid}`)
  for (const self of ['left', 'right'] as const) await sides[self].shell(...addressLines(self))
}

before(async () => {
  if (skip !== false) return
  for (const self of ['left', 'right'] as const) {
    sides[self] = new Side()
    await sides[self].ready
    await sides[self].shell('ip link set lo up', 'nft add table inet tb',
      "nft 'add chain inet tb out { type filter hook output priority 0; }'")
  }
  await plugIn()
  for (const [at, self] of (['left', 'right'] as const).entries()) {
    const config = configOf(self, linksOf(self))
    const deadtimeUs = 1500 * ms
    const timing = { ...config.timing, keepaliveUs: 100 * ms, warntimeUs: 800 * ms, deadtimeUs, deadpingUs: deadtimeUs }
    await sides[self].begin({ ...config, timing }, 1000 + at)
  }
})

after(() => {
  for (const side of Object.values(sides)) side.end()
})

test('two engines hear each other on every form of link, and every ping node answers', options, async () => {
  await untilHeard('left', nodeLinks)
  await untilHeard('right', nodeLinks)
  const pings = [addresses.right.v4, addresses.right.v6, 'outside']
  await until('the ping nodes are up', async () => {
    const { peers } = await sides.left.snapshot()
    return pings.every((name) => peers.find((peer) => peer.name === name)?.state === 'up')
  })
})

test('a broadcast that no longer passes ends the bcast link alone, although its port still hears', options, async () => {
  await sides.right.shell('nft add rule inet tb out ip daddr 10.9.0.255 drop')
  await untilHeard('left', without('bcast'))
  await sides.right.shell('nft flush chain inet tb out')
  await untilHeard('left', nodeLinks)
})

test('a unicast that no longer passes ends the ucast link alone, whichever socket gets the rest', options, async () => {
  await sides.right.shell('nft add rule inet tb out ip daddr 10.9.0.1 udp dport 694 drop')
  await untilHeard('left', without('ucast'))
  await sides.right.shell('nft flush chain inet tb out', 'nft add rule inet tb out ip6 daddr fd09::1 udp dport 694 drop')
  await untilHeard('left', without('ucast6'))
  await sides.right.shell('nft flush chain inet tb out')
  await untilHeard('left', nodeLinks)
})

test('the loss of all links but one changes link states and nothing else', options, async () => {
  await sides.right.shell('nft add rule inet tb out meta nfproto ipv4 drop',
    'nft add rule inet tb out ip6 daddr fd09::1 udp dport 694 drop')
  await untilHeard('left', ['mcast6'])
  const { peers } = await sides.left.snapshot()
  assert.equal(peers.find((peer) => peer.name === 'right')?.state, 'up')
  assert.equal(await countOf('left', 'peer.dead', 'right'), 0)
  await sides.right.shell('nft flush chain inet tb out')
  await untilHeard('left', nodeLinks)
})

test('a packet filter that refuses our sends is loss: counted, and the links stay open', options, async () => {
  await sides.right.shell('nft add rule inet tb out udp dport { 694, 695 } drop')
  await until('left declares right dead', async () => await countOf('left', 'peer.dead', 'right') === 1)
  const { links } = await sides.right.snapshot()
  for (const link of links.filter((one) => nodeLinks.includes(one.name))) {
    assert.ok(link.open, `${link.name} is open`)
    assert.ok(link.sendErrors > 5, `${link.name}: ${link.sendErrors} refused sends`)
  }
  const closed = (await sides.right.records()).filter((record) => record.type === 'link.state' && !record.open)
  assert.deepEqual(closed, [])
  await sides.right.shell('nft flush chain inet tb out')
  await until('it returned', async () => await countOf('left', 'peer.returned', 'right') === 1)
  await untilHeard('left', nodeLinks)
})

/** The last `link.state` of each link. */
async function linkStates(self: Name): Promise<Map<string, boolean>> {
  const states = new Map<string, boolean>()
  for (const record of await sides[self].records()) {
    if (record.type === 'link.state') states.set(record.link, record.open)
  }
  return states
}

test('an interface that goes down takes its links, and coming up brings them back', options, async () => {
  await sides.left.shell(`ip link set ${device} down`)
  await until('the links of the interface are reported', async () => {
    const states = await linkStates('left')
    return ['bcast', 'ucast', 'mcast'].every((name) => states.get(name) === false)
  })
  await sides.left.shell(`ip link set ${device} up`, `ip addr replace ${addresses.left.v6}/64 dev ${device} nodad`)
  // Heard alone would prove nothing: the dead time of what was heard before may not be over yet.
  await until('every link of the interface is open again', async () =>
    [...(await linkStates('left')).values()].every((open) => open))
  await untilHeard('left', nodeLinks)
  await untilHeard('right', nodeLinks)
})

test('an interface that vanishes and comes back under its name carries its links again', options, async () => {
  await sides.left.shell(`ip link del ${device}`)
  await until('the links of the interface are reported', async () => {
    const states = await linkStates('left')
    return nodeLinks.every((name) => states.get(name) === false)
  })
  await plugIn()
  await untilHeard('left', nodeLinks)
  await untilHeard('right', nodeLinks)
})
