// The prober itself, against addresses that come and go when the test says so.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { labObstacle, withLab, type Lab } from '../../lab/lab.js'
import { until } from '../../lab/processes.js'
import { startProber, startResponder, type ProbeEvent, type Prober, type ProberOptions } from '../../lab/prober.js'

const needsLab = { skip: (await labObstacle()) ?? false, timeout: 120_000 }
const vip = '10.77.0.100'
const port = 7007
const msOf = (ns: number): number => ns / 1e6

type Of<K extends ProbeEvent['e']> = Extract<ProbeEvent, { e: K }>
const of = <K extends ProbeEvent['e']>(events: readonly ProbeEvent[], kind: K): Of<K>[] =>
  events.filter((event): event is Of<K> => event.e === kind)

interface Scene {
  readonly lab: Lab
  readonly events: ProbeEvent[]
  readonly prober: Prober
  readonly give: (node: string) => Promise<void>
  readonly take: (node: string) => Promise<void>
  /** Waits for an event of that kind. */
  readonly seen: <K extends ProbeEvent['e']>(kind: K, is: (event: Of<K>) => boolean) => Promise<Of<K>>
}

async function withScene(options: Partial<ProberOptions>, body: (scene: Scene) => Promise<void>): Promise<void> {
  await withLab({ name: 'prober', nodes: ['nodea', 'nodeb'] }, async (lab) => {
    const nodes = lab.allNodes()
    await Promise.all(nodes.map((node) => startResponder(node, port)))
    const events: ProbeEvent[] = []
    const prober = await startProber({
      nodes, client: lab.client, bridge: { space: lab.switch, interface: 'br0' },
      target: { kind: 'udp', address: vip, port }, everyUs: 1000, ...options, onEvent: (event) => events.push(event),
    })
    const address = (verb: string) => async (node: string): Promise<void> => {
      const { rc, err } = await lab.node(node).exec(['ip', 'addr', verb, `${vip}/24`, 'dev', 'eth0'])
      assert.equal(rc, 0, err)
    }
    const seen: Scene['seen'] = async (kind, is) => {
      await until(() => of(events, kind).some(is), 10_000, 5)
      const found = of(events, kind).find(is)
      assert.ok(found !== undefined, `no such ${kind} among ${JSON.stringify(events.slice(-20))}`)
      return found
    }
    try {
      await body({ lab, events, prober, give: address('add'), take: address('del'), seen })
    } finally {
      await prober.stop()
    }
  })
}

test('an address that comes and goes is told by the kernel and found by asking, within a few ticks', needsLab, async () => {
  await withScene({}, async ({ events, give, take, seen }) => {
    await seen('held', (event) => event.node === 'nodea' && !event.on)
    await give('nodea')
    const added = await seen('addr', (event) => event.on)
    const held = await seen('held', (event) => event.on)
    assert.deepEqual([added.node, added.address, held.node, held.address], ['nodea', vip, 'nodea', vip])
    const own = [...of(events, 'late'), ...of(events, 'stall')].reduce((sum, event) => sum + event.ns, 0)
    assert.ok(Math.abs(held.t - added.t) < 3e6 + own, `told and found ${msOf(held.t - added.t)} ms apart`)
    await take('nodea')
    const removed = await seen('addr', (event) => !event.on)
    const gone = await seen('held', (event) => !event.on && event.t > held.t)
    assert.ok(removed.t > added.t && gone.t > held.t)
    assert.equal(of(events, 'held').filter((event) => event.node === 'nodeb' && event.on).length, 0)
  })
})

test('answers carry the name of the node that has the address, and stop when nobody has it', needsLab, async () => {
  await withScene({}, async ({ events, prober, give, take, seen }) => {
    await give('nodea')
    await seen('answer', (event) => event.from === 'nodea')
    await take('nodea')
    const removed = await seen('addr', (event) => !event.on)
    const { atNs } = await prober.mark('nobody')
    assert.ok(atNs >= removed.t)
    const since = of(events, 'answer').filter((event) => event.t > removed.t + 2e6)
    await give('nodeb')
    // The client keeps sending to the node it knows until the new one announces itself.
    const announced = await seen('addr', (event) => event.on && event.node === 'nodeb')
    assert.deepEqual(since.map((event) => event.from), [])
    assert.equal(of(events, 'answer').filter((event) => event.from === 'nodeb' && event.t < announced.t - 1e6).length, 0)
  })
})

