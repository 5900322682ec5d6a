// Single rules of the configuration, one fact per test. Findings as text are in test/golden/config.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, findings, kGoodHaCf, kLabHost, load, withLines } from './support.js'

test('times are seconds, fractions, milliseconds and microseconds', () => {
  const { timing } = accepted(
    withLines('keepalive .25', 'deadtime 1.5', 'warntime 900MS', 'initdead 12000000us'),
  )
  assert.deepEqual(
    [timing.keepaliveUs, timing.deadtimeUs, timing.warntimeUs, timing.initdeadUs].map(Number),
    [250_000, 1_500_000, 900_000, 12_000_000],
  )
})

const kInitdead = [
  ['2', 12],
  ['5.9', 12],
  ['6', 12],
  ['10', 20],
  ['11', 11],
  ['30', 30],
] as const
for (const [deadtime, initdead] of kInitdead) {
  test(`initdead is ${initdead} s with deadtime ${deadtime}`, () => {
    const { timing } = accepted({
      haCf: `keepalive 500ms\ndeadtime ${deadtime}\nbcast eth0 eth1\nauto_failback on\nnode alpha beta\n`,
    })
    assert.equal(timing.initdeadUs, initdead * 1_000_000)
  })
}

test('warntime and deadping follow deadtime', () => {
  const { timing } = accepted({ haCf: 'deadtime 10\nbcast eth0 eth1\nauto_failback on\nnode alpha beta\n' })
  assert.deepEqual([timing.warntimeUs, timing.deadpingUs].map(Number), [5_000_000, 10_000_000])
})

test('deadtime must be above twice keepalive, not equal to it', () => {
  assert.equal(load(withLines('deadtime 200ms')).config, null)
  assert.notEqual(load(withLines('deadtime 201ms')).config, null)
})

test('each UDP link has the port of the udpport line above it', () => {
  const { links } = accepted({
    haCf: 'bcast eth0\nudpport 700\nbcast eth1\nmcast eth0 239.0.0.1 701 1 0\nauto_failback on\nnode alpha beta\n',
  })
  assert.deepEqual(
    links.map((link) => ('port' in link ? link.port : null)),
    [694, 700, 701],
  )
})

test('each serial link has the speed of the baud line above it', () => {
  const { links } = accepted(withLines('serial /dev/ttyS0', 'baud 115200', 'serial /dev/ttyS1'))
  assert.deepEqual(
    links.flatMap((link) => (link.type === 'serial' ? [link.baud] : [])),
    [19_200, 115_200],
  )
})

test('ping names stay as written, their address comes from the hosts file', () => {
  const { links } = accepted({ ...withLines('ping router'), host: kLabHost, haresources: '' })
  const hosts = links.flatMap((link) => (link.type === 'ping' ? [[link.name, link.hosts]] : []))
  assert.deepEqual(hosts, [['router', ['10.9.9.254']]])
})

test('node names are lower-cased, on both sides', () => {
  const haCf = kGoodHaCf.replace('node alpha beta', 'node Alpha, BETA')
  const config = accepted({ haCf, self: 'ALPHA', haresources: 'BETA 10.9.9.9\n' })
  assert.deepEqual([config.self, ...config.nodes, config.groups[0]?.home].map(String), [
    'alpha',
    'alpha',
    'beta',
    'beta',
  ])
})

test('without a log directive the log goes to syslog, facility daemon', () => {
  const config = accepted({ haCf: kGoodHaCf.replace('logfile /var/log/ha-log\n', '') })
  assert.equal(config.log.facility, 'daemon')
})

test('logfacility none is no syslog', () => {
  assert.equal(accepted(withLines('logfacility none')).log.facility, null)
})

test('a missing auto_failback is legacy with a warning', () => {
  const files = { haCf: kGoodHaCf.replace('auto_failback on\n', '') }
  assert.equal(accepted(files).autoFailback, 'legacy')
  assert.match(findings(files, 'warning').join('\n'), /TB_CONFIG_COMPATIBILITY auto_failback is not set/)
})

test('a # inside a key is part of the key', () => {
  const { auth } = accepted({ authkeys: 'auth 1\n1 sha1 k#0123456789abcdef\n' })
  assert.equal(auth.keys[0]?.key, 'k#0123456789abcdef')
})

