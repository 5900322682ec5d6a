import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { enabledAtBoot } from '../../src/lrm/boot.js'
import { defaultPlaces } from '../../src/lrm/places.js'
import { AGENT_CLASSES, agentClass } from '../../src/lrm/registry.js'
import { resolveMember } from '../../src/lrm/resolve.js'
import type { AgentPlaces, MemberWord, ResolvedMember } from '../../src/lrm/types.js'
import { Workshop } from './fixture.js'

const word = (name: string, more: Partial<MemberWord> = {}): MemberWord => ({
  id: name,
  name,
  args: [],
  address: null,
  by: 'agent',
  ocf: null,
  ...more,
})

const address = {
  family: 4,
  address: '192.0.2.100',
  prefix: 24,
  interface: 'eth0',
  label: 'eth0:7',
  broadcast: null,
} as const
const at = { file: 'twinbeat.cf', line: 1, column: 1 }

class Tree {
  readonly shop: Workshop
  readonly places: AgentPlaces

  constructor(t: TestContext) {
    this.shop = new Workshop(t)
    const dirs = ['private', 'etc', 'local', 'init', 'systemd-high', 'systemd-low', 'ocf/heartbeat']
    for (const dir of dirs) mkdirSync(this.shop.path(dir), { recursive: true })
    this.places = {
      heartbeatDirs: ['private', 'etc', 'local'].map((dir) => this.shop.path(dir)),
      lsbDirs: [this.shop.path('init')],
      systemdDirs: ['systemd-high', 'systemd-low'].map((dir) => this.shop.path(dir)),
      ocfDir: this.shop.path('ocf'),
    }
  }

  put(...paths: string[]): void {
    for (const path of paths)
      this.shop.script(path, 'exit 0', path.startsWith('systemd') ? 0o644 : 0o755)
  }

  resolve(member: MemberWord): ResolvedMember {
    return resolveMember(member, 'key', this.places)
  }

  gist(member: MemberWord): string {
    const found = this.resolve(member)
    if (found.kind === 'address') return `address ${found.address.address}`
    if (found.kind === 'unresolved')
      return `unresolved: ${found.reason.replaceAll(this.shop.dir, 'DIR')}`
    return `${found.target.class} ${found.target.path.replace(`${this.shop.dir}/`, '')}`
  }
}

test('a word is searched in resource.d folders, then init scripts, then units', (t) => {
  const tree = new Tree(t)
  const order = [
    'systemd-low/web.service',
    'systemd-high/web.service',
    'init/web',
    'local/web',
    'etc/web',
    'private/web',
  ]
  const classes = ['systemd', 'systemd', 'lsb', 'heartbeat', 'heartbeat', 'heartbeat']
  for (const [i, path] of order.entries()) {
    tree.put(path)
    assert.equal(tree.gist(word('web')), `${classes[i]} ${path}`)
  }
})

test('the folder of the given configuration comes first, none is searched twice', () => {
  assert.deepEqual(defaultPlaces('/srv/ha').heartbeatDirs, [
    '/srv/ha/resource.d',
    '/etc/ha.d/resource.d',
    '/usr/local/etc/ha.d/resource.d',
  ])
  assert.deepEqual(defaultPlaces('/etc/ha.d').heartbeatDirs, [
    '/etc/ha.d/resource.d',
    '/usr/local/etc/ha.d/resource.d',
  ])
})

test('arguments and a name for the queue reach the target', (t) => {
  const tree = new Tree(t)
  tree.put('etc/fs')
  const found = tree.resolve(word('fs', { id: 'fs::a::b', args: ['a', 'b'] }))
  assert.ok(found.kind === 'agent')
  assert.deepEqual([found.target.id, ...found.target.args], ['key/fs::a::b', 'a', 'b'])
})

test('what resolves to nothing lists every place in order', (t) => {
  const tree = new Tree(t)
  const found = tree.resolve(word('nothing'))
  assert.ok(found.kind === 'unresolved')
  const tried = found.tried.map((path) => path.replace(`${tree.shop.dir}/`, ''))
  assert.deepEqual(tried, [
    'private/nothing',
    'etc/nothing',
    'local/nothing',
    'init/nothing',
    'systemd-high/nothing.service',
    'systemd-low/nothing.service',
  ])
  assert.equal(found.reason, "no agent 'nothing' on this machine")
})

test('a file that is not executable is named, and a later usable one wins over it', (t) => {
  const tree = new Tree(t)
  tree.shop.script('private/web', 'exit 0', 0o644)
  assert.equal(
    tree.gist(word('web')),
    "unresolved: 'web' cannot be used: DIR/private/web (not executable)",
  )
  tree.put('init/web')
  assert.equal(tree.gist(word('web')), 'lsb init/web')
})

