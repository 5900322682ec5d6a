// Everything that can be broken around a daemon: one clear line and a defined behaviour each, never a stack
// trace. Real daemons in namespaces, several cases side by side.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labObstacle } from '../../lab/lab.js'
import { until } from '../../lab/processes.js'
import type { StatusReport } from '../../src/control/report.js'
import { assertPlain, groupKey, names, vip, withOne, withPair, type Machine } from './failures-support.js'

const obstacle = await labObstacle()
const suite = { concurrency: 5, skip: obstacle ?? false, timeout: 300_000 }

const addEth7 = 'ip link add eth7 type veth peer name eth8 && ip link set eth8 up && ' +
  'ip addr add 10.79.0.1/24 dev eth7 && ip link set eth7 up'

async function startBoth(a: Machine, b: Machine): Promise<void> {
  await Promise.all([a.start(), b.start()])
  await a.holds()
}

describe('a daemon that cannot start says why in one line', suite, () => {
  it('folders, links, rivals, twins and configured addresses', async () => {
    await withOne('refuse', async (one) => {
      one.write({})
      assert.match(await one.refused(2, { args: ['--run-dir', '/proc/nowhere'] }), /TB_RUN_DIR: .*'\/proc\/nowhere'/)
      assert.match(await one.refused(2, { stateDir: '/proc/nowhere' }), /TB_STATE_WRITE: .*'\/proc\/nowhere'/)
      one.write({ links: ['bcast eth7', 'serial /run/ttyS7'] })
      const links = await one.refused(1)
      assert.match(links, /no interface 'eth7' on this machine, and no other heartbeat link is usable/)
      assert.match(links, /no device '\/run\/ttyS7', and no other heartbeat link is usable/)
      one.write({})
      const made = await one.node.exec(['sh', '-c', 'mkdir -p /run/systemd/network && ' +
        `printf '[Network]\\nAddress=${vip}/24\\n' > /run/systemd/network/10-vip.network`])
      assert.equal(made.rc, 0, made.err)
      assert.match(await one.refused(3), new RegExp(`TB_ADDRESS_CONFIGURED: .*${vip}.*/run/systemd/network/10-vip.network:2`))
      await one.node.exec(['rm', '-r', '/run/systemd'])
      await one.node.exec(['cp', '/bin/sleep', '/run/heartbeat/heartbeat'])
      const rival = one.node.spawn(['/run/heartbeat/heartbeat', '60'], { stdio: 'ignore' })
      assert.match(await one.refused(3), /TB_FOREIGN_MANAGER: .*heartbeat \(pid \d+\)/)
      rival.kill('SIGKILL')
      await one.node.exec(['sh', '-c', 'kill -9 $(pidof heartbeat)'])
      await one.start()
      assert.match(await one.refused(3), /TB_ALREADY_RUNNING: another twinbeatd holds '\/run\/twinbeat\/lock'/)
      assert.match(await one.refused(3, { args: ['--run-dir', '/run/second'] }), /TB_ALREADY_RUNNING: .*twinbeatd \(pid \d+\)/)
      await one.holds()
    })
  })

  it('SIGTERM during the start ends it, with nothing left', async () => {
    await withOne('early-term', async (one) => {
      one.write({})
      for (const afterMs of [30, 250, 500, 800]) {
        const child = one.launch()
        await until(() => child.exitCode !== null, afterMs, afterMs)
        one.kill('SIGTERM')
        // Before it has its name it is a node like any other; a helper may be gone between the look and the signal.
        for (const pid of one.node.processes()) if (pid !== one.node.pid && child.exitCode === null) one.tell(pid, 'SIGTERM')
        await one.exitCode()
        assert.equal(await one.hasAddress(), false)
        assert.deepEqual(one.daemonPids(), [])
      }
    })
  })
})