test('the last of two lines with one number is the key', () => {
  const { auth } = accepted({ authkeys: 'auth 1\n1 sha1 first-0123456789\n1 md5 second-0123456789\n' })
  assert.deepEqual(auth, { signIndex: 1, keys: [{ index: 1, method: 'md5', key: 'second-0123456789' }] })
})

test('no finding about authkeys shows any part of a key', () => {
  const secret = 'correct-horse-battery'
  const lines = [
    `1 sha1 ${secret} x`,
    `1 ${secret}`,
    secret,
    `1 crc ${secret}`,
    `a ${secret}`,
    `auth ${secret}`,
    `1 sha1,${secret}`,
    `#1 sha1 ${secret}`,
    `16 sha1 ${secret}`,
    `1 sha-1 ${secret}`,
  ]
  for (const line of lines) {
    const { diagnostics } = load({ authkeys: `auth 1\n${line}\n` })
    assert.ok(!JSON.stringify(diagnostics).includes('horse'), line)
  }
})

test('stonith stops the start, a watchdog does not', () => {
  assert.equal(load(withLines('stonith null /etc/x')).config, null)
  const config = accepted(withLines('watchdog /dev/watchdog'))
  assert.deepEqual(config.watchdog, { device: '/dev/watchdog', timeoutS: 10 })
})

test('a program of failfast is one of respawn whose death resets the machine', () => {
  const { respawn } = accepted(withLines('respawn root /bin/true', 'failfast root /bin/true'))
  assert.deepEqual(respawn.map(({ failfast }) => failfast), [false, true])
})

test('what the operator accepted to run without is recorded', () => {
  const config = accepted({
    ...withLines('stonith null /etc/x', 'respawn hacluster /usr/lib/heartbeat/ipfail'),
    acceptWithout: ['watchdog', 'stonith', 'ipfail'],
  })
  assert.deepEqual(config.acceptedWithout, ['stonith', 'ipfail'])
})

test('an accepted ipfail is not respawned', () => {
  const config = accepted({
    ...withLines('respawn hacluster /usr/lib/heartbeat/ipfail'),
    acceptWithout: ['ipfail'],
  })
  assert.deepEqual([config.respawn, config.acceptedWithout], [[], ['ipfail']])
})

test('a respawned user program keeps commas in its arguments', () => {
  const [entry] = accepted(withLines('respawn root /bin/prog -o a,b')).respawn
  assert.deepEqual([entry?.user, entry?.path, entry?.args], ['root', '/bin/prog', ['-o', 'a,b']])
})

test('bare addresses, IPaddr and IPaddr2 go to the engine; address_agent script leaves them to scripts', () => {
  const haresources = 'alpha 10.9.9.9 IPaddr::10.9.9.8/24 IPaddr2::10.9.9.7/24/eth0:2/10.9.9.255 httpd\n'
  const by = (twinbeatCf: string | null) =>
    accepted({ haresources, twinbeatCf }).groups[0]?.members.map((member) => member.by)
  assert.deepEqual(by(null), ['engine', 'engine', 'engine', 'agent'])
  assert.deepEqual(by('address_agent script\n'), ['agent', 'agent', 'agent', 'agent'])
})

test('an address with label and broadcast is taken apart', () => {
  const [group] = accepted({ haresources: 'alpha IPaddr2::10.9.9.7/24/eth0:2/10.9.9.255\n' }).groups
  assert.deepEqual(group?.members[0]?.address, {
    family: 4,
    address: '10.9.9.7',
    prefix: 24,
    interface: 'eth0',
    label: 'eth0:2',
    broadcast: '10.9.9.255',
  })
})

test('an IPv6 address survives the separator it contains', () => {
  const [group] = accepted({ haresources: 'alpha IPv6addr::2001:DB8::7/64/eth0\n' }).groups
  assert.deepEqual(group?.members[0]?.address, {
    family: 6,
    address: '2001:db8::7',
    prefix: 64,
    interface: 'eth0',
    label: null,
    broadcast: null,
  })
})