test('names that leave the folder or hide are no agents', (t) => {
  const tree = new Tree(t)
  for (const name of ['../etc/web', '/bin/sh', '.hidden', '', 'a b', '-rf']) {
    assert.equal(tree.gist(word(name)), `unresolved: '${name}' is not a name of an agent`)
  }
})

test('a masked unit is not used, whatever lies below the mask', (t) => {
  const tree = new Tree(t)
  tree.put('systemd-low/web.service')
  symlinkSync('/dev/null', tree.shop.path('systemd-high/web.service'))
  assert.match(tree.gist(word('web')), /^unresolved: .*systemd-high\/web\.service \(masked\)$/)
})

test('a unit made from a template is found by its template', (t) => {
  const tree = new Tree(t)
  tree.put('systemd-low/web@.service')
  const found = tree.resolve(word('web@one'))
  assert.ok(found.kind === 'agent')
  assert.equal(found.target.name, 'web@one.service')
})

test('a unit takes no arguments', (t) => {
  const tree = new Tree(t)
  tree.put('systemd-low/web.service')
  assert.match(tree.gist(word('web', { args: ['x'] })), /takes no arguments/)
})

test('an address for the engine stays an address, whatever scripts there are', (t) => {
  const tree = new Tree(t)
  tree.put('etc/IPaddr')
  assert.equal(tree.gist(word('IPaddr', { address, by: 'engine' })), 'address 192.0.2.100')
  assert.equal(tree.gist(word('IPaddr', { address, by: 'agent' })), 'heartbeat etc/IPaddr')
})

test('an address by script works without the scripts of the original, by the OCF agent', (t) => {
  const tree = new Tree(t)
  assert.match(tree.gist(word('IPaddr', { address })), /^unresolved: no agent 'IPaddr'/)
  tree.put('ocf/heartbeat/IPaddr2')
  const found = tree.resolve(word('IPaddr', { address }))
  assert.ok(found.kind === 'agent')
  assert.equal(found.target.class, 'ocf')
  assert.deepEqual(found.target.parameters, {
    ip: '192.0.2.100',
    cidr_netmask: '24',
    nic: 'eth0',
    iflabel: '7',
  })
})

test('a declared OCF agent is used before anything of the same name', (t) => {
  const tree = new Tree(t)
  tree.put('etc/web', 'ocf/heartbeat/apache')
  const ocf = {
    name: 'web',
    provider: 'heartbeat',
    type: 'apache',
    params: [['port', '80']],
    at,
  } as const
  assert.equal(tree.gist(word('web', { ocf })), 'ocf ocf/heartbeat/apache')
  assert.match(
    tree.gist(word('web', { ocf: { ...ocf, type: 'nginx' } })),
    /unresolved: the OCF agent '.*nginx' is missing/,
  )
  assert.match(
    tree.gist(word('web', { ocf: { ...ocf, provider: '../etc' } })),
    /is not a name of an agent/,
  )
})

test('each class lists its names, hidden and plain files left out', (t) => {
  const tree = new Tree(t)
  tree.put(
    'etc/b',
    'private/a',
    'etc/a',
    'etc/.c',
    'init/d',
    'systemd-low/e.service',
    'ocf/heartbeat/F',
  )
  writeFileSync(tree.shop.path('etc/readme'), '')
  const lists = AGENT_CLASSES.map((row) => row.list(tree.places))
  assert.deepEqual(lists, [['a', 'b'], ['d'], ['heartbeat:F'], ['e.service']])
  for (const row of AGENT_CLASSES) assert.equal(agentClass(row.name), row)
})

test('a service that the system starts at boot is found by its links', (t) => {
  const tree = new Tree(t)
  tree.put('systemd-low/web.service', 'init/old')
  mkdirSync(tree.shop.path('systemd-high/multi-user.target.wants'))
  mkdirSync(tree.shop.path('rc3.d'))
  const links = (name: string): string[] => {
    const found = tree.resolve(word(name))
    assert.ok(found.kind === 'agent')
    return enabledAtBoot(found.target, tree.places, tree.shop.dir).map((path) =>
      path.replace(`${tree.shop.dir}/`, ''),
    )
  }
  assert.deepEqual([links('web'), links('old')], [[], []])
  symlinkSync('../web.service', tree.shop.path('systemd-high/multi-user.target.wants/web.service'))
  symlinkSync('../init/old', tree.shop.path('rc3.d/S01old'))
  assert.deepEqual(
    [links('web'), links('old')],
    [['systemd-high/multi-user.target.wants/web.service'], ['rc3.d/S01old']],
  )
})