test('an announcement is seen at the client and on the bridge with the MAC of its sender', needsLab, async () => {
  await withScene({}, async ({ lab, give, seen }) => {
    await give('nodeb')
    const node = lab.node('nodeb')
    const mac = (await node.exec(['cat', '/sys/class/net/eth0/address'])).out.trim()
    const arp = 'import socket,sys;s=socket.socket(17,3);s.bind(("eth0",2054));m=bytes.fromhex(sys.argv[1].replace(":",""));' +
      'a=socket.inet_aton(sys.argv[2]);s.send(b"\\xff"*6+m+bytes.fromhex("08060001080006040001")+m+a+b"\\0"*6+a)'
    const sent = await node.exec(['python3', '-c', arp, mac, vip])
    assert.equal(sent.rc, 0, sent.err)
    const atClient = await seen('garp', (event) => event.where === 'client')
    const onBridge = await seen('garp', (event) => event.where === 'bridge')
    assert.deepEqual([atClient.mac, onBridge.mac, atClient.address], [mac, mac, vip])
    assert.ok(Math.abs(atClient.t - onBridge.t) < 50e6)
    await seen('answer', (event) => event.from === 'nodeb')
  })
})

test('when asked who has the address, two owners are two MACs', needsLab, async () => {
  await withScene({ arpEveryUs: 5000 }, async ({ events, give, seen }) => {
    await give('nodea')
    const first = await seen('arp', (event) => event.where === 'client')
    await give('nodeb')
    await seen('arp', (event) => event.where === 'client' && event.mac !== first.mac)
    assert.equal(new Set(of(events, 'arp').map((event) => event.mac)).size, 2)
  })
})

test('a fault is made by the prober: processes stop, run and die, a port of the switch stops forwarding', needsLab, async () => {
  await withScene({}, async ({ lab, events, prober, give, seen }) => {
    await give('nodea')
    await seen('answer', (event) => event.from === 'nodea')
    const index = await lab.node('nodea').portIndex('eth0')
    const cut = await prober.order({ port: 'down', indexes: [index] })
    assert.ok(cut.doneNs >= cut.atNs && cut.doneNs - cut.atNs < 1e9)
    const { atNs: later } = await prober.mark('later')
    assert.deepEqual(of(events, 'answer').filter((event) => event.t > cut.doneNs + 50e6 && event.t < later), [])
    const carrier = await lab.node('nodea').exec(['cat', '/sys/class/net/eth0/carrier'])
    assert.equal(carrier.out.trim(), '1')
    const healed = await prober.order({ port: 'up', indexes: [index] })
    await seen('answer', (event) => event.t > healed.doneNs)
    const sleeper = lab.node('nodea').spawn(['sleep', '1000'], { stdio: 'ignore' })
    const pids = (): number[] => lab.node('nodea').processes().filter((pid) => pid !== lab.node('nodea').pid)
    assert.ok(await until(() => pids().length >= 2, 5_000))
    await prober.order({ stop: pids() })
    await prober.order({ cont: pids() })
    lab.node('nodea').thaw() // whoever waits for them outside stopped with them
    await prober.order({ kill: pids() })
    assert.ok(await until(() => pids().length === 0, 5_000))
    assert.ok(sleeper.pid !== undefined)
    await assert.rejects(prober.order({ port: 'down', indexes: [999_999] }), /errno/)
  })
})

test('heartbeats that stay away are told, for each sender', needsLab, async () => {
  const beat = (pauseS: number): string => 'import socket,time;s=socket.socket(2,2)\n' +
    `for p in [.005]*20+[${pauseS}]+[.005]*20: s.sendto(b"x",("10.78.0.9",694));time.sleep(p)`
  await withLab({ name: 'gaps', nodes: ['nodea', 'nodeb'] }, async (lab) => {
    const events: ProbeEvent[] = []
    const prober = await startProber({
      nodes: lab.allNodes(), client: lab.client, gaps: { space: lab.switch, interface: 'br1', leastUs: 250_000 },
      onEvent: (event) => events.push(event),
    })
    const neighbour = ['ip', 'neigh', 'replace', '10.78.0.9', 'lladdr', 'ff:ff:ff:ff:ff:ff', 'dev', 'eth1']
    for (const node of lab.allNodes()) assert.equal((await node.exec(neighbour)).rc, 0)
    for (const [name, pauseS] of [['nodea', 0.3], ['nodeb', 0.01]] as const) {
      assert.equal((await lab.node(name).exec(['python3', '-c', beat(pauseS)])).rc, 0)
    }
    assert.ok(await until(() => of(events, 'gap').length > 0, 5_000))
    await prober.stop()
    const mac = (await lab.node('nodea').exec(['cat', '/sys/class/net/eth1/address'])).out.trim()
    const [gap] = of(events, 'gap')
    assert.equal(gap?.mac, mac)
    assert.ok(gap !== undefined && gap.ns > 290e6 && gap.ns < 5e9, String(gap?.ns))
  })
})

test('connections are probed as datagrams are, and pings without a name', needsLab, async () => {
  for (const kind of ['tcp', 'icmp'] as const) {
    await withScene({ target: { kind, address: vip, port }, brief: true }, async ({ give, seen }) => {
      await give('nodeb')
      const answer = await seen('answer', () => true)
      assert.equal(answer.from, kind === 'tcp' ? 'nodeb' : null)
    })
  }
})