test('an address agent with arguments of its own stays an agent', () => {
  const [group] = accepted({ haresources: 'alpha IPaddr2::10.9.9.7/24::extra\n' }).groups
  assert.deepEqual([group?.members[0]?.by, group?.members[0]?.address], ['agent', null])
})

test('agent gives a word of haresources an OCF agent', () => {
  const [group] = accepted({
    haresources: 'alpha 10.9.9.9 web\n',
    twinbeatCf: 'agent web ocf:heartbeat:nginx port=80 options=-q,-c\n',
  }).groups
  const ocf = group?.members[1]?.ocf
  assert.deepEqual(
    [ocf?.provider, ocf?.type, ocf?.params],
    [
      'heartbeat',
      'nginx',
      [
        ['port', '80'],
        ['options', '-q,-c'],
      ],
    ],
  )
})

test('a comment ends a continued line', () => {
  const files = { haresources: 'alpha 10.9.9.9 one \\\n# two \\\n three\n' }
  assert.match(findings(files, 'error').join('\n'), /'three' is not a node/)
})

test('a continued line keeps the places of its words', () => {
  const [group] = accepted({ haresources: 'alpha 10.9.9.9 \\\n  one \\\n\ttwo\n' }).groups
  assert.deepEqual(
    group?.members.map(({ word, at }) => [word, at.line, at.column]),
    [
      ['10.9.9.9', 1, 7],
      ['one', 2, 3],
      ['two', 3, 2],
    ],
  )
})

test('a repeated word in a group gets an id of its own', () => {
  const [group] = accepted({ haresources: 'alpha 10.9.9.9 delay::5 httpd delay::5\n' }).groups
  assert.deepEqual(
    group?.members.map((member) => member.id),
    ['10.9.9.9', 'delay::5', 'httpd', 'delay::5#2'],
  )
})

test('monitor is attached to its group', () => {
  const [group] = accepted({
    haresources: 'alpha 10.9.9.9 web\n',
    twinbeatCf: 'monitor 10.9.9.9 every 10s failures 3\n',
  }).groups
  assert.deepEqual(group?.monitor, { everyUs: 10_000_000, failures: 3 })
})

test('scripts get the directives that heartbeat passes, as written or by default', () => {
  const directives = new Map(accepted(withLines('coredumps true')).directives)
  const wanted = {
    keepalive: '100ms',
    deadtime: '1',
    warntime: '500ms',
    deadping: '1000ms',
    auto_failback: 'on',
    baud: '19200',
    udpport: '700',
    cluster: 'linux-ha',
    realtime: 'true',
    msgfmt: 'classic',
    hopfudge: '1',
    memreserve: '6500',
  }
  for (const [name, value] of Object.entries(wanted)) assert.equal(directives.get(name), value, name)
  for (const name of ['rtprio', 'use_logd', 'watchdog', 'logfacility'])
    assert.equal(directives.has(name), false, name)
})

test('core files are written only where ha.cf says so', () => {
  assert.equal(accepted({}).process.coredumps, false)
  assert.equal(accepted(withLines('coredumps on')).process.coredumps, true)
})

test('realtime_priority of twinbeat.cf goes before rtprio', () => {
  const config = accepted({ ...withLines('rtprio 5'), twinbeatCf: 'realtime_priority 40\n' })
  assert.equal(config.process.realtimePriority, 40)
})

test('the digest of a file ignores blanks and comments', () => {
  const plain = accepted({}).files
  const noisy = accepted({ haCf: `# comment\n\n${kGoodHaCf.replaceAll('\n', '   # more\n')}` }).files
  assert.equal(noisy.haCf, plain.haCf)
})

test('the digest of authkeys does not depend on the keys', () => {
  const digest = (key: string) => accepted({ authkeys: `auth 1\n1 sha1 ${key}\n` }).files.authkeys
  assert.equal(digest('one-0123456789abcdef'), digest('two-0123456789abcdef'))
})

test('two hundred findings are enough', () => {
  const { diagnostics } = load({ haCf: 'wrong x\n'.repeat(500) })
  assert.equal(diagnostics.length, 201)
  assert.equal(diagnostics.at(-1)?.code, 'TB_CONFIG_TOO_MANY')
})