describe('agents that misbehave', suite, () => {
  it('an agent that is missing on one node: check says error, the daemon runs, the peer has the group', async () => {
    await withPair('missing', async (a, b) => {
      for (const machine of [a, b]) machine.write({ members: ['web'] })
      b.agent('web')
      const check = await a.tool('check', '--ha-dir', a.node.folders.haD, '--name', names[0])
      assert.equal(check.rc, 1, check.out)
      assert.match(check.out, /web: error: /)
      await Promise.all([a.start(), b.start()])
      await b.holds()
      assert.equal(await a.hasAddress(), false)
      assert.match(await a.line(/ERROR: resource\.unresolved/), /'web' is nothing on this machine: .*looked at .*resource\.d/)
      assert.match(await a.warnings(), /cannot start on this node: 'web' is nothing/)
    })
  })

  it('a start that hangs is given up after its timeout, the peer takes the group', async () => {
    await withPair('hang-start', async (a, b) => {
      for (const machine of [a, b]) machine.write({ members: ['web'], twinbeatCf: ['start_timeout 1s', 'stop_timeout 5s'] })
      a.agent('web', { start: 'sleep 1000' })
      b.agent('web')
      await Promise.all([a.start(), b.start()])
      await b.holds()
      assert.equal(await a.hasAddress(), false)
      assert.match(await a.line(/ERROR: start\.failed/), /web did not start: start gave no result within 1000 ms and was ended/)
    })
  })

  it('a stop that hangs: retries, then a named blocked state; nobody else starts it', async () => {
    await withPair('hang-stop', async (a, b) => {
      const twinbeatCf = ['stop_timeout 1s', 'stop_retry_max 2', 'stop_failure block']
      for (const machine of [a, b]) machine.write({ members: ['web'], twinbeatCf })
      a.agent('web', { stop: 'sleep 1000' })
      b.agent('web')
      await startBoth(a, b)
      await b.when('sees nodea', ({ nodes }) => nodes.some((node) => node.name === 'nodea' && node.status === 'active'))
      const standby = await a.tool('standby', '--timeout', '25s')
      assert.notEqual(standby.rc, 0)
      await a.when('is blocked', ({ groups }) => groups[0]?.state === 'blocked')
      assert.match(await a.warnings(), /could not be stopped and is blocked/)
      assert.match(await a.line(/ERROR: stop\.blocked/), /web cannot be stopped; it is never started elsewhere/)
      const stop = await a.tool('stop', '--timeout', '20s')
      assert.match(stop.err, /TB_STOP_BLOCKED|TB_BUSY/)
      assert.deepEqual(b.calls().filter((call) => call === 'web start'), [])
      assert.equal(await b.hasAddress(), false)
    })
  })

  it('a stop that fails for good resets the machine; the peer takes over after the dead time', async () => {
    await withPair('reset', async (a, b) => {
      for (const machine of [a, b]) machine.write({ members: ['web'], twinbeatCf: ['stop_retry_max 2'] })
      a.agent('web', { stop: 'exit 1' })
      b.agent('web')
      await startBoth(a, b)
      const off = new Promise<void>((resolve) => { a.node.once('off', () => { resolve() }) })
      const standby = a.tool('standby')
      await off
      await standby
      await b.holds()
      assert.deepEqual(b.calls().filter((call) => call === 'web start'), ['web start'])
      await a.line(/CRIT: daemon\.reset: .*web cannot be stopped/)
    })
  })

  it('a reset_command comes first; when the machine survives it, reboot(2) ends it', async () => {
    await withPair('reset-command', async (a, b) => {
      const twinbeatCf = ['stop_retry_max 1', 'reset_command /bin/sh -c false']
      for (const machine of [a, b]) machine.write({ members: ['web'], twinbeatCf })
      a.agent('web', { stop: 'exit 1' })
      b.agent('web')
      await startBoth(a, b)
      const off = new Promise<void>((resolve) => { a.node.once('off', () => { resolve() }) })
      const standby = a.tool('standby')
      await off
      await standby
      await b.holds()
      await a.line(/ERROR: reset\.survived: reset_command '\/bin\/sh' ended with status 1: falling back to reboot\(2\)/)
    })
  })

  it('no right to reboot: the group stays blocked, the heartbeats go on, the peer leaves it alone', async () => {
    await withPair('no-reboot', async (a, b) => {
      for (const machine of [a, b]) machine.write({ members: ['web'], twinbeatCf: ['stop_retry_max 1'] })
      a.agent('web', { stop: 'exit 1' })
      b.agent('web')
      await Promise.all([a.start({ prefix: ['setpriv', '--bounding-set', '-sys_boot'] }), b.start()])
      await a.holds()
      assert.match(await a.warnings(), /no right to reset this machine \(CAP_SYS_BOOT\)/)
      const standby = a.tool('standby', '--timeout', '5s')
      await a.when('says that it could not be reset', ({ warnings }) => warnings.some((text) => /could not be reset/.test(text)))
      await standby
      const stop = await a.tool('stop')
      assert.match(stop.err, /TB_RESET_FAILED/)
      const report = await b.when('hears nodea', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      assert.notEqual(report.groups[0]?.state, 'held')
      assert.equal(await b.hasAddress(), false)
    })
  })

  it('an agent that lies or prints 10 MB: believed once, found out by the monitor, bounded in the log', async () => {
    await withPair('liar', async (a, b) => {
      const twinbeatCf = [`monitor ${groupKey} every 1s failures 1`]
      for (const machine of [a, b]) machine.write({ members: ['noise', 'liar'], twinbeatCf })
      for (const machine of [a, b]) {
        machine.agent('noise', { start: 'touch /run/service-noise; head -c 10000000 /dev/urandom; yes | head -c 5000000 >&2' })
      }
      a.agent('liar', { start: 'exit 0', status: 'echo stopped; exit 3' })
      b.agent('liar')
      await startBoth(a, b)
      await b.holds(30_000)
      await a.line(/WARN: monitor\.failed: .*liar is stopped/)
      assert.equal(await a.hasAddress(), false)
      assert.ok(a.log().length < 200_000, `the log has ${String(a.log().length)} bytes`)
    })
  })
})

describe('disks that are full or hang', suite, () => {
  it('a full state folder: the daemon starts and says what it costs; no hand-over until there is space', async () => {
    await withPair('state-full', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      const disk = '/run/small'
      const made = await a.node.exec(['sh', '-c', `mkdir ${disk} && mount -t tmpfs -o size=64k tmpfs ${disk} && mkdir ${disk}/state && ` +
        `dd if=/dev/zero of=${disk}/fill bs=4k 2>/dev/null; df ${disk}`])
      assert.match(made.out, /100%/)
      await Promise.all([a.start({ stateDir: `${disk}/state` }), b.start()])
      await a.holds()
      assert.match(await a.line(/WARN: state\.unwritable: cannot store the generation/), /ENOSPC.*free space/)
      assert.match(await a.warnings(), /the state folder '\/run\/small\/state' cannot be written .*no group is handed over/)
      const refused = await a.tool('standby', '--timeout', '10s')
      assert.notEqual(refused.rc, 0)
      await a.line(/ERROR: state\.unwritable: cannot store 'handover:.*ENOSPC/)
      assert.equal((await a.group())?.state, 'held')
      assert.equal(await b.hasAddress(), false)
      await a.node.exec(['rm', `${disk}/fill`])
      const done = await a.tool('standby', '--timeout', '20s')
      assert.equal(done.rc, 0, done.err)
      await b.holds()
    })
  })

  it('a log that is a fifo without a reader, and a full log disk, delay nothing', async () => {
    await withPair('log-hangs', async (a, b) => {
      a.write({})
      b.write({ logfile: '/run/log-fifo', haCf: ['debugfile /run/small/debug'] })
      const made = await b.node.exec(['sh', '-c', 'mkfifo /run/log-fifo && mkdir /run/small && ' +
        'mount -t tmpfs -o size=16k tmpfs /run/small && dd if=/dev/zero of=/run/small/fill bs=4k 2>/dev/null; df /run/small'])
      assert.match(made.out, /100%/)
      await startBoth(a, b)
      await b.when('sees nodea', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      a.node.kill(a.daemonPids())
      await b.holds(10_000)
      const report = await b.when('counts lost lines', ({ logLinesDropped }) => logLinesDropped > 0)
      assert.match(report.warnings.join('\n'), /log lines are lost: '\/run\/log-fifo' cannot be written: ENXIO/)
      assert.match(report.warnings.join('\n'), /log lines are lost: '\/run\/small\/debug' cannot be written: ENOSPC/)
      const beganAt = performance.now()
      b.kill('SIGTERM')
      await b.exitCode()
      assert.ok(performance.now() - beganAt < 8000)
    })
  })
})

describe('links that cannot be used', suite, () => {
  it('a port that another program holds: one line, the other link goes on, tried again', async () => {
    await withPair('port', async (a, b) => {
      const links = ['bcast eth1', 'udpport 1694', 'bcast eth0']
      for (const machine of [a, b]) machine.write({ links })
      const squatter = a.node.spawn(['socat', '-u', 'UDP4-RECV:694', '-'], { stdio: 'ignore' })
      await until(async () => (await a.node.exec(['ss', '-uln'])).out.includes(':694'), 5000)
      await startBoth(a, b)
      const report = await a.when('hears nodeb', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      const link = report.links.find(({ name }) => name === 'eth1')
      assert.equal(link?.open, false)
      assert.match(link.problem, /EADDRINUSE: another program holds its UDP port/)
      await a.line(/WARN: link\.failed: eth1 cannot be used, EADDRINUSE: .*ss -ulpn.*tried again/)
      await a.node.exec(['sh', '-c', 'kill $(pidof socat)'])
      squatter.kill('SIGKILL')
      await a.when('opens eth1', ({ links: now }) => now.every(({ open }) => open), 10_000)
      await a.line(/info: link\.opened: eth1 is open/)
    })
  })

  it('an interface or a serial device that is missing, comes, goes and comes again', async () => {
    await withPair('interface', async (a, b) => {
      const links = ['bcast eth1', 'bcast eth7', 'serial /run/ttyS7']
      for (const machine of [a, b]) machine.write({ links })
      await startBoth(a, b)
      const opened = (open: boolean) => async (): Promise<void> => {
        const isSo = ({ links: now }: StatusReport): boolean => now.some((link) => link.name === 'eth7' && link.open === open)
        await a.when(`has eth7 ${open ? 'open' : 'closed'}`, isSo, 10_000)
      }
      const report = await a.when('closed links', ({ links: now }) => now.length === 3)
      assert.match(report.links.find(({ name }) => name === 'eth7')?.problem ?? '', /ENODEV: there is no such interface/)
      assert.equal(report.links.find(({ name }) => name === '/run/ttyS7')?.open, false)
      await a.line(/WARN: config\.warning: .*ha\.cf:\d+: there is no interface 'eth7' on this machine; the link stays closed/)
      await a.line(/ERROR: serial\.failed: the serial line '\/run\/ttyS7' stays closed/)
      for (const step of ['add', 'del', 'add'] as const) {
        const done = await a.node.exec(['sh', '-c', step === 'del' ? 'ip link del eth7' : addEth7])
        assert.equal(done.rc, 0, done.err)
        await opened(step === 'add')()
      }
      assert.equal((await a.group())?.state, 'held')
      assert.deepEqual((await b.status())?.nodes.map((node) => node.status), ['active', 'active'])
    })
  })
})

describe('privileges that are missing', suite, () => {
  it('no raw sockets and no real-time scheduling: one line each, the group is held all the same', async () => {
    await withOne('no-raw', async (one) => {
      one.write({ haCf: ['ping 10.77.0.254'] })
      await one.node.exec(['sysctl', '-qw', 'net.ipv4.ping_group_range=1 0'])
      await one.start({ prefix: ['setpriv', '--bounding-set', '-net_raw,-sys_nice'] })
      const report = await one.holds()
      const warnings = report.warnings.join('\n')
      assert.match(warnings, /no raw sockets \(CAP_NET_RAW\): addresses taken here are not announced/)
      assert.match(warnings, /no raw sockets \(CAP_NET_RAW\): ping nodes/)
      assert.equal(report.warnings.filter((text) => text.includes('real-time')).length, 1)
      const ping = report.links.find(({ type }) => type === 'ping')
      assert.equal(ping?.open, false)
      assert.match(ping.problem, /^(EPERM|EACCES): not permitted: twinbeatd needs root/)
      assert.equal(await one.hasAddress(), true)
      await one.line(/WARN: privilege\.missing: no raw sockets/)
    })
  })

  it("'realtime off' means no warning about it", async () => {
    await withOne('realtime-off', async (one) => {
      one.write({ haCf: ['realtime off'] })
      await one.start({ prefix: ['setpriv', '--bounding-set', '-sys_nice'] })
      assert.doesNotMatch((await one.holds()).warnings.join('\n'), /real-time/)
    })
  })

  it('no right to change addresses: the peer takes the group', async () => {
    await withPair('no-admin', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      await Promise.all([a.start({ prefix: ['setpriv', '--bounding-set', '-net_admin'] }), b.start()])
      await b.holds()
      assert.match(await a.warnings(), /no right to change addresses \(CAP_NET_ADMIN\)/)
      assert.match(await a.line(/ERROR: start\.failed/), /EPERM/)
    })
  })
})

describe('daemons that die, signals and floods', suite, () => {
  it('killed and restarted before anybody noticed: the address it left is kept or stopped, never two owners', async () => {
    await withPair('kill-fast', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      await startBoth(a, b)
      await b.when('sees nodea', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      a.killWithGuardian()
      await a.exitCode()
      assert.equal(await a.hasAddress(), true)
      await a.start()
      let both = 0
      await until(async () => {
        if ((await a.hasAddress()) && (await b.hasAddress())) both += 1
        const held = [await a.group(), await b.group()].filter((group) => group?.state === 'held')
        return held.length === 1 && (await a.hasAddress()) !== (await b.hasAddress())
      }, 15_000)
      assert.notEqual(await a.hasAddress(), await b.hasAddress(), `${a.log()}\n${b.log()}`)
      assert.ok(both <= 2, `both had the address in ${String(both)} looks`)
    })
  })

  it('killed, taken over, restarted: what it left behind is stopped because the peer claims it', async () => {
    await withPair('kill-slow', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      await startBoth(a, b)
      await b.when('sees nodea', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      a.killWithGuardian()
      await a.exitCode()
      assert.equal(await a.hasAddress(), true)
      await b.holds()
      // On a slow machine its lifetime may have ended meanwhile, which is the second line of defence.
      const left = await a.hasAddress()
      await a.start()
      assert.ok(await until(async () => !(await a.hasAddress()), 10_000), a.log())
      await a.when('is stopped', ({ groups }) => groups[0]?.state === 'stopped')
      assert.equal(await b.hasAddress(), true)
      if (left) await a.line(/group\.found: .*left-behind/)
    })
  })

  it('garbage on the control socket while a takeover runs delays nothing', async () => {
    await withPair('flood', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      await startBoth(a, b)
      await b.when('sees nodea', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      const flood = b.node.spawn(['sh', '-c', 'for i in 1 2 3 4; do (while :; do head -c 200000 /dev/urandom | ' +
        'socat -t 0 - UNIX-CONNECT:/run/twinbeat/control; done) & done; wait'], { stdio: 'ignore' })
      const killedAt = performance.now()
      a.node.kill(a.daemonPids())
      assert.ok(await until(() => b.hasAddress(), 15_000), b.log())
      const tookMs = performance.now() - killedAt
      await b.holds()
      flood.kill('SIGKILL')
      assert.ok(tookMs < 8000, `taken after ${String(tookMs)} ms`)
    })
  })

  it('SIGHUP with broken files keeps the old configuration and logs every error; a second SIGTERM changes nothing', async () => {
    await withPair('signals', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      await startBoth(a, b)
      await b.when('sees nodea', ({ nodes }) => nodes.every((node) => node.status === 'active'))
      a.write({ haCf: ['keepalive soon', 'nonsense 1'] })
      a.kill('SIGHUP')
      assert.ok(await until(() => a.log().includes('reload.refused'), 5000))
      await a.line(/ERROR: config\.error: .*ha\.cf:\d+: .*soon/)
      await a.line(/ERROR: config\.error: .*ha\.cf:\d+: .*nonsense/)
      await a.line(/ERROR: reload\.refused: .*the old configuration stays in force/)
      assert.equal((await a.group())?.state, 'held')
      a.kill('SIGTERM')
      await until(() => a.log().includes('node.stopping'), 5000, 20)
      a.kill('SIGTERM')
      assert.equal(await a.exitCode(), 0)
      assertPlain(a.output())
      await b.holds(10_000)
      assert.equal(await a.hasAddress(), false)
      await a.line(/info: stop\.repeated/)
    })
  })
})
